"""What code asks about compiling. lamina runs every operation as it is called, so the answers are fixed.

``lamina.compile`` and ``lamina.jit.script`` themselves are only there where PyTorch's switches turn them off:
``TORCH_COMPILE_DISABLE=1`` and ``PYTORCH_JIT=0``, under which both give back what they were given."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["disable", "is_compiling", "is_dynamo_compiling", "is_exporting"]


def is_compiling() -> bool:
    """Whether what runs is being compiled: no."""
    return False


def is_dynamo_compiling() -> bool:
    """Whether what runs is being traced: no."""
    return False


def is_exporting() -> bool:
    """Whether what runs is being exported: no."""
    return False


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """``fn``, which is not to be compiled and is not; without it a decorator."""
    return fn if fn is not None else lambda function: function


def _given_back(model: Any = None, *args: Any, **options: Any) -> Any:
    return model if model is not None else lambda function: function


def unless_absent(module: str, name: str) -> Any:
    """The function that gives back what it is given, where PyTorch's switch turns the compiler off.

    Raises:
        AttributeError: it is not turned off, and the name is absent.
    """
    variable, off = ("TORCH_COMPILE_DISABLE", "1") if name == "compile" else ("PYTORCH_JIT", "0")
    if os.environ.get(variable) == off:
        return _given_back
    raise AttributeError(
        f"module '{module}' has no attribute '{name}': lamina runs each operation as it is called and has no "
        f"compiler. With {variable}={off} in the environment, PyTorch's own switch, a script runs uncompiled"
    )
