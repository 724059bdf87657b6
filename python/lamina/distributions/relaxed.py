"""Relaxed discrete distributions, whose samples are differentiable: RelaxedBernoulli,
RelaxedOneHotCategorical.

Source: Maddison, Mnih and Teh, The Concrete Distribution, 2017; Jang, Gu and Poole, Gumbel-Softmax, 2017.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import lamina
from lamina._core import Tensor
from lamina.distributions import constraints
from lamina.distributions.bernoulli import BinaryParameters
from lamina.distributions.categorical import Categorical
from lamina.distributions.distribution import Distribution
from lamina.distributions.heavy_tail import _inner_uniform


class RelaxedBernoulli(BinaryParameters):
    """Between 0 and 1, the nearer to both the lower the ``temperature``.

    >>> lamina.distributions.RelaxedBernoulli(0.5, probs=lamina.tensor(0.5)).rsample().item() < 1
    True
    """

    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self.temperature = temperature
        (given,) = self._set(probs, logits)
        super().__init__(given.shape, validate_args=validate_args)

    def _expanded_from(self, other: Any, batch_shape: Any) -> None:
        self.temperature = other.temperature

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        u = _inner_uniform(self._extended_shape(sample_shape), self._given)
        x = (u.log() - lamina.log1p(-u) + self.logits) / self.temperature
        info = lamina.finfo(x.dtype)
        return x.sigmoid().clamp(min=info.tiny, max=1 - info.eps)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        odds = value.log() - lamina.log1p(-value)
        difference = self.logits - odds * self.temperature
        temperature = lamina.as_tensor(self.temperature, dtype=value.dtype)
        density = temperature.log() + difference - 2 * lamina.nn.functional.softplus(difference)
        return density - value.log() - lamina.log1p(-value)


class RelaxedOneHotCategorical(Distribution):
    """Vectors of positive numbers that sum to 1, the nearer to one-hot the lower the ``temperature``.

    >>> D = lamina.distributions.RelaxedOneHotCategorical(0.5, probs=lamina.ones(3))
    >>> round(D.rsample().sum().item(), 4)
    1.0
    """

    arg_constraints: ClassVar = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self.temperature = temperature
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def _expanded_from(self, other: Any, batch_shape: Any) -> None:
        self.temperature = other.temperature
        self._categorical = other._categorical.expand(batch_shape)

    @property
    def probs(self) -> Tensor:
        """The probability of each class."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """The logarithm of the probability of each class."""
        return self._categorical.logits

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        u = _inner_uniform(self._extended_shape(sample_shape), self.logits)
        return ((self.logits - (-u.log()).log()) / self.temperature).softmax(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        n = self._event_shape[0]
        temperature = lamina.as_tensor(self.temperature, dtype=value.dtype)
        logs = value.log()
        score = self.logits - temperature * logs
        score = (score - score.logsumexp(-1, keepdim=True)).sum(-1)
        return score + math.lgamma(n) + (n - 1) * temperature.log() - logs.sum(-1)
