"""nn.init: the distributions, the exact fillings, the generator, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import init


def drawn(function: Any, *arguments: Any, shape: tuple[int, ...] = (200, 300), **options: Any) -> np.ndarray:
    target = lamina.empty(*shape)
    assert function(target, *arguments, **options) is target
    return target.numpy().astype(np.float64)


def check_uniform(values: np.ndarray, low: float, high: float) -> None:
    width = high - low
    assert low <= values.min() < low + 0.01 * width and high - 0.01 * width < values.max() <= high
    assert abs(values.mean() - (low + high) / 2) < 0.01 * width
    assert abs(values.std() - width / math.sqrt(12)) < 0.01 * width


def check_normal(values: np.ndarray, mean: float, std: float) -> None:
    assert abs(values.mean() - mean) < 0.03 * std and abs(values.std() / std - 1) < 0.03
    inside = (np.abs(values - mean) < std).mean()
    assert abs(inside - math.erf(1 / math.sqrt(2))) < 0.01


def test_uniform_and_normal() -> None:
    check_uniform(drawn(init.uniform_, -1.0, 3.0), -1.0, 3.0)
    check_normal(drawn(init.normal_, 2.0, 0.5), 2.0, 0.5)


def test_fans() -> None:
    check_uniform(drawn(init.xavier_uniform_, 2.0), -2 * math.sqrt(6 / 500), 2 * math.sqrt(6 / 500))
    check_normal(drawn(init.xavier_normal_), 0.0, math.sqrt(2 / 500))
    bound = math.sqrt(6 / 300)
    check_uniform(drawn(init.kaiming_uniform_), -bound, bound)
    check_normal(drawn(init.kaiming_normal_, mode="fan_out", nonlinearity="relu"), 0.0, math.sqrt(2 / 200))
    std = math.sqrt(2 / 1.25) / math.sqrt(30 * 9)
    check_normal(drawn(init.kaiming_normal_, a=0.5, shape=(200, 30, 3, 3)), 0.0, std)


def test_truncated_normal() -> None:
    values = drawn(init.trunc_normal_)
    assert -2 <= values.min() < -1.9 and 1.9 < values.max() <= 2
    assert abs(values.mean()) < 0.02 and abs(values.std() - 0.8796) < 0.01
    values = drawn(init.trunc_normal_, 1.0, 0.5, 1.5, 3.0)
    # Mean of N(1, 0.25) given that it is above one standard deviation: 1 + 0.5 * density / tail.
    assert values.min() >= 1.5 and abs(values.mean() - (1 + 0.5 * 1.5251)) < 0.01
    values = drawn(init.trunc_normal_, 0.0, 1.0, 5.0, 6.0, shape=(50, 50))
    assert values.min() >= 5.0 and values.max() <= 6.0 and values.std() > 0


def test_constants() -> None:
    assert set(drawn(init.constant_, 3.5).flat) == {3.5}
    assert set(drawn(init.ones_).flat) == {1.0} and set(drawn(init.zeros_).flat) == {0.0}
    assert np.array_equal(drawn(init.eye_, shape=(3, 5)), np.eye(3, 5))


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6), (4, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    matrix = drawn(init.orthogonal_, 2.0, shape=shape).reshape(shape[0], -1)
    rows = shape[0] <= matrix.shape[1]
    product = matrix @ matrix.T if rows else matrix.T @ matrix
    assert np.allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_orthogonal_is_uniform_over_signs() -> None:
    signs = [np.sign(drawn(init.orthogonal_, shape=(2, 2))) for _ in range(200)]
    assert (np.abs(np.mean(signs, 0)) < 0.25).all()


def test_dirac_keeps_the_channels() -> None:
    layer = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    init.dirac_(layer.weight)
    x = lamina.rand(2, 3, 5, 5)
    output = layer(x).detach().numpy()
    assert np.array_equal(output[:, :3], x.numpy()) and not output[:, 3].any()
    grouped = drawn(init.dirac_, 2, shape=(4, 2, 3))
    assert grouped[:, :, 1].tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]] and grouped.sum() == 4


def test_sparse() -> None:
    values = drawn(init.sparse_, 0.21, 2.0, shape=(50, 400))
    assert ((values == 0).sum(0) == 11).all()
    assert abs(values[values != 0].std() - 2.0) < 0.05
    assert len({tuple(np.flatnonzero(column == 0)) for column in values.T}) > 300


def test_the_generator_decides() -> None:
    def with_seed(function: Any, seed: int) -> np.ndarray:
        generator = lamina.Generator()
        generator.manual_seed(seed)
        extra = {"sparsity": 0.3} if function is init.sparse_ else {}
        return drawn(function, shape=(5, 6), generator=generator, **extra)

    names = ["uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "xavier_normal_"]
    names += ["kaiming_uniform_", "kaiming_normal_", "orthogonal_", "sparse_"]
    for name in names:
        function = getattr(init, name)
        first = with_seed(function, 1)
        assert np.array_equal(first, with_seed(function, 1)) and not np.array_equal(
            first, with_seed(function, 2)
        )


def test_parameters_are_filled_without_being_recorded() -> None:
    weight = nn.Parameter(lamina.zeros(3, 3))
    for function in (
        init.normal_,
        init.ones_,
        init.eye_,
        init.orthogonal_,
        init.trunc_normal_,
        init.xavier_normal_,
    ):
        function(weight)
        assert weight.is_leaf and weight.requires_grad


def test_gains() -> None:
    assert init.calculate_gain("relu") == math.sqrt(2) and init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("leaky_relu", 1) == 1.0 and init.calculate_gain("conv2d") == 1.0
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / (1 + 0.01**2))
    for arguments in (("swish",), ("leaky_relu", True), ("leaky_relu", "a")):
        with pytest.raises(ValueError):
            init.calculate_gain(*arguments)


def test_wrong_shapes_are_refused() -> None:
    vector, matrix = lamina.empty(3), lamina.empty(3, 3)
    for call in (
        lambda: init.xavier_normal_(vector),
        lambda: init.kaiming_uniform_(vector),
        lambda: init.kaiming_uniform_(matrix, mode="fan_sum"),
        lambda: init.eye_(vector),
        lambda: init.sparse_(vector, 0.5),
        lambda: init.orthogonal_(vector),
        lambda: init.dirac_(matrix),
        lambda: init.dirac_(lamina.empty(3, 2, 1), groups=2),
    ):
        with pytest.raises(ValueError):
            call()
    empty = lamina.empty(0, 3)
    assert init.kaiming_normal_(empty) is empty and init.orthogonal_(empty) is empty


def test_layers_start_within_their_bounds() -> None:
    layer = nn.Linear(100, 300)
    check_uniform(layer.weight.detach().numpy(), -0.1, 0.1)
    assert layer.bias.abs().max().item() <= 0.1
    conv = nn.Conv2d(8, 64, 5, groups=2)
    check_uniform(conv.weight.detach().numpy(), -0.1, 0.1)
    assert nn.Linear(0, 3)(lamina.zeros(2, 0)).tolist() == [[0.0] * 3] * 2
    assert nn.Linear(2, 3, dtype=lamina.float64).weight.dtype == lamina.float64
