"""Data sets: what can be asked for sample i, or gone through once. Order and batches are left to others."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import lamina

if TYPE_CHECKING:
    from lamina import Generator, Tensor

T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """Samples by index: derive from it and write ``__getitem__`` and ``__len__``.

    ``__getitems__(indices)``, where it exists, returns the list of samples of a whole batch at once.

    >>> both = first + second  # one data set after the other
    """

    def __getitem__(self, index: Any) -> T:
        raise NotImplementedError(f"{type(self).__name__} should implement __getitem__")

    def __add__(self, other: Dataset[Any]) -> Dataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T]):
    """Samples in a stream: derive from it and write ``__iter__``; ``__len__`` if the length is known.

    >>> class Lines(IterableDataset):
    ...     def __iter__(self): yield from open("corpus.txt")
    """

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__} should implement __iter__")

    def __add__(self, other: Dataset[Any]) -> Dataset[Any]:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Sample i is the tuple of the i-th rows of the tensors.

    Raises:
        ValueError: no tensors, or of different length.

    >>> train = TensorDataset(images, labels)  # (n, 1, 28, 28), (n,)
    >>> image, label = train[0]
    """

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors:
            raise ValueError("TensorDataset needs at least one tensor")
        if len({tensor.shape[0] for tensor in tensors}) > 1:
            lengths = [tensor.shape[0] for tensor in tensors]
            raise ValueError(f"Size mismatch between tensors: the first dimensions are {lengths}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class StackDataset(Dataset[Any]):
    """Sample i is the tuple (or, by keywords, the dict) of the i-th samples of several data sets.

    Raises:
        ValueError: no data sets, both forms at once, or data sets of different length.

    >>> pairs = StackDataset(image=images, text=texts)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError("StackDataset takes data sets either by position or by keyword, at least one")
        self.datasets: Any = args or kwargs
        lengths = [len(part) for part in args or kwargs.values()]
        if len(set(lengths)) > 1:
            raise ValueError(f"Size mismatch between datasets: their lengths are {lengths}")
        self._length = lengths[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {key: part[index] for key, part in self.datasets.items()}
        return tuple(part[index] for part in self.datasets)

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T]):
    """One data set after the other.

    Raises:
        ValueError: no data sets, or an ``IterableDataset`` among them.

    >>> both = ConcatDataset([first, second])
    """

    def __init__(self, datasets: Iterable[Dataset[T]]) -> None:
        self.datasets: list[Any] = list(datasets)
        if not self.datasets:
            raise ValueError("datasets should not be an empty iterable")
        if any(isinstance(part, IterableDataset) for part in self.datasets):
            raise ValueError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(accumulate(len(part) for part in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T:
        row = index + len(self) if index < 0 else index
        if not 0 <= row < len(self):
            raise IndexError(f"index {index} is out of range for a ConcatDataset of length {len(self)}")
        part = bisect_right(self.cumulative_sizes, row)
        return self.datasets[part][row - (self.cumulative_sizes[part - 1] if part else 0)]


class ChainDataset(IterableDataset[T]):
    """One stream after the other.

    >>> both = ChainDataset([first, second])
    """

    def __init__(self, datasets: Iterable[Dataset[T]]) -> None:
        self.datasets: list[Any] = list(datasets)
        if not all(isinstance(part, IterableDataset) for part in self.datasets):
            raise ValueError("ChainDataset only supports IterableDataset")

    def __iter__(self) -> Iterator[T]:
        for part in self.datasets:
            yield from part

    def __len__(self) -> int:
        return sum(len(part) for part in self.datasets)


class Subset(Dataset[T]):
    """The samples of ``dataset`` at ``indices``.

    >>> first_hundred = Subset(train, range(100))
    """

    def __init__(self, dataset: Dataset[T], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Dataset[T], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[T]]:
    """Split a data set at random into parts of the given lengths, or of the given fractions that add up to 1.

    Rows left over by fractions go to the parts in turn. ``generator`` defaults to the global one.

    Raises:
        ValueError: a fraction outside [0, 1], or lengths that do not add up to the length of the data set.

    >>> train, test = random_split(data, [0.8, 0.2], generator=lamina.Generator().manual_seed(0))
    """
    total = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        for index, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"Fraction at index {index} is not between 0 and 1: {fraction}")
        counts = [math.floor(total * fraction) for fraction in lengths]
        for extra in range(total - sum(counts)):
            counts[extra % len(counts)] += 1
        for index, count in enumerate(counts):
            if count == 0:
                warnings.warn(
                    f"Length of split at index {index} is 0. This might result in an empty dataset.",
                    stacklevel=2,
                )
    else:
        counts = [int(length) for length in lengths]
    if sum(counts) != total or any(count < 0 for count in counts):
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"Got {list(lengths)} for a length of {total}"
        )
    order = lamina.randperm(total, generator=generator).tolist()
    return [
        Subset(dataset, order[end - count : end])
        for end, count in zip(accumulate(counts), counts, strict=True)
    ]
