"""Elementwise functions composed of the core's, and comparisons of whole tensors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lamina import _core
from lamina._core import DtypeError, ShapeError, Tensor
from lamina.dtype_info import finfo

if TYPE_CHECKING:
    from lamina._core import dtype as Dtype

__all__ = [
    "allclose",
    "clamp_max",
    "clamp_min",
    "deg2rad",
    "equal",
    "heaviside",
    "isclose",
    "isreal",
    "ldexp",
    "logit",
    "nan_to_num",
    "positive",
    "rad2deg",
]


def inexact(input: Tensor) -> Tensor:
    """``input``, or as the default dtype where it is of integers or bools."""
    exact = not (input.is_floating_point() or input.is_complex())
    return input.to(_core.get_default_dtype()) if exact else input


def floating(input: Tensor, word: str) -> Tensor:
    """The same for what complex numbers are not allowed in.

    Raises:
        TypeError: it is complex.
    """
    if input.is_complex():
        raise DtypeError(f"{word}: not defined for complex numbers, got {input.dtype}")
    return inexact(input)


def real_type(word: str, input: Any, other: Any) -> Dtype:
    """The floating dtype of a function of both.

    Raises:
        TypeError: one is complex.
    """
    found = _core.result_type(input, other)
    if found.is_complex:
        raise DtypeError(f"{word}: not defined for complex numbers")
    return found if found.is_floating_point else _core.get_default_dtype()


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
    x = floating(input, "logit")
    x = x if eps is None else x.clamp(eps, 1 - eps)
    return _core._logit(x, out=out)


def ldexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``input * 2**other``.

    Raises:
        TypeError: one is a number.
    """
    _tensors("ldexp", input, other)
    return _core.mul(input, _core.pow(2.0, other), out=out)


def _tensors(word: str, *values: object) -> None:
    """All are tensors.

    Raises:
        TypeError: one is not.
    """
    for value in values:
        if not isinstance(value, Tensor):
            raise TypeError(f"{word}: expected tensors, got {type(value).__name__}")


def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 for negative elements, 1 for positive ones, and ``values`` for 0.

    Raises:
        TypeError: the dtypes differ.
    """
    _tensors("heaviside", input, values)
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
    if input.is_complex():
        parts = nan_to_num(_core.view_as_real(input), nan, posinf, neginf)
        return _core._into_out(_core.view_as_complex(parts), out)
    if not input.dtype.is_floating_point:
        return _core._into_out(input.clone(), out)
    limits = finfo(input.dtype)
    return _core._nan_to_num(
        input,
        0.0 if nan is None else nan,
        limits.max if posinf is None else posinf,
        limits.min if neginf is None else neginf,
        out=out,
    )


def isreal(input: Tensor) -> Tensor:
    """Where the imaginary part is 0: everywhere in a tensor that is not complex."""
    if input.is_complex():
        return _core.imag(input.detach()) == 0
    return _core.full_like(input, True, _core.bool)


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """Where ``|input - other| <= atol + rtol * |other|``; infinities are close to themselves alone.

    Raises:
        TypeError: the dtypes differ.
        ShapeError: a negative tolerance.
    """
    _tensors("isclose", input, other)
    if input.dtype is not other.dtype:
        raise DtypeError(f"isclose: expected tensors of one dtype, got {input.dtype} and {other.dtype}")
    if rtol < 0 or atol < 0:
        raise ShapeError(f"isclose: expected tolerances that are not negative, got rtol={rtol}, atol={atol}")
    a, b = input.detach(), other.detach()
    if a.dtype is _core.bool:
        a, b = a.to(_core.uint8), b.to(_core.uint8)
    close = a == b
    if (a.dtype.is_floating_point or a.dtype.is_complex) and equal_nan:
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
    _tensors("equal", input, other)
    if input.dtype is not other.dtype:
        raise DtypeError(f"equal: expected tensors of one dtype, got {input.dtype} and {other.dtype}")
    return input.shape == other.shape and bool((input == other).all())
