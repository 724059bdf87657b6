"""Threads, memory, and what a program may ask of results: the process as lamina uses it."""

from __future__ import annotations

from typing import Any

from lamina import _core
from lamina._core import ShapeError
from lamina.dtype_info import dtype_from

__all__ = [
    "are_deterministic_algorithms_enabled",
    "empty_cache",
    "get_deterministic_debug_mode",
    "get_float32_matmul_precision",
    "get_num_interop_threads",
    "get_num_threads",
    "is_deterministic_algorithms_warn_only_enabled",
    "memory_stats",
    "set_default_tensor_type",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "set_flush_denormal",
    "set_num_threads",
    "use_deterministic_algorithms",
]

_state = {"deterministic": False, "warn_only": False, "precision": "highest"}


def get_num_threads() -> int:
    """How many threads a kernel may use."""
    return _core.num_threads()


def set_num_threads(int: int) -> None:
    """Let kernels use this many threads. Results do not depend on it.

    Raises:
        ShapeError: less than 1.
    """
    if int < 1:
        raise ShapeError(f"set_num_threads: expects a positive integer, got {int}")
    _core.set_num_threads(int)


def set_default_tensor_type(t: Any) -> None:
    """Let numbers become tensors of the dtype of ``t``: ``FloatTensor``, or its name ``"torch.FloatTensor"``.

    Raises:
        TypeError: a type of another device, or one whose dtype is not a floating one.
    """
    if isinstance(t, str) and ".cuda." in t:
        raise TypeError(f"set_default_tensor_type: type {t} not available. lamina has no CUDA")
    _core.set_default_dtype(dtype_from(t, "set_default_tensor_type"))


def memory_stats() -> dict[str, int]:
    """Bytes: ``live`` (of tensors), ``cached`` (kept for reuse), ``peak`` (the most ever live); and how often
    memory was asked of the system (``system``) and taken from the cache (``reused``).
    """
    return _core.memory_stats()


def empty_cache() -> None:
    """Give memory that no tensor uses back to the operating system."""
    _core.empty_cache()


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for the same bits from the same input, which lamina gives in any case."""
    _state["deterministic"], _state["warn_only"] = bool(mode), bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What ``use_deterministic_algorithms`` was last told."""
    return bool(_state["deterministic"])


def set_float32_matmul_precision(precision: str) -> None:
    """Allow products of float32 to be less precise than float32; lamina makes no use of it.

    Raises:
        ShapeError: neither ``"highest"``, ``"high"`` nor ``"medium"``.
    """
    if precision not in ("highest", "high", "medium"):
        raise ShapeError(f"set_float32_matmul_precision: expected highest, high or medium, got {precision!r}")
    _state["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What ``set_float32_matmul_precision`` was last told."""
    return str(_state["precision"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether ``use_deterministic_algorithms`` was last told only to warn."""
    return bool(_state["warn_only"])


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """``use_deterministic_algorithms`` by a number or a word: 0 default, 1 warn, 2 error.

    Raises:
        ShapeError: another number or word.
    """
    words = ("default", "warn", "error")
    mode = words.index(debug_mode) if debug_mode in words else debug_mode
    if mode not in (0, 1, 2):
        raise ShapeError(
            f"set_deterministic_debug_mode: expected one of {words} or 0, 1, 2, got {debug_mode!r}"
        )
    use_deterministic_algorithms(mode != 0, warn_only=mode == 1)


def get_deterministic_debug_mode() -> int:
    """What ``set_deterministic_debug_mode`` was last told, as a number."""
    return 0 if not _state["deterministic"] else 1 if _state["warn_only"] else 2


def get_num_interop_threads() -> int:
    """How many operations may run beside each other: 1."""
    return 1


def set_flush_denormal(mode: bool) -> bool:
    """Whether numbers below the smallest normal one are taken as 0 from now on: no, nothing changes."""
    return False
