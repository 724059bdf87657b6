"""Shapes changed by composing the core's views: joining, repeating, turning, moving dimensions. Cuts:
partition.py.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, cast

from lamina import _core
from lamina._core import BoundsError, ShapeError, Tensor
from lamina.size import Size

Dims = int | Sequence[int]

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "column_stack",
    "dstack",
    "flatten",
    "fliplr",
    "flipud",
    "hstack",
    "moveaxis",
    "movedim",
    "ravel",
    "repeat_interleave",
    "roll",
    "rot90",
    "row_stack",
    "tile",
    "unflatten",
    "vstack",
]


def as_tuple(value: Dims) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


def wrap(dim: int, ndim: int, word: str) -> int:
    """``dim`` counted from the front.

    Raises:
        BoundsError: there is no such dimension.
    """
    limit = max(ndim, 1)
    if not -limit <= dim < limit:
        raise BoundsError(
            f"{word}: Dimension out of range "
            f"(expected to be in range of [{-limit}, {limit - 1}], but got {dim})"
        )
    return dim % limit


def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with 1 dimension at least; one given, one returned, else a tuple."""
    return _at_least(tensors, lambda x: x.reshape(1) if x.ndim == 0 else x)


def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with 2 dimensions at least: new ones of size 1 in front."""
    return _at_least(tensors, lambda x: x.reshape(1, -1) if x.ndim < 2 else x)


def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with 3 dimensions at least: (n) becomes (1, n, 1), (n, m) becomes (n, m, 1)."""
    return _at_least(
        tensors, lambda x: x.reshape(1, -1, 1) if x.ndim < 2 else x.unsqueeze(-1) if x.ndim == 2 else x
    )


def _at_least(tensors: tuple[Any, ...], raised: Any) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return raised(tensors[0])
    group = tensors[0] if len(tensors) == 1 else tensors
    return tuple(raised(x) for x in group)


def hstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined along dimension 1, or 0 for 1-d tensors."""
    raised = [atleast_1d(x) for x in tensors]
    return _core.cat(raised, 0 if raised and raised[0].ndim == 1 else 1, out=out)


def vstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined along dimension 0, 1-d tensors as rows.

    >>> lamina.vstack([lamina.zeros(3), lamina.ones(3)]).shape
    lamina.Size([2, 3])
    """
    return _core.cat([atleast_2d(x) for x in tensors], 0, out=out)


row_stack = vstack


def dstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined along dimension 2."""
    return _core.cat([atleast_3d(x) for x in tensors], 2, out=out)


def column_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined along dimension 1, tensors of less than 2 dimensions as columns."""
    return hstack([x.reshape(-1, 1) if x.ndim < 2 else x for x in tensors], out=out)


def repeat(input: Tensor, *repeats: Any, **named: Any) -> Tensor:
    """``input`` copied that many times along each dimension; more numbers than dimensions add some in front.

    Raises:
        ShapeError: fewer numbers than dimensions, or a negative one.

    >>> lamina.tensor([1, 2]).repeat(2, 2).tolist()
    [[1, 2, 1, 2], [1, 2, 1, 2]]
    """
    counts = _counts("repeats", repeats, named)
    if len(counts) < input.ndim or min(counts, default=0) < 0:
        raise ShapeError(
            f"repeat: expected at least {input.ndim} numbers, none negative, for shape {tuple(input.shape)}; "
            f"got {counts}"
        )
    shape = (1,) * (len(counts) - input.ndim) + tuple(input.shape)
    # (r, n) beside each other for every dimension, then merged.
    apart = input.reshape([size for n in shape for size in (1, n)])
    spread = apart.expand([size for r, n in zip(counts, shape, strict=True) for size in (r, n)])
    merged = spread.reshape([r * n for r, n in zip(counts, shape, strict=True)])
    return merged.clone() if merged.data_ptr() == input.data_ptr() else merged


def _counts(word: str, listed: tuple[Any, ...], named: dict[str, Any]) -> tuple[int, ...]:
    """The numbers in ``f(2, 3)``, ``f((2, 3))`` or ``f(word=(2, 3))``."""
    if bool(listed) == bool(named) or set(named) - {word}:
        raise TypeError(f"expected {word} as numbers, as one sequence, or by its name; got {listed}, {named}")
    if named:
        return as_tuple(named[word])
    return as_tuple(listed[0]) if len(listed) == 1 else listed


