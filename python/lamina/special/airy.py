"""Airy's function: its power series near 0, the integral of the Bessel function K to the right, and the
asymptotic series far to the left.

Source: Abramowitz & Stegun, section 10.4.
"""

from __future__ import annotations

import math

import numpy as np

from lamina.special.numeric import computed

LEFT, RIGHT = -7.5, 1.0  # the power series is used between
SLOPE, VALUE = 3 ** (-1 / 3) / math.gamma(1 / 3), 3 ** (-2 / 3) / math.gamma(2 / 3)  # -Ai'(0), Ai(0)
STEPS = np.linspace(0, 6, 193)


def _powers(x: np.ndarray) -> np.ndarray:
    """10.4.2: two series in x**3, each term from the one before."""
    first, second = np.ones_like(x), x.copy()
    result = VALUE * first - SLOPE * second
    for k in range(1, 60):
        first = first * x**3 / ((3 * k - 1) * (3 * k))
        second = second * x**3 / ((3 * k) * (3 * k + 1))
        result = result + VALUE * first - SLOPE * second
    return result


def _right(x: np.ndarray) -> np.ndarray:
    """10.4.14, ``sqrt(x / 3) / pi * K(1/3, z)``; K by the trapezoidal sum of its integral over cosh."""
    z = 2 / 3 * x**1.5
    terms = np.exp(-z[..., None] * (np.cosh(STEPS) - 1)) * np.cosh(STEPS / 3)
    integral = (terms.sum(-1) - 0.5 * terms[..., 0]) * (STEPS[1] - STEPS[0])
    return np.sqrt(x / 3) / math.pi * np.exp(-z) * integral


def _left(x: np.ndarray) -> np.ndarray:
    """10.4.60, the amplitudes by their series in 1/z."""
    z = 2 / 3 * (-x) ** 1.5
    even, odd, term = np.zeros_like(z), np.zeros_like(z), np.ones_like(z)
    for k in range(18):
        if k % 2:
            odd += term * (-1) ** (k // 2)
        else:
            even += term * (-1) ** (k // 2)
        term = term * (6 * k + 1) * (6 * k + 3) * (6 * k + 5) / (216 * (k + 1) * (2 * k + 1) * z)
    angle = z + math.pi / 4
    return (np.sin(angle) * even - np.cos(angle) * odd) / (math.sqrt(math.pi) * (-x) ** 0.25)


def _airy(x: np.ndarray) -> np.ndarray:
    middle = _powers(np.clip(x, LEFT, RIGHT))
    right, left = _right(np.clip(x, RIGHT, 200)), _left(np.minimum(x, LEFT))
    return np.where(x > RIGHT, right, np.where(x < LEFT, left, middle)) + 0 * x


airy_ai = computed(
    "airy_ai", "Airy's function Ai, the solution of ``y'' = x * y`` that vanishes to the right.", _airy
)
