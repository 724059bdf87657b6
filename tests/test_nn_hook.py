"""Hooks before and after forward and backward: what they see, what they change, how they go away."""

from __future__ import annotations

from typing import Any

import pytest

import lamina
from lamina import nn


def test_forward_hooks_see_and_replace() -> None:
    layer = nn.Identity()
    seen: list[Any] = []
    layer.register_forward_pre_hook(lambda module, args: args[0] + 1)
    layer.register_forward_pre_hook(lambda module, args: seen.append(args[0].item()))
    handle = layer.register_forward_hook(lambda module, args, output: output * args[0])
    assert layer(lamina.tensor(2.0)).item() == 9.0 and seen == [3.0]
    handle.remove()
    handle.remove()
    assert layer(lamina.tensor(2.0)).item() == 3.0


def test_hooks_with_keyword_arguments() -> None:
    class Scale(nn.Module):
        def forward(self, x: Any, by: float = 1.0) -> Any:
            return x * by

    layer = Scale()
    layer.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"by": kwargs["by"] + 1}), with_kwargs=True
    )
    layer.register_forward_hook(lambda m, args, kwargs, output: output + kwargs["by"], with_kwargs=True)
    assert layer(lamina.tensor(2.0), by=3.0).item() == 12.0
    layer.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"must return None or \(args, kwargs\), but got 3"):
        layer(lamina.tensor(2.0), by=3.0)


def test_order_of_hooks() -> None:
    layer, order = nn.Identity(), []
    layer.register_forward_hook(lambda *args: order.append("second"))
    layer.register_forward_hook(lambda *args: order.append("first"), prepend=True)
    layer(1)
    assert order == ["first", "second"]


def test_always_call_runs_after_an_error() -> None:
    class Broken(nn.Module):
        def forward(self, x: Any) -> Any:
            raise ZeroDivisionError("broken")

    layer, calls = Broken(), []
    layer.register_forward_hook(lambda m, args, output: calls.append(output), always_call=True)
    layer.register_forward_hook(lambda m, args, output: calls.append("never"))
    with pytest.raises(ZeroDivisionError):
        layer(1)
    assert calls == [None]

    def fail(*args: Any) -> None:
        raise KeyError("hook")

    layer.register_forward_hook(fail, always_call=True)
    with pytest.raises(ZeroDivisionError), pytest.warns(UserWarning, match="KeyError"):
        layer(1)


def test_a_hook_may_remove_itself() -> None:
    layer = nn.Identity()
    handle = layer.register_forward_hook(lambda *args: handle.remove())
    layer(1)
    assert not layer._forward_hooks
    with layer.register_forward_hook(lambda *args: 5):
        assert layer(1) == 5
    assert layer(1) == 1


def test_full_backward_hook_sees_this_calls_gradients() -> None:
    layer = nn.Linear(2, 1, bias=False)
    with lamina.no_grad():
        layer.weight.copy_(lamina.tensor([[2.0, 3.0]]))
    seen: list[Any] = []
    layer.register_full_backward_hook(lambda m, grad_in, grad_out: seen.append((grad_in, grad_out)))
    x = lamina.tensor([[1.0, 1.0]], requires_grad=True)
    # x is used elsewhere too: that gradient is not the layer's.
    (layer(x) * 5 + x.sum() * 100).sum().backward()
    ((grad_in,), (grad_out,)) = seen[0]
    assert grad_in.tolist() == [[10.0, 15.0]] and grad_out.tolist() == [[5.0]]
    assert x.grad.tolist() == [[110.0, 115.0]]


def test_full_backward_hook_changes_the_gradient() -> None:
    layer = nn.Identity()
    layer.register_full_backward_hook(lambda m, grad_in, grad_out: (grad_in[0] * 2,))
    layer.register_full_backward_hook(lambda m, grad_in, grad_out: (grad_in[0] + 1,))
    layer.register_full_backward_pre_hook(lambda m, grad_out: (grad_out[0] * 10,))
    x = lamina.ones(2, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.tolist() == [21.0, 21.0]
    layer.register_full_backward_hook(lambda m, grad_in, grad_out: (None, None))
    with pytest.raises(RuntimeError, match="expected 1 gradients to be returned, got 2"):
        layer(x).sum().backward()


def test_full_backward_hook_with_several_tensors() -> None:
    class Mix(nn.Module):
        def forward(self, a: Any, number: int, b: Any, c: Any) -> Any:
            return a * b, c * number

    layer, seen = Mix(), []

    def hook(module: Any, grad_in: Any, grad_out: Any) -> Any:
        seen.append([None if grad is None else grad.tolist() for grad in (*grad_in, *grad_out)])
        return (grad_in[0] + 1, None, grad_in[2] + 2, None)

    layer.register_full_backward_hook(hook)
    a, b = lamina.tensor([3.0, 4.0], requires_grad=True), lamina.tensor([[5.0]], requires_grad=True)
    c = lamina.tensor([1.0])
    first, second = layer(a, 7, b, c)
    assert not second.requires_grad
    first.sum().backward()
    assert seen == [[[5.0, 5.0], None, [[7.0]], None, [[1.0, 1.0]], None]]
    assert a.grad.tolist() == [6.0, 6.0] and b.grad.tolist() == [[9.0]]


def test_full_backward_hook_without_an_input_gradient() -> None:
    layer, seen = nn.Linear(1, 1), []
    layer.register_full_backward_hook(lambda m, grad_in, grad_out: seen.append((grad_in, grad_out[0].item())))
    layer(lamina.ones(1, 1)).sum().backward()
    assert seen == [((None,), 1.0)]
    layer.register_full_backward_hook(lambda m, grad_in, grad_out: (lamina.ones(1),))
    with pytest.raises(RuntimeError, match="no input requires a gradient"):
        layer(lamina.ones(1, 1)).sum().backward()
    with lamina.no_grad():
        layer(lamina.ones(1, 1))
    assert len(seen) == 2
