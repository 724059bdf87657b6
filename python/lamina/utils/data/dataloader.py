"""The loader: joins a data set, a sampler and a collate function into batches, fetched ahead if asked to.

The order of samples is drawn in the thread that iterates, so it does not depend on the number of workers.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import lamina

from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset, Subset, TensorDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler, draw_seed
from .worker import Place, Pool, Task, WorkerInfo

if TYPE_CHECKING:
    from lamina import Generator

T = TypeVar("T", covariant=True)
Call = Callable[[], Any]
END = object()  # what a stream gives after its last batch


class DataLoader(Generic[T]):
    """Goes through a data set in batches, once per ``for`` loop.

    Args:
        dataset: a :class:`Dataset`, an :class:`IterableDataset`, or anything with ``__getitem__`` and
        ``__len__``. batch_size: samples per batch; None gives single samples, passed through
        ``collate_fn``. shuffle: a new random order every time. sampler, batch_sampler: the rows, or the
        lists of rows, to visit, instead of the above. num_workers: threads that fetch ahead; 0 fetches when
        asked. The batches are the same, in the same order.
            The data set must then stand being read from several threads at once; each has a shallow copy of
            its own. Of an ``IterableDataset`` each reads its copy from the start: ``get_worker_info`` tells
            it which part is its own, or every sample comes as often as there are workers.
        collate_fn: makes a batch of a list of samples; :func:`default_collate` unless given.
        pin_memory: has no effect without an accelerator, and warns so.
        drop_last: leave out a last batch that is shorter.
        timeout: seconds to wait for a worker's batch; 0 waits for ever.
        worker_init_fn: called as ``worker_init_fn(id)`` in every worker before its first batch.
        generator: where the order is drawn from; the global one unless given.
        prefetch_factor: batches fetched ahead per worker (2 unless given).
        persistent_workers: keep the threads from one loop to the next.

    Workers draw from generators of their own, whose seeds follow from ``generator``: the same numbers every
    time, whichever thread is faster. ``random`` and ``numpy.random`` are one for all threads.

    Raises:
        ValueError: options that contradict each other or are out of range.
        RuntimeError: while iterating, after ``timeout``. Errors of the data set reach the loop as they are.

    >>> loader = DataLoader(train, batch_size=64, shuffle=True, num_workers=2)
    >>> for images, labels in loader: ...
    """

    _FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
    _initialized = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        *,
        generator: Generator | None = None,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
    ) -> None:
        self.dataset: Dataset[T] = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers > 0 else prefetch_factor
        self.persistent_workers = persistent_workers
        self.pin_memory = pin_memory
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.generator = generator
        self._streams = isinstance(dataset, IterableDataset)
        self._check_workers()
        self._check_order(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if not self._streams and sampler is None and batch_sampler is None:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.batch_size = batch_size if batch_sampler is None else None
        if batch_sampler is None and batch_size is not None and sampler is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self._batches = self.batch_size is not None or batch_sampler is not None
        self.collate_fn = collate_fn or (default_collate if self._batches else default_convert)
        self._pool: Pool | None = None
        self._turns = 0
        self._initialized = True

    def _check_workers(self) -> None:
        if self.num_workers < 0:
            raise ValueError(f"num_workers option should be non-negative, but got {self.num_workers}")
        if self.timeout < 0:
            raise ValueError(f"timeout option should be non-negative, but got {self.timeout}")
        if self.num_workers == 0:
            for name, given in (
                ("prefetch_factor", self.prefetch_factor is not None),
                ("persistent_workers", self.persistent_workers),
                ("timeout", self.timeout > 0),
            ):
                if given:
                    raise ValueError(f"{name} option needs num_workers > 0")
        elif self.prefetch_factor is not None and self.prefetch_factor < 1:
            raise ValueError(f"prefetch_factor option should be positive, but got {self.prefetch_factor}")
        if self.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory "
                "won't be used.",
                stacklevel=3,
            )

    def _check_order(
        self, batch_size: int | None, shuffle: bool | None, sampler: Any, batch_sampler: Any, drop_last: bool
    ) -> None:
        if self._streams:
            given = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
            for name, value in given.items():
                if value is not None:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                        f"{name}={value}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
        elif batch_size is None:
            if drop_last:
                raise ValueError("batch_size=None disables batching and is mutually exclusive with drop_last")
        elif not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        if self._initialized and name in self._FIXED:
            raise ValueError(f"{name} attribute should not be set after DataLoader is initialized")
        super().__setattr__(name, value)

    def __len__(self) -> int:
        """The number of batches; TypeError if the data set or the sampler has no length."""
        if not self._streams:
            return len(self.batch_sampler if self._batches else self.sampler)  # type: ignore[arg-type]
        samples = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return samples
        return samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        return self.iterate_from(0)

    def iterate_from(self, batch: int) -> Iterator[Any]:
        """Like ``iter``, but without the batches before number ``batch``: drawn, but not fetched.

        From the same random state it gives what is left of the same pass; so a training goes on where it was.
        Of an ``IterableDataset`` the samples before are read and thrown away.
        """
        seed = draw_seed(self.generator)  # with no workers too: what is drawn later must not depend on them
        skipped = 0 if self._streams else batch
        if self.num_workers == 0:
            batches: Iterator[Any] = _Iterator(self, skipped)
        else:
            batches = _PrefetchIterator(self, self._get_pool(seed), seed, skipped)
        if self._streams:
            for _ in islice(batches, batch):
                pass
        return batches

    def _get_pool(self, seed: int) -> Pool:
        count = self.num_workers
        pool = self._pool
        if pool is None or pool.process != os.getpid():
            infos = [WorkerInfo(i, count, seed + i, _copied(self.dataset)) for i in range(count)]
            pool = Pool(infos, self.worker_init_fn)
        for info in pool.infos:
            info.seed = seed + info.id
        if self.persistent_workers:
            self._pool = pool
        return pool

    def _orders(self) -> Iterator[Any]:
        """For each batch in turn, its rows, or its one row; for a stream, which has none, None."""
        rows = self.batch_sampler if self._batches else self.sampler
        return repeat(None) if self._streams else iter(rows or ())

    def _caller(self, dataset: Any) -> Callable[[Any], Call]:
        """What makes of the rows of a batch the call that fetches them from ``dataset``."""
        if self._streams:
            stream = _Stream(dataset, self.batch_size, self.drop_last, self.collate_fn)
            return lambda rows: stream.next_batch
        if self._batches:
            return lambda rows: partial(fetch, dataset, list(rows), self.collate_fn)
        return lambda row: partial(_fetch_one, dataset, row, self.collate_fn)


class _Iterator:
    """Fetches each batch when it is asked for."""

    def __init__(self, loader: DataLoader[Any], skipped: int = 0) -> None:
        self._loader = loader
        self._orders = loader._orders()
        for _ in islice(self._orders, skipped):
            pass
        self._callers = self._make_callers()

    def _make_callers(self) -> list[Callable[[Any], Call]]:
        return [self._loader._caller(self._loader.dataset)]

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._loader)

    def __next__(self) -> Any:
        batch = self._callers[0](next(self._orders))()
        if batch is END:
            self._orders = iter(())
            raise StopIteration
        return batch


class _PrefetchIterator(_Iterator):
    """Keeps the workers busy with the next batches and gives them out in order."""

    def __init__(self, loader: DataLoader[Any], pool: Pool, seed: int, skipped: int = 0) -> None:
        self._pool = pool
        super().__init__(loader, skipped)
        self._place = Place(seed, loader._turns, skipped)
        loader._turns += 1
        self._workers = list(range(len(pool.infos)))  # those that have more to give
        self._next = skipped % len(self._workers)
        self._timeout = loader.timeout or None
        self._ahead = len(pool.infos) * (loader.prefetch_factor or 1)
        self._pending: deque[Task] = deque()
        self._fill()

    def _make_callers(self) -> list[Callable[[Any], Call]]:
        return [self._loader._caller(info.dataset) for info in self._pool.infos]

    def _fill(self) -> None:
        """Batches go to the workers in turn, so which one fetches a batch does not depend on the clock."""
        while self._workers and len(self._pending) < self._ahead:
            worker = self._workers[self._next % len(self._workers)]
            try:
                task = Task(self._callers[worker](next(self._orders)), None, self._place, worker)
            except StopIteration:
                return
            except Exception as error:  # the sampler's: it comes after the batches before it
                task = Task(error=error)
            else:
                self._pool.add(task)
            self._next = (self._next + 1) % len(self._workers)
            self._place = self._place._replace(batch=self._place.batch + 1)
            self._pending.append(task)

    def _end(self, worker: int) -> None:
        """A worker has come to the end of its stream; the one after it keeps its turn."""
        if worker in self._workers:
            at = self._workers.index(worker)
            del self._workers[at]
            self._next -= at < self._next

    def __next__(self) -> Any:
        if self._pool.process != os.getpid():
            raise RuntimeError("a DataLoader's iterator with workers cannot go on in a forked process")
        while self._pending:
            worker = self._pending[0].worker
            batch = self._wait()
            if batch is not END:
                return batch
            self._end(worker)
            self._fill()
        raise StopIteration

    def _wait(self) -> Any:
        task = self._pending[0]  # stays there if Ctrl-C ends the waiting
        try:
            batch = task.result(self._timeout)
        except TimeoutError as error:
            raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds") from error
        except Exception:
            self._pending.popleft()
            self._fill()
            raise
        self._pending.popleft()
        if batch is not END:
            self._fill()
        return batch

    def _cancel(self) -> None:
        for task in self._pending:
            task.cancel()
        self._pending.clear()

    def __del__(self) -> None:
        if hasattr(self, "_pending"):
            self._cancel()


class _Stream:
    """Cuts an iterable data set into batches. The thread that fetches the first one starts it."""

    def __init__(
        self, dataset: Any, batch_size: int | None, drop_last: bool, collate: Callable[[Any], Any]
    ) -> None:
        self._dataset = dataset
        self._samples: Iterator[Any] | None = None
        self._batch_size = batch_size
        self._drop_last = drop_last
        self._collate = collate

    def next_batch(self) -> Any:
        """The next batch, or END."""
        if self._samples is None:
            self._samples = iter(self._dataset)
        wanted = self._batch_size or 1
        samples = list(islice(self._samples, wanted))
        if len(samples) < wanted and (self._drop_last or not samples):
            self._samples = iter(())
            return END
        return self._collate(samples[0] if self._batch_size is None else samples)


def _copied(dataset: Any) -> Any:
    """A shallow copy, for a worker to set things on; the data set itself if it cannot be copied."""
    try:
        return copy.copy(dataset)
    except Exception:  # of any kind: a class may copy itself in its own way
        return dataset


def fetch(dataset: Any, rows: list[Any], collate: Callable[[Any], Any]) -> Any:
    """The batch of the given rows."""
    try:
        if collate is default_collate and (tensors := _tensors_at(dataset, rows)) is not None:
            return tensors
        many = getattr(dataset, "__getitems__", None)
        return collate(many(rows) if callable(many) else [dataset[row] for row in rows])
    except StopIteration as error:  # would end the loop as if the data were at an end
        raise RuntimeError("the data set raised StopIteration for one of the rows") from error


def _fetch_one(dataset: Any, row: Any, collate: Callable[[Any], Any]) -> Any:
    return fetch(dataset, [row], lambda samples: collate(samples[0]))


def _tensors_at(dataset: Any, rows: list[Any]) -> list[Any] | None:
    """What default_collate makes of rows of a TensorDataset, by one index per tensor; None if not one."""
    while type(dataset) is Subset:
        rows = [dataset.indices[row] for row in rows]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or not all(type(row) is int for row in rows):
        return None
    index = lamina.tensor(rows)
    return [tensor[index] for tensor in dataset.tensors]
