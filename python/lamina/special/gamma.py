"""Functions around gamma: in several dimensions, incomplete; zeta, and the scaled erfc."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina import _core
from lamina._core import ShapeError, Tensor, polygamma
from lamina.autograd.function import Function
from lamina.elementwise import floating, real_type
from lamina.special.numeric import evaluated

__all__ = ["erfcx", "gammainc", "gammaincc", "multigammaln", "polygamma", "zeta"]


def multigammaln(input: Tensor, p: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the gamma function in ``p`` dimensions.

    Raises:
        ShapeError: an element is not above (p - 1) / 2.
    """
    if p < 1:
        raise ShapeError(f"mvlgamma: p has to be greater than or equal to 1, got {p}")
    x = floating(input, "mvlgamma")
    parts = _core.arange(0, p, 1, _core.int64).to(x.dtype) / 2
    total = (x.unsqueeze(-1) - parts).lgamma().sum(-1) + p * (p - 1) / 4 * math.log(math.pi)
    return _core._into_out(total, out)


def _lower(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The regularised lower incomplete gamma function for x < a + 1, by its series."""
    term = total = 1 / np.where(a > 0, a, 1.0)
    for n in range(1, 20000):
        term = term * x / (a + n)
        total = total + term
        if not (term > 1e-17 * total).any():
            break
    return total


def _upper(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The upper one for x >= a + 1, by its continued fraction (Lentz; Abramowitz & Stegun 6.5.31)."""
    b = x + 1 - a
    c, d = np.full_like(x, 1e300), 1 / b
    total = d
    for n in range(1, 20000):
        step = -n * (n - a)
        b = b + 2
        d, c = 1 / (step * d + b), b + step / c
        total = total * d * c
        if not (np.abs(d * c - 1) > 1e-16).any():
            break
    return total


def _incomplete(upper: bool) -> Any:
    def compute(a: np.ndarray, x: np.ndarray) -> np.ndarray:
        a, x = np.broadcast_arrays(a, x)
        valid = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
        safe_a, safe_x = np.where(valid, a, 1.0), np.where(valid, x, 1.0)
        small = safe_x < safe_a + 1
        lgamma = _core.lgamma(_core.from_numpy(safe_a)).numpy()
        front = np.exp(safe_a * np.log(safe_x) - safe_x - lgamma)
        low = front * _lower(safe_a, np.where(small, safe_x, 0.0))
        high = front * _upper(np.where(small, 1.0, safe_a), np.where(small, 2.0, safe_x))
        value = np.where(small, 1 - low, high) if upper else np.where(small, low, 1 - high)
        # At the borders: all of it lies to one side.
        below = (x == 0) & (a > 0) | np.isinf(a) & np.isfinite(x) & (x >= 0)
        above = (a == 0) & (x > 0) | np.isinf(x) & (x > 0) & (a >= 0) & np.isfinite(a)
        value = np.where(valid, value, np.nan)
        return np.where(below, float(upper), np.where(above, float(not upper), value))

    return compute


class _Incomplete(Function):
    """The derivative with respect to x; PyTorch has none with respect to a either."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, x: Tensor, upper: bool) -> Tensor:
        ctx.save_for_backward(a, x)
        ctx.sign = -1 if upper else 1
        return evaluated(_incomplete(upper), a, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None]:
        a, x = ctx.saved_tensors
        if ctx.needs_input_grad[0]:
            raise NotImplementedError("gammainc: there is no derivative with respect to the first argument")
        slope = grad * ctx.sign * _core.exp((a - 1) * x.log() - x - a.lgamma())
        return None, slope.sum_to_size(x.shape), None


def _both(input: Tensor, other: Tensor, upper: bool, out: Tensor | None) -> Tensor:
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        raise TypeError("gammainc: expected two tensors")
    dtype = real_type("gammainc", input, other)
    return _core._into_out(_Incomplete.apply(input.to(dtype), other.to(dtype), upper), out)


def gammainc(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The regularised lower incomplete gamma function P(input, other): from 0 at 0 to 1 at infinity."""
    return _both(input, other, False, out)


def gammaincc(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The regularised upper incomplete gamma function, ``1 - gammainc``."""
    return _both(input, other, True, out)


igamma, igammac, mvlgamma = gammainc, gammaincc, multigammaln
# B_2j / (2j)!
_BERNOULLI = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000)


def _zeta(s: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Ten terms, and the rest by the formula of Euler and Maclaurin."""
    s, q = np.broadcast_arrays(s, q)
    whole = np.where(q > 0, 0.0, np.minimum(np.ceil(1 - q), 1e4))
    total = np.zeros_like(q)
    for k in range(int(whole.max(initial=0))):  # terms left of 0, for integer s
        total = total + np.where(k < whole, (q + k) ** -s, 0.0)
    start = q + whole
    for k in range(10):
        total = total + (start + k) ** -s
    a = start + 10
    total = total + a ** (1 - s) / (s - 1) + a**-s / 2
    rising = s
    for j, b in enumerate(_BERNOULLI, 1):
        total = total + b * rising * a ** (-s - 2 * j + 1)
        rising = rising * (s + 2 * j - 1) * (s + 2 * j)
    total = np.where((q <= 0) & (q != np.floor(q)) & (s != np.floor(s)), np.nan, total)
    total = np.where((q <= 0) & (q == np.floor(q)) | (s == 1), np.inf, total)
    return np.where(s < 1, np.nan, total)


class _Zeta(Function):
    @staticmethod
    def forward(ctx: Any, s: Tensor, q: Tensor) -> Tensor:
        ctx.save_for_backward(s, q)
        return evaluated(_zeta, s, q)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        s, q = ctx.saved_tensors
        if ctx.needs_input_grad[0]:
            raise NotImplementedError("zeta: there is no derivative with respect to the first argument")
        return None, (grad * -s * _Zeta.apply(s + 1, q)).sum_to_size(q.shape)


def zeta(input: Tensor | float, other: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """Hurwitz' zeta function, the sum over k of ``(other + k)**-input``.

    >>> f"{lamina.special.zeta(lamina.tensor(2.0), 1).item():.4f}"
    '1.6449'
    """
    if not (isinstance(input, Tensor) or isinstance(other, Tensor)):
        raise TypeError("special.zeta: expected a tensor, got two numbers")
    dtype = real_type("zeta", input, other)
    s, q = (x.to(dtype) if isinstance(x, Tensor) else _core.full((), x, dtype) for x in (input, other))
    return _core._into_out(_Zeta.apply(s, q), out)


def erfcx(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``exp(x**2) * erfc(x)``, from 5 on by its continued fraction (Abramowitz & Stegun 7.1.14)."""
    floats = floating(input, "erfcx")
    x = floats.to(_core.float64)
    far = x > 5
    t = _core.where(far, x, 5.0)
    fraction = t
    for k in range(40, 0, -1):
        fraction = t + k / 2 / fraction
    near = _core.where(far, 0.0, x)
    value = _core.where(far, 1 / (math.sqrt(math.pi) * fraction), near.square().exp() * near.erfc())
    return _core._into_out(value.to(floats.dtype), out)
