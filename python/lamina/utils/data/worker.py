"""Threads that fetch batches ahead of the training loop. They know no data set: they run what they get.

Threads rather than processes, because a batch need not be copied between them, and the core releases the GIL.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple

from lamina import _core

_local = threading.local()


class WorkerInfo:
    """What a worker knows of itself: ``id`` (from 0), ``num_workers``, ``seed``, and its copy of ``dataset``.

    The copy is a shallow one: what a worker sets on it no other sees, what is inside of it they share.
    """

    def __init__(self, id: int, num_workers: int, seed: int, dataset: Any) -> None:
        self.id = id
        self.num_workers = num_workers
        self.seed = seed
        self.dataset = dataset

    def __repr__(self) -> str:
        return f"WorkerInfo(id={self.id}, num_workers={self.num_workers}, seed={self.seed})"


def get_worker_info() -> WorkerInfo | None:
    """The :class:`WorkerInfo` of the loader's worker that calls, None outside of one.

    >>> seed = get_worker_info().seed  # in __getitem__: differs from worker to worker and from epoch to epoch
    """
    return getattr(_local, "info", None)


class Place(NamedTuple):
    """Where a task stands: the seed of the pass over the data, its number, and that of the batch in it."""

    seed: int = 0
    turn: int = 0
    batch: int = 0


START = Place()


class Task:
    """A call to be made by a worker, and then its outcome."""

    def __init__(
        self,
        call: Callable[[], Any] | None = None,
        error: BaseException | None = None,
        place: Place = START,
        worker: int = 0,
    ) -> None:
        self.place, self.worker = place, worker
        self._call = call
        self._done = threading.Event()
        self._value: Any = None
        self._error = error
        if call is None:
            self._done.set()

    def run(self) -> None:
        """Make the call, unless it was cancelled, and keep what it returns or raises."""
        call, self._call = self._call, None
        if call is None:
            return
        try:
            self._value = call()
        except BaseException as error:  # it belongs to the one who waits, whatever it is
            if hasattr(error, "add_note"):
                error.add_note(f"raised in worker {self.worker} of a DataLoader")
            self._error = error
        self._done.set()

    def cancel(self) -> None:
        """Make ``run`` do nothing, if it has not begun."""
        self._call = None

    def result(self, timeout: float | None) -> Any:
        """Wait for the outcome: return the value, or raise the error with the worker's traceback.

        Raises:
            TimeoutError: nothing came within ``timeout`` seconds.
        """
        if not self._done.wait(timeout):
            raise TimeoutError
        if self._error is not None:
            error, self._error = self._error, None
            try:
                raise error
            finally:
                del error  # or its traceback and this frame would keep each other, and the batch, alive
        return self._value


class Pool:
    """A fixed number of threads, each of which takes its own tasks in the order in which they were added.

    Raises:
        Exception: whatever ``init(id)``, called once in every thread, raises first.
    """

    def __init__(self, infos: list[WorkerInfo], init: Callable[[int], Any] | None) -> None:
        self.infos = infos
        self.process = os.getpid()
        self._tasks: list[SimpleQueue[Task | None]] = [SimpleQueue() for _ in infos]
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []
        started: SimpleQueue[BaseException | None] = SimpleQueue()
        _pools.add(self)
        for info, tasks in zip(infos, self._tasks, strict=True):
            # A daemon, because a worker stuck in a read must not keep the process alive.
            thread = threading.Thread(
                target=_work, args=(tasks, self._closed, info, init, started), daemon=True
            )
            thread.name = f"lamina-data-{info.id}"
            thread.start()
            self._threads.append(thread)
        errors = [error for error in [started.get() for _ in infos] if error is not None]
        if errors:
            self.close()
            raise errors[0]

    def add(self, task: Task) -> None:
        """Queue a task for its worker."""
        self._tasks[task.worker].put(task)

    def close(self) -> None:
        """Ask the threads to end after the task at hand. Returns at once."""
        self._closed.set()
        for tasks in self._tasks:
            tasks.put(None)

    def join(self, timeout: float) -> None:
        """Wait for the threads to end, at most ``timeout`` seconds for each."""
        for thread in self._threads:
            thread.join(timeout)

    def __del__(self) -> None:
        self.close()


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """A thread inside the core while the interpreter is taken down would end the process badly."""
    pools = list(_pools)
    for pool in pools:
        pool.close()
    for pool in pools:
        if pool.process == os.getpid():
            pool.join(timeout=5.0)


def _work(
    tasks: SimpleQueue[Task | None],
    closed: threading.Event,
    info: WorkerInfo,
    init: Callable[[int], Any] | None,
    started: SimpleQueue[BaseException | None],
) -> None:
    """A worker's life. It holds no reference to its pool, so that forgetting the pool ends it.

    It draws from a generator of its own, which is at a place of its own when a batch begins: so what is drawn
    for it depends neither on the other threads nor on the batches before it. A seed that ``init`` sets stays.
    """
    _local.info = info
    generator = _core.Generator().manual_seed(info.seed)
    _core.use_generator(generator)
    try:
        if init is not None:
            init(info.id)
    except BaseException as error:
        started.put(error)
        return
    chosen = generator.initial_seed() if generator.initial_seed() != info.seed else None
    started.put(None)
    while (task := tasks.get()) is not None and not closed.is_set():
        place = task.place
        seed, turn = (place.seed + info.id, 0) if chosen is None else (chosen, place.turn)
        generator._set_state(seed % 2**64, (turn << 48 | place.batch << 28) % 2**64)
        task.run()
        del task  # or the last batch would live on while this waits
