"""Convolutions of a network in eval mode wait for what follows them: the numbers stay those of the single
steps, whatever is looked at, changed or dropped in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F


def normal(seed: int, *shape: int) -> Any:
    return lamina.tensor(np.random.default_rng(seed).standard_normal(shape), dtype=lamina.float32)


def unit(
    c: int, out: int, kernel: int, stride: int = 1, groups: int = 1, bias: bool = True
) -> tuple[Any, Any]:
    """A convolution and a batch norm with statistics that are not the initial ones."""
    conv = nn.Conv2d(c, out, kernel, stride, kernel // 2, groups=groups, bias=bias).eval()
    norm = nn.BatchNorm2d(out).eval()
    rng = np.random.default_rng(out)
    for t in (norm.weight, norm.bias, norm.running_mean):
        t.data.copy_(lamina.tensor(rng.standard_normal(out), dtype=lamina.float32))
    norm.running_var.copy_(lamina.tensor(rng.uniform(0.5, 2, out), dtype=lamina.float32))
    return conv, norm


KINDS: dict[str, tuple[Any, ...]] = {
    "1x1": (24, 40, 1),
    "1x1 in groups": (24, 40, 1, 1, 4),
    "3x3 in tiles": (32, 48, 3, 1, 1, False),
    "3x3 in steps": (24, 40, 3, 2),
    "5x5 depthwise": (24, 24, 5, 1, 24),
}
ACTIVATIONS: list[Callable[[Any], Any]] = [
    F.relu, F.relu6, F.silu, F.gelu, F.sigmoid, F.tanh, F.hardswish, F.leaky_relu,
    lambda x: F.gelu(x, approximate="tanh"), lambda x: F.hardtanh(x, 0, 6), lambda x: F.hardtanh(x, -1, 2),
    lambda x: F.relu_(x), lambda x: F.silu(x, inplace=True), lambda x: x.relu_().relu_(),
]  # fmt: skip


def in_double(conv: Any, norm: Any, x: Any) -> Any:
    """Conv and norm in float64, which do not wait."""
    y = F.conv2d(
        x.double(), conv.weight.double(), None if conv.bias is None else conv.bias.double(), conv.stride,
        conv.padding, conv.dilation, conv.groups,
    )  # fmt: skip
    stats = [t.double() for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)]
    return F.batch_norm(y, *stats, eps=norm.eps)


def close(ours: Any, expected: Any) -> None:
    np.testing.assert_allclose(ours.numpy(), expected.detach().numpy(), rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("act", range(len(ACTIVATIONS)))
def test_steps_that_join(kind: str, act: int) -> None:
    conv, norm = unit(*KINDS[kind])
    x, other = normal(0, 3, conv.in_channels, 19, 21), None
    with lamina.no_grad():
        plain = in_double(conv, norm, x)
        other = normal(1, *plain.shape)
        close(ACTIVATIONS[act](norm(conv(x))), ACTIVATIONS[act](plain.clone()))
        close(ACTIVATIONS[act](norm(conv(x)) + other), ACTIVATIONS[act](plain + other))
        close(ACTIVATIONS[act](other + norm(conv(x))), ACTIVATIONS[act](plain + other))
        y = norm(conv(x))
        y += other
        close(ACTIVATIONS[act](y), ACTIVATIONS[act](plain + other))


@pytest.mark.parametrize(("outputs", "size"), [(8, 1), (300, 1), (3, 5), (1, 40)])
def test_steps_join_products_of_few_rows(outputs: int, size: int) -> None:
    """Again and again, in blocks of every age: what was written behind one would show."""
    conv, norm = unit(24, outputs, 1)
    x = normal(0, 1, 24, size, size)
    with lamina.no_grad():
        expected = in_double(conv, norm, x)
        other = normal(1, *expected.shape)
        for _ in range(50):
            close(F.silu(norm(conv(x)) + other), F.silu(expected + other))


@pytest.mark.parametrize("kind", KINDS)
def test_what_waits_is_added_over_a_tensor(kind: str) -> None:
    conv, norm = unit(*KINDS[kind])
    x = normal(0, 3, conv.in_channels, 19, 21)
    with lamina.no_grad():
        plain = in_double(conv, norm, x)
        other = normal(1, *plain.shape)
        y = other.clone()
        y += norm(conv(x))
        close(y, plain + other)
        y = lamina.zeros(3, 2 * plain.shape[1], *plain.shape[2:])[:, : plain.shape[1]]
        lamina.add(norm(conv(x)), other, out=y)
        close(y, plain + other)
        lamina.relu(norm(conv(x)), out=y)
        close(y, plain.relu())


def test_what_waits_is_added_over_what_it_reads() -> None:
    conv, norm = unit(24, 24, 3)
    x = normal(0, 2, 24, 15, 15)
    with lamina.no_grad():
        expected = x + in_double(conv, norm, x)
        x += norm(conv(x))
        close(x, expected)


def test_two_that_wait_are_added() -> None:
    (conv, norm), (skip, skip_norm) = unit(24, 40, 3), unit(24, 40, 1)
    x = normal(0, 2, 24, 15, 15)
    with lamina.no_grad():
        expected = in_double(conv, norm, x) + in_double(skip, skip_norm, x)
        close((norm(conv(x)) + skip_norm(skip(x))).relu(), expected.relu())
        y = conv(x)
        close(y + y, 2 * F.conv2d(x.double(), conv.weight.double(), conv.bias.double(), 1, 1))
        z = norm(conv(x))
        z += z
        close(z, 2 * in_double(conv, norm, x))


def test_each_step_stays_what_it_was() -> None:
    conv, norm = unit(32, 48, 3)
    x = normal(0, 2, 32, 20, 20)
    with lamina.no_grad():
        first = conv(x)
        second = norm(first)
        third = second.relu()
        fourth = third * 2
        plain = F.conv2d(x.double(), conv.weight.double(), conv.bias.double(), 1, 1)
        close(fourth, in_double(conv, norm, x).relu() * 2)
        close(third, in_double(conv, norm, x).relu())
        close(second, in_double(conv, norm, x))
        close(first, plain)
        view = conv(x)[:, 3:5]
        close(view, plain[:, 3:5])
        y = conv(x)
        part = y[1]
        y.relu_()
        close(part, plain[1].relu())


CHANGES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "input": lambda x, conv, norm: x.mul_(3),
    "input through a view": lambda x, conv, norm: x[0].zero_(),
    "input through data": lambda x, conv, norm: x.data.add_(1),
    "weight": lambda x, conv, norm: conv.weight.mul_(2),
    "weight through data": lambda x, conv, norm: conv.weight.data.zero_(),
    "bias": lambda x, conv, norm: conv.bias.add_(1),
    "statistics": lambda x, conv, norm: norm.running_mean.add_(1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_read_may_change_at_once(change: str) -> None:
    conv, norm = unit(16, 16, 3)
    x = normal(0, 2, 16, 12, 12)
    with lamina.no_grad():
        expected = in_double(conv, norm, x.clone())
        y, added = norm(conv(x)), normal(3, 2, 16, 12, 12)
        z = norm(conv(x)) + added
        CHANGES[change](x, conv, norm)
        sum_before = expected + added
        added.zero_()
        close(y, expected)
        close(z, sum_before)


def test_memory_that_numpy_shares_is_read_at_once() -> None:
    conv, _ = unit(16, 16, 3)
    array = np.random.default_rng(0).standard_normal((1, 16, 9, 9), dtype=np.float32)
    with lamina.no_grad():
        for x in (lamina.from_numpy(array), lamina.zeros(1, 16, 9, 9)):
            shown = x.numpy()
            expected = F.conv2d(x.double(), conv.weight.double(), conv.bias.double(), 1, 1)
            y = conv(x)
            shown[:] = 7
            close(y, expected)


def test_only_without_gradients_and_in_eval_mode() -> None:
    conv, norm = unit(16, 16, 3)
    x = normal(0, 1, 16, 9, 9)
    y = norm(conv(x)).relu()
    y.sum().backward()
    assert conv.weight.grad is not None and norm.weight.grad is not None
    with lamina.no_grad():
        y = conv(x)
    y.requires_grad_()
    (y * y).sum().backward()
    np.testing.assert_allclose(y.grad.numpy(), 2 * y.detach().numpy())


def test_a_result_that_is_dropped_costs_its_time() -> None:
    """Nobody may measure a layer and find that nothing was done."""
    conv, _ = unit(16, 16, 3)
    with lamina.no_grad():
        lamina.empty_cache()
        before = lamina.memory_stats()
        conv(normal(0, 1, 16, 64, 64))
        after = lamina.memory_stats()
    asked = [stats["system"] + stats["reused"] for stats in (before, after)]
    assert asked[1] >= asked[0] + 3  # the input, scratch memory, and the result


def test_threads_share_what_waits() -> None:
    conv, norm = unit(16, 32, 3)
    x = normal(0, 2, 16, 33, 33)
    with lamina.no_grad():
        expected = in_double(conv, norm, x).relu()
        failed: list[BaseException] = []

        def work() -> None:
            try:
                with lamina.no_grad():
                    for _ in range(20):
                        close(norm(conv(x)).relu(), expected)
                        shared = norm(conv(x))
                        others.append(shared)
                        close(others[len(others) // 2].relu(), expected)
            except BaseException as error:
                failed.append(error)

        others: list[Any] = []
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed, failed[0]
