"""Batches of sequences of different lengths: padded to one length, or packed step by step for nn.RNN, LSTM
and GRU, which then spend no work on padding."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.padding import pad


class _Parts(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Parts):
    """Sequences without padding: ``data`` (total, ...) has the first step of all, then the second, and so on.

    ``batch_sizes`` (steps) says how many sequences have each step. They stand longest first: row i was number
    ``sorted_indices[i]`` of the batch, and ``unsorted_indices`` leads back; None where no order was changed.
    Made by ``pack_padded_sequence`` and ``pack_sequence``.

    >>> pack_sequence([lamina.tensor([1, 2]), lamina.tensor([3])]).data.tolist()
    [1, 3, 2]
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same sequences with ``data`` converted as by ``Tensor.to``."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def cpu(self) -> PackedSequence:
        """The same sequences in main memory."""
        return self.to("cpu")

    def double(self) -> PackedSequence:
        """The same sequences in float64."""
        return self.to(lamina.float64)

    def float(self) -> PackedSequence:
        """The same sequences in float32."""
        return self.to(lamina.float32)

    def half(self) -> PackedSequence:
        """The same sequences in float16."""
        return self.to(lamina.float16)

    def long(self) -> PackedSequence:
        """The same sequences in int64."""
        return self.to(lamina.int64)

    def int(self) -> PackedSequence:
        """The same sequences in int32."""
        return self.to(lamina.int32)

    def short(self) -> PackedSequence:
        """The same sequences in int16."""
        return self.to(lamina.int16)

    def char(self) -> PackedSequence:
        """The same sequences in int8."""
        return self.to(lamina.int8)

    def byte(self) -> PackedSequence:
        """The same sequences in uint8."""
        return self.to(lamina.uint8)

    @property
    def is_cuda(self) -> bool:
        """Whether ``data`` is in the memory of a GPU."""
        return self.data.is_cuda


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation (n) that undoes the given one; None of None."""
    return None if permutation is None else permutation.argsort()


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Sequences padded to one length, (t, n, ...) or with ``batch_first`` (n, t, ...), without the padding.

    ``lengths`` (n) are theirs, in steps. They must not increase unless ``enforce_sorted`` is False, which
    sorts them here.

    Raises:
        ShapeError: lengths that are not one for each sequence, not from 1 to t, or not sorted.
        TypeError: lengths that are no int64 numbers.
    """
    numbers = _lengths(lengths)
    if input.ndim < 2:
        raise _core.ShapeError(f"pack_padded_sequence: expected (t, n, ...), got shape {tuple(input.shape)}")
    steps, batch = input.shape[1::-1] if batch_first else input.shape[:2]
    order = list(range(len(numbers)))
    if not enforce_sorted:
        order = lamina.tensor(numbers, dtype=lamina.int64).argsort(descending=True, stable=True).tolist()
    _check(input, numbers, steps, batch, enforce_sorted)
    places, batch_sizes = _places(numbers, order, steps, batch, batch_first)
    rows = input.reshape(steps * batch, *input.shape[2:])
    index = lamina.tensor(places, dtype=lamina.int64)
    sizes = lamina.tensor(batch_sizes, dtype=lamina.int64)
    sorted_indices = None if enforce_sorted else lamina.tensor(order, dtype=lamina.int64)
    return PackedSequence(rows.index_select(0, index), sizes, sorted_indices)


def _lengths(lengths: Tensor | Sequence[int]) -> list[int]:
    if not isinstance(lengths, Tensor):
        return [int(length) for length in lengths]
    if lengths.ndim != 1 or lengths.is_floating_point() or lengths.dtype == lamina.bool:
        kind = _core.ShapeError if lengths.ndim != 1 else _core.DtypeError
        raise kind(
            "'lengths' argument should be a 1D CPU int64 tensor, "
            f"but got {lengths.ndim}D {lengths.device.type} {lengths.dtype} tensor"
        )
    return lengths.tolist()


def _check(input: Tensor, lengths: list[int], steps: int, batch: int, enforce_sorted: bool) -> None:
    if input.numel() == 0:
        raise _core.ShapeError("Cannot pack empty tensors.")
    if len(lengths) != batch:
        raise _core.ShapeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} (batch_size={batch})"
        )
    if enforce_sorted and any(a < b for a, b in itertools.pairwise(lengths)):
        raise _core.ShapeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement"
        )
    if min(lengths) <= 0:
        raise _core.ShapeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if max(lengths) > steps:
        raise _core.ShapeError(
            f"pack_padded_sequence: lengths go up to {max(lengths)}, but the sequences have {steps} steps"
        )


