"""What code asks about compiling and of compilers. lamina runs each operation as it is called, always.

So it stands where PyTorch stands with ``TORCH_COMPILE_DISABLE=1`` and ``PYTORCH_JIT=0`` in the environment,
and ``compile`` and ``jit.script`` say so in a warning when that was not asked for."""

from __future__ import annotations

import os
import warnings
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


def given_back(word: str, variable: str, off: str) -> Any:
    """What stands for a compiler: its result is its argument, which computes the same. The first call
    says so, unless ``variable``, PyTorch's own switch, is ``off`` and so the compiler was not wanted."""

    def compile(model: Any = None, *args: Any, **options: Any) -> Any:
        if os.environ.get(variable) != off and word not in _said:
            _said.add(word)
            warnings.warn(
                f"{word}: lamina runs each operation as it is called and has no compiler. The result is what "
                f"was given, and runs as before; {variable}={off} in the environment silences this",
                UserWarning,
                stacklevel=2,
            )
        return model if model is not None else lambda function: function

    compile.__name__ = compile.__qualname__ = word.rpartition(".")[2]
    return compile


_said: set[str] = set()
