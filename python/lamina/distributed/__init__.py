"""Training by several processes, which lamina does not have: what a script asks before it decides for one
process, and an error for what it would do next."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = [
    "barrier",
    "destroy_process_group",
    "get_rank",
    "get_world_size",
    "init_process_group",
    "is_available",
    "is_initialized",
]


def is_available() -> bool:
    """Whether there are process groups: no."""
    return False


def is_initialized() -> bool:
    """Whether there is a process group: no."""
    return False


def init_process_group(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises RuntimeError: there are no process groups."""
    raise RuntimeError("init_process_group: lamina trains in one process; is_available() is False")


def _missing(word: str) -> NoReturn:
    raise ValueError(f"{word}: Default process group has not been initialized")


def destroy_process_group(group: Any = None) -> NoReturn:
    """Raises ValueError: there is no process group."""
    _missing("destroy_process_group")


def get_rank(group: Any = None) -> NoReturn:
    """Raises ValueError: there is no process group."""
    _missing("get_rank")


def get_world_size(group: Any = None) -> NoReturn:
    """Raises ValueError: there is no process group."""
    _missing("get_world_size")


def barrier(group: Any = None) -> NoReturn:
    """Raises ValueError: there is no process group."""
    _missing("barrier")
