"""Products of bfloat16, which run on units of their own where the CPU has them: against double precision."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import lamina
from lamina.nn import functional as F
from nn_check import array


def bfloat(*shape: int, seed: int = 0) -> lamina.Tensor:
    return lamina.from_numpy(array(*shape, seed=seed)).bfloat16()


def exact(x: lamina.Tensor) -> np.ndarray:
    return x.detach().double().numpy()


@pytest.mark.parametrize(
    ("m", "k", "n"), [(64, 64, 64), (33, 70, 45), (100, 2100, 57), (16, 16, 300), (8, 600, 9)]
)
def test_products_of_any_layout(m: int, k: int, n: int) -> None:
    a, b = bfloat(m, k), bfloat(k, n, seed=1)
    right = exact(a) @ exact(b)
    size = np.abs(exact(a)) @ np.abs(exact(b))
    layouts = [lambda x: x, lambda x: x.T.contiguous().T, lambda x: lamina.stack([x, x], -1)[..., 1]]
    for left, other in itertools.product(layouts, layouts):
        product = exact(left(a) @ other(b))
        # One rounding to 8 bits of the result, and sums in float.
        assert (np.abs(product - right) <= np.abs(right) / 256 + size * 1e-6).all()


def test_batches_and_bias() -> None:
    a, b, bias = bfloat(3, 40, 50), bfloat(3, 50, 60, seed=1), bfloat(60, seed=2)
    right = exact(a) @ exact(b)
    assert (np.abs(exact(a @ b) - right) <= np.abs(right) / 256 + 1e-4).all()
    x, w = bfloat(2, 40, 50), bfloat(60, 50, seed=1)
    y, right = exact(F.linear(x, w, bias)), exact(x) @ exact(w).T + exact(bias)
    assert (np.abs(y - right) <= np.abs(right) / 256 + 1e-4).all()


def test_gradients_are_those_of_float() -> None:
    x, w = bfloat(48, 64), bfloat(80, 64, seed=1)
    g = bfloat(48, 80, seed=2)
    for tensor in (x, w):
        tensor.requires_grad_()
    F.linear(x, w).backward(g)
    for found, right in ((x.grad, exact(g) @ exact(w)), (w.grad, exact(g).T @ exact(x))):
        assert found is not None
        assert found.dtype == lamina.bfloat16
        assert (np.abs(exact(found) - right) <= np.abs(right) / 256 + 1e-4).all()


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    a, b, threads, found = bfloat(300, 1500), bfloat(1500, 200, seed=1), lamina.get_num_threads(), []
    for count in (1, 2, 5):
        lamina.set_num_threads(count)
        found.append((a @ b).float().numpy().tobytes())
    lamina.set_num_threads(threads)
    assert found[0] == found[1] == found[2]


def test_what_is_not_a_number_stays_in_its_row() -> None:
    a, b = bfloat(40, 64), bfloat(64, 48, seed=1)
    a[3, 5] = float("nan")
    a[7, 9] = float("inf")
    product = a @ b
    assert product[3].isnan().all()
    assert not product[7].isfinite().any()
    rest = [i for i in range(40) if i not in (3, 7)]
    assert product[rest].isfinite().all()
