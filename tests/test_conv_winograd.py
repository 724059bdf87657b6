"""3x3 convolutions large enough for Winograd's tiles, against sums in float64 by NumPy, one tap at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.nn import functional as F

# Rounding in tiles costs about five times as much as adding products up in order; of the result's spread.
BOUND = 1.5e-5

# (n, c, oc, h, w, padding): whole and ragged tiles, several blocks, parts and panels, weights kept and not.
SHAPES: list[tuple[int, int, int, int, int, tuple[int, int]]] = [
    (1, 16, 16, 16, 16, (1, 1)),
    (2, 64, 64, 56, 56, (1, 1)),
    (1, 16, 48, 40, 37, (0, 2)),
    (3, 80, 32, 15, 14, (1, 1)),
    (1, 32, 16, 21, 100, (2, 1)),
    (9, 160, 208, 7, 7, (1, 1)),
    (2, 48, 16, 9, 210, (0, 0)),
]


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def gradients(
    x: np.ndarray, w: np.ndarray, g: np.ndarray, pad: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The result and the gradients of input and weight, of sum(result * g)."""
    x, w, g = (a.astype(np.float64) for a in (x, w, g))
    wide = np.pad(x, ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2))
    y, dx, dw = np.zeros(g.shape), np.zeros(wide.shape), np.zeros(w.shape)
    for ky in range(3):
        for kx in range(3):
            at = (..., slice(ky, ky + g.shape[2]), slice(kx, kx + g.shape[3]))
            y += np.einsum("oc,ncij->noij", w[:, :, ky, kx], wide[at], optimize=True)
            dx[at] += np.einsum("oc,noij->ncij", w[:, :, ky, kx], g, optimize=True)
            dw[:, :, ky, kx] = np.einsum("noij,ncij->oc", g, wide[at], optimize=True)
    inner = (..., slice(pad[0], pad[0] + x.shape[2]), slice(pad[1], pad[1] + x.shape[3]))
    return y, dx[inner], dw


def close(ours: Any, expected: np.ndarray) -> None:
    assert np.abs(ours.numpy() - expected).max() < BOUND * expected.std()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_value_and_gradients(shape: tuple[int, int, int, int, int, tuple[int, int]]) -> None:
    n, c, oc, h, w, pad = shape
    x, weight, bias = normal(1, n, c, h, w), normal(2, oc, c, 3, 3), normal(3, oc)
    g = normal(4, n, oc, h + 2 * pad[0] - 2, w + 2 * pad[1] - 2)
    tensors = [lamina.tensor(a, requires_grad=True) for a in (x, weight, bias)]
    y = F.conv2d(*tensors, padding=pad)
    y.backward(lamina.tensor(g))
    expected, dx, dw = gradients(x, weight, g, pad)
    close(y.detach(), expected + bias[:, None, None])
    close(tensors[0].grad, dx)
    close(tensors[1].grad, dw)
    np.testing.assert_allclose(tensors[2].grad.numpy(), g.sum((0, 2, 3), dtype=np.float64), atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES[1:4], ids=str)
def test_same_bits_with_any_number_of_threads(
    shape: tuple[int, int, int, int, int, tuple[int, int]],
) -> None:
    n, c, oc, h, w, pad = shape
    before = lamina.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 5):
            lamina.set_num_threads(threads)
            x = lamina.tensor(normal(1, n, c, h, w), requires_grad=True)
            weight = lamina.tensor(normal(2, oc, c, 3, 3), requires_grad=True)
            y = F.conv2d(x, weight, padding=pad)
            (y * y).sum().backward()
            found.append([t.detach().numpy().tobytes() for t in (y, x.grad, weight.grad)])
    finally:
        lamina.set_num_threads(before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e38])
def test_what_is_not_finite_stays_in_its_windows(value: float) -> None:
    """A tile would hand it to all of its outputs; so would a value that is only too large for the tile."""
    x = normal(1, 2, 16, 24, 24)
    x[1, 3, 10, 11] = value
    weight = np.abs(normal(2, 16, 16, 3, 3)) * 0.1
    ours = F.conv2d(lamina.tensor(x), lamina.tensor(weight), padding=1).numpy()
    plain = F.conv2d(
        lamina.tensor(x, dtype=lamina.float64), lamina.tensor(weight, dtype=lamina.float64), padding=1
    )
    touched = np.zeros(ours.shape, bool)
    touched[1, :, 9:12, 10:13] = True
    np.testing.assert_allclose(ours[~touched], plain.numpy()[~touched], rtol=1e-4, atol=1e-4)
    if abs(value) == 1e38:
        np.testing.assert_allclose(ours[touched], plain.numpy()[touched], rtol=1e-5)
    else:
        np.testing.assert_array_equal(ours[touched], plain.numpy()[touched].astype(np.float32))
    # The gradient of the weight sees it everywhere, and nothing else is.
    w = lamina.tensor(weight, requires_grad=True)
    F.conv2d(lamina.tensor(x), w, padding=1).sum().backward()
    assert np.isfinite(w.grad.numpy())[:, 3].any() == (abs(value) == 1e38)
    assert np.isfinite(w.grad.numpy()[:, :3]).all()