def tile(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """``repeat``, for which missing numbers in front are 1."""
    counts = _counts("dims", dims, named)
    return repeat(input, (1,) * (input.ndim - len(counts)) + tuple(counts))


def repeat_interleave(
    input: Tensor,
    repeats: int | Tensor | None = None,
    dim: int | None = None,
    *,
    output_size: int | None = None,
) -> Tensor:
    """Each slice along ``dim`` (of the flattened tensor by default) repeated ``repeats`` times in place.

    ``repeat_interleave(repeats)`` alone gives the indices. ``output_size``, if given, must be the sum.

    Raises:
        ShapeError: negative repeats, or not as many as slices.

    >>> lamina.tensor([1, 2]).repeat_interleave(2).tolist()
    [1, 1, 2, 2]
    """
    if repeats is None:
        repeats, input = input, _core.arange(0, input.numel(), 1, _core.int64)
    if dim is None:
        input, dim = input.reshape(-1), 0
    dim = wrap(dim, input.ndim, "repeat_interleave")
    input = input.reshape(1) if input.ndim == 0 else input
    size = input.shape[dim]
    counts = repeats if isinstance(repeats, Tensor) else _core.full((1,), repeats, _core.int64)
    if counts.ndim > 1 or counts.numel() not in (1, size) or bool((counts < 0).any()):
        raise ShapeError(
            f"repeat_interleave: expected {size} repeats, or one, none negative; got {counts.tolist()}"
        )
    ends = counts.reshape(-1).expand(size).cumsum(0)
    total = int(ends[-1]) if size else 0
    if output_size is not None and output_size != total:
        raise ShapeError(
            f"repeat_interleave: output_size is {output_size}, but the repeats add up to {total}"
        )
    # Slice i ends before ends[i]: a place belongs to the slice whose number is the count of ends up to it.
    passed = _core.full((total + 1,), 0, _core.int64).index_add(0, ends, _core.full((size,), 1, _core.int64))
    return input.index_select(dim, passed[:total].cumsum(0))


def roll(input: Tensor, shifts: Dims, dims: Dims | None = None) -> Tensor:
    """Elements moved along ``dims`` by ``shifts`` places, those that leave the end come in at the front.

    Without ``dims`` the flattened tensor is rolled.

    >>> lamina.arange(4).roll(1).tolist()
    [3, 0, 1, 2]
    """
    steps, along = as_tuple(shifts), () if dims is None else as_tuple(dims)
    if not along:
        if len(steps) != 1:
            raise ShapeError(f"roll: {len(steps)} shifts need as many dims")
        return roll(input.reshape(-1), steps, 0).reshape(input.shape) if input.ndim else input.clone()
    if len(steps) != len(along):
        raise ShapeError(f"roll: shifts and dims must align: {len(steps)} shifts, {len(along)} dims")
    result = input
    for step, dim in zip(steps, along, strict=True):
        size = result.shape[wrap(dim, result.ndim, "roll")]
        cut = size - step % size if size else 0
        result = _core.cat([result.narrow(dim, cut, size - cut), result.narrow(dim, 0, cut)], dim)
    return result


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """``input`` turned ``k`` times by 90 degrees in the plane of ``dims``, from the first towards the second.

    >>> lamina.tensor([[1, 2], [3, 4]]).rot90().tolist()
    [[2, 4], [1, 3]]
    """
    if len(dims) != 2 or input.ndim < 2:
        raise ShapeError(
            f"rot90: expected two dims of a tensor with at least 2, got {list(dims)} of {input.ndim}"
        )
    a, b = (wrap(dim, input.ndim, "rot90") for dim in dims)
    if a == b:
        raise ShapeError("rot90: expected two different dims")
    turns = k % 4
    if turns == 0:
        return input.clone()
    if turns == 2:
        return input.flip((a, b))
    return input.flip(b).transpose(a, b) if turns == 1 else input.transpose(a, b).flip(b)


def fliplr(input: Tensor) -> Tensor:
    """``flip`` along dimension 1."""
    if input.ndim < 2:
        raise ShapeError(f"fliplr: expected at least 2 dimensions, got shape {tuple(input.shape)}")
    return input.flip(1)


def flipud(input: Tensor) -> Tensor:
    """``flip`` along dimension 0."""
    if input.ndim < 1:
        raise ShapeError("flipud: expected at least 1 dimension, got a 0-d tensor")
    return input.flip(0)


def movedim(input: Tensor, source: Dims, destination: Dims) -> Tensor:
    """A view with the dimensions ``source`` at the places ``destination``; the others keep their order.

    >>> lamina.zeros(2, 3, 4).movedim(0, 2).shape
    lamina.Size([3, 4, 2])
    """
    taken = [wrap(dim, input.ndim, "movedim") for dim in as_tuple(source)]
    places = [wrap(dim, input.ndim, "movedim") for dim in as_tuple(destination)]
    if len(taken) != len(places) or len(set(taken)) != len(taken) or len(set(places)) != len(places):
        raise ShapeError(
            f"movedim: expected as many different sources as destinations, got {source} and {destination}"
        )
    rest = iter(dim for dim in range(input.ndim) if dim not in taken)
    where = dict(zip(places, taken, strict=True))
    return input.permute([where[dim] if dim in where else next(rest) for dim in range(input.ndim)])


moveaxis = movedim


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """A view with ``dim`` opened up into ``sizes``, one of which may be -1.

    Raises:
        ShapeError: the sizes do not multiply to that of ``dim``.

    >>> lamina.zeros(6, 2).unflatten(0, (2, -1)).shape
    lamina.Size([2, 3, 2])
    """
    dim = wrap(dim, input.ndim, "unflatten")
    sizes = tuple(sizes)
    known = math.prod(size for size in sizes if size != -1)
    fits = input.shape[dim] == known if -1 not in sizes else known and input.shape[dim] % known == 0
    if not sizes or not fits:
        raise ShapeError(
            f"unflatten: sizes {list(sizes)} do not multiply to {input.shape[dim]}, the size of {dim}"
        )
    opened = tuple(input.shape[dim] // known if size == -1 else size for size in sizes)
    return input.view(tuple(input.shape[:dim]) + opened + tuple(input.shape[dim + 1 :]))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from ``start_dim`` to ``end_dim`` made one; a view where its memory allows.

    Raises:
        ShapeError: ``end_dim`` comes before ``start_dim``.

    >>> lamina.zeros(2, 3, 4).flatten(1).shape
    lamina.Size([2, 12])
    """
    start, end = wrap(start_dim, input.ndim, "flatten"), wrap(end_dim, input.ndim, "flatten")
    if start > end:
        raise ShapeError(f"flatten: start_dim {start_dim} cannot come after end_dim {end_dim}")
    if input.ndim == 0:
        return input.reshape(1)
    if start == end:
        return input
    shape = tuple(input.shape)
    return input.reshape((*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """``input`` as one dimension; a view where its memory allows."""
    return input.contiguous().view(-1)


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """A view of shape ``size`` that repeats ``input`` without copying it."""
    return input.expand(as_tuple(size))


def broadcast_shapes(*shapes: Dims) -> Size:
    """The shape that tensors of these shapes have together.

    Raises:
        ShapeError: two sizes of a dimension differ and neither is 1.

    >>> lamina.broadcast_shapes((2, 1), (3,))
    lamina.Size([2, 3])
    """
    aligned = itertools.zip_longest(*(reversed(as_tuple(shape)) for shape in shapes), fillvalue=1)
    result = []
    for sizes in aligned:
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            listed = ", ".join(str(as_tuple(shape)) for shape in shapes)
            raise ShapeError(f"broadcast: the shapes {listed} do not fit together")
        result.append(wide.pop() if wide else 1)
    return Size(reversed(result))


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Views of all tensors in the shape that they have together."""
    group = cast(
        "Sequence[Tensor]",
        tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors,
    )
    shape = broadcast_shapes(*(x.shape for x in group))
    return tuple(x.expand(shape) for x in group)
