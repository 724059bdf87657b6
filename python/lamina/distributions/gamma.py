"""Gamma and its special case Chi2."""

from __future__ import annotations

from typing import Any, ClassVar

import lamina
from lamina._core import Tensor
from lamina.distributions import constraints
from lamina.distributions.distribution import ExponentialFamily, tensors
from lamina.distributions.gamma_sample import standard_gamma


class Gamma(ExponentialFamily):
    """Shape ``concentration``, and ``rate``: density ``rate^c x^(c - 1) exp(-rate x) / Gamma(c)``.

    >>> lamina.distributions.Gamma(2.0, 4.0).mean.item()
    0.5
    """

    arg_constraints: ClassVar = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _parameters: ClassVar = {"concentration": 0, "rate": 0}

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = tensors(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate.square()

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        value = lamina.as_tensor(value, dtype=self.rate.dtype)
        self._checked(value)
        c = self.concentration
        return lamina.xlogy(c, self.rate) + lamina.xlogy(c - 1, value) - self.rate * value - lamina.lgamma(c)

    def entropy(self) -> Tensor:
        c = self.concentration
        return c - self.rate.log() + lamina.lgamma(c) + (1.0 - c) * lamina.digamma(c)


class Chi2(Gamma):
    """The sum of ``df`` squared standard normals.

    >>> lamina.distributions.Chi2(3.0).mean.item()
    3.0
    """

    arg_constraints: ClassVar = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        super().__init__(0.5 * tensors(df)[0], 0.5, validate_args=validate_args)

    @property
    def df(self) -> Tensor:
        """The degrees of freedom."""
        return self.concentration * 2
