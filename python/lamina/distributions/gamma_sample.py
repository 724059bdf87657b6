"""Numbers drawn from the gamma distribution, and how they change with its shape.

They come from NumPy, whose generator is seeded by lamina's: the same ``manual_seed`` gives the same numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina
from lamina._core import Tensor
from lamina.autograd.function import Function, once_differentiable

LARGE = 1000.0  # a shape above which the cube-root law of Wilson & Hilferty, 1931, gives the derivative


def numpy_generator() -> np.random.Generator:
    """A generator of NumPy's that continues lamina's default one."""
    words = lamina.randint(0, 2**31, (4,)).tolist()
    return np.random.Generator(np.random.PCG64(words))


def _slope_series(z: np.ndarray[Any, Any], alpha: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """dz/dalpha at a fixed probability: -(dP/dalpha) / p for the distribution function P(alpha, z).

    P = z^alpha e^-z / Gamma(alpha + 1) * S with S = sum_n z^n / ((alpha + 1) ... (alpha + n)), so that
    dP/dalpha = prefix * ((ln z - psi(alpha + 1)) S - sum_n t_n H_n), H_n = sum_k 1 / (alpha + k); and the
    density p is prefix * alpha / z.
    """
    term, total = np.ones_like(z), np.ones_like(z)
    harmonic, weighted = np.zeros_like(z), np.zeros_like(z)
    n = 0
    while True:
        n += 1
        term = term * z / (alpha + n)
        harmonic += 1 / (alpha + n)
        total += term
        weighted += term * harmonic
        if not (term * (1 + harmonic) > 1e-17 * (total + weighted)).any():
            break
    psi = lamina.digamma(lamina.from_numpy(alpha + 1)).numpy()
    return -(z / alpha) * ((np.log(z) - psi) * total - weighted)


def _slope_large(z: np.ndarray[Any, Any], alpha: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """z = alpha c^3 with c = 1 - 1 / (9 alpha) + u / (3 sqrt(alpha)), for the fixed normal quantile u."""
    c = np.cbrt(z / alpha)
    u = 3 * np.sqrt(alpha) * (c - 1 + 1 / (9 * alpha))
    return c**3 + 3 * alpha * c**2 * (1 / (9 * alpha**2) - u / (6 * alpha**1.5))


def slope(z: np.ndarray[Any, Any], alpha: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """How a number ``z`` drawn from Gamma(alpha, 1) changes with ``alpha``, float64 and elementwise.

    Source: Figurnov, Mohamed and Mnih, Implicit Reparameterization Gradients, 2018.
    """
    z, alpha = np.broadcast_arrays(z, alpha)
    result = np.empty_like(z)
    large = alpha > LARGE
    result[large] = _slope_large(z[large], alpha[large])
    if not large.all():
        result[~large] = _slope_series(z[~large], alpha[~large])
    return result


class _StandardGamma(Function):
    @staticmethod
    def forward(ctx: Any, alpha: Tensor) -> Tensor:
        shape = alpha.detach().double().numpy()
        drawn = np.maximum(numpy_generator().standard_gamma(shape), np.finfo(np.float64).tiny)
        ctx.slope = slope(drawn, shape) if alpha.requires_grad else None
        made = lamina.from_numpy(np.asarray(drawn)).to(alpha.dtype)
        return made.clamp(min=lamina.finfo(alpha.dtype).tiny)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad * lamina.from_numpy(np.asarray(ctx.slope)).to(grad.dtype)


def standard_gamma(alpha: Tensor) -> Tensor:
    """Drawn from Gamma(alpha, 1) elementwise; differentiable once in ``alpha``."""
    drawn: Tensor = _StandardGamma.apply(alpha)
    return drawn
