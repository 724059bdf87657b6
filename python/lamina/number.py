"""Functions of single numbers that NumPy computes, and the adjoint of a matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina import _core
from lamina._core import DtypeError, ShapeError, Tensor
from lamina.return_types import named
from lamina.shape import as_tuple

__all__ = [
    "adjoint",
    "frexp",
    "gcd",
    "lcm",
    "unravel_index",
]


def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged, complex numbers conjugated."""
    if input.ndim < 2:
        raise ShapeError(f"adjoint: expected at least 2 dimensions, got shape {tuple(input.shape)}")
    return input.transpose(-1, -2).conj()


def _integers(word: str, routine: Any, input: Tensor, other: Tensor, out: Tensor | None) -> Tensor:
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        raise TypeError(f"{word}: expected two tensors of integers")
    dtype = _core.result_type(input, other)
    if dtype.is_floating_point or dtype.is_complex or dtype is _core.bool:
        raise DtypeError(f"{word}: expected integers, got {input.dtype} and {other.dtype}")
    found = routine(input.to(dtype).numpy(), other.to(dtype).numpy())
    return _core._into_out(_core.from_numpy(np.asarray(found)).to(dtype), out)


def gcd(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The greatest common divisor of integers; the shapes broadcast.

    >>> lamina.gcd(lamina.tensor([12]), lamina.tensor([18])).tolist()
    [6]
    """
    return _integers("gcd", np.gcd, input, other, out)


def lcm(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The least common multiple of integers, 0 where one is 0; the shapes broadcast."""
    return _integers("lcm", np.lcm, input, other, out)


def frexp(input: Tensor, *, out: Any = None) -> Any:
    """``(mantissa, exponent)`` with ``input = mantissa * 2**exponent`` and 0.5 <= |mantissa| < 1.

    >>> lamina.frexp(lamina.tensor([6.0])).mantissa.tolist()
    [0.75]
    """
    if not input.is_floating_point():
        raise DtypeError(f"frexp: expected a floating dtype, got {input.dtype}")
    exponent = _core.from_numpy(np.asarray(np.frexp(input.detach().float().numpy())[1]))
    if input.dtype is _core.float64:
        exponent = _core.from_numpy(np.asarray(np.frexp(input.detach().numpy())[1]))
    half = -(exponent.to(input.dtype) / 2).floor()  # in two steps: 2**-exponent alone may overflow
    mantissa = input * _core.exp2(half) * _core.exp2(-exponent.to(input.dtype) - half)
    mantissa = _core.where(input.detach().isfinite(), mantissa, input)
    if out is not None:
        mantissa, exponent = _core._into_out(mantissa, out[0]), _core._into_out(exponent, out[1])
    return named("frexp", "mantissa exponent", mantissa, exponent)


def unravel_index(indices: Tensor, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The coordinates, one tensor per dimension, of places in a flattened tensor of this shape.

    Raises:
        ShapeError: a place outside of the tensor.

    >>> [x.item() for x in lamina.unravel_index(lamina.tensor(5), (2, 3))]
    [1, 2]
    """
    if indices.is_floating_point() or indices.is_complex() or indices.dtype is _core.bool:
        raise DtypeError(f"unravel_index: expected integers, got {indices.dtype}")
    sizes = as_tuple(shape)
    indices, count = indices.to(_core.int64), math.prod(sizes)
    if indices.numel() and not bool(((indices >= -count) & (indices < count)).all()):
        raise ShapeError(f"unravel_index: an index is out of bounds for shape {sizes}")
    rest, found = indices, []
    for size in reversed(sizes):
        found.append(rest % size)
        rest = rest // size
    return tuple(reversed(found))
