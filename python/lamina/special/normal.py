"""Entropy, and the distribution function of the normal distribution in its forms."""

from __future__ import annotations

import math

from lamina import _core
from lamina._core import Tensor
from lamina.elementwise import floating

__all__ = ["entr", "log_ndtr", "ndtr", "ndtri", "xlog1py"]


def entr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``-x log(x)``: 0 at 0, -inf below."""
    inside = -_core.xlogy(input, input)
    return _core._into_out(_core.where(input < 0, -math.inf, inside), out)


def ndtr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The distribution function of the standard normal distribution."""
    return _core.mul(_core.erfc(input * -math.sqrt(0.5)), 0.5, out=out)


def log_ndtr(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of ``ndtr``; below -5 by the continued fraction of Abramowitz & Stegun 26.2.14."""
    input = floating(input, "log_ndtr")
    far = input < -5
    near = _core.log(ndtr(_core.where(far, 0.0, input)))
    t = _core.where(far, -input, 5.0)
    fraction = t
    for k in range(30, 0, -1):
        fraction = t + k / fraction
    tail = -0.5 * t * t - 0.5 * math.log(2 * math.pi) - _core.log(fraction)
    return _core._into_out(_core.where(far, tail, near), out)


def ndtri(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverse of ``ndtr``."""
    x = floating(input, "ndtri")
    return _core.mul(_core.erfinv(2 * x - 1), math.sqrt(2), out=out)


def xlog1py(input: Tensor | float, other: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """``input * log(1 + other)``, 0 where input is 0."""
    return _core.xlogy(input, other + 1, out=out)
