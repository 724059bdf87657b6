"""Functions whose way back is written in Python, derivatives of functions, and the judge of gradients."""

from __future__ import annotations

import gc
import math
import weakref
from typing import Any

import pytest

import lamina
from lamina import autograd
from lamina.autograd import functional


def leaf(*values: float) -> Any:
    return lamina.tensor(values, dtype=lamina.float64, requires_grad=True)


class Exp(autograd.Function):
    """Saves an output."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        (y,) = ctx.saved_tensors
        return grad * y


class Scale(autograd.Function):
    """Saves an input, takes what is no tensor, and has two outputs."""

    @staticmethod
    def forward(x: Any, factor: float, flag: Any = None) -> Any:
        return x * factor, x * x

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx: Any, first: Any, second: Any) -> Any:
        (x,) = ctx.saved_tensors
        return first * ctx.factor + 2 * x * second, None, None


def test_values_and_gradients_of_every_order() -> None:
    x = leaf(0.5, -1.0)
    assert autograd.gradcheck(Exp.apply, x) and autograd.gradgradcheck(Exp.apply, x)
    assert autograd.gradcheck(lambda x: Scale.apply(x, 3.0, None), x)
    assert autograd.gradgradcheck(lambda x: Scale.apply(x, 3.0, None), x)
    y = Exp.apply(x)
    assert y.grad_fn.name() == "ExpBackward" and not y.is_leaf
    assert not Exp.apply(x.detach()).requires_grad


def test_nobody_waits_for_an_unused_output() -> None:
    x = leaf(2.0)
    first, _ = Scale.apply(x, 3.0)
    first.backward()
    assert x.grad.item() == 3.0


def test_the_context_and_its_output_make_no_cycle() -> None:
    x = leaf(1.0)
    y = Exp.apply(x)
    node = weakref.ref(y)
    gc.disable()
    try:
        del y
        assert node() is None
    finally:
        gc.enable()


def test_a_saved_tensor_that_changed_is_noticed() -> None:
    x = leaf(1.0)
    y = Exp.apply(x * 1)
    with lamina.no_grad():
        y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_saved_tensors_are_freed_with_the_graph() -> None:
    x = leaf(1.0)
    y = Exp.apply(x)
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


class Checked(autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        ctx.wanted = ctx.needs_input_grad
        ctx.set_materialize_grads(False)
        index = x.argmax()
        ctx.mark_non_differentiable(index)
        return x + y, x - y, index

    @staticmethod
    def backward(ctx: Any, plus: Any, minus: Any, index: Any) -> Any:
        assert ctx.wanted == (True, False) and minus is None and index is None
        return plus, plus


def test_needs_input_grad_and_unmaterialized_gradients() -> None:
    x = leaf(1.0, 2.0)
    plus, _, index = Checked.apply(x, lamina.ones(2, dtype=lamina.float64))
    assert not index.requires_grad and index.item() == 1
    plus.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


class Double(autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return grad * 2


def test_mark_dirty_rewrites_the_input() -> None:
    x = leaf(1.0, 3.0)
    y = x * 1
    z = Double.apply(y)
    assert z is y and y.tolist() == [2.0, 6.0]
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="leaf"):
        Double.apply(x)


class Wrong(autograd.Function):
    """Gives back whatever the test wants."""

    gradient: Any = None

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return Wrong.gradient


@pytest.mark.parametrize(
    ("gradient", "error"),
    [((), RuntimeError), (1.0, TypeError), (lamina.ones(3, dtype=lamina.float64), ValueError)],
)
def test_a_wrong_gradient_raises(gradient: Any, error: type[Exception]) -> None:
    Wrong.gradient = gradient
    with pytest.raises(error, match="Wrong"):
        Wrong.apply(leaf(1.0, 2.0)).sum().backward()


def test_a_gradient_is_summed_to_its_input() -> None:
    Wrong.gradient = lamina.ones(4, 2, dtype=lamina.float64)
    x = leaf(1.0, 2.0)
    Wrong.apply(x).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]


class Once(autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @autograd.once_differentiable
    def backward(ctx: Any, grad: Any) -> Any:
        return grad * 2 * ctx.saved_tensors[0]


def test_once_differentiable_refuses_the_second_time() -> None:
    x = leaf(3.0)
    (g,) = autograd.grad(Once.apply(x), x, create_graph=True)
    assert g.item() == 6.0
    (first,) = autograd.grad(Once.apply(x) * x, x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.backward()


def test_what_a_function_must_define() -> None:
    class Empty(autograd.Function):
        pass

    with pytest.raises(NotImplementedError, match="forward"):
        Empty.apply(leaf(1.0))
    with pytest.raises(TypeError, match="apply"):
        Exp()


# ---- derivatives of functions


def cubes(x: Any) -> Any:
    return (x**3).sum()


def test_jacobian_of_several_inputs_and_outputs() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0)
    jacobian = functional.jacobian(lambda a, b: (a * b, b.exp()), (x, y))
    assert jacobian[0][0].tolist() == [[3.0, 0.0], [0.0, 3.0]]
    assert jacobian[0][1].tolist() == [[1.0], [2.0]]
    assert jacobian[1][0].tolist() == [[0.0, 0.0]]
    assert jacobian[1][1].item() == pytest.approx(math.exp(3))


def test_hessian_and_products_with_it() -> None:
    x, v = leaf(1.0, 2.0), lamina.tensor([1.0, 0.5], dtype=lamina.float64)
    assert functional.hessian(cubes, x).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    value, product = functional.hvp(cubes, x, v)
    assert value.item() == 9.0 and product.tolist() == [6.0, 6.0]
    assert functional.vhp(cubes, x, v)[1].tolist() == [6.0, 6.0]
    blocks = functional.hessian(lambda a, b: (a * b).sum(), (x, leaf(3.0, 4.0)))
    assert blocks[0][1].tolist() == [[1.0, 0.0], [0.0, 1.0]] and not blocks[0][0].any()


def test_vjp_and_jvp() -> None:
    x, v = leaf(0.5, 1.0), lamina.tensor([1.0, -2.0], dtype=lamina.float64)
    _, row = functional.vjp(lambda x: x.sin(), x, v)
    assert row.tolist() == pytest.approx([math.cos(0.5), -2 * math.cos(1.0)]) and not row.requires_grad
    _, column = functional.jvp(lambda x: lamina.stack([x.sum(), x.prod()]), x, v)
    assert column.tolist() == pytest.approx([-1.0, 1.0 * 1.0 + 0.5 * -2.0])


def test_derivatives_can_be_differentiated_again() -> None:
    x = leaf(2.0)
    jacobian = functional.jacobian(lambda x: x**3, x, create_graph=True)
    assert autograd.grad(jacobian.sum(), x)[0].item() == 12.0


def test_strict_names_what_does_not_depend() -> None:
    with pytest.raises(RuntimeError, match="strict"):
        functional.jacobian(lambda x: lamina.ones(2, dtype=lamina.float64), leaf(1.0), strict=True)
    with pytest.raises(ValueError, match="single element"):
        functional.hessian(lambda x: x * 2, leaf(1.0, 2.0))
    with pytest.raises(ValueError, match="vjp"):
        functional.vjp(lambda x: x * 2, leaf(1.0, 2.0))


# ---- the judge


class Lie(autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return grad * 2.1


def test_gradcheck_finds_a_wrong_gradient() -> None:
    with pytest.raises(autograd.difference.GradcheckError, match="Jacobian mismatch"):
        autograd.gradcheck(Lie.apply, leaf(1.0))
    assert not autograd.gradcheck(Lie.apply, leaf(1.0), raise_exception=False)


class HalfTruth(autograd.Function):
    """The gradient is right, the gradient's gradient is not."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return grad * 3 * ctx.saved_tensors[0].detach() ** 2


def test_gradgradcheck_finds_a_wrong_second_gradient() -> None:
    assert autograd.gradcheck(HalfTruth.apply, leaf(1.5))
    assert not autograd.gradgradcheck(HalfTruth.apply, leaf(1.5), raise_exception=False)


def test_gradcheck_refuses_what_it_cannot_judge() -> None:
    with pytest.raises(ValueError, match="float64"):
        autograd.gradcheck(lamina.exp, lamina.ones(1, requires_grad=True))
    with pytest.raises(ValueError, match="require gradient"):
        autograd.gradcheck(lamina.exp, lamina.ones(1, dtype=lamina.float64))
