"""Running extremes and searches in rows longer than the part that a thread takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina


def extremes(x: np.ndarray, largest: bool) -> tuple[np.ndarray, np.ndarray]:
    """One row, element by element; NaN wins, and of equal ones the latest."""
    values, places, best = np.empty_like(x), np.empty(len(x), np.int64), 0
    for i, v in enumerate(x):
        if v != v or (v >= x[best] if largest else v <= x[best]):
            best = i
        values[i], places[i] = x[best], best
    return values, places


ROWS: dict[str, Any] = {
    "repeated": lambda r: r.integers(0, 50, 70001).astype(np.float32),
    "ascending": lambda r: np.sort(r.integers(0, 5000, 70001)).astype(np.float64),
    "numbers and none": lambda r: np.where(r.random(70001) < 1e-4, np.nan, r.standard_normal(70001)),
    "integers": lambda r: r.integers(-100, 100, 70001),
    "one vector and more": lambda r: r.standard_normal(17).astype(np.float32),
}


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("largest", [True, False])
def test_running_extremes(kind: str, largest: bool) -> None:
    x = ROWS[kind](np.random.default_rng(1))
    run = lamina.cummax if largest else lamina.cummin
    wanted = extremes(x, largest)
    for turned in (lamina.tensor(x), lamina.tensor(np.stack([x, x, x])).transpose(0, 1)):
        found = run(turned, 0)
        for mine, other in zip(found, wanted, strict=True):
            column = mine.numpy() if mine.ndim == 1 else mine.numpy()[:, 2]
            np.testing.assert_array_equal(column, other)
    places = run(lamina.tensor(np.stack([x[:1000]] * 70)), 1).indices.numpy()
    np.testing.assert_array_equal(places[69], extremes(x[:1000], largest)[1])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bfloat16"])
@pytest.mark.parametrize("right", [True, False])
def test_searches(dtype: str, right: bool) -> None:
    r = np.random.default_rng(2)
    side: Any = "right" if right else "left"
    for n in (0, 1, 2, 3, 8, 100, 1001):
        rows, values = np.sort(r.integers(0, 60, (3, n)), 1), r.integers(0, 65, (3, 2111))
        kind = getattr(lamina, dtype)
        found = lamina.searchsorted(lamina.tensor(rows).to(kind), lamina.tensor(values).to(kind), right=right)
        wanted = [np.searchsorted(row, v, side) for row, v in zip(rows, values, strict=True)]
        np.testing.assert_array_equal(found.numpy(), wanted)
        one = lamina.searchsorted(lamina.tensor(rows[0]).to(kind), lamina.tensor(values).to(kind), side=side)
        np.testing.assert_array_equal(one.numpy(), np.searchsorted(rows[0], values, side))


def test_searches_across_types_and_what_they_refuse() -> None:
    large = lamina.tensor([2**53, 2**53 + 1, 2**53 + 2])
    assert lamina.searchsorted(large, lamina.tensor([2**53 + 1])).tolist() == [1]
    assert lamina.searchsorted(lamina.tensor([1, 2, 3]), lamina.tensor([1.5, 3.5])).tolist() == [1, 3]
    assert lamina.searchsorted(lamina.tensor([1, 2, 3]), 2.5).item() == 2
    assert lamina.bucketize(lamina.tensor([float("nan")]), lamina.tensor([0.0, 1.0])).tolist() == [2]
    assert lamina.searchsorted(lamina.zeros(2), lamina.zeros(0)).shape == (0,)
    for sequence in (lamina.tensor(1), lamina.zeros(2, 3)):
        with pytest.raises(ValueError, match="searchsorted: boundaries of"):
            lamina.searchsorted(sequence, lamina.zeros(3, 3))
