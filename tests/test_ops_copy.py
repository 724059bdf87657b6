"""Gradients of conversions and of values put into a tensor in place, which are no function of the tables."""

from __future__ import annotations

import pytest

import lamina


def leaf(*values: float, dtype: str = "float64") -> lamina.Tensor:
    return lamina.tensor(values, dtype=getattr(lamina, dtype), requires_grad=True)


@pytest.mark.parametrize("target", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("source", ["float64", "float32", "float16", "bfloat16"])
def test_gradient_of_a_conversion_has_the_dtype_of_the_source(source: str, target: str) -> None:
    x = leaf(1.0, 2.0, dtype=source)
    (
        x.to(getattr(lamina, target)) * lamina.tensor([3.0, 4.0], dtype=getattr(lamina, target))
    ).sum().backward()
    assert x.grad.dtype is x.dtype and x.grad.tolist() == [3.0, 4.0]


def test_conversion_to_integers_ends_the_history() -> None:
    assert not leaf(1.5).to(lamina.int64).requires_grad


def test_gradient_of_copy_goes_to_the_source_and_not_to_the_old_values() -> None:
    x, source = leaf(1.0, 2.0, 3.0, 4.0), leaf(5.0, dtype="float32")
    y = x * 2
    y[1:3].copy_(source)
    (y * lamina.tensor([10.0, 20.0, 30.0, 40.0])).sum().backward()
    assert x.grad.tolist() == [20.0, 0.0, 0.0, 80.0]
    assert source.grad.tolist() == [50.0] and source.grad.dtype is lamina.float32


def test_gradient_of_fill_goes_to_the_number_and_not_to_the_old_values() -> None:
    x, number = leaf(1.0, 2.0, 3.0), lamina.tensor(7.0, dtype=lamina.float64, requires_grad=True)
    y = x * x
    y[:2].fill_(number)
    (y * y).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 4 * 3.0**3]
    assert number.grad.item() == 2 * 2 * 7.0
