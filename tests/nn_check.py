"""What the tests of lamina.nn share: tensors from arrays, and gradients judged by differences in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import lamina


def array(*shape: int, seed: int = 0, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Numbers from U(low, high) in float64."""
    return np.random.default_rng([seed, *shape]).uniform(low, high, shape)


def tensor(values: Any, requires_grad: bool = False) -> Any:
    """A tensor of its own memory with the values and dtype of an array."""
    made = lamina.tensor(np.asarray(values))
    return made.requires_grad_() if requires_grad else made


def close(result: Any, expected: Any, tolerance: float = 1e-10) -> None:
    """Equal up to ``tolerance``, relative to the largest expected value; shapes must be the same."""
    result = result.detach().numpy() if isinstance(result, lamina.Tensor) else np.asarray(result)
    expected = np.asarray(expected)
    assert result.shape == expected.shape
    scale = max(1.0, float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0)))
    np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance * scale)


def check_gradient(function: Callable[..., Any], *arrays: np.ndarray, tolerance: float = 1e-6) -> None:
    """The gradient of a random combination of what ``function`` returns, against central differences."""
    leaves = [tensor(values, requires_grad=True) for values in arrays]
    output = function(*leaves)
    weights = array(*output.shape, seed=99)
    (output * tensor(weights)).sum().backward()

    def combined(values: Sequence[np.ndarray]) -> float:
        with lamina.no_grad():
            return float((function(*map(tensor, values)).numpy() * weights).sum())

    step = 1e-6
    for place, leaf in enumerate(leaves):
        slopes = []
        for direction in directions(arrays[place].shape):
            above, below = list(arrays), list(arrays)
            above[place] = arrays[place] + step * direction
            below[place] = arrays[place] - step * direction
            slopes.append((combined(above) - combined(below)) / (2 * step))
        expected = [(leaf.grad.numpy() * direction).sum() for direction in directions(arrays[place].shape)]
        close(np.array(slopes), np.array(expected), tolerance)


def directions(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Along each element where there are few; else a handful at random, which no element escapes."""
    size = int(np.prod(shape))
    if size > 24:
        return [array(*shape, seed=100 + i, low=-1.0, high=1.0) for i in range(6)]
    return list(np.eye(size).reshape(size, *shape))
