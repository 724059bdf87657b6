"""The fused recurrent layer beside the same law made of single ops, in value, first and second gradient, for
all ways it can go: few rows and many, packed and plain weights, small and large, one thread and more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import _core
from nn_check import array, check_gradient, close
from recurrent_judge import recurrent

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
DTYPES = {"float32": 3e-5, "float64": 1e-11}


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = lamina.get_num_threads()
    yield
    lamina.set_num_threads(before)


def problem(
    mode: str,
    sizes: list[int],
    features: int,
    hidden: int,
    layers: int = 1,
    bidirectional: bool = False,
    bias: bool = True,
    projection: int = 0,
) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Arrays in the order x, h, (c), weights; and what else the layer must know."""
    directions, out = 1 + bidirectional, projection or hidden
    states = [(layers * directions, sizes[0], out), (layers * directions, sizes[0], hidden)]
    shapes: list[tuple[int, ...]] = [(sum(sizes), features), *states[: 1 + (mode == "LSTM")]]
    rows = GATES[mode] * hidden
    for layer in range(layers):
        for _ in range(directions):
            shapes += [(rows, features if layer == 0 else out * directions), (rows, out)]
            shapes += [(rows,), (rows,)] if bias else []
            shapes += [(out, hidden)] if projection else []
    # Small enough for gates that are not all saturated.
    arrays = [array(*shape, seed=i) / np.sqrt(shape[-1]) for i, shape in enumerate(shapes)]
    facts = {"mode": mode, "sizes": sizes, "bidirectional": bidirectional, "bias": bias, "hr": projection > 0}
    return arrays, facts


def split(tensors: list[Any], facts: dict[str, Any]) -> tuple[Any, list[Any], list[list[Any]]]:
    x, *rest = tensors
    parts = 2 if facts["mode"] == "LSTM" else 1
    states, flat, each = rest[:parts], rest[parts:], 2 + 2 * facts["bias"] + facts["hr"]
    weights = []
    for i in range(0, len(flat), each):
        own = flat[i : i + each]
        biases = own[2:4] if facts["bias"] else [None, None]
        weights.append([*own[:2], *biases, own[-1] if facts["hr"] else None])
    return x, states, weights


def fused(tensors: list[Any], facts: dict[str, Any]) -> tuple[Any, ...]:
    x, states, weights = split(tensors, facts)
    h, c = (*states, None)[:2]
    flat = [weight for own in weights for weight in own]
    return tuple(_core.recurrent(facts["mode"], x, facts["sizes"], h, c, flat, facts["bidirectional"]))


def judge(tensors: list[Any], facts: dict[str, Any]) -> tuple[Any, ...]:
    x, states, weights = split(tensors, facts)
    y, last = recurrent(facts["mode"], x, facts["sizes"], tuple(states), weights, facts["bidirectional"])
    return (y, *last)


def leaves(arrays: list[np.ndarray], dtype: str) -> list[Any]:
    return [lamina.tensor(values.astype(dtype), requires_grad=True) for values in arrays]


def combined(results: tuple[Any, ...]) -> Any:
    total: Any = 0
    for i, result in enumerate(results):
        weight = lamina.tensor(array(*result.shape, seed=50 + i), dtype=result.dtype)
        total = total + (result * weight).sum()
    return total


