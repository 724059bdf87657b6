"""Convolutions of narrow images, alone and with all that a network does to their result, against sums in
float64 by NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F

# (n, c, h, w), outputs, kernel, stride, padding, dilation: one image in parts of its outputs, several strips,
# outputs that fill half a tile's columns, more channels than are taken at a time, rows of four places.
CASES: list[tuple[Any, ...]] = [
    ((16, 128, 8, 8), 64, (3, 3), (2, 2), (1, 1), (1, 1)),
    ((1, 512, 14, 14), 512, (3, 3), (2, 2), (1, 1), (1, 1)),
    ((1, 16, 40, 6), 16, (3, 3), (2, 2), (1, 1), (1, 1)),
    ((3, 16, 7, 9), 48, (3, 3), (2, 2), (1, 1), (1, 1)),
    ((2, 5, 14, 14), 16, (5, 5), (1, 1), (0, 0), (1, 1)),
    ((5, 33, 5, 5), 16, (5, 5), (1, 1), (2, 2), (1, 1)),
    ((2, 300, 9, 4), 112, (3, 3), (1, 1), (2, 2), (2, 2)),
    ((4, 20, 6, 20), 32, (3, 5), (1, 2), (1, 2), (2, 1)),
]


def expected(x: np.ndarray, w: np.ndarray, stride: Any, pad: Any, dilation: Any) -> np.ndarray:
    wide = np.pad(x, ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2))
    seen = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], dilation, strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(wide, seen, axis=(2, 3))
    windows = windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    return np.einsum("nchwij,ocij->nohw", windows, w, optimize=True)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value(case: tuple[Any, ...]) -> None:
    shape, out, kernel, stride, pad, dilation = case
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s, np.float32) for s in (shape, (out, shape[1], *kernel), (out,)))
    right = expected(*(a.astype(np.float64) for a in (x, w)), stride, pad, dilation) + b[:, None, None]
    y = F.conv2d(*map(lamina.from_numpy, (x, w, b)), stride, pad, dilation).numpy()
    assert np.abs(y - right).max() < 5e-6 * np.abs(right).max()


def test_in_a_network_that_keeps_its_weights() -> None:
    """Batch norm folded in, a shortcut added, an activation that is no rectifier; weights changed between."""
    rng = np.random.default_rng(1)
    conv, norm = nn.Conv2d(32, 32, 5, padding=2), nn.BatchNorm2d(32)
    with lamina.no_grad():
        norm.running_mean.copy_(lamina.from_numpy(rng.standard_normal(32, np.float32)))
        norm.running_var.copy_(lamina.from_numpy(rng.random(32, np.float32) + 0.5))
    norm.eval()
    x = rng.standard_normal((4, 32, 6, 6), np.float32)
    for _ in range(3):
        with lamina.no_grad():
            t = lamina.from_numpy(x)
            plain, silu = F.relu(norm(conv(t)) + t), F.silu(norm(conv(t)))
            weight, bias = (
                conv.weight.detach().numpy().astype(np.float64),
                conv.bias.detach().numpy().astype(np.float64),
            )
            v = expected(x.astype(np.float64), weight, (1, 1), (2, 2), (1, 1)) + bias[:, None, None]
            mean, var = (
                s.detach().numpy().astype(np.float64)[:, None, None]
                for s in (norm.running_mean, norm.running_var)
            )
            v = (v - mean) / np.sqrt(var + norm.eps)
            assert np.abs(plain.numpy() - np.maximum(v + x, 0)).max() < 1e-5 * np.abs(v).max()
            assert np.abs(silu.numpy() - v / (1 + np.exp(-v))).max() < 1e-5 * np.abs(v).max()
            conv.weight.mul_(-0.5)