def _places(
    lengths: list[int], order: list[int], steps: int, batch: int, batch_first: bool
) -> tuple[list[int], list[int]]:
    """For each packed row its number among the padded rows, and the rows of each step.

    ``order`` names the sequences longest first.
    """
    by_step, by_sequence = (1, steps) if batch_first else (batch, 1)
    places: list[int] = []
    batch_sizes: list[int] = []
    alive = len(order)
    for step in range(lengths[order[0]]):
        while lengths[order[alive - 1]] <= step:
            alive -= 1
        places += [step * by_step + sequence * by_sequence for sequence in order[:alive]]
        batch_sizes.append(alive)
    return places, batch_sizes


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The way back: (t, n, ...) or with ``batch_first`` (n, t, ...) in the first order, and the lengths (n).

    t is the longest length, or ``total_length``.

    Raises:
        ShapeError: ``total_length`` is less than the longest length.

    >>> packed = pack_sequence([lamina.tensor([1, 2]), lamina.tensor([3])])
    >>> pad_packed_sequence(packed, batch_first=True)[0].tolist()
    [[1, 2], [3, 0]]
    """
    batch_sizes = sequence.batch_sizes.tolist()
    longest, batch = len(batch_sizes), batch_sizes[0]
    steps = longest if total_length is None else total_length
    if steps < longest:
        raise _core.ShapeError(
            "Expected total_length to be at least the length of the longest sequence in input, "
            f"but got total_length={total_length} and max sequence length being {longest}"
        )
    # Row i goes on for as many steps as have more than i rows.
    lengths = (sequence.batch_sizes > lamina.arange(batch).unsqueeze(1)).sum(1)
    order = list(range(batch))
    if sequence.sorted_indices is not None and sequence.unsorted_indices is not None:
        order = sequence.sorted_indices.tolist()
        lengths = lengths.index_select(0, sequence.unsorted_indices)
    places, _ = _places(lengths.tolist(), order, steps, batch, batch_first)
    data = sequence.data
    rows = lamina.full((steps * batch, *data.shape[1:]), padding_value, dtype=data.dtype)
    rows = rows.index_copy(0, lamina.tensor(places, dtype=lamina.int64), data)
    lead = (batch, steps) if batch_first else (steps, batch)
    return rows.reshape(*lead, *data.shape[1:]), lengths


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (t_i, ...) in one tensor (t, n, ...), or with ``batch_first`` (n, t, ...); t is the longest.

    Raises:
        ShapeError: no sequences, sizes other than the first that differ, or an unknown ``padding_side``.
        TypeError: ``sequences`` cannot be walked over.

    >>> pad_sequence([lamina.tensor([1, 2]), lamina.tensor([3])], batch_first=True).tolist()
    [[1, 2], [3, 0]]
    """
    if not isinstance(sequences, Iterable):
        raise _core.DtypeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    if padding_side not in ("left", "right"):
        raise _core.ShapeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    parts = list(sequences)
    if not parts:
        raise _core.ShapeError("received an empty list of sequences")
    if any(tuple(part.shape[1:]) != tuple(parts[0].shape[1:]) or part.ndim == 0 for part in parts):
        shapes = [tuple(part.shape) for part in parts]
        raise _core.ShapeError(
            f"pad_sequence: expected sequences (t_i, ...) alike in all sizes but the first, got {shapes}"
        )
    longest = max(len(part) for part in parts)
    before = [0] * (2 * parts[0].ndim - 2)
    padded = []
    for part in parts:
        missing = longest - len(part)
        border = [missing, 0] if padding_side == "left" else [0, missing]
        padded.append(pad(part, before + border, value=padding_value) if missing else part)
    return lamina.stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The list of sequences (t_i, ...) that ``pad_sequence`` put together; ``lengths`` (n) are theirs."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:length] for row, length in zip(rows.unbind(0), _lengths(lengths), strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (t_i, ...) as a ``PackedSequence``; longest first unless ``enforce_sorted`` is False."""
    lengths = [len(sequence) for sequence in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The list of sequences (t_i, ...) that ``pack_sequence`` packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
