"""The walk back: what it adds up, what it keeps, what it refuses, and how long a chain may be."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd


def leaf(*values: float) -> Any:
    return lamina.tensor(values, dtype=lamina.float64, requires_grad=True)


# ---- gradients and graphs


def test_gradients_add_up_over_paths_and_calls() -> None:
    x = leaf(1.0, 2.0)
    (x * x + 3 * x).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]
    (2 * x).sum().backward()
    assert x.grad.tolist() == [7.0, 9.0]


def test_grad_leaves_the_leaves_alone() -> None:
    x, y = leaf(2.0), leaf(5.0)
    (gx,) = autograd.grad(x * y, x)
    assert gx.tolist() == [5.0] and x.grad is None and y.grad is None


def test_grad_of_several_outputs_with_weights() -> None:
    x = leaf(1.0, 2.0)
    (g,) = autograd.grad(
        [x * x, 3 * x], x, [lamina.tensor([1.0, 0.5], dtype=lamina.float64), lamina.ones_like(x)]
    )
    assert g.tolist() == [5.0, 5.0]


def test_inputs_without_influence() -> None:
    x, y = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match="not have been used"):
        autograd.grad(x * 2, [x, y])
    assert autograd.grad(x * 2, [x, y], allow_unused=True)[1] is None
    assert autograd.grad(x * 2, [x, y], materialize_grads=True)[1].tolist() == [0.0]
    with pytest.raises(RuntimeError, match="does not require grad"):
        autograd.grad(x * 2, lamina.ones(1))


def test_backward_into_chosen_inputs_only() -> None:
    x, y = leaf(2.0), leaf(3.0)
    z = x * y
    autograd.backward(z, inputs=x, retain_graph=True)
    assert x.grad.tolist() == [3.0] and y.grad is None
    z.backward(inputs=[y])
    assert y.grad.tolist() == [2.0]


def test_a_graph_is_freed_by_its_first_walk() -> None:
    x = leaf(2.0)
    y = x.exp()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_backward_needs_a_scalar_or_a_gradient() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="scalar"):
        (2 * x).backward()
    with pytest.raises(ValueError, match="shape"):
        (2 * x).backward(lamina.ones(3, dtype=lamina.float64))
    (2 * x).backward(lamina.tensor([1.0, 10.0], dtype=lamina.float64))
    assert x.grad.tolist() == [2.0, 20.0]
    with pytest.raises(RuntimeError, match="does not require grad"):
        lamina.ones(1).backward()


def test_a_chain_of_100000_ops() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1e-5
    y.backward()
    assert x.grad.tolist() == [1.0]
    assert y.item() == pytest.approx(2.0)
    del y
    gc.collect()


def test_a_chain_that_is_never_walked_is_freed_without_recursion() -> None:
    y = leaf(1.0)
    for _ in range(100_000):
        y = y * 1.0
    del y
    gc.collect()


def test_a_wide_graph_visits_each_node_once() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(60):  # 2**60 paths
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**60


# ---- second derivatives


def test_second_and_third_derivatives() -> None:
    x = leaf(2.0)
    first = autograd.grad(x**4, x, create_graph=True)[0]
    second = autograd.grad(first, x, create_graph=True)[0]
    third = autograd.grad(second, x)[0]
    assert (first.item(), second.item(), third.item()) == (32.0, 48.0, 48.0)


def test_a_gradient_penalty_trains() -> None:
    lamina.manual_seed(1)
    model = lamina.nn.Sequential(lamina.nn.Linear(3, 8), lamina.nn.Tanh(), lamina.nn.Linear(8, 1))
    x = lamina.randn(5, 3, requires_grad=True)
    slopes = autograd.grad(model(x).sum(), x, create_graph=True)[0]
    ((slopes.norm(2, 1) - 1) ** 2).mean().backward()
    for parameter in list(model.parameters())[:3]:
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all())


def test_a_step_of_maml_differentiates_through_an_update() -> None:
    w, x = leaf(0.5), lamina.tensor([1.0, 2.0], dtype=lamina.float64)

    def loss(weight: Any) -> Any:
        return ((weight * x - 3 * x) ** 2).mean()

    inner = w - 0.1 * autograd.grad(loss(w), w, create_graph=True)[0]
    loss(inner).backward()
    # d/dw of (a w + b) in the square: by hand, with s = mean(x^2): w1 = w - 0.2 s (w - 3)
    s = 2.5
    w1 = 0.5 - 0.2 * s * (0.5 - 3)
    assert w.grad.item() == pytest.approx(2 * s * (w1 - 3) * (1 - 0.2 * s))


def test_double_backward_of_what_is_accumulated() -> None:
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    assert x.grad.requires_grad
    grad = x.grad
    x.grad = None
    grad.backward()
    assert x.grad.item() == 18.0
    x.grad = None  # the graph of the gradient holds x, and x would hold the gradient


# ---- recording


def test_no_grad_in_every_form() -> None:
    x = leaf(1.0)

    @lamina.no_grad()
    def called() -> Any:
        return x * 2

    @lamina.no_grad
    def bare() -> Any:
        return x * 2

    @lamina.no_grad()
    def generated() -> Any:
        yield lamina.is_grad_enabled()
        yield lamina.is_grad_enabled()

    with lamina.no_grad():
        assert not (x * 2).requires_grad
        with lamina.enable_grad():
            assert (x * 2).requires_grad
        assert not lamina.is_grad_enabled()
    assert not called().requires_grad and not bare().requires_grad
    seen = []
    for inside in generated():
        seen.append((inside, lamina.is_grad_enabled()))
    assert seen == [(False, True), (False, True)]
    assert (x * 2).requires_grad


def test_no_grad_ends_with_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), lamina.no_grad():
        raise ZeroDivisionError
    assert lamina.is_grad_enabled()


def test_set_grad_enabled_as_function_block_and_decorator() -> None:
    lamina.set_grad_enabled(False)
    assert not lamina.is_grad_enabled()
    lamina.set_grad_enabled(True)
    with lamina.set_grad_enabled(False):
        assert not lamina.is_grad_enabled()
    assert lamina.is_grad_enabled()

    @lamina.set_grad_enabled(False)
    def off() -> bool:
        return lamina.is_grad_enabled()

    assert lamina.is_grad_enabled() and not off() and lamina.is_grad_enabled()


def test_inference_mode() -> None:
    x = leaf(1.0)
    with lamina.inference_mode():
        assert lamina.is_inference_mode_enabled() and not (x * 2).requires_grad
        with lamina.inference_mode(False):
            assert (x * 2).requires_grad
    assert not lamina.is_inference_mode_enabled() and lamina.is_grad_enabled()


def test_detach_and_data() -> None:
    x = leaf(1.0, 2.0)
    y = x.detach()
    assert not y.requires_grad and y.data_ptr() == x.data_ptr()
    x.data.mul_(3)  # not counted as a change
    assert x.tolist() == [3.0, 6.0] and x._version == 0
    x.data = lamina.zeros(3, dtype=lamina.float64)
    assert x.shape == (3,) and x.requires_grad


def test_requires_grad_of_integers_and_of_results() -> None:
    with pytest.raises(RuntimeError, match="floating"):
        lamina.tensor([1]).requires_grad_()
    with pytest.raises(RuntimeError, match="leaf"):
        (leaf(1.0) * 2).requires_grad_(False)
    assert leaf(1.0).is_leaf and not (leaf(1.0) * 2).is_leaf and lamina.ones(1).is_leaf


def test_a_gradient_must_fit_its_tensor() -> None:
    x = leaf(1.0)
    with pytest.raises(ValueError, match="grad"):
        x.grad = lamina.ones(2, dtype=lamina.float64)
    with pytest.raises(TypeError, match="grad"):
        x.grad = lamina.ones(1)
    x.grad = lamina.ones(1, dtype=lamina.float64)
    assert x.grad.item() == 1.0


# ---- in place


def test_a_saved_tensor_that_changed_is_noticed() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y.sin()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()
    y = x * 2
    z = y.exp()
    z.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_in_place_on_what_nobody_saved_is_fine() -> None:
    x = leaf(1.0, 2.0)
    y = x + 1
    y.mul_(3)
    y[0] = 7
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 3.0]


def test_leaves_refuse_in_place_while_recording() -> None:
    x = leaf(1.0, 2.0)
    for change in (lambda: x.add_(1), lambda: x[0].zero_(), lambda: x.view(2, 1).mul_(2), lambda: x.fill_(0)):
        with pytest.raises(RuntimeError, match="leaf"):
            change()
    with lamina.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0, 3.0]


def test_in_place_through_views_reaches_the_base() -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    view = y[1:]
    view.mul_(x[:2])
    y.sum().backward()
    # y = x0, x1 x0, x2 x1
    assert x.grad.tolist() == [3.0, 4.0, 2.0]
    y = x * 1
    part = y.view(3, 1)
    y.mul_(2)
    assert autograd.grad(part.sum(), x)[0].tolist() == [2.0, 2.0, 2.0]


# ---- hooks


def test_hooks_see_and_change_gradients_and_can_be_removed() -> None:
    x = leaf(1.0)
    y = x * 3
    seen = []
    handle = y.register_hook(lambda g: seen.append(g.item()))
    y.register_hook(lambda g: g * 10)
    y.backward(retain_graph=True)
    assert seen == [1.0] and x.grad.item() == 30.0
    handle.remove()
    y.backward()
    assert len(seen) == 1 and x.grad.item() == 60.0


def test_a_hook_on_a_leaf_and_after_accumulation() -> None:
    x = leaf(2.0)
    x.register_hook(lambda g: g + 1)
    sizes = []
    x.register_post_accumulate_grad_hook(lambda p: sizes.append(p.grad.item()))
    (x * 3).backward()
    assert x.grad.item() == 4.0 and sizes == [4.0]


def test_retain_grad() -> None:
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    (y * y).backward()
    assert y.grad.item() == 12.0 and x.grad.item() == 36.0


def test_an_exception_in_a_hook_comes_out() -> None:
    x = leaf(1.0)
    y = x * 2

    def broken(grad: Any) -> None:
        raise KeyError("mine")

    y.register_hook(broken)
    with pytest.raises(KeyError, match="mine"):
        y.backward()


def test_the_graph_can_be_read() -> None:
    x = leaf(1.0)
    y = (x * 2).exp()
    node = y.grad_fn
    assert node.name() == "ExpBackward0"
    (before, slot), *_ = node.next_functions
    assert before.name() == "MulBackward0" and slot == 0
    assert before.next_functions[0][0].name() == "AccumulateGrad"
    assert x.grad_fn is None


def test_results_are_freed_with_their_names() -> None:
    x = leaf(1.0)
    y = x * 2
    reference = weakref.ref(y)
    z = y.exp()
    del y
    gc.collect()
    assert reference() is None
    z.backward()
    assert x.grad.item() == pytest.approx(2 * np.exp(2.0))
