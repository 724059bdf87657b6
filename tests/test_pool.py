"""Pooling over windows wider and narrower than a vector, against NumPy: values, places, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
import reference as ref
from lamina.nn import functional as F

# (planes, h, w), kernel, stride, padding, dilation: rows of one vector, of several with a rest, of less than
# one; steps of 1, 2 and 3; windows mostly in the padding.
CASES: list[tuple[Any, ...]] = [
    ((3, 9, 40), (3, 3), (2, 2), (1, 1), (1, 1)),
    ((2, 7, 35), (2, 2), (1, 1), (1, 1), (1, 1)),
    ((2, 12, 77), (3, 4), (2, 3), (1, 2), (1, 1)),
    ((2, 10, 50), (3, 3), (1, 2), (0, 1), (2, 3)),
    ((4, 5, 6), (5, 5), (1, 1), (2, 2), (1, 1)),
    ((1, 28, 28), (2, 2), (2, 2), (0, 0), (1, 1)),
]


def image(shape: tuple[int, ...]) -> np.ndarray:
    """Few different values, so that windows hold their largest more than once; some rows of -inf."""
    x = np.random.default_rng(0).integers(-3, 3, (1, *shape)).astype(float)
    x[..., 2:5, :] = -np.inf
    return x


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_max(case: tuple[Any, ...], dtype: str) -> None:
    shape, *window = case
    x = image(shape)
    kernel, stride, pad, dilation = window
    # Among equals the first place wins, of those inside: padding is less than -inf here.
    seen = ref.windows(x, kernel, stride, pad, dilation, np.nan, False)
    flat = np.where(np.isnan(seen), -np.inf, seen).reshape(*seen.shape[:4], -1)
    inside = ~np.isnan(seen).reshape(flat.shape)
    best = flat.max(-1, keepdims=True)
    at = ((flat == best) & inside).argmax(-1)[..., None]
    plane = np.arange(shape[1] * shape[2], dtype=float).reshape(1, 1, *shape[1:])
    places = ref.windows(np.broadcast_to(plane, x.shape), kernel, stride, pad, dilation, -1, False)
    want = np.take_along_axis(places.reshape(flat.shape), at, -1)[..., 0].astype(np.int64)

    t = lamina.tensor(x, dtype=getattr(lamina, dtype), requires_grad=True)
    y, indices = F.max_pool2d(t, *window, return_indices=True)
    np.testing.assert_array_equal(y.detach().numpy(), best[..., 0])
    np.testing.assert_array_equal(indices.numpy(), want)
    np.testing.assert_array_equal(F.max_pool2d(t.detach(), *window).numpy(), best[..., 0])
    g = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    y.backward(lamina.tensor(g))
    dx = np.zeros((shape[0], shape[1] * shape[2]))
    for i in range(shape[0]):
        np.add.at(dx[i], want[0, i].ravel(), g[0, i].ravel())
    assert t.grad is not None
    np.testing.assert_allclose(t.grad.numpy().reshape(dx.shape), dx, rtol=1e-5, atol=1e-5)


def test_nan_wins() -> None:
    x = np.zeros((1, 1, 6, 40), np.float32)
    x[0, 0, 3, [0, 17, 39]] = np.nan
    y = F.max_pool2d(lamina.tensor(x), 3, 2, 1).numpy()[0, 0]
    assert np.isnan(y).tolist() == np.isnan(ref.windows(x, 3, 2, 1, 1, 0, False).sum((-1, -2)))[0, 0].tolist()


@pytest.mark.parametrize("case", [c for c in CASES if c[4] == (1, 1)], ids=str)
@pytest.mark.parametrize("with_pad", [True, False])
def test_mean(case: tuple[Any, ...], with_pad: bool) -> None:
    shape, kernel, stride, pad, _ = case
    x = np.random.default_rng(0).standard_normal((1, *shape))
    t = lamina.tensor(x, requires_grad=True)
    y = F.avg_pool2d(t, kernel, stride, pad, False, with_pad)
    np.testing.assert_allclose(
        y.detach().numpy(), ref.avg_pool2d(x, kernel, stride, pad, False, with_pad), 1e-12
    )
    # The gradient by linearity: the derivative of sum(y * g) along d is sum(pool(d) * g).
    g, d = (np.random.default_rng(s).standard_normal(n) for s, n in ((1, y.shape), (2, x.shape)))
    y.backward(lamina.tensor(g))
    along = (ref.avg_pool2d(d, kernel, stride, pad, False, with_pad) * g).sum()
    assert t.grad is not None
    np.testing.assert_allclose((t.grad.numpy() * d).sum(), along, rtol=1e-10)


def test_windows_of_nothing_but_padding() -> None:
    """Where taps stand apart, a window may miss the input: its largest is -inf and nothing goes back."""
    x = lamina.ones(1, 1, 2, 2, requires_grad=True)
    y = F.max_pool2d(x, 2, 1, 1, 3)
    assert y.shape == (1, 1, 1, 1) and y.item() == -np.inf
