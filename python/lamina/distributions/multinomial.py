"""Multinomial: how often each class comes up in several draws."""

from __future__ import annotations

from typing import Any, ClassVar

import lamina
from lamina._core import Tensor
from lamina.distributions import constraints
from lamina.distributions.categorical import Categorical
from lamina.distributions.count import Binomial
from lamina.distributions.distribution import Distribution


class Multinomial(Distribution):
    """Counts (..., classes) of ``total_count`` draws from ``Categorical(probs or logits)``.

    Raises:
        NotImplementedError: ``total_count`` is not an int.

    >>> lamina.distributions.Multinomial(4, lamina.tensor([1.0, 3.0])).mean.tolist()
    [1.0, 3.0]
    """

    arg_constraints: ClassVar = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(
        self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def _expanded_from(self, other: Any, batch_shape: Any) -> None:
        self.total_count = other.total_count
        self._categorical = other._categorical.expand(batch_shape)

    @property
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    @property
    def probs(self) -> Tensor:
        """The probability of each class."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """The logarithm of the probability of each class."""
        return self._categorical.logits

    @property
    def param_shape(self) -> Any:
        """The shape of what was given."""
        return self._categorical.param_shape

    @property
    def mean(self) -> Tensor:
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        drawn = self._categorical.sample((self.total_count, *sample_shape))
        last = drawn.movedim(0, -1)
        counts = self.probs.new_zeros(self._extended_shape(sample_shape))
        return counts.scatter_add(-1, last, lamina.ones_like(last, dtype=counts.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        logits, value = lamina.broadcast_tensors(self.logits, value)
        logits = logits.masked_fill((value == 0) & (logits == -float("inf")), 0)
        n = lamina.lgamma(value.sum(-1) + 1)
        return n - lamina.lgamma(value + 1).sum(-1) + (logits * value).sum(-1)

    def entropy(self) -> Tensor:
        n = float(self.total_count)
        own = self._categorical.entropy() * n - lamina.lgamma(lamina.tensor(n + 1))
        binomial = Binomial(self.total_count, probs=self.probs, validate_args=False)
        counts = binomial.enumerate_support(False)[1:]
        weight = binomial.log_prob(counts).exp()
        return own + (weight * lamina.lgamma(counts + 1)).sum((0, -1))
