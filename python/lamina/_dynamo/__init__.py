"""What code says to PyTorch's compiler by its inner name: what ``lamina.compiler`` answers, and remarks
about tensors that a compiler would heed."""

from __future__ import annotations

from typing import Any

from lamina._dynamo import config
from lamina.compiler import disable, is_compiling

__all__ = ["config", "disable", "is_compiling", "mark_dynamic", "mark_static_address", "reset"]


def mark_static_address(t: Any, guard: bool = True) -> None:
    """A remark for the compiler, that ``t`` stays where it is in memory."""


def mark_dynamic(t: Any, index: Any, **limits: Any) -> None:
    """A remark for the compiler, that the size of ``t`` along ``index`` changes from call to call."""


def reset() -> None:
    """Forgets what was compiled, which is nothing."""
