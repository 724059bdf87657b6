"""Dirichlet, and its case of two parts: Beta."""

from __future__ import annotations

from typing import Any, ClassVar

import lamina
from lamina._core import ShapeError, Tensor
from lamina.distributions import constraints
from lamina.distributions.distribution import ExponentialFamily, tensors
from lamina.distributions.gamma_sample import standard_gamma


class Dirichlet(ExponentialFamily):
    """Over vectors of nonnegative numbers that sum to 1; ``concentration`` (..., parts).

    Drawn as gamma variables divided by their sum.

    Raises:
        ValueError: ``concentration`` has no dimension.

    >>> lamina.distributions.Dirichlet(lamina.tensor([1.0, 3.0])).mean.tolist()
    [0.25, 0.75]
    """

    arg_constraints: ClassVar = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True
    _parameters: ClassVar = {"concentration": 1}

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise ShapeError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        shape = concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Tensor:
        above = (self.concentration - 1).clamp(min=0.0)
        mode = above / above.sum(-1, True)
        # Where all lie below 1, the whole weight is on the largest.
        flat = (self.concentration < 1).all(-1, True)
        best = lamina.nn.functional.one_hot(self.concentration.argmax(-1), self.concentration.shape[-1])
        return lamina.where(flat, best.to(mode.dtype), mode)

    @property
    def variance(self) -> Tensor:
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.square() * (total + 1))

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        drawn = standard_gamma(self.concentration.expand(self._extended_shape(sample_shape)))
        return drawn / drawn.sum(-1, True)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        a = self.concentration
        return lamina.xlogy(a - 1.0, value).sum(-1) + lamina.lgamma(a.sum(-1)) - lamina.lgamma(a).sum(-1)

    def entropy(self) -> Tensor:
        a, k = self.concentration, self.concentration.shape[-1]
        total = a.sum(-1)
        return (
            lamina.lgamma(a).sum(-1)
            - lamina.lgamma(total)
            - (k - total) * lamina.digamma(total)
            - ((a - 1.0) * lamina.digamma(a)).sum(-1)
        )


class Beta(ExponentialFamily):
    """Over numbers between 0 and 1: density proportional to ``x^(c1 - 1) (1 - x)^(c0 - 1)``.

    >>> lamina.distributions.Beta(1.0, 3.0).mean.item()
    0.25
    """

    arg_constraints: ClassVar = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        both = lamina.stack(tensors(concentration1, concentration0), -1)
        self._dirichlet = Dirichlet(both, validate_args=False)
        super().__init__(both.shape[:-1], validate_args=validate_args)

    def _expanded_from(self, other: Any, batch_shape: Any) -> None:
        self._dirichlet = other._dirichlet.expand(batch_shape)

    @property
    def concentration1(self) -> Tensor:
        """The weight of 1."""
        return self._dirichlet.concentration[..., 0]

    @property
    def concentration0(self) -> Tensor:
        """The weight of 0."""
        return self._dirichlet.concentration[..., 1]

    @property
    def mean(self) -> Tensor:
        return self._dirichlet.mean[..., 0]

    @property
    def mode(self) -> Tensor:
        return self._dirichlet.mode[..., 0]

    @property
    def variance(self) -> Tensor:
        return self._dirichlet.variance[..., 0]

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        return self._dirichlet.rsample(sample_shape)[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        return self._dirichlet.log_prob(lamina.stack([value, 1.0 - value], -1))

    def entropy(self) -> Tensor:
        return self._dirichlet.entropy()
