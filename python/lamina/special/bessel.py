"""Bessel functions of order 0 and 1: by their integrals, whose trapezoidal sums converge exponentially, and
by the asymptotic series beyond.

Sources: Abramowitz & Stegun, chapter 9; Trefethen & Weideman, The exponentially convergent trapezoidal rule,
2014.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina import _core
from lamina._core import Tensor
from lamina.special.numeric import computed

FAR = 50.0  # from here on the asymptotic series is exact
NODES = 192
ANGLES = np.arange(NODES + 1) * (np.pi / NODES)
WEIGHTS = np.where((ANGLES == 0) | (np.arange(NODES + 1) == NODES), 0.5, 1.0) / NODES


def _mean(kernel: Callable[[np.ndarray], np.ndarray], x: np.ndarray, weights: np.ndarray = WEIGHTS) -> Any:
    """The mean over angles from 0 to pi of a kernel of x (..., 1), in pieces of bounded size."""
    flat = x.reshape(-1)
    parts = [kernel(flat[i : i + 4096, None]) @ weights for i in range(0, len(flat), 4096)]
    return np.concatenate(parts).reshape(x.shape) if parts else x.copy()


def _series(order: int, x: np.ndarray, sign: float) -> tuple[np.ndarray, np.ndarray]:
    """The even and the odd terms of Hankel's series in 1/x; ``sign`` -1 alternates within each."""
    even, odd, term = np.zeros_like(x), np.zeros_like(x), np.ones_like(x)
    for k in range(24):
        if k % 2:
            odd += term * sign ** (k // 2)
        else:
            even += term * sign ** (k // 2)
        term = term * (4 * order**2 - (2 * k + 1) ** 2) / ((k + 1) * 8 * x)
    return even, odd


def _far(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) > FAR, np.abs(x), FAR)


def _near(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) > FAR, 0.0, x)


def _ie(order: int) -> Callable[[np.ndarray], np.ndarray]:
    """exp(-|x|) I(x)."""

    def compute(x: np.ndarray) -> np.ndarray:
        size = _near(np.abs(x))
        near = _mean(lambda t: np.exp(t * (np.cos(ANGLES) - 1)) * np.cos(order * ANGLES), size)
        far = _far(x)
        even, odd = _series(order, far, 1.0)
        values = np.where(np.abs(x) > FAR, (even - odd) / np.sqrt(2 * np.pi * far), near)
        return np.where(np.isnan(x), x, values * np.sign(x) if order else values)

    return compute


def _i(order: int) -> Callable[[np.ndarray], np.ndarray]:
    scaled = _ie(order)
    return lambda x: scaled(x) * np.exp(np.abs(x) / 2) * np.exp(np.abs(x) / 2)


def _wave(order: int, x: np.ndarray, turn: float) -> np.ndarray:
    """J (turn 0) or Y (turn -pi/2) far from 0."""
    even, odd = _series(order, x, -1.0)
    phase = x - (order / 2 + 0.25) * np.pi + turn
    return np.sqrt(2 / (np.pi * x)) * (even * np.cos(phase) - odd * np.sin(phase))


def _j(order: int) -> Callable[[np.ndarray], np.ndarray]:
    def compute(x: np.ndarray) -> np.ndarray:
        near = _mean(lambda t: np.cos(order * ANGLES - t * np.sin(ANGLES)), _near(x))
        far = _wave(order, _far(x), 0.0) * (np.sign(x) if order else 1)
        return np.where(np.isnan(x), x, np.where(np.abs(x) > FAR, far, near))

    return compute


def _y(order: int) -> Callable[[np.ndarray], np.ndarray]:
    """Near 0 by Neumann's series of J, summed under the integral (9.1.88)."""
    k = np.arange(1, 80)[:, None]
    if order == 0:
        sums = ((-1.0) ** k * 2 / k * np.cos(2 * k * ANGLES)).sum(0)
    else:
        sums = ((-1.0) ** k * (2 * k + 1) / (k * (k + 1)) * np.sin((2 * k + 1) * ANGLES)).sum(0)
    j = _j(order)

    def compute(x: np.ndarray) -> np.ndarray:
        size = np.where((x > 0) & (x <= FAR), x, 1.0)
        kernel = np.cos if order == 0 else np.sin
        rest = _mean(lambda t: kernel(t * np.sin(ANGLES)), size, WEIGHTS * sums)
        near = 2 / np.pi * (np.log(size / 2) + np.euler_gamma - order) * j(size) - 2 / np.pi * rest
        near = near - (2 / (np.pi * size) * _j(0)(size) if order else 0)
        values = np.where(x > FAR, _wave(order, _far(x), -np.pi / 2), near)
        return np.where(x == 0, -np.inf, np.where(x > 0, values, np.nan))

    return compute


