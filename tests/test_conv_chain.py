"""A depthwise convolution goes along with the 1x1 convolution before it, whose result is then written
nowhere: the numbers stay those of the single steps, whatever is looked at or changed in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F
from test_conv_pending import close, in_double, normal, unit

# inputs, channels between, kernel, stride, padding, batch, height, width
SHAPES = [
    (16, 96, 3, 2, 1, 1, 50, 50), (5, 40, 5, 1, 2, 2, 28, 28), (12, 72, 5, 1, 2, 1, 7, 7),
    (7, 20, 3, 1, 0, 3, 9, 13), (1, 33, 5, 1, 2, 1, 5, 4), (8, 40, 3, 3, 2, 1, 30, 17),
    (8, 16, 2, 3, 0, 1, 64, 64), (24, 48, 3, 1, 1, 1, 3, 40), (40, 17, 5, 2, 2, 2, 1, 1),
]  # fmt: skip
ACTIVATIONS: list[Callable[[Any], Any]] = [
    F.relu, F.relu6, F.silu, F.gelu, F.sigmoid, F.tanh, F.hardswish, lambda x: x, F.leaky_relu,
]  # fmt: skip


def pair(inputs: int, between: int, kernel: int, stride: int, padding: int) -> tuple[Any, ...]:
    first, second = unit(inputs, between, 1), unit(between, between, kernel, stride, between)
    second[0].padding = (padding, padding)
    return first, second


def chain(first: Any, second: Any, x: Any, act: Callable[[Any], Any] = F.silu) -> Any:
    return act(second[1](second[0](act(first[1](first[0](x))))))


def chain_in_double(first: Any, second: Any, x: Any, act: Callable[[Any], Any] = F.silu) -> Any:
    return act(in_double(*second, act(in_double(*first, x))))


@pytest.mark.parametrize("shape", SHAPES)
def test_value(shape: tuple[int, ...]) -> None:
    first, second = pair(*shape[:5])
    x = normal(0, shape[5], shape[0], *shape[6:])
    with lamina.no_grad():
        for act in ACTIVATIONS:
            for _ in range(3):  # weights are laid out for good at the second time
                close(chain(first, second, x, act), chain_in_double(first, second, x, act))


def test_without_batch_norm_and_with_something_added() -> None:
    first, second = pair(8, 40, 3, 1, 1)
    x = normal(0, 1, 8, 15, 15)
    with lamina.no_grad():
        conv, other = second[0], normal(1, 1, 40, 15, 15)
        middle = F.conv2d(x.double(), first[0].weight.double(), first[0].bias.double()).relu()
        bias = conv.bias.double()
        expected = F.conv2d(middle, conv.weight.double(), bias, padding=1, groups=40) + other
        close(F.silu(conv(first[0](x).relu()) + other), F.silu(expected))
        close((other + conv(first[0](x).relu())).relu(), expected.relu())


def test_what_lies_between_may_be_looked_at() -> None:
    first, second = pair(8, 40, 3, 1, 1)
    x = normal(0, 2, 8, 15, 15)
    with lamina.no_grad():
        between = F.relu(first[1](first[0](x)))
        y = second[0](between)
        close(between, F.relu(in_double(*first, x)))
        expected = chain_in_double(first, second, x, F.relu)
        close(F.relu(second[1](y)), expected)
        between = F.relu(first[1](first[0](x)))
        y = second[1](second[0](between))
        between.zero_()  # after it was read
        close(F.relu(y), expected)
        between = F.relu(first[1](first[0](x)))
        between += 1
        close(second[1](second[0](between)), in_double(*second, F.relu(in_double(*first, x)) + 1))


@pytest.mark.parametrize("change", ["input", "first.weight", "first.norm", "second.weight", "numpy"])
def test_what_is_read_may_change(change: str) -> None:
    first, second = pair(8, 40, 3, 1, 1)
    x = normal(0, 1, 8, 15, 15)
    tensor = {
        "input": x, "first.weight": first[0].weight, "first.norm": first[1].running_var,
        "second.weight": second[0].weight, "numpy": first[1].running_mean,
    }[change]  # fmt: skip
    with lamina.no_grad():
        for _ in range(3):
            before = chain_in_double(first, second, x)
            y = chain(first, second, x)
            if change == "numpy":
                tensor.numpy()[:] += 0.5
            else:
                tensor.mul_(1.5)
            close(y, before)
            close(chain(first, second, x), chain_in_double(first, second, x))
            between = F.silu(first[1](first[0](x)))  # changed before the second step
            before = in_double(*second, F.silu(in_double(*first, x)))
            tensor.mul_(1.25)
            if change != "second.weight":
                close(second[1](second[0](between)), before)


def test_same_bits_with_any_number_of_threads() -> None:
    threads = lamina.get_num_threads()
    first, second = pair(16, 96, 5, 1, 2)
    x = normal(0, 1, 16, 56, 56)
    results = []
    try:
        for n in (1, 2, 5):
            lamina.set_num_threads(n)
            with lamina.no_grad():
                results.append(chain(first, second, x).numpy().copy())
    finally:
        lamina.set_num_threads(threads)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_gradients_and_training_take_the_single_steps() -> None:
    first, second = pair(8, 40, 3, 1, 1)
    x = normal(0, 2, 8, 15, 15)
    close(chain(first, second, x).detach(), chain_in_double(first, second, x))
    net = nn.Sequential(*first, nn.SiLU(), *second).train()
    net(x).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
