"""Convolutions of each channel by itself, and both gradients, against sums in float64 by NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.nn import functional as F

# (n, c, h, w), kernel, stride, padding, dilation: channels that fill no vector, small planes,
# windows that see nothing but padding, planes of several strips, rows of one to four vectors.
CASES: list[tuple[Any, ...]] = [
    ((2, 96, 20, 17), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((2, 24, 9, 9), (5, 5), (2, 2), (2, 2), (1, 1)),
    ((3, 40, 3, 3), (5, 5), (1, 1), (2, 2), (1, 1)),
    ((2, 9, 12, 13), (3, 5), (2, 1), (0, 4), (2, 1)),
    ((2, 17, 8, 8), (7, 7), (1, 1), (3, 3), (1, 1)),
    ((1, 32, 7, 6), (3, 3), (3, 3), (0, 0), (1, 1)),
    ((2, 8, 10, 11), (1, 1), (1, 1), (2, 2), (1, 1)),
    ((1, 8, 5, 5), (3, 3), (1, 1), (4, 4), (1, 1)),
    ((1, 16, 150, 160), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((1, 16, 150, 160), (3, 3), (2, 2), (1, 1), (1, 1)),
    ((2, 11, 14, 14), (5, 5), (1, 1), (2, 2), (1, 1)),
    ((2, 9, 13, 56), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((1, 10, 70, 49), (5, 5), (1, 1), (0, 3), (1, 1)),
    ((2, 9, 20, 40), (3, 3), (1, 1), (5, 4), (1, 1)),
]


def expected(x: np.ndarray, w: np.ndarray, g: np.ndarray, stride: Any, pad: Any, dilation: Any) -> Any:
    """The result and the gradients of input and weight, of sum(result * g)."""
    wide = np.pad(x, ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2))
    y, dx, dw = np.zeros(g.shape), np.zeros(wide.shape), np.zeros(w.shape)
    for ky in range(w.shape[2]):
        for kx in range(w.shape[3]):
            rows, columns = (
                slice(k * d, k * d + s * (size - 1) + 1, s)
                for k, d, s, size in zip((ky, kx), dilation, stride, g.shape[2:], strict=True)
            )
            tap = w[:, 0, ky, kx][:, None, None]
            y += tap * wide[:, :, rows, columns]
            dx[:, :, rows, columns] += tap * g
            dw[:, 0, ky, kx] = (g * wide[:, :, rows, columns]).sum((0, 2, 3))
    inner = (..., slice(pad[0], pad[0] + x.shape[2]), slice(pad[1], pad[1] + x.shape[3]))
    return y, dx[inner], dw


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value_and_gradients(case: tuple[Any, ...], dtype: str) -> None:
    shape, kernel, stride, pad, dilation = case
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(shape), rng.standard_normal((shape[1], 1, *kernel))
    size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(shape[2:], pad, dilation, kernel, stride, strict=True)
    ]
    g = rng.standard_normal((*shape[:2], *size))
    x, w, g = (a.astype(dtype).astype(np.float64) for a in (x, w, g))
    tensors = [lamina.tensor(a, dtype=getattr(lamina, dtype), requires_grad=True) for a in (x, w)]
    y = F.conv2d(*tensors, None, stride, pad, dilation, shape[1])
    y.backward(lamina.tensor(g, dtype=getattr(lamina, dtype)))
    bound = 5e-6 if dtype == "float32" else 1e-13
    for ours, right in zip(
        (y.detach(), tensors[0].grad, tensors[1].grad), expected(x, w, g, stride, pad, dilation), strict=True
    ):
        assert np.abs(ours.numpy() - right).max() <= bound * max(1, np.abs(right).max())


def test_same_bits_with_any_number_of_threads() -> None:
    rng, before, found = np.random.default_rng(0), lamina.get_num_threads(), []
    x, w = rng.standard_normal((3, 40, 30, 31)), rng.standard_normal((40, 1, 3, 3))
    try:
        for threads in (1, 2, 5):
            lamina.set_num_threads(threads)
            tensors = [lamina.tensor(a, dtype=lamina.float32, requires_grad=True) for a in (x, w)]
            y = F.conv2d(*tensors, None, 1, 1, 1, 40)
            (y * y).sum().backward()
            found.append([t.detach().numpy().tobytes() for t in (y, tensors[0].grad, tensors[1].grad)])
    finally:
        lamina.set_num_threads(before)
    assert found[0] == found[1] == found[2]