def _ke(order: int) -> Callable[[np.ndarray], np.ndarray]:
    """exp(x) K(x): the integral of exp(-x (cosh t - 1)) cosh(order t) over t > 0."""
    places = np.arange(257) / 256

    def compute(x: np.ndarray) -> np.ndarray:
        size = np.where((x > 0) & np.isfinite(x), x, 1.0)
        reach = np.arccosh(1 + 745 / size)
        flat, wide = size.reshape(-1), reach.reshape(-1)
        parts = []
        for i in range(0, len(flat), 4096):
            t = wide[i : i + 4096, None] * places
            heights = np.exp(-flat[i : i + 4096, None] * (np.cosh(t) - 1)) * np.cosh(order * t)
            parts.append((heights.sum(1) - heights[:, 0] / 2) * wide[i : i + 4096] / 256)
        values = np.concatenate(parts).reshape(x.shape) if parts else size
        values = np.where(np.isinf(x), 0.0, values)
        return np.where(x == 0, np.inf, np.where(x > 0, values, np.nan))

    return compute


def _k(order: int) -> Callable[[np.ndarray], np.ndarray]:
    scaled = _ke(order)
    return lambda x: scaled(x) * np.exp(-x)


def _over(y: Tensor, x: Tensor) -> Tensor:
    """y / x for an odd y with slope 1/2 at 0."""
    zero = x == 0
    return _core.where(zero, 0.5, y / _core.where(zero, 1.0, x))


i0e: Callable[..., Tensor] = computed(
    "i0e", "``exp(-|x|) * i0(x)``.", _ie(0), lambda x: i1e(x) - x.sign() * i0e(x)
)
i1e: Callable[..., Tensor] = computed(
    "i1e", "``exp(-|x|) * i1(x)``.", _ie(1), lambda x: i0e(x) - _over(i1e(x), x) - x.sign() * i1e(x)
)
i0: Callable[..., Tensor] = computed(
    "i0", "The modified Bessel function of the first kind of order 0.", _i(0), lambda x: i1(x)
)
i1: Callable[..., Tensor] = computed(
    "i1",
    "The modified Bessel function of the first kind of order 1.",
    _i(1),
    lambda x: i0(x) - _over(i1(x), x),
)
modified_bessel_i0, modified_bessel_i1 = i0, i1
bessel_j0 = computed("bessel_j0", "The Bessel function of the first kind of order 0.", _j(0))
bessel_j1 = computed("bessel_j1", "The Bessel function of the first kind of order 1.", _j(1))
bessel_y0 = computed("bessel_y0", "The Bessel function of the second kind of order 0.", _y(0))
bessel_y1 = computed("bessel_y1", "The Bessel function of the second kind of order 1.", _y(1))
modified_bessel_k0 = computed(
    "modified_bessel_k0", "The modified Bessel function of the second kind of order 0.", _k(0)
)
modified_bessel_k1 = computed(
    "modified_bessel_k1", "The modified Bessel function of the second kind of order 1.", _k(1)
)
scaled_modified_bessel_k0 = computed(
    "scaled_modified_bessel_k0", "``exp(x) * modified_bessel_k0(x)``.", _ke(0)
)
scaled_modified_bessel_k1 = computed(
    "scaled_modified_bessel_k1", "``exp(x) * modified_bessel_k1(x)``.", _ke(1)
)
spherical_bessel_j0 = computed(
    "spherical_bessel_j0", "``sin(x) / x``, 1 at 0.", lambda x: np.sinc(np.where(np.isinf(x), 1, x) / np.pi)
)
