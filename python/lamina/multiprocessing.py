"""Python's multiprocessing under PyTorch's name, with ``spawn``. A tensor that is sent to another process
arrives as a copy; one in shared memory (``share_memory_``) is seen by processes that were forked."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from typing import Any

__all__ = [*multiprocessing.__all__, "spawn"]


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> list[Any] | None:
    """Run ``fn(i, *args)`` in a process for each i below ``nprocs``; with ``join`` wait for them, else return
    them.

    Raises:
        RuntimeError: a process failed; the others are ended.
    """
    context: Any = multiprocessing.get_context(start_method)
    processes = [context.Process(target=fn, args=(i, *args), daemon=daemon) for i in range(nprocs)]
    for process in processes:
        process.start()
    if not join:
        return processes
    for i, process in enumerate(processes):
        process.join()
        if process.exitcode != 0:
            for other in processes:
                other.terminate()
            raise RuntimeError(f"spawn: process {i} terminated with exit code {process.exitcode}")
    return None
