"""Searching and counting: unique values, places in sorted sequences, membership, histograms."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina import _core
from lamina._core import DtypeError, ShapeError, Tensor
from lamina.result import takes_out
from lamina.shape import wrap

__all__ = ["bincount", "bucketize", "histc", "isin", "searchsorted", "unique", "unique_consecutive"]


def _array(x: Tensor) -> np.ndarray:
    """An array for NumPy's searches, which know no bfloat16."""
    x = x.detach()
    return (x.to(_core.float32) if x.dtype is _core.bfloat16 else x).numpy()


def _runs(changed: Tensor) -> tuple[Tensor, Tensor]:
    """Where runs start (places) and to which run each place belongs, given where an element differs from the
    one before it (one element shorter than the sequence)."""
    starts = _core.cat([_core.full((1,), True, _core.bool), changed])
    return _core._nonzero(starts).reshape(-1), starts.to(_core.int64).cumsum(0) - 1


def _lengths(starts: Tensor, size: int) -> Tensor:
    ends = _core.cat([starts[1:], _core.full((1,), size, _core.int64)])
    return ends - starts


def _results(
    values: Tensor, inverse: Tensor, counts: Tensor, return_inverse: bool, return_counts: bool
) -> Any:
    if not (return_inverse or return_counts):
        return values
    return (values, *([inverse] if return_inverse else []), *([counts] if return_counts else []))


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different values, or the different slices along ``dim``, in ascending order.

    With ``return_inverse`` also where in the result each element is found, with ``return_counts`` how often
    each value occurs. They are always sorted, which ``sorted=False`` allows too. NaN equals nothing.

    >>> lamina.unique(lamina.tensor([3, 1, 3])).tolist()
    [1, 3]
    """
    if dim is not None:
        return _unique_slices(
            input, wrap(dim, input.ndim, "unique"), return_inverse, return_counts, sort=True
        )
    flat = input.detach().reshape(-1)
    if flat.numel() == 0:
        none = _core.empty((0,), _core.int64)
        return _results(flat.clone(), none.reshape(input.shape), none, return_inverse, return_counts)
    values, order = flat.sort(0)
    starts, run = _runs(values[1:] != values[:-1])
    inverse = _core.empty(run.shape, _core.int64).scatter(0, order, run).reshape(input.shape)
    return _results(values[starts], inverse, _lengths(starts, len(values)), return_inverse, return_counts)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements (or the slices along ``dim``) that differ from the one before them.

    >>> lamina.unique_consecutive(lamina.tensor([1, 1, 2, 1])).tolist()
    [1, 2, 1]
    """
    if dim is not None:
        dim = wrap(dim, input.ndim, "unique_consecutive")
        return _unique_slices(input, dim, return_inverse, return_counts, sort=False)
    flat = input.detach().reshape(-1)
    if flat.numel() == 0:
        return unique(input, True, return_inverse, return_counts)
    starts, run = _runs(flat[1:] != flat[:-1])
    counts = _lengths(starts, len(flat))
    return _results(flat[starts], run.reshape(input.shape), counts, return_inverse, return_counts)


def _unique_slices(input: Tensor, dim: int, return_inverse: bool, return_counts: bool, sort: bool) -> Any:
    x = input.detach()
    if x.ndim == 0:
        x = x.reshape(1)
    size = x.shape[dim]
    if x.numel() == 0:
        if size:
            raise ShapeError(
                f"unique: there are slices along dim {dim}, but they are empty: {tuple(x.shape)}"
            )
        none = _core.empty((0,), _core.int64)
        return _results(x.clone(), none, none, return_inverse, return_counts)
    rows = x.movedim(dim, 0).reshape(size, -1)
    order = _core.arange(0, size, 1, _core.int64)
    if sort:
        order = _core.from_numpy(np.lexsort(_array(rows).T[::-1]))
        rows = rows[order]
    starts, run = _runs((rows[1:] != rows[:-1]).any(1))
    inverse = _core.empty((size,), _core.int64).scatter(0, order, run)
    values = x.index_select(dim, order[starts])
    return _results(values, inverse, _lengths(starts, size), return_inverse, return_counts)


