"""Changing a tensor in place while gradients are recorded costs no second copy of it, and nobody who looks at
its memory is forgotten; gradients of weights are handed over, not copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.nn import functional as F

COUNT = 1 << 20


def live() -> int:
    return int(lamina.memory_stats()["live"])


def grown(f: Callable[[Any], Any]) -> float:
    """How many tensors of COUNT numbers stay alive after f of a result that nobody else keeps."""
    x = lamina.randn(COUNT, requires_grad=True)
    f(x + 1)
    before = live()
    y = f(x + 1)
    after = live()
    assert y.requires_grad
    return (after - before) / (4 * COUNT)


@pytest.mark.parametrize(
    ("what", "units"),
    [
        (lambda y: y.relu_(), 1),
        (lambda y: y.sigmoid_(), 1),
        (lambda y: y.add_(y.detach().sum()), 1),
        (lambda y: y.mul_(2.0), 1),
        (lambda y: F.silu(y, inplace=True), 2),  # the way back needs what came in
        (lambda y: F.leaky_relu(y, 0.1, inplace=True), 2),
        (lambda y: y.relu(), 1),
    ],
)
def test_what_is_recorded_holds_no_more_than_it_needs(what: Any, units: int) -> None:
    assert grown(what) == pytest.approx(units, abs=0.1)


FACTORS = lamina.arange(1.0, 7.0, requires_grad=True)
CHANGES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "relu": (lambda y: y.relu_(), lambda y: y.relu()),
    "silu": (lambda y: F.silu(y, inplace=True), lambda y: F.silu(y)),
    "sigmoid": (lambda y: y.sigmoid_(), lambda y: y.sigmoid()),
    "mul": (lambda y: y.mul_(FACTORS), lambda y: y * FACTORS),
    "add": (lambda y: y.add_(3.0), lambda y: y + 3.0),
    "addcmul": (lambda y: y.addcmul_(FACTORS, FACTORS), lambda y: y.addcmul(FACTORS, FACTORS)),
    "pow": (lambda y: y.pow_(2), lambda y: y**2),
    "exp": (lambda y: y.exp_(), lambda y: y.exp()),
    "clamp": (lambda y: y.clamp_(-0.5, 0.5), lambda y: y.clamp(-0.5, 0.5)),
    "lerp": (lambda y: y.lerp_(lamina.zeros(6), 0.25), lambda y: y.lerp(lamina.zeros(6), 0.25)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_values_and_gradients_are_those_of_the_plain_form(name: str) -> None:
    values = lamina.linspace(-1.5, 1.5, 6, dtype=lamina.float64)
    results = []
    for change in CHANGES[name]:
        x = values.clone().float().requires_grad_()
        y = x * 1.5
        z = change(y)
        (z * lamina.arange(6.0)).sum().backward()
        results.append((z.detach().numpy(), x.grad.numpy()))
        if change is CHANGES[name][0]:
            assert z is y
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-6)


@pytest.mark.parametrize("name", CHANGES)
def test_everybody_sees_the_change(name: str) -> None:
    change = CHANGES[name][0]
    lookers: list[Callable[[Any], Any]] = [
        lambda y: y.detach(),
        lambda y: y.detach().numpy(),
        lambda y: y.view(2, 3),
        lambda y: y[::2],
        lambda y: y.data,
    ]
    for look in lookers:
        x = lamina.linspace(-1.5, 1.5, 6, requires_grad=True)
        y = x * 1.0
        seen = look(y)
        change(y)
        now, then = (lamina.as_tensor(value).tolist() for value in (look(y.clone()), seen))
        assert now == then


def test_memory_whose_address_was_asked_for_stays() -> None:
    y = lamina.randn(6, requires_grad=True) * 1.0
    address = y.data_ptr()
    assert y.relu_().data_ptr() == address and y.mul_(2.0).data_ptr() == address


def test_what_the_way_back_needs_is_still_watched() -> None:
    y = lamina.randn(6, requires_grad=True) * 1.0
    y.relu_()
    y.add_(1.0)  # overwrites what relu's way back reads, as in PyTorch
    z = lamina.randn(6, requires_grad=True).exp()
    z.mul_(2.0)
    with pytest.raises(RuntimeError, match="inplace"):
        z.sum().backward()


@pytest.mark.parametrize("form", [F.linear, lambda x, w: x @ w.t(), lambda x, w: x @ w])
def test_the_gradient_of_a_weight_is_handed_over(form: Any) -> None:
    w, x = lamina.randn(1024, 1024, requires_grad=True), lamina.randn(8, 1024)
    y = form(x, w).sum()
    lamina.empty_cache()
    before = lamina.memory_stats()
    y.backward()
    after = lamina.memory_stats()
    assert after["live"] + after["cached"] - before["live"] - before["cached"] < 1.5 * 4 * 1024 * 1024
    rows = np.ones((8, 1024))
    expected = x.double().numpy().T @ rows if form(x, w).grad_fn and w.grad.shape[0] == 1024 else None
    assert expected is not None
    gradient = w.grad.double().numpy()
    assert min(abs(gradient - expected).max(), abs(gradient - expected.T).max()) < 1e-4


def test_a_gradient_that_others_see_is_copied() -> None:
    seen = []

    class Same(lamina.autograd.Function):
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(context: Any, g: Any) -> Any:
            seen.append(g)
            return g

    x = lamina.ones(3, requires_grad=True)
    Same.apply(x).sum().backward()
    Same.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0] * 3 and [g.tolist() for g in seen] == [[1.0] * 3] * 2
