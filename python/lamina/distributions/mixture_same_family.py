"""MixtureSameFamily: one of several distributions of a kind, chosen at random."""

from __future__ import annotations

from typing import Any, ClassVar

from lamina._core import ShapeError, Tensor
from lamina.distributions.categorical import Categorical
from lamina.distributions.distribution import Distribution


class MixtureSameFamily(Distribution):
    """The last batch dimension of ``component_distribution`` counts components, of which
    ``mixture_distribution`` chooses one.

    Raises:
        ValueError: the mixture is no ``Categorical``, or of another number of components.

    >>> D = lamina.distributions
    >>> parts = D.Normal(lamina.tensor([0.0, 2.0]), 1.0)
    >>> D.MixtureSameFamily(D.Categorical(lamina.ones(2)), parts).mean.item()
    1.0
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ShapeError("The Mixture distribution needs to be an instance of distributions.Categorical")
        shape = component_distribution.batch_shape
        count = mixture_distribution.logits.shape[-1]
        if not shape or shape[-1] != count:
            raise ShapeError(
                f"`mixture_distribution component` ({count}) does not equal the last batch dimension of "
                f"`component_distribution` {tuple(shape)}"
            )
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        super().__init__(shape[:-1], component_distribution.event_shape, validate_args=validate_args)

    def _expanded_from(self, other: Any, batch_shape: Any) -> None:
        count = other.component_distribution.batch_shape[-1:]
        self._component_distribution = other.component_distribution.expand(batch_shape + count)
        self._mixture_distribution = other.mixture_distribution.expand(batch_shape)

    @property
    def mixture_distribution(self) -> Categorical:
        """Chooses the component."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """The components, along the last batch dimension."""
        return self._component_distribution

    @property
    def support(self) -> Any:
        return self._component_distribution.support

    def _average(self, values: Tensor) -> Tensor:
        events = len(self.event_shape)
        weights = self._mixture_distribution.probs
        weights = weights.reshape((*weights.shape, *(1 for _ in range(events))))
        return (weights * values).sum(-1 - events)

    @property
    def mean(self) -> Tensor:
        return self._average(self._component_distribution.mean)

    @property
    def variance(self) -> Tensor:
        centre = self.mean.unsqueeze(-1 - len(self.event_shape))
        spread = (self._component_distribution.mean - centre).square()
        return self._average(self._component_distribution.variance + spread)

    def cdf(self, value: Tensor) -> Tensor:
        below = self._component_distribution.cdf(value.unsqueeze(-1))
        return (below * self._mixture_distribution.probs).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        own = self._component_distribution.log_prob(value.unsqueeze(-1 - len(self.event_shape)))
        return (own + self._mixture_distribution.logits.log_softmax(-1)).logsumexp(-1)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        events = len(self.event_shape)
        chosen = self._mixture_distribution.sample(sample_shape)
        drawn = self._component_distribution.sample(sample_shape)
        index = chosen.reshape((*chosen.shape, *(1 for _ in range(events + 1))))
        index = index.expand((*chosen.shape, 1, *self.event_shape))
        return drawn.gather(-1 - events, index).squeeze(-1 - events)

    def __repr__(self) -> str:
        return f"MixtureSameFamily({self._mixture_distribution}, {self._component_distribution})"