def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | float,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Where ``input`` would go into the ascending ``sorted_sequence`` (last dimension) so that it stays
    sorted.

    Equal elements end up behind the place; with ``right`` or ``side="right"`` before it. Sequences of several
    dimensions are searched row by row, and share all dimensions but the last with ``input``. ``sorter`` sorts
    them.

    Raises:
        ShapeError: shapes that do not fit, or ``side`` against ``right``.

    >>> lamina.searchsorted(lamina.tensor([1, 3, 5]), lamina.tensor([3, 6])).tolist()
    [1, 3]
    """
    if side not in (None, "left", "right") or (side == "left" and right):
        raise ShapeError(
            f"searchsorted: side can only be 'left' or 'right', in agreement with right; got {side!r}"
        )
    sequence = sorted_sequence if sorter is None else sorted_sequence.gather(-1, sorter)
    if not isinstance(input, Tensor):
        input = _core.full((), input, _core.int64 if isinstance(input, int) else _core.float64)
    found = _core._searchsorted(sequence, input, right or side == "right")
    return _core._into_out(found.to(_core.int32) if out_int32 else found, out)


def bucketize(
    input: Tensor | float,
    boundaries: Tensor,
    *,
    out_int32: bool = False,
    right: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """The number of the bucket between ascending ``boundaries`` into which each element falls."""
    if boundaries.ndim != 1:
        raise ShapeError(
            f"bucketize: expected boundaries of 1 dimension, got shape {tuple(boundaries.shape)}"
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


@takes_out
def isin(
    elements: Tensor | float,
    test_elements: Tensor | float,
    *,
    assume_unique: bool = False,
    invert: bool = False,
) -> Tensor:
    """Which of ``elements`` occur in ``test_elements``, or with ``invert`` which do not.

    ``assume_unique`` says that neither holds a value twice, which makes no difference to the answer.

    >>> lamina.isin(lamina.tensor([1, 2, 3]), lamina.tensor([2, 5])).tolist()
    [False, True, False]
    """
    given, among = (x.detach() if isinstance(x, Tensor) else x for x in (elements, test_elements))
    if not isinstance(given, Tensor):
        given = _core.full((), given, _core.result_type(among, given))
    if not isinstance(among, Tensor):
        return (given != among) if invert else (given == among)
    common = _core.promote_types(given.dtype, among.dtype)
    given, pool = given.to(common), among.to(common).reshape(-1).sort(0).values
    if pool.numel() == 0:
        return _core.full(given.shape, invert, _core.bool)
    place = searchsorted(pool, given).clamp(max=len(pool) - 1)
    found = pool.index_select(0, place.reshape(-1)).reshape(given.shape) == given
    return ~found if invert else found


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number from 0 to the largest occurs (or the sum of its ``weights``), over a 1-d tensor.

    Raises:
        ShapeError: negative numbers, more than 1 dimension, weights of another shape.
        TypeError: the dtype is not one of integers.

    >>> lamina.bincount(lamina.tensor([0, 2, 2])).tolist()
    [1, 0, 2]
    """
    if input.is_floating_point() or input.is_complex() or input.dtype is _core.bool:
        raise DtypeError(f"bincount: expected integers, got {input.dtype}")
    if input.ndim != 1 or minlength < 0 or (input.numel() and int(input.min()) < 0):
        raise ShapeError("bincount: only supports 1-d non-negative integral inputs, and minlength >= 0")
    if weights is not None and weights.shape != input.shape:
        raise ShapeError(
            f"bincount: weights of shape {tuple(weights.shape)} for an input of {tuple(input.shape)}"
        )
    size = max(int(input.max()) + 1 if input.numel() else 0, minlength)
    if weights is None:
        weights = _core.full(input.shape, 1, _core.int64)
    elif weights.dtype is not _core.float32:
        weights = weights.detach().to(_core.float64)
    return _core.full((size,), 0, weights.dtype).index_add(0, input.to(_core.int64), weights.detach())


def histc(
    input: Tensor, bins: int = 100, min: float = 0, max: float = 0, *, out: Tensor | None = None
) -> Tensor:
    """How many elements fall into each of ``bins`` equal intervals of [min, max]; 0 and 0: of the tensor's
    range.

    Elements outside, and NaN, are not counted.

    Raises:
        ShapeError: ``bins`` is not positive, or the range is empty or infinite.
    """
    x = input.detach().reshape(-1)
    if not x.is_floating_point():
        raise DtypeError(f"histc: expected a floating dtype, got {input.dtype}")
    low, high = float(min), float(max)
    if low == high and x.numel():
        low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low - 1, high + 1
    if bins <= 0 or not (low < high and np.isfinite(high - low)):
        raise ShapeError(f"histc: expected bins > 0 and a finite range, got {bins} bins of [{low}, {high}]")
    x = x[(x >= low) & (x <= high)]
    place = ((x - low) / (high - low) * bins).to(_core.int64).clamp(max=bins - 1)
    counts = _core.full((bins,), 0, _core.int64).index_add(0, place, _core.full(x.shape, 1, _core.int64))
    return _core._into_out(counts.to(input.dtype), out)
