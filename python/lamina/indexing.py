"""Reading and writing at indices, in the forms that the core's gather, scatter and index lack."""

from __future__ import annotations

import math
from typing import Any

from lamina import _core
from lamina._core import BoundsError, DtypeError, ShapeError, Tensor
from lamina.dtype_info import iinfo
from lamina.result import takes_out
from lamina.shape import broadcast_shapes, wrap

__all__ = [
    "argwhere",
    "diagonal_scatter",
    "index_copy",
    "index_fill",
    "masked_scatter",
    "nonzero",
    "put",
    "scatter_reduce",
    "select_scatter",
    "slice_scatter",
    "take",
    "take_along_dim",
    "where",
]


def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: bool = False) -> Any:
    """The indices of all elements that are not 0, as (count, ndim) int64, or one tensor per dimension.

    >>> lamina.nonzero(lamina.tensor([0, 5, 0, 7])).tolist()
    [[1], [3]]
    """
    if as_tuple:
        places = _core._nonzero(input.reshape(1) if input.ndim == 0 else input)
        return tuple(places.select(1, dim).contiguous() for dim in range(places.shape[1]))
    return _core._into_out(_core._nonzero(input), out)


def argwhere(input: Tensor) -> Tensor:
    """``nonzero`` under NumPy's name."""
    return _core._nonzero(input)


def where(condition: Tensor, input: Any = None, other: Any = None, *, out: Tensor | None = None) -> Any:
    """``input`` where ``condition`` holds and ``other`` elsewhere; all three broadcast.

    With a condition alone: the indices of what is true, one tensor per dimension.

    >>> lamina.where(lamina.tensor([True, False]), 1, 0).tolist()
    [1, 0]
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    return _core._into_out(_core.where(condition, input, other), out)


@takes_out
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements of the flattened ``input`` at ``index``, in the shape of ``index``."""
    return input.reshape(-1)[index.long()]


