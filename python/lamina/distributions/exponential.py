"""Exponential: the time until something happens that happens ``rate`` times in a unit of time."""

from __future__ import annotations

from typing import Any, ClassVar

import lamina
from lamina._core import Tensor
from lamina.distributions import constraints
from lamina.distributions.distribution import ExponentialFamily, tensors


class Exponential(ExponentialFamily):
    """Density ``rate exp(-rate x)`` for x >= 0.

    >>> lamina.distributions.Exponential(2.0).mean.item()
    0.5
    """

    arg_constraints: ClassVar = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _parameters: ClassVar = {"rate": 0}

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = tensors(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.rate.reciprocal()

    @property
    def mode(self) -> Tensor:
        return lamina.zeros_like(self.rate)

    @property
    def stddev(self) -> Tensor:
        return self.rate.reciprocal()

    @property
    def variance(self) -> Tensor:
        return self.rate.pow(-2)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return lamina.empty(shape, dtype=self.rate.dtype).exponential_() / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        self._checked(value)
        return -lamina.expm1(-self.rate * value)

    def icdf(self, value: Tensor) -> Tensor:
        return -lamina.log1p(-value) / self.rate

    def entropy(self) -> Tensor:
        return 1.0 - self.rate.log()
