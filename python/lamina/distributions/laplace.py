"""Laplace: an exponential to both sides."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import lamina
from lamina._core import Tensor
from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution, tensors


class Laplace(Distribution):
    """Density ``exp(-|x - loc| / scale) / (2 scale)``.

    >>> lamina.distributions.Laplace(0.0, 1.0).variance.item()
    2.0
    """

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    _parameters: ClassVar = {"loc": 0, "scale": 0}

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = tensors(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale.square()

    @property
    def stddev(self) -> Tensor:
        return math.sqrt(2) * self.scale

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        shape, dtype = self._extended_shape(sample_shape), self.loc.dtype
        size = lamina.empty(shape, dtype=dtype).exponential_()
        return self.loc + self.scale * size * (2 * lamina.empty(shape, dtype=dtype).bernoulli_(0.5) - 1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        self._checked(value)
        z = (value - self.loc) / self.scale
        return 0.5 - 0.5 * z.sign() * lamina.expm1(-z.abs())

    def icdf(self, value: Tensor) -> Tensor:
        term = value - 0.5
        return self.loc - self.scale * term.sign() * lamina.log1p(-2 * term.abs())

    def entropy(self) -> Tensor:
        return 1 + (2 * self.scale).log()
