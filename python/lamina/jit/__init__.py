"""What scripts say to TorchScript's compiler, which is not here: its questions are answered, and its remarks
on functions and attributes change nothing without it. ``script`` and its kin warn; see lamina.compiler."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from lamina import compiler
from lamina.nn.modules.module import Module

__all__ = [
    "Final",
    "ScriptModule",
    "annotate",
    "export",
    "ignore",
    "is_scripting",
    "is_tracing",
    "isinstance",
    "script",
    "script_if_tracing",
    "script_method",
    "trace",
    "unused",
]

T = TypeVar("T")
isinstance = isinstance  # what TorchScript had to be given in its own form


def is_scripting() -> bool:
    """Whether what runs was compiled by TorchScript: no."""
    return False


def is_tracing() -> bool:
    """Whether what runs is being traced: no."""
    return False


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """A remark for the compiler, that it should leave the function to Python; ``ignore`` or ``ignore()``."""
    return drop if callable(drop) else lambda function: function


def unused(fn: T) -> T:
    """A remark for the compiler, that the function is not called in compiled code."""
    return fn


def annotate(the_type: Any, the_value: T) -> T:
    """``the_value``, of which the compiler is told the type."""
    return the_value


def export(fn: T) -> T:
    """A remark for the compiler, that the method is to be compiled too."""
    return fn


script, script_if_tracing, script_method, trace = (
    compiler.given_back(f"jit.{word}", "PYTORCH_JIT", "0")
    for word in ("script", "script_if_tracing", "script_method", "trace")
)
ScriptModule = Module  # whose methods run as they are