def take_along_dim(
    input: Tensor, indices: Tensor, dim: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``gather`` whose shapes broadcast apart from ``dim``; without ``dim``, of the flattened tensor.

    >>> x = lamina.tensor([[3, 1], [2, 4]]); lamina.take_along_dim(x, x.argsort(1), 1).tolist()
    [[1, 3], [2, 4]]
    """
    if dim is None:
        return take_along_dim(input.reshape(-1), indices.reshape(-1), 0, out=out)
    if input.ndim != indices.ndim:
        raise ShapeError(
            f"take_along_dim: input and indices should have the same number of dimensions, "
            f"got {tuple(input.shape)} and {tuple(indices.shape)}"
        )
    dim = wrap(dim, input.ndim, "take_along_dim")
    shape = list(broadcast_shapes(_without(input, dim), _without(indices, dim)))
    table = input.expand([*shape[:dim], input.shape[dim], *shape[dim:]])
    places = indices.expand([*shape[:dim], indices.shape[dim], *shape[dim:]])
    places = _core.where(places < 0, places + input.shape[dim], places)
    return _core._into_out(table.gather(dim, places), out)


def _without(input: Tensor, dim: int) -> tuple[int, ...]:
    return tuple(input.shape[:dim]) + tuple(input.shape[dim + 1 :])


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """``input`` with the elements of ``source`` at the places ``index`` of the flattened tensor, or added
    there.

    Raises:
        ShapeError: ``index`` and ``source`` differ in their number of elements.
    """
    if index.numel() != source.numel():
        raise ShapeError(
            f"put: source and index should have as many elements, got {source.numel()} and {index.numel()}"
        )
    flat = input.reshape(-1).index_put((index.reshape(-1),), source.reshape(-1), accumulate)
    return flat.reshape(input.shape)


def _at(input: Tensor, dim: int, index: Tensor, word: str) -> tuple[int, tuple[Any, ...]]:
    """The dimension counted from the front, and ``index`` as a key for it."""
    dim = wrap(dim, input.ndim, word)
    if index.ndim > 1:
        raise BoundsError(f"{word}: expected an index of 1 dimension, got shape {tuple(index.shape)}")
    return dim, (*[None] * dim, index.reshape(-1))


@takes_out
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """``input`` with slice ``index[i]`` along ``dim`` replaced by slice i of ``source``.

    Raises:
        ShapeError: ``source`` is not of ``input``'s shape with ``len(index)`` at ``dim``.
        TypeError: ``source`` is of another dtype.
    """
    dim, key = _at(input, dim, index, "index_copy")
    expected = list(input.shape)
    if input.ndim:
        expected[dim] = index.numel()
    if list(source.shape) != expected and not (source.ndim == 0 and input.ndim <= 1):
        raise ShapeError(
            f"index_copy: expected a source of shape {tuple(expected)}, got {tuple(source.shape)}"
        )
    if source.dtype is not input.dtype:
        raise DtypeError(f"index_copy: expected a source of {input.dtype}, got {source.dtype}")
    if index.numel() and int(index.min()) < 0:
        raise BoundsError(f"index_copy: index {int(index.min())} is out of bounds")
    if input.ndim == 0:
        return index_copy(input.reshape(1), 0, index, source.reshape(1)).reshape(())
    return input.index_put(key, source)


def index_fill(input: Tensor, dim: int, index: Tensor, value: float | Tensor) -> Tensor:
    """``input`` with the slices ``index`` along ``dim`` filled with one value.

    >>> lamina.zeros(3).index_fill(0, lamina.tensor([0, 2]), 1).tolist()
    [1.0, 0.0, 1.0]
    """
    if input.ndim == 0:
        return index_fill(input.reshape(1), dim, index, value).reshape(())
    dim, key = _at(input, dim, index, "index_fill")
    if isinstance(value, Tensor) and value.ndim:
        raise ShapeError(f"index_fill: expected a 0-dimensional value, got shape {tuple(value.shape)}")
    named = _core.full((input.shape[dim],), False, _core.bool)
    named = named.index_put((key[-1],), _core.full((), True, _core.bool))
    return input.masked_fill(named.reshape([-1 if d == dim else 1 for d in range(input.ndim)]), value)


def _neutral(reduce: str, like: Tensor) -> Any:
    """What changes nothing when it is reduced with other values of ``like``'s dtype."""
    if reduce not in ("amax", "amin"):
        return int(reduce == "prod")
    if like.dtype.is_floating_point:
        return -math.inf if reduce == "amax" else math.inf
    if like.dtype is _core.bool:
        return reduce == "amin"
    limits = iinfo(like.dtype)
    return limits.min if reduce == "amax" else limits.max


@takes_out
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """``scatter`` that combines what meets in one place: ``"sum" "prod" "mean" "amax"`` or ``"amin"``.

    With ``include_self=False`` what ``input`` holds in places that are written does not take part.

    Raises:
        ShapeError: another word for ``reduce``, or shapes as in ``scatter``.

    >>> lamina.zeros(2).scatter_reduce(0, lamina.tensor([0, 0]), lamina.tensor([1.0, 4.0]), "amax").tolist()
    [4.0, 0.0]
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise ShapeError(f"scatter_reduce: reduce must be sum, prod, mean, amax or amin, got {reduce!r}")
    base = input
    if not include_self:
        base = input.scatter(dim, index, _neutral(reduce, input))
    core_word = {"sum": "add", "mean": "add", "prod": "multiply"}.get(reduce, reduce)
    result = base.scatter(dim, index, src, reduce=core_word)
    if reduce != "mean":
        return result
    one = _core.full(index.shape, 1, input.dtype)
    own = _core.full_like(input, 1) if include_self else _core.full_like(input, 1).scatter(dim, index, 0)
    count = own.scatter(dim, index, one, reduce="add")
    return (
        result / count
        if input.is_floating_point() or input.is_complex()
        else _core.floor_divide(result, count)
    )


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """``input`` with the elements of ``source``, in order, where ``mask`` holds; input and mask broadcast.

    Raises:
        ShapeError: ``source`` has fewer elements than there are places.
        TypeError: ``mask`` is not bool, or the dtypes differ.
    """
    if mask.dtype is not _core.bool or source.dtype is not input.dtype:
        raise DtypeError(
            f"masked_scatter: expected a bool mask and a source of {input.dtype}, "
            f"got {mask.dtype} and {source.dtype}"
        )
    shape = broadcast_shapes(input.shape, mask.shape)
    flat = mask.expand(shape).reshape(-1)
    count = int(flat.count_nonzero())
    if source.numel() < count:
        raise ShapeError(f"masked_scatter: {count} places, but the source has {source.numel()} elements")
    values = source.reshape(-1).narrow(0, 0, count)
    return input.expand(shape).reshape(-1).index_put((flat,), values).reshape(shape)


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of ``input`` whose slice ``index`` along ``dim`` is ``src``."""
    return _written(input, src, lambda x: x.select(dim, index), "select_scatter")


@takes_out
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of ``input`` whose part ``start:end:step`` along ``dim`` is ``src``."""
    size = input.shape[wrap(dim, input.ndim, "slice_scatter")]
    bounds = (0 if start is None else start, size if end is None else end)
    return _written(input, src, lambda x: _core.slice(x, dim, *bounds, step), "slice_scatter")


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of ``input`` whose diagonal is ``src``."""
    return _written(input, src, lambda x: x.diagonal(offset, dim1, dim2), "diagonal_scatter")


def _written(input: Tensor, src: Tensor, part: Any, word: str) -> Tensor:
    result = input.clone().contiguous()
    place = part(result)
    if place.shape != src.shape:
        raise ShapeError(f"{word}: expected src of shape {tuple(place.shape)}, got {tuple(src.shape)}")
    place.copy_(src)
    return result
