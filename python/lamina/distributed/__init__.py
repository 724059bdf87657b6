"""Training by several processes, which lamina does not have: what a script asks before it decides for one
process, and names whose calls say that there is only one."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NoReturn

__all__ = [
    "ProcessGroup",
    "ReduceOp",
    "all_gather",
    "all_gather_into_tensor",
    "all_gather_object",
    "all_reduce",
    "barrier",
    "broadcast",
    "broadcast_object_list",
    "destroy_process_group",
    "gather",
    "get_backend",
    "get_rank",
    "get_world_size",
    "init_process_group",
    "is_available",
    "is_initialized",
    "new_group",
    "reduce",
    "reduce_scatter",
    "scatter",
]


class ReduceOp(Enum):
    """How ``all_reduce`` would join what the processes have."""

    SUM = "sum"
    AVG = "avg"
    PRODUCT = "product"
    MIN = "min"
    MAX = "max"
    BAND = "band"
    BOR = "bor"
    BXOR = "bxor"


class ProcessGroup:
    """Processes that train together: there are none.

    Raises:
        RuntimeError: always.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("ProcessGroup: lamina trains in one process; is_available() is False")


def is_available() -> bool:
    """Whether there are process groups: no."""
    return False


def is_initialized() -> bool:
    """Whether there is a process group: no."""
    return False


def init_process_group(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises RuntimeError: there are no process groups."""
    raise RuntimeError("init_process_group: lamina trains in one process; is_available() is False")


def _without_group(word: str) -> Callable[..., NoReturn]:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise ValueError(f"{word}: Default process group has not been initialized")

    refuse.__name__ = word
    refuse.__doc__ = "Raises ValueError: there is no process group."
    return refuse


all_gather = _without_group("all_gather")
all_gather_into_tensor = _without_group("all_gather_into_tensor")
all_gather_object = _without_group("all_gather_object")
all_reduce = _without_group("all_reduce")
barrier = _without_group("barrier")
broadcast = _without_group("broadcast")
broadcast_object_list = _without_group("broadcast_object_list")
destroy_process_group = _without_group("destroy_process_group")
gather = _without_group("gather")
get_backend = _without_group("get_backend")
get_rank = _without_group("get_rank")
get_world_size = _without_group("get_world_size")
new_group = _without_group("new_group")
reduce = _without_group("reduce")
reduce_scatter = _without_group("reduce_scatter")
scatter = _without_group("scatter")
