"""Elementwise functions composed of the core's, and comparisons of whole tensors."""

from __future__ import annotations

import math
from typing import Any

from lamina import _core
from lamina._core import DtypeError, ShapeError, Tensor
from lamina.dtype_info import finfo
from lamina.shape import wrap

__all__ = [
    "allclose",
    "clamp_max",
    "clamp_min",
    "deg2rad",
    "diff",
    "equal",
    "heaviside",
    "isclose",
    "isreal",
    "ldexp",
    "logit",
    "nan_to_num",
    "positive",
    "rad2deg",
    "trapezoid",
    "trapz",
]


def clamp_min(input: Tensor, min: float | Tensor, *, out: Tensor | None = None) -> Tensor:
    """``clamp`` from below alone."""
    return _core.clamp(input, min=min, out=out)


def clamp_max(input: Tensor, max: float | Tensor, *, out: Tensor | None = None) -> Tensor:
    """``clamp`` from above alone."""
    return _core.clamp(input, max=max, out=out)


def positive(input: Tensor) -> Tensor:
    """``input`` itself: what ``+x`` gives.

    Raises:
        TypeError: the dtype is bool.
    """
    if input.dtype is _core.bool:
        raise DtypeError("positive: not defined for bool tensors")
    return input


def deg2rad(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Degrees to radians."""
    return _core.mul(input, math.pi / 180, out=out)


def rad2deg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Radians to degrees."""
    return _core.mul(input, 180 / math.pi, out=out)


def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """``log(x / (1 - x))``, with x held within [eps, 1 - eps] if ``eps`` is given.

    >>> lamina.logit(lamina.tensor([0.5])).tolist()
    [0.0]
    """
    x = input if eps is None else input.clamp(eps, 1 - eps)
    return _core.log(x / (1 - x), out=out)


def ldexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``input * 2**other``."""
    return _core.mul(input, _core.pow(2.0, other), out=out)


def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 for negative elements, 1 for positive ones, and ``values`` for 0.

    Raises:
        TypeError: the dtypes differ.
    """
    if input.dtype is not values.dtype:
        raise DtypeError(f"heaviside: expected values of {input.dtype}, got {values.dtype}")
    step = (input.detach() > 0).to(input.dtype)
    return _core._into_out(_core.where(input.detach() == 0, values.detach(), step), out)


def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """NaN replaced by ``nan`` (0), infinities by ``posinf`` and ``neginf`` (the dtype's largest numbers).

    The gradient is 0 where something was replaced.

    >>> lamina.nan_to_num(lamina.tensor([float("nan"), 1.0])).tolist()
    [0.0, 1.0]
    """
    if not input.dtype.is_floating_point:
        return _core._into_out(input.clone(), out)
    limits = finfo(input.dtype)
    x = _core.masked_fill(input, input.isnan(), 0.0 if nan is None else nan)
    x = _core.masked_fill(x, input.isposinf(), limits.max if posinf is None else posinf)
    x = _core.masked_fill(x, input.isneginf(), limits.min if neginf is None else neginf)
    return _core._into_out(x, out)


def isreal(input: Tensor) -> Tensor:
    """True everywhere: lamina has real numbers only."""
    return _core.full_like(input, True, _core.bool)


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """Where ``|input - other| <= atol + rtol * |other|``; infinities are close to themselves alone.

    Raises:
        TypeError: the dtypes differ.
        ShapeError: a negative tolerance.
    """
    if input.dtype is not other.dtype:
        raise DtypeError(f"isclose: expected tensors of one dtype, got {input.dtype} and {other.dtype}")
    if rtol < 0 or atol < 0:
        raise ShapeError(f"isclose: expected tolerances that are not negative, got rtol={rtol}, atol={atol}")
    a, b = input.detach(), other.detach()
    if a.dtype is _core.bool:
        a, b = a.to(_core.uint8), b.to(_core.uint8)
    close = a == b
    if a.dtype.is_floating_point and equal_nan:
        close = close | (a.isnan() & b.isnan())
    if rtol == 0 and atol == 0:
        return close
    gap = (a - b).abs() if a.dtype.is_signed else _core.maximum(a, b) - _core.minimum(a, b)
    return close | (gap.isfinite() & (gap <= b.abs() * rtol + atol))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether ``isclose`` holds everywhere.

    >>> lamina.allclose(lamina.ones(2), lamina.ones(2) + 1e-9)
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have one shape and the same elements; NaN equals nothing.

    Raises:
        TypeError: the dtypes differ.
    """
    if input.dtype is not other.dtype:
        raise DtypeError(f"equal: expected tensors of one dtype, got {input.dtype} and {other.dtype}")
    return input.shape == other.shape and bool((input == other).all())


def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The difference of each element from the one before it along ``dim``, ``n`` times over.

    >>> lamina.diff(lamina.tensor([1, 4, 9])).tolist()
    [3, 5]
    """
    if input.ndim == 0 or n < 0:
        raise ShapeError(f"diff: expected at least 1 dimension and n >= 0, got {input.ndim} and {n}")
    dim = wrap(dim, input.ndim, "diff")
    parts = [x for x in (prepend, input, append) if x is not None]
    x = _core.cat(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, x.shape[dim])):
        size = max(x.shape[dim] - 1, 0)
        after, before = x.narrow(dim, x.shape[dim] - size, size), x.narrow(dim, 0, size)
        x = after ^ before if x.dtype is _core.bool else after - before
    return _core._into_out(x.clone() if n == 0 else x, out)


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral of ``y`` along ``dim`` by the trapezoidal rule, over points ``x`` or a spacing ``dx`` (1).

    >>> lamina.trapezoid(lamina.tensor([1.0, 2.0, 3.0])).item()
    4.0
    """
    dim = wrap(dim, y.ndim, "trapezoid")
    size = y.shape[dim]
    if x is None:
        ends = y.select(dim, 0) * 0.5 + y.select(dim, size - 1) * 0.5 if size else 0.0
        return (y.sum(dim) - ends) * (1.0 if dx is None else dx)
    if dx is not None:
        raise ShapeError("trapezoid: expected x or dx, got both")
    steps = diff(x, dim=-1 if x.ndim == 1 else dim)
    if x.ndim == 1:
        steps = steps.reshape([-1 if d == dim else 1 for d in range(y.ndim)])
    return ((y.narrow(dim, 1, size - 1) + y.narrow(dim, 0, size - 1)) * steps).sum(dim) / 2


trapz = trapezoid
