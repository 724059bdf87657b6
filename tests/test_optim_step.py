"""The core's optimizer steps at their border: what they refuse, and parameters other than plain float32 ones.
The laws themselves are judged in test_optim.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import _core

Step = Callable[[list[Any], list[Any], list[Any]], None]


def sgd(params: list[Any], grads: list[Any], states: list[Any]) -> None:
    _core.sgd_step(params, grads, states, 0.1, 0.9, 0.0, 0.0, False, False, [True] * len(params))


def adam(params: list[Any], grads: list[Any], states: list[Any]) -> None:
    other = [lamina.zeros_like(s) for s in states]
    _core.adam_step(params, grads, states, other, [], 1, 0.1, 0.9, 0.999, 1e-8, 0.0, False, False, False)


def rmsprop(params: list[Any], grads: list[Any], states: list[Any]) -> None:
    _core.rmsprop_step(params, grads, states, [], [], 0.1, 0.99, 1e-8, 0.0, 0.0, False, False)


def adagrad(params: list[Any], grads: list[Any], states: list[Any]) -> None:
    _core.adagrad_step(params, grads, states, 1, 0.1, 0.0, 1e-10, 0.0, False)


STEPS = {"sgd_step": sgd, "adam_step": adam, "rmsprop_step": rmsprop, "adagrad_step": adagrad}


@pytest.mark.parametrize("name", STEPS)
def test_a_wrong_shape_changes_nothing(name: str) -> None:
    good, bad = lamina.ones(3), lamina.ones(4)
    with pytest.raises(lamina.ShapeError, match=name):
        STEPS[name]([good, bad], [lamina.ones(3), lamina.ones(5)], [lamina.zeros(3), lamina.zeros(4)])
    assert good.tolist() == [1.0] * 3 and bad.tolist() == [1.0] * 4


@pytest.mark.parametrize("name", STEPS)
def test_as_many_gradients_as_parameters(name: str) -> None:
    with pytest.raises(lamina.ShapeError, match="1 parameters but 0 gradients"):
        STEPS[name]([lamina.ones(3)], [], [lamina.zeros(3)])


@pytest.mark.parametrize("name", STEPS)
def test_integers_have_no_step(name: str) -> None:
    with pytest.raises(TypeError, match="floating"):
        STEPS[name]([lamina.ones(3, dtype=lamina.int64)], [lamina.ones(3)], [lamina.zeros(3)])


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("dtype", [lamina.float64, lamina.float16, lamina.bfloat16])
def test_other_dtypes_step_like_float32(name: str, dtype: Any) -> None:
    start = np.linspace(-1, 1, 7)
    grad = np.linspace(1, 2, 7)
    ends = []
    for d in (lamina.float32, dtype):
        p = lamina.tensor(start).to(d)
        STEPS[name]([p], [lamina.tensor(grad).to(d)], [lamina.zeros(7, dtype=d)])
        ends.append(p.double().numpy())
    tolerance = {lamina.float64: 1e-6, lamina.float16: 2e-3, lamina.bfloat16: 2e-2}[dtype]
    np.testing.assert_allclose(ends[1], ends[0], atol=tolerance)
    assert np.abs(ends[1] - start).max() > 1e-3


@pytest.mark.parametrize("name", STEPS)
def test_a_transposed_parameter_steps_like_its_copy(name: str) -> None:
    start, grad = np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    turned = lamina.tensor(start.T.copy()).t()
    plain = lamina.tensor(start)
    for p in (turned, plain):
        STEPS[name]([p], [lamina.tensor(grad)], [lamina.zeros(2, 3, dtype=lamina.float64)])
    assert not turned.is_contiguous()
    np.testing.assert_array_equal(turned.numpy(), plain.numpy())
