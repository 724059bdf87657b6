"""Weights that kernels keep in a layout of their own: whoever writes to a weight, by whatever way, the next
result is that of the new weight. NumPy in float64 judges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn

Change = Callable[[nn.Module, str], None]


def by_optimizer(module: nn.Module, name: str) -> None:
    weight = module.get_parameter(name)
    weight.grad = lamina.ones_like(weight)
    lamina.optim.SGD([weight], lr=0.5).step()


def by_slice(module: nn.Module, name: str) -> None:
    with lamina.no_grad():
        module.get_parameter(name)[0].zero_()


def by_view(module: nn.Module, name: str) -> None:
    module.get_parameter(name).detach().view(-1)[:3] += 7


def by_data(module: nn.Module, name: str) -> None:
    module.get_parameter(name).data.mul_(-2)


def by_new_data(module: nn.Module, name: str) -> None:
    weight = module.get_parameter(name)
    weight.data = lamina.ones(*weight.shape)


def by_numpy(module: nn.Module, name: str) -> None:
    module.get_parameter(name).detach().numpy()[...] = 0.5


def by_state_dict(module: nn.Module, name: str) -> None:
    module.load_state_dict({key: value * 3 for key, value in module.state_dict().items()})


def by_init(module: nn.Module, name: str) -> None:
    nn.init.uniform_(module.get_parameter(name))


CHANGES = [by_optimizer, by_slice, by_view, by_data, by_new_data, by_numpy, by_state_dict, by_init]


class ConvNorm(nn.Module):
    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(24, 40, kernel, stride)
        self.norm = nn.BatchNorm2d(40)
        self.norm.running_mean.uniform_(-1, 1)
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, x: lamina.Tensor) -> lamina.Tensor:
        return nn.functional.relu(self.norm(self.conv(x)) + 0.25)


def conv(x: np.ndarray, weight: np.ndarray, stride: int) -> np.ndarray:
    kernel = weight.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]
    return np.einsum("ncyxij,ocij->noyx", windows, weight, optimize=True)


def expected(module: nn.Module, x: np.ndarray) -> np.ndarray:
    # From copies: nothing is kept of a weight that NumPy shares.
    own = {
        key: value.detach().clone().numpy().astype(np.float64) for key, value in module.state_dict().items()
    }
    if isinstance(module, nn.Linear):
        return x @ own["weight"].T + own["bias"]
    per_channel = {key: value.reshape(-1, 1, 1) for key, value in own.items() if value.ndim == 1}
    y = conv(x, own["conv.weight"], module.conv.stride[0]) + per_channel["conv.bias"]
    y = (y - per_channel["norm.running_mean"]) / np.sqrt(per_channel["norm.running_var"] + module.norm.eps)
    return np.maximum(y * per_channel["norm.weight"] + per_channel["norm.bias"] + 0.25, 0)


def linear() -> tuple[nn.Module, str, tuple[int, ...]]:
    return nn.Linear(70, 90), "weight", (37, 70)


def product() -> tuple[nn.Module, str, tuple[int, ...]]:
    return ConvNorm(1, 1), "conv.weight", (2, 24, 14, 15)


def narrow_product() -> tuple[nn.Module, str, tuple[int, ...]]:
    return ConvNorm(1, 1), "norm.weight", (1, 24, 7, 7)


def small_planes() -> tuple[nn.Module, str, tuple[int, ...]]:
    return ConvNorm(1, 2), "conv.bias", (3, 24, 9, 8)


def strided() -> tuple[nn.Module, str, tuple[int, ...]]:
    return ConvNorm(3, 2), "conv.weight", (2, 24, 15, 16)


def winograd() -> tuple[nn.Module, str, tuple[int, ...]]:
    return ConvNorm(3, 1), "norm.bias", (2, 24, 18, 17)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("case", [linear, product, narrow_product, small_planes, strided, winograd])
def test_a_written_weight_is_seen(
    case: Callable[[], tuple[Any, str, tuple[int, ...]]], change: Change
) -> None:
    lamina.manual_seed(0)
    module, name, shape = case()
    module.eval()
    x = lamina.randn(*shape)
    want = expected(module, x.numpy().astype(np.float64))
    with lamina.no_grad():
        first = [module(x).numpy().copy() for _ in range(4)]  # noted, kept, used
    np.testing.assert_allclose(first[0], want, rtol=2e-5, atol=2e-5)
    for other in first[1:]:
        np.testing.assert_array_equal(other, first[0])  # kept or not: the same bits
    for _ in range(2):
        change(module, name)
        again = expected(module, x.numpy().astype(np.float64))
        with lamina.no_grad():
            for _ in range(3):
                np.testing.assert_allclose(module(x).numpy(), again, rtol=2e-5, atol=2e-5)


def test_running_statistics_that_training_changed_are_seen() -> None:
    lamina.manual_seed(0)
    module = ConvNorm(1, 1)
    x = lamina.randn(2, 24, 14, 15)
    for _ in range(3):
        module.eval()
        with lamina.no_grad():
            for _ in range(3):
                want = expected(module, x.numpy().astype(np.float64))
                np.testing.assert_allclose(module(x).numpy(), want, rtol=2e-5, atol=2e-5)
        module.train()
        module(lamina.randn(4, 24, 9, 9) * 3 + 1)


def test_parts_of_one_weight_are_told_apart() -> None:
    lamina.manual_seed(0)
    weight, x = lamina.randn(3 * 96, 64), lamina.randn(40, 64)
    for _ in range(4):
        for part in weight.split(96):
            want = x.numpy().astype(np.float64) @ part.clone().numpy().astype(np.float64).T
            np.testing.assert_allclose(nn.functional.linear(x, part).numpy(), want, rtol=2e-5, atol=2e-5)


def test_what_is_kept_goes_with_its_weight() -> None:
    x = lamina.randn(72, 512)
    before = lamina.memory_stats()["live"]
    model = nn.Linear(512, 2048)
    with lamina.no_grad():
        for _ in range(3):
            model(x)
    assert lamina.memory_stats()["live"] - before > 2 * 512 * 2048 * 4  # the weight and its other layout
    del model
    assert lamina.memory_stats()["live"] == before
