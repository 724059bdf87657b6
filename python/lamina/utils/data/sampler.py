"""Samplers: in which order, and in which batches, the rows of a data set are visited."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

import lamina

if TYPE_CHECKING:
    from lamina import Generator

T = TypeVar("T", covariant=True)
BLOCK = 4096  # rows drawn at once with replacement


class Sampler(Generic[T]):
    """Base of all samplers: derive from it and write ``__iter__``, and ``__len__`` if it is known.

    >>> class EvenRows(Sampler):
    ...     def __iter__(self): return iter(range(0, 100, 2))
    """

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__} should implement __iter__")


class SequentialSampler(Sampler[int]):
    """All rows in order.

    >>> list(SequentialSampler("abc"))  # [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Rows at random: each once in a new order, or independent draws with ``replacement``.

    ``num_samples`` (default: the length) rows are given; without replacement, more than the length begins a
    new order. Without a ``generator`` the order depends on one draw from the global one.

    Raises:
        TypeError: ``replacement`` is not a bool.
        ValueError: ``num_samples`` is not a positive integer.

    >>> order = list(RandomSampler(range(5), generator=lamina.Generator().manual_seed(0)))
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        _check_count("num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many rows one pass gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        rows, left = len(self.data_source), self.num_samples
        generator = self.generator or lamina.Generator().manual_seed(draw_seed(None))
        while left > 0:
            if self.replacement:
                block = lamina.randint(0, rows, (min(left, BLOCK),), generator=generator).tolist()
            else:
                block = lamina.randperm(rows, generator=generator).tolist()[:left]
            left -= len(block)
            yield from block

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given rows, each once, in random order.

    >>> order = list(SubsetRandomSampler([2, 3, 5, 7]))
    """

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for row in lamina.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[row]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Rows drawn with probabilities proportional to ``weights``, which need not add up to 1.

    With replacement by inverting the cumulative sum; without, by the smallest of exponential variables of
    rate ``weights`` (Efraimidis and Spirakis, 2006).

    Raises:
        ValueError: weights that are not a vector of non-negative finite numbers with a positive one among
        them,
            ``num_samples`` not positive or, without replacement, above the number of positive weights.

    >>> list(WeightedRandomSampler([0.9, 0.4, 0.05, 0.2], 5))
    """

    def __init__(
        self,
        weights: Any,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _check_count("num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        values = np.asarray(weights.tolist() if isinstance(weights, lamina.Tensor) else weights, np.float64)
        if values.ndim != 1:
            raise ValueError(f"weights should be a 1d sequence but given weights have shape {values.shape}")
        if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
            raise ValueError("weights should be finite, non-negative and not all zero")
        positive = int((values > 0).sum())
        if not replacement and num_samples > positive:
            raise ValueError(
                f"cannot draw {num_samples} rows without replacement: {positive} weights are positive"
            )
        self.weights = lamina.from_numpy(values)
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        weights = self.weights.numpy()
        count = self.num_samples if self.replacement else len(weights)
        uniform = lamina.rand(count, dtype=lamina.float64, generator=self.generator).numpy()
        if self.replacement:
            cumulative = np.cumsum(weights)
            rows = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
            rows = np.minimum(rows, np.flatnonzero(weights)[-1])  # rounding may reach the very end
        else:
            with np.errstate(divide="ignore"):
                rows = np.argsort(-np.log1p(-uniform) / weights, kind="stable")[: self.num_samples]
        return iter(rows.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of ``batch_size`` rows of another sampler; the last may be shorter, unless ``drop_last``.

    Raises:
        ValueError: ``batch_size`` is not a positive integer, or ``drop_last`` not a bool.

    >>> list(BatchSampler(SequentialSampler(range(5)), 2, drop_last=False))  # [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        _check_count("batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        rows = iter(self.sampler)
        while batch := list(islice(rows, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        rows = len(self.sampler)  # type: ignore[arg-type]
        return rows // self.batch_size if self.drop_last else -(-rows // self.batch_size)


def draw_seed(generator: Generator | None) -> int:
    """A seed from ``generator`` (None: the global one), so that what follows from it is reproducible."""
    return int(lamina.randint(0, 2**62, (1,), generator=generator).item())


def _check_count(name: str, value: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={value}")
