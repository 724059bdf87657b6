"""Copies of a tensor that differ in some places: reduced into, limited, filled, padded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.indexing import scatter_reduce
from lamina.result import takes_out
from lamina.shape import wrap

__all__ = [
    "as_strided_scatter",
    "constant_pad_nd",
    "fill",
    "index_reduce",
    "nonzero_static",
    "renorm",
]


def fill(input: Tensor, value: float | Tensor) -> Tensor:
    """A tensor of ``input``'s shape and dtype with ``value`` everywhere."""
    return input.clone().fill_(value)


@takes_out
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Slice ``index[i]`` of ``input`` along ``dim`` reduced with slice i of ``source``: ``"prod"
    "mean" "amax"`` or ``"amin"``.

    Raises:
        ShapeError: another word for ``reduce``, or a source that does not fit.
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise ShapeError(f"index_reduce: reduce must be prod, mean, amax or amin, got {reduce!r}")
    if index.ndim > 1:
        raise ShapeError(f"index_reduce: expected an index of 1 dimension, got {tuple(index.shape)}")
    dim = wrap(dim, input.ndim, "index_reduce")
    if input.ndim == 0:
        at = index.reshape(1)
        whole = index_reduce(input.reshape(1), 0, at, source.reshape(1), reduce, include_self=include_self)
        return whole.reshape(())
    expected = [index.numel() if d == dim else size for d, size in enumerate(input.shape)]
    if list(source.shape) != expected:
        raise ShapeError(
            f"index_reduce: expected a source of shape {tuple(expected)}, got {tuple(source.shape)}"
        )
    places = index.reshape([-1 if d == dim else 1 for d in range(input.ndim)]).expand(source.shape)
    return scatter_reduce(input, dim, places, source, reduce, include_self=include_self)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float, *, out: Tensor | None = None) -> Tensor:
    """``input`` with every slice along ``dim`` whose p-norm exceeds ``maxnorm`` scaled down to it.

    >>> lamina.renorm(lamina.tensor([[3.0, 4.0], [0.0, 1.0]]), 2, 0, 1.0)[1].tolist()
    [0.0, 1.0]
    """
    if p <= 0 or maxnorm < 0 or input.ndim < 2:
        raise ShapeError(
            f"renorm: expected p > 0, maxnorm >= 0 and at least 2 dimensions, "
            f"got {p}, {maxnorm} and {input.ndim}"
        )
    dim = wrap(dim, input.ndim, "renorm")
    norm = _core.vector_norm(input, float(p), [d for d in range(input.ndim) if d != dim], True)
    scale = _core.where(norm > maxnorm, maxnorm / (norm + 1e-7), 1.0)
    return _core.mul(input, scale, out=out)


def as_strided_scatter(
    input: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A copy of ``input`` with ``src`` where ``as_strided`` of these sizes and strides looks."""
    result = input.clone().contiguous()
    place = result.as_strided(size, stride, 0 if storage_offset is None else storage_offset)
    if place.shape != src.shape:
        raise ShapeError(
            f"as_strided_scatter: expected src of shape {tuple(place.shape)}, got {tuple(src.shape)}"
        )
    place.copy_(src)
    return result


def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1, out: Tensor | None = None) -> Tensor:
    """The first ``size`` rows of ``nonzero``; rows of ``fill_value`` where there are fewer."""
    if size < 0:
        raise ShapeError(f"nonzero_static: expected a size that is not negative, got {size}")
    found = _core._nonzero(input)[:size]
    rest = _core.full((size - found.shape[0], found.shape[1]), fill_value, _core.int64)
    return _core._into_out(_core.cat([found, rest], 0), out)


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: Any = 0) -> Tensor:
    """``nn.functional.pad`` with a constant."""
    from lamina.nn.functional import pad as widen

    return widen(input, pad, "constant", value)
