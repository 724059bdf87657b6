"""Tensors put together crosswise: grids, products of sets, blocks, diagonals."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.shape import wrap

__all__ = [
    "block_diag",
    "cartesian_prod",
    "combinations",
    "diag",
    "diag_embed",
    "diagflat",
    "meshgrid",
    "vander",
]


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinate grids: tensor i of shape (n0, n1, ...) varies along dimension i as the i-th input does.

    With ``indexing="xy"`` the first two dimensions of the grids change places.

    Raises:
        ShapeError: an input of more than 1 dimension, or another word for ``indexing``.

    >>> lamina.meshgrid(lamina.arange(2), lamina.arange(2), indexing="ij")[0].tolist()
    [[0, 0], [1, 1]]
    """
    group = tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors
    if indexing is None:
        warnings.warn(
            "meshgrid: in an upcoming release, it will be required to pass the indexing argument.",
            stacklevel=2,
        )
    if indexing not in (None, "ij", "xy") or any(x.ndim > 1 for x in group):
        raise ShapeError(
            f"meshgrid: expected tensors of at most 1 dimension and 'ij' or 'xy', got {indexing!r}"
        )
    shape = [x.numel() for x in group]
    order = list(range(len(shape)))
    if indexing == "xy":
        order[:2] = reversed(order[:2])
    grids = []
    for i, x in enumerate(group):
        along = x.reshape([-1 if d == i else 1 for d in range(len(shape))])
        grids.append(along.expand(shape).permute(order))
    return tuple(grids)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of one element of each 1-d tensor, as rows; of a single one, itself."""
    if any(x.ndim != 1 for x in tensors):
        raise ShapeError(f"cartesian_prod: expected 1-d tensors, got {[tuple(x.shape) for x in tensors]}")
    if len(tensors) == 1:
        return tensors[0]
    return _core.stack([grid.reshape(-1) for grid in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of ``r`` elements of a 1-d tensor, as rows in the order of ``itertools``."""
    if input.ndim != 1 or r < 0:
        raise ShapeError(f"combinations: expected a 1-d tensor and r >= 0, got {tuple(input.shape)} and {r}")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = [place for row in choose(range(len(input)), r) for place in row]
    if r == 0:
        return _core.empty((0,), input.dtype)
    index = _core.full((0,), 0, _core.int64) if not places else _index(places)
    return input.index_select(0, index).reshape(-1, r)


def _index(places: list[int]) -> Tensor:
    import numpy as np

    return _core.from_numpy(np.array(places, np.int64))


def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the given matrices (or rows, or numbers) along its diagonal and 0 elsewhere."""
    if any(x.ndim > 2 for x in tensors):
        raise ShapeError("block_diag: expected tensors of 2 or fewer dimensions")
    blocks = [x.reshape(1, -1) if x.ndim < 2 else x for x in tensors]
    width = sum(x.shape[1] for x in blocks)
    rows, at = [], 0
    for x in blocks:
        left = _core.full((x.shape[0], at), 0, x.dtype)
        at += x.shape[1]
        rows.append(_core.cat([left, x, _core.full((x.shape[0], width - at), 0, x.dtype)], 1))
    return _core.cat(rows, 0) if rows else _core.empty((1, 0), _core.get_default_dtype())


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The last dimension laid out as a diagonal of the new dimensions ``dim1`` and ``dim2``, 0 elsewhere.

    >>> lamina.diag_embed(lamina.tensor([1, 2])).tolist()
    [[1, 0], [0, 2]]
    """
    ndim = input.ndim + 1
    first, second = (wrap(dim, ndim, "diag_embed") for dim in (dim1, dim2))
    if first == second or input.ndim == 0:
        raise ShapeError(
            f"diag_embed: expected two different dims for a tensor of 1 or more, got {dim1} and {dim2}"
        )
    side = input.shape[-1] + abs(offset)
    rest = iter(input.shape[:-1])
    shape = [side if dim in (first, second) else next(rest) for dim in range(ndim)]
    result = _core.full(shape, 0, input.dtype)
    result.diagonal(offset, first, second).copy_(input)
    return result


def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The diagonal of a matrix, or a matrix with this diagonal.

    Raises:
        ShapeError: neither 1 nor 2 dimensions.
    """
    if input.ndim not in (1, 2):
        raise ShapeError(f"diag: expected 1 or 2 dimensions, got shape {tuple(input.shape)}")
    if input.ndim == 1:
        return _core._into_out(diag_embed(input, diagonal), out)
    return _core._into_out(input.diagonal(diagonal).clone(), out)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix whose diagonal is the flattened ``input``."""
    return diag_embed(input.reshape(-1), offset)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of each element, from N-1 (the last dimension's size unless given) down to 0, or upwards."""
    count = x.shape[-1] if N is None else N
    powers = _core.arange(0, count, 1, _core.int64)
    return x.unsqueeze(-1).pow(powers if increasing else powers.flip(0))
