"""Attention computed in blocks, at sizes that cross them: against NumPy in double precision.

Layers and their masks: test_nn_attention.py. Small sizes and derivatives of every order: test_ops.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
import reference as ref
from lamina.nn import functional as F
from nn_check import array

HIDDEN = -np.inf
TOLERANCE = {"float64": 1e-11, "float32": 2e-5, "float16": 2e-2, "bfloat16": 1e-1}


def padding() -> np.ndarray:
    """Keys hidden from the 200th on in one sequence and everywhere in the other."""
    mask = np.zeros((2, 1, 1, 300))
    mask[0, ..., 200:] = mask[1] = HIDDEN
    return mask


def scattered(*shape: int) -> np.ndarray:
    mask = np.random.default_rng(5).random(shape) > 0.5
    mask[..., 3, :] = False
    return mask


def windows(length: int, width: int) -> np.ndarray:
    """Each query sees the keys less than ``width`` behind it: blocks far from the diagonal are empty."""
    distance = np.arange(length)[:, None] - np.arange(length)
    return (distance >= 0) & (distance < width)


# q, k, v, options
SIZES: list[tuple[Any, Any, Any, dict[str, Any]]] = [
    ((2, 3, 50, 16), (2, 3, 70, 16), (2, 3, 70, 16), {}),
    ((1, 2, 300, 64), (1, 2, 300, 64), (1, 2, 300, 64), {"causal": True}),
    ((2, 3, 130, 20), (2, 3, 257, 20), (2, 3, 257, 40), {"causal": True}),
    ((1, 2, 257, 33), (1, 2, 130, 33), (1, 2, 130, 7), {"causal": True, "scale": 0.1}),
    ((1, 1, 150, 8), (1, 1, 1000, 8), (1, 1, 1000, 8), {}),  # one head: its keys are shared out
    ((1, 6, 65, 32), (1, 2, 300, 32), (1, 2, 300, 32), {"grouped": True}),
    ((1, 6, 1, 64), (1, 2, 700, 64), (1, 2, 700, 64), {"grouped": True}),  # decoding
    ((2, 4, 3, 24), (2, 4, 500, 24), (2, 4, 500, 9), {"causal": True}),
    ((2, 3, 65, 16), (2, 3, 300, 16), (2, 3, 300, 16), {"mask": padding()}),
    ((2, 3, 1, 16), (2, 3, 300, 16), (2, 3, 300, 16), {"mask": padding()}),
    ((2, 3, 65, 16), (2, 3, 300, 16), (2, 3, 300, 16), {"mask": scattered(2, 1, 65, 300)}),
    ((2, 3, 65, 16), (2, 3, 300, 16), (2, 3, 300, 16), {"mask": array(3, 65, 300)}),
    ((1, 2, 400, 16), (1, 2, 400, 16), (1, 2, 400, 16), {"mask": windows(400, 20)}),
]


def gradients(g: np.ndarray, q: np.ndarray, k: np.ndarray, v: np.ndarray, options: dict[str, Any]) -> Any:
    """By the formulas of softmax(s) v, the weights taken from the output for v = 1."""
    group = q.shape[1] // k.shape[1]
    kk, vv = k.repeat(group, 1), v.repeat(group, 1)
    options = {name: value for name, value in options.items() if name != "grouped"}
    one = np.broadcast_to(np.eye(k.shape[2]), (*kk.shape[:2], k.shape[2], k.shape[2]))
    p = ref.scaled_dot_product_attention(q, kk, one, **options)
    dp = g @ vv.swapaxes(2, 3)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True)) * options.get("scale", q.shape[-1] ** -0.5)
    shape = (q.shape[0], k.shape[1], group)
    dk = (ds.swapaxes(2, 3) @ q).reshape(*shape, *k.shape[2:]).sum(2)
    dv = (p.swapaxes(2, 3) @ g).reshape(*shape, *v.shape[2:]).sum(2)
    return ds @ kk, dk, dv


def run(inputs: Any, options: dict[str, Any]) -> Any:
    names = {"mask": "attn_mask", "causal": "is_causal", "grouped": "enable_gqa", "scale": "scale"}
    given = {names[name]: value for name, value in options.items()}
    if "attn_mask" in given:
        given["attn_mask"] = lamina.from_numpy(given["attn_mask"])
        if given["attn_mask"].is_floating_point():
            given["attn_mask"] = given["attn_mask"].to(inputs[0].dtype)
    return F.scaled_dot_product_attention(*inputs, **given)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("query", "key", "value", "options"), SIZES)
def test_blocks_give_the_value_and_the_gradients(
    query: Any, key: Any, value: Any, options: dict[str, Any], dtype: str
) -> None:
    inputs = [
        lamina.from_numpy(array(*shape, seed=seed)).to(getattr(lamina, dtype)).requires_grad_()
        for seed, shape in enumerate((query, key, value))
    ]
    exact = [x.detach().double().numpy() for x in inputs]
    output = run(inputs, options)
    g = lamina.from_numpy(array(*output.shape, seed=9)).to(output.dtype)
    output.backward(g)
    wanted = [ref.scaled_dot_product_attention(*exact, **options)]
    wanted += gradients(g.double().numpy(), *exact, options)
    for mine, right in zip([output, *(x.grad for x in inputs)], wanted, strict=True):
        error = np.abs(mine.detach().double().numpy() - right).max()
        assert error <= TOLERANCE[dtype] * max(1.0, np.abs(right).max())


def test_heads_inside_of_rows_are_read_in_place_and_come_out_so() -> None:
    packed = lamina.from_numpy(array(2, 150, 3, 4, 16)).requires_grad_()
    q, k, v = (packed[:, :, i].transpose(1, 2) for i in range(3))
    output = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert output.transpose(1, 2).is_contiguous()
    g = lamina.from_numpy(array(2, 4, 150, 16, seed=1))
    output.backward(g)
    parts = [x.detach().numpy() for x in (q, k, v)]
    right = ref.scaled_dot_product_attention(*parts, causal=True)
    assert np.abs(output.detach().numpy() - right).max() < 1e-12
    for i, wanted in enumerate(gradients(g.numpy(), *parts, {"causal": True})):
        assert np.abs(packed.grad[:, :, i].numpy().swapaxes(1, 2) - wanted).max() < 1e-12


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    threads, found = lamina.get_num_threads(), []
    for count in (1, 2, 5):
        lamina.set_num_threads(count)
        inputs = [lamina.from_numpy(array(1, 2, 600, 40, seed=i)).float().requires_grad_() for i in range(3)]
        output = F.scaled_dot_product_attention(*inputs, is_causal=True)
        output.sum().backward()
        last = F.scaled_dot_product_attention(inputs[0][:, :, :1], *inputs[1:])
        found.append([x.detach().numpy().tobytes() for x in (output, last, *(x.grad for x in inputs))])
    lamina.set_num_threads(threads)
    assert found[0] == found[1] == found[2]


def test_a_learnt_mask_has_its_gradient() -> None:
    q, k, v = (lamina.from_numpy(array(1, 2, 5, 4, seed=i)) for i in range(3))
    bias = lamina.from_numpy(array(2, 5, 5, seed=4)).requires_grad_()
    assert lamina.autograd.gradcheck(lambda b: F.scaled_dot_product_attention(q, k, v, b), [bias])


def test_large_scores_neither_overflow_nor_lose_the_rest() -> None:
    q = lamina.from_numpy(array(1, 1, 40, 8) * 100).float()
    output = F.scaled_dot_product_attention(q, q, q).double().numpy()
    right = ref.scaled_dot_product_attention(*[q.double().numpy()] * 3)
    assert np.abs(output - right).max() < 1e-2
    low = lamina.full((40, 40), float(np.finfo(np.float32).min))
    even = F.scaled_dot_product_attention(q, q, q, low)  # the least number hides nothing where all have it
    assert np.abs((even - q.mean(2, keepdim=True)).numpy()).max() < 1e-3


def test_a_key_that_is_no_number_spoils_the_queries_that_see_it() -> None:
    q, k, v = (lamina.from_numpy(array(1, 1, 150, 8, seed=i)) for i in range(3))
    k[0, 0, 100, 2] = float("nan")
    output = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert not output[0, 0, :100].isnan().any()
    assert output[0, 0, 100:].isnan().any(-1).all()