EQUAL, UNEQUAL = [5] * 6, [7, 7, 5, 2, 2, 1, 1]
# sizes, features, hidden and more: what decides between the ways of the kernel.
WAYS: dict[str, tuple[list[int], int, int, dict[str, Any]]] = {
    "one sequence": ([1] * 9, 5, 40, {}),
    "two sequences": ([2] * 5, 5, 33, {}),
    "three sequences": ([3] * 5, 40, 7, {}),
    "few steps": ([6, 6, 4], 5, 19, {}),
    "one step": ([6], 5, 19, {}),
    "ragged units": (EQUAL, 3, 17, {}),
    "one unit": (EQUAL, 1, 1, {}),
    "packed": (UNEQUAL, 6, 35, {}),
    "both directions": (UNEQUAL, 6, 35, {"bidirectional": True}),
    "layers": (UNEQUAL, 6, 5, {"bidirectional": True, "layers": 2}),
    "no bias": (EQUAL, 6, 16, {"bias": False}),
    "many rows": ([33] * 5 + [18, 9, 3], 10, 48, {}),
    "long products": ([9] * 5, 300, 270, {}),
    "a large weight": ([16] * 4, 8, 600, {}),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", GATES)
@pytest.mark.parametrize("way", WAYS)
def test_value_and_gradient(way: str, mode: str, dtype: str) -> None:
    sizes, features, hidden, options = WAYS[way]
    arrays, facts = problem(mode, sizes, features, hidden, **options)
    check_beside_judge(arrays, facts, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [EQUAL, UNEQUAL, [4, 4, 2], [1] * 6], ids=str)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_projection(bidirectional: bool, sizes: list[int], dtype: str) -> None:
    arrays, facts = problem("LSTM", sizes, 4, 35, 2, bidirectional, projection=18)
    check_beside_judge(arrays, facts, dtype)


def check_beside_judge(arrays: list[np.ndarray], facts: dict[str, Any], dtype: str) -> None:
    mine, other = leaves(arrays, dtype), leaves(arrays, dtype)
    results, expected = fused(mine, facts), judge(other, facts)
    assert len(results) == len(expected)
    for result, value in zip(results, expected, strict=True):
        close(result, value.detach().numpy(), DTYPES[dtype])
    with lamina.no_grad():
        for kept, fresh in zip(results, fused(mine, facts), strict=True):
            assert (kept == fresh).all(), "what is kept for the way back must not change the values"
    combined(results).backward()
    combined(expected).backward()
    for a, b in zip(mine, other, strict=True):
        close(a.grad, b.grad.numpy(), DTYPES[dtype])


@pytest.mark.parametrize("mode", GATES)
def test_gradients_by_differences(mode: str) -> None:
    for sizes, options in ((UNEQUAL, {"bidirectional": True}), ([3, 2], {}), ([1] * 5, {"layers": 2})):
        arrays, facts = problem(mode, sizes, 3, 5, **options)
        check_gradient(lambda *t, f=facts: lamina.cat([r.reshape(-1) for r in fused(list(t), f)]), *arrays)


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("mode", ["RNN_TANH", "LSTM", "GRU"])
def test_gradient_of_one_result_alone(mode: str, part: int) -> None:
    arrays, facts = problem(mode, UNEQUAL, 3, 5, bidirectional=True)
    mine, other = leaves(arrays, "float64"), leaves(arrays, "float64")
    for own, run in ((mine, fused), (other, judge)):
        (run(own, facts)[part] ** 2).sum().backward()
    for a, b in zip(mine, other, strict=True):
        if b.grad is None:
            assert a.grad is None or not a.grad.any()
        else:
            close(a.grad, b.grad.numpy())


@pytest.mark.parametrize("mode", GATES)
def test_second_derivatives(mode: str) -> None:
    arrays, facts = problem(mode, UNEQUAL, 3, 5, bidirectional=True)
    found = []
    for run in (fused, judge):
        own = leaves(arrays, "float64")
        squares = sum((result * result).sum() for result in run([t * 1.0 for t in own], facts))
        first = lamina.autograd.grad(squares, own, create_graph=True)
        sum((g * g).sum() for g in first).backward()
        found.append((first, [t.grad for t in own]))
    for a, b in zip(*found, strict=True):
        for mine, other in zip(a, b, strict=True):
            close(mine, other.detach().numpy())


def test_a_weight_used_twice_gets_both_shares_in_second_derivatives() -> None:
    arrays, facts = problem("GRU", [3] * 4, 5, 5)
    found = []
    for run in (fused, judge):
        own = leaves(arrays, "float64")
        x, h, *weights = own
        y = run([x, h, *weights], facts)[0]
        z = run([y, h, *weights], facts)[0]
        first = lamina.autograd.grad((z * z).sum(), weights, create_graph=True)
        sum((g * g).sum() for g in first).backward()
        found.append([w.grad for w in weights])
    for mine, other in zip(*found, strict=True):
        close(mine, other.detach().numpy())


@pytest.mark.parametrize("mode", ["RNN_RELU", "LSTM", "GRU"])
@pytest.mark.parametrize(
    "sizes", [[1] * 20, [32] * 6, [37] * 4 + [20, 20, 6], [9, 9]], ids=lambda s: str(s[0])
)
def test_bits_do_not_depend_on_threads(sizes: list[int], mode: str) -> None:
    arrays, facts = problem(mode, sizes, 70, 400, bidirectional=len(sizes) == 7)
    found = []
    for count in (1, 2, 3, 2):
        lamina.set_num_threads(count)
        own = leaves(arrays, "float32")
        results = fused(own, facts)
        combined(results).backward()
        found.append([*results, *(t.grad for t in own)])
    for others in found[1:]:
        for a, b in zip(found[0], others, strict=True):
            assert (a == b).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_go_through_float32(dtype: str) -> None:
    arrays, facts = problem("LSTM", UNEQUAL, 3, 5)
    own = [lamina.tensor(values, dtype=getattr(lamina, dtype), requires_grad=True) for values in arrays]
    wide = [t.detach().float().requires_grad_() for t in own]
    results, expected = fused(own, facts), fused(wide, facts)
    combined(results).backward()
    combined(expected).backward()
    for result, value in zip(results, expected, strict=True):
        assert result.dtype == own[0].dtype and (result == value.to(own[0].dtype)).all()
    for a, b in zip(own, wide, strict=True):
        assert a.grad.dtype == a.dtype
        close(a.grad.float(), b.grad.numpy(), 2e-2)


def test_changing_a_saved_weight_before_the_way_back_is_refused() -> None:
    layer, x = lamina.nn.GRU(3, 4), lamina.ones(5, 2, 3)
    output = layer(x)[0].sum()
    with lamina.no_grad():
        layer.weight_hh_l0.add_(1.0)
    with pytest.raises(RuntimeError, match=r"in place|inplace"):
        output.backward()


@pytest.mark.parametrize(
    "change", ["dtype", "rows", "sum", "growing", "negative", "empty", "weights", "bias", "h"]
)
def test_what_the_core_refuses(change: str) -> None:
    arrays, facts = problem("LSTM", [2, 2, 1], 3, 4)
    x, states, weights = split([lamina.tensor(values) for values in arrays], facts)
    sizes, h, flat = [2, 2, 1], states[0], [weight for own in weights for weight in own]
    if change == "dtype":
        x = x.to(lamina.int64)
    elif change == "rows":
        x = x[None]
    elif change == "weights":
        flat.pop()
    elif change == "bias":
        flat[3] = None
    elif change == "h":
        h = h[:, :1]
    else:
        sizes = {"sum": [2, 2], "growing": [1, 2, 2], "negative": [5, 1, -1], "empty": []}[change]
    with pytest.raises((ValueError, TypeError), match="recurrent: expected"):
        _core.recurrent("LSTM", x, sizes, h, states[1], flat)
    with pytest.raises(ValueError, match="mode"):
        _core.recurrent("ELMAN", x, sizes, h, states[1], flat)


def test_a_batch_of_nothing() -> None:
    output, (h, c) = lamina.nn.LSTM(3, 4)(lamina.zeros(5, 0, 3))
    assert output.shape == (5, 0, 4) and h.shape == c.shape == (1, 0, 4)
