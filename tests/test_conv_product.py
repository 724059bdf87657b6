"""Convolutions with kernels of one place, and both gradients, against products in float64 by NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.nn import functional as F

# (n, c, h, w), outputs, groups: planes laid side by side and not, weights' gradients by tiles and by dots.
CASES: list[tuple[Any, ...]] = [
    ((8, 115, 3, 3), 192, 1),
    ((3, 40, 7, 5), 24, 1),
    ((2, 48, 6, 6), 32, 4),
    ((8, 64, 14, 14), 128, 1),
    ((1, 24, 30, 30), 40, 1),
    ((3, 12, 3, 3), 4, 1),
    ((2, 100, 28, 28), 17, 1),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_and_gradients(case: tuple[Any, ...]) -> None:
    (n, c, h, w), out, groups = case
    rng = np.random.default_rng(0)
    arrays = [
        rng.standard_normal(size, dtype=np.float32)
        for size in ((n, c, h, w), (out, c // groups, 1, 1), (out,), (n, out, h, w))
    ]
    x, weight, bias, g = (a.astype(np.float64) for a in arrays)
    parts = (x.reshape(n, groups, -1, h, w), weight.reshape(groups, out // groups, -1))
    of_g = g.reshape(n, groups, -1, h, w)
    y = np.einsum("ngchw,goc->ngohw", *parts).reshape(g.shape) + bias[:, None, None]
    dx = np.einsum("ngohw,goc->ngchw", of_g, parts[1]).reshape(x.shape)
    dw = np.einsum("ngohw,ngchw->goc", of_g, parts[0]).reshape(weight.shape)
    tensors = [lamina.tensor(a, requires_grad=True) for a in arrays[:3]]
    result = F.conv2d(*tensors, groups=groups)
    result.backward(lamina.tensor(arrays[3]))
    found = (result.detach(), tensors[0].grad, tensors[1].grad, tensors[2].grad)
    for ours, right in zip(found, (y, dx, dw, g.sum((0, 2, 3))), strict=True):
        assert np.abs(ours.numpy() - right).max() < 5e-6 * np.abs(right).max()
