"""Activation functions against their formulas in NumPy, their gradients against differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F
from nn_check import array, check_gradient, close, tensor

erf = np.vectorize(math.erf)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(axis, keepdims=True)


def halves(x: np.ndarray) -> np.ndarray:
    return x[:, :2] * sigmoid(x[:, 2:])


ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805  # of SELU

# Name, arguments, formula; where the formula's slope jumps, no element of the input is near.
LAWS: list[tuple[str, tuple[Any, ...], Callable[[np.ndarray], np.ndarray]]] = [
    ("relu", (), lambda x: np.maximum(x, 0)),
    ("relu6", (), lambda x: np.clip(4 * x, 0, 6)),
    ("leaky_relu", (0.2,), lambda x: np.where(x > 0, x, 0.2 * x)),
    ("rrelu", (0.2, 0.4), lambda x: np.where(x > 0, x, 0.3 * x)),
    ("sigmoid", (), sigmoid),
    ("hardsigmoid", (), lambda x: np.clip(x + 3, 0, 6) / 6),
    ("logsigmoid", (), lambda x: -np.log1p(np.exp(-x))),
    ("tanh", (), np.tanh),
    ("tanhshrink", (), lambda x: x - np.tanh(x)),
    ("hardtanh", (-0.3, 0.9), lambda x: np.clip(x, -0.3, 0.9)),
    ("gelu", (), lambda x: x * (1 + erf(x / math.sqrt(2))) / 2),
    ("gelu", ("tanh",), lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
    ("silu", (), lambda x: x * sigmoid(x)),
    ("mish", (), lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    ("hardswish", (), lambda x: x * np.clip(x + 3, 0, 6) / 6),
    ("elu", (0.7,), lambda x: np.where(x > 0, x, 0.7 * np.expm1(x))),
    ("celu", (0.7,), lambda x: np.where(x > 0, x, 0.7 * np.expm1(x / 0.7))),
    ("selu", (), lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(x))),
    ("softplus", (), lambda x: np.log1p(np.exp(x))),
    ("softplus", (2.0, 1.0), lambda x: np.where(2 * x > 1, x, np.log1p(np.exp(2 * x)) / 2)),
    ("softsign", (), lambda x: x / (1 + np.abs(x))),
    ("hardshrink", (0.6,), lambda x: np.where(np.abs(x) > 0.6, x, 0)),
    ("softshrink", (0.6,), lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.6, 0)),
    ("threshold", (0.3, 7.0), lambda x: np.where(x > 0.3, x, 7.0)),
    ("glu", (1,), halves),
    ("softmax", (1,), lambda x: softmax(x, 1)),
    ("softmin", (0,), lambda x: softmax(-x, 0)),
    ("log_softmax", (-1,), lambda x: np.log(softmax(x, -1))),
]


@pytest.mark.parametrize(("name", "arguments", "law"), LAWS, ids=[f"{n}{a}" for n, a, _ in LAWS])
def test_value_and_gradient(name: str, arguments: tuple[Any, ...], law: Callable) -> None:
    x = array(3, 4, seed=1)
    if name == "relu6":
        close(F.relu6(tensor(4 * x)), law(x))
        check_gradient(F.relu6, 4 * x)
        return
    close(getattr(F, name)(tensor(x), *arguments), law(x))
    check_gradient(lambda t: getattr(F, name)(t, *arguments), x)


IN_PLACE = {
    "relu": (),
    "relu6": (),
    "leaky_relu": (0.2,),
    "rrelu": (0.2, 0.4, False),
    "hardsigmoid": (),
    "hardtanh": (-0.3, 0.9),
    "silu": (),
    "mish": (),
    "hardswish": (),
    "elu": (0.7,),
    "celu": (0.7,),
    "selu": (),
    "threshold": (0.3, 7.0),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_forms(name: str) -> None:
    law, arguments, x = getattr(F, name), IN_PLACE[name], array(3, 4, seed=1)
    expected = law(tensor(x), *arguments)
    forms = [lambda t: law(t, *arguments, inplace=True)]
    if hasattr(F, name + "_"):
        forms.append(lambda t: getattr(F, name + "_")(t, *arguments))
    for form in forms:
        plain = tensor(x)
        assert form(plain) is plain
        close(plain, expected.numpy())
        check_gradient(lambda t, form=form: form(t * 1.0), x)
    # What follows the old values in the graph must refuse, not use the new ones.
    leaf = tensor(x, requires_grad=True)
    with pytest.raises(RuntimeError):
        law(leaf, *arguments, inplace=True)
    close(leaf, x)


def test_prelu_has_one_slope_or_one_per_channel() -> None:
    x, one, three = array(2, 3, 4, seed=2), np.array([0.3]), np.array([0.1, -0.2, 0.5])
    close(F.prelu(tensor(x), tensor(one)), np.where(x > 0, x, 0.3 * x))
    close(F.prelu(tensor(x), tensor(three)), np.where(x > 0, x, three[:, None] * x))
    check_gradient(F.prelu, x, one)
    check_gradient(F.prelu, x, three)
    with pytest.raises((ValueError, RuntimeError)):
        F.prelu(tensor(x), tensor(np.ones(2)))


def test_rrelu_draws_its_slopes_in_training() -> None:
    x = -np.ones(2000)
    layer = nn.RReLU(0.2, 0.4)
    leaf = tensor(x, requires_grad=True)
    output = layer(leaf)
    slopes = -output.detach().numpy()
    assert 0.2 <= slopes.min() < 0.21 and 0.39 < slopes.max() <= 0.4 and abs(slopes.mean() - 0.3) < 0.01
    output.sum().backward()
    close(leaf.grad, slopes)
    assert F.rrelu(tensor(np.ones(3)), training=True).tolist() == [1.0, 1.0, 1.0]
    other = tensor(x)
    assert F.rrelu(other, training=True, inplace=True) is other and -1 < other.min().item() < 0


def test_gumbel_softmax_draws_classes_by_their_probability() -> None:
    logits = tensor(np.log(np.tile([0.1, 0.3, 0.6], (4000, 1))), requires_grad=True)
    soft = F.gumbel_softmax(logits, tau=0.5)
    close(soft.sum(-1), np.ones(4000))
    hard = F.gumbel_softmax(logits, hard=True)
    rows = hard.detach().numpy()
    assert np.allclose(np.sort(rows, 1), [0, 0, 1])
    assert np.abs(rows.mean(0) - [0.1, 0.3, 0.6]).max() < 0.03
    hard[:, 0].sum().backward()
    assert logits.grad.abs().sum().item() > 0


def test_the_dimension_should_be_named() -> None:
    x = array(2, 3)
    for name in ("softmax", "log_softmax", "softmin"):
        with pytest.warns(UserWarning, match=f"{name}: the implicit choice"):
            output = getattr(F, name)(tensor(x))
        close(output, getattr(F, name)(tensor(x), dim=1).numpy())
    with pytest.warns(UserWarning, match="implicit choice") as caught:
        nn.Softmax()(tensor(array(3)))
    assert caught[0].filename == __file__


def test_softmax_converts_first() -> None:
    assert F.softmax(lamina.zeros(2), 0, dtype=lamina.float64).dtype == lamina.float64
    assert F.log_softmax(lamina.zeros(2), 0, dtype=lamina.float64).dtype == lamina.float64
    assert F.softmin(lamina.zeros(2), 0, dtype=lamina.float64).dtype == lamina.float64


def normal_below(x: np.ndarray) -> np.ndarray:
    return 0.5 * np.vectorize(math.erfc)(-x / math.sqrt(2))


def logistic_sum(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def tanh_gelu(x: np.ndarray) -> np.ndarray:
    return x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


# In float32: the value, the slope, and how far each may be off in units of 2^-24 (of the result where it is
# above 1, and where the last entry says so of any result).
EXACT: dict[str, tuple[Any, Any, Any, float, bool]] = {
    "gelu": (F.gelu, lambda x: x * normal_below(x), None, 3, False),
    "gelu slope": (
        F.gelu,
        None,
        lambda x: normal_below(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
        3,
        False,
    ),
    "gelu tanh": (lambda x: F.gelu(x, "tanh"), tanh_gelu, None, 6, False),
    "erf": (lamina.erf, erf, None, 3, True),
    "tanh": (lamina.tanh, np.tanh, None, 6, True),
    "sigmoid": (lamina.sigmoid, sigmoid, None, 6, True),
    "softplus": (F.softplus, logistic_sum, None, 5, True),
    "softplus slope": (F.softplus, None, sigmoid, 6, True),
    "logsigmoid": (F.logsigmoid, lambda x: -logistic_sum(-x), None, 5, True),
    "mish": (F.mish, lambda x: x * np.tanh(logistic_sum(x)), None, 12, True),
}


@pytest.mark.parametrize("name", EXACT)
def test_float32_is_exact_to_a_few_digits_of_the_last(name: str) -> None:
    function, value, slope, units, relative = EXACT[name]
    x = np.concatenate([np.linspace(-19, 19, 20011), np.linspace(-1e-3, 1e-3, 501)]).astype(np.float32)
    start = lamina.tensor(x).requires_grad_()
    y = function(start)
    y.sum().backward()
    found = y if value else start.grad
    wanted = (value or slope)(x.astype(np.float64))
    size = np.maximum(np.abs(wanted), 1e-30 if relative else 1.0)
    assert np.max(np.abs(found.detach().numpy() - wanted) / size) < units * 2.0**-24


def test_far_ends_of_gelu() -> None:
    x = lamina.tensor([-1e38, -1e10, -30.0, 30.0, 1e10, 1e38]).requires_grad_()
    for form in ("none", "tanh"):
        x.grad = None
        y = F.gelu(x, form)
        y.sum().backward()
        np.testing.assert_allclose(y.tolist(), [0, 0, 0, *x.tolist()[3:]], rtol=1e-6, atol=1e-30)
        np.testing.assert_allclose(x.grad.tolist(), [0, 0, 0, 1, 1, 1], rtol=1e-6, atol=1e-30)
    assert F.gelu(lamina.tensor([math.nan])).isnan().all()


def test_wrong_arguments_say_so() -> None:
    x = tensor(array(2, 3))
    for call in (
        lambda: F.glu(x, 1),
        lambda: F.glu(tensor(np.array(1.0))),
        lambda: F.hardtanh(x, 1.0, -1.0),
        lambda: nn.Hardtanh(1.0, 1.0),
        lambda: F.softshrink(x, -1.0),
        lambda: F.celu(x, 0.0),
        lambda: F.rrelu(x, 0.5, 0.1),
        lambda: nn.Softmax2d()(x),
    ):
        with pytest.raises(ValueError):
            call()
    with pytest.raises((ValueError, RuntimeError)):
        F.gelu(x, "erf")


def test_in_place_layers_between_others() -> None:
    lamina.manual_seed(3)
    x, weights = lamina.rand(5, 4), []
    for inplace in (False, True):
        lamina.manual_seed(4)
        activations = (nn.ReLU(inplace), nn.SiLU(inplace), nn.ELU(inplace=inplace))
        net = nn.Sequential(*(layer for act in activations for layer in (nn.Linear(4, 4), act)))
        net[3].register_full_backward_hook(lambda module, grad_in, grad_out: None)
        net(x).square().sum().backward()
        weights.append(net[0].weight.grad.numpy())
    close(weights[1], weights[0], 1e-6)
