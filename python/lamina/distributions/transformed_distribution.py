"""TransformedDistribution: what becomes of a distribution when its values go through maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import lamina
from lamina._core import ShapeError, Tensor
from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution, sum_rightmost
from lamina.distributions.independent import Independent
from lamina.distributions.transforms import ComposeTransform, Transform


class TransformedDistribution(Distribution):
    """``base_distribution`` after ``transforms``, one or several in a row.

    Raises:
        ValueError: something else than a transform, or a base with too few dimensions.

    >>> D = lamina.distributions
    >>> D.TransformedDistribution(D.Normal(0.0, 1.0), D.ExpTransform()).cdf(lamina.tensor(1.0)).item()
    0.5
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Transform | Sequence[Transform],
        validate_args: bool | None = None,
    ) -> None:
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        if not all(isinstance(t, Transform) for t in self.transforms):
            raise ShapeError(
                f"transforms must be a Transform or list of Transforms, but was {self.transforms}"
            )
        whole = ComposeTransform(self.transforms)
        base_shape = base_distribution.batch_shape + base_distribution.event_shape
        wanted = whole.domain.event_dim if self.transforms else 0
        if len(base_shape) < wanted:
            raise ShapeError(
                f"base_distribution needs to have shape with size at least {wanted}, but got {base_shape}."
            )
        shape = lamina.Size(whole.forward_shape(base_shape))
        expanded = whole.inverse_shape(shape)
        if tuple(expanded) != tuple(base_shape):
            count = len(base_distribution.event_shape)
            base_distribution = base_distribution.expand(expanded[: len(expanded) - count])
        missing = whole.event_dim - len(base_distribution.event_shape)
        if missing > 0:
            base_distribution = Independent(base_distribution, missing)
        self.base_dist = base_distribution
        change = whole.codomain.event_dim - whole.domain.event_dim if self.transforms else 0
        event_dim = max(whole.codomain.event_dim, len(base_distribution.event_shape) + change)
        cut = len(shape) - event_dim
        super().__init__(shape[:cut], shape[cut:], validate_args=validate_args)

    def expand(self, batch_shape: tuple[int, ...], _instance: Any = None) -> Any:
        shape = lamina.Size(batch_shape) + self.event_shape
        for transform in reversed(self.transforms):
            shape = transform.inverse_shape(shape)
        base = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        made = object.__new__(type(self))
        made.__dict__.update(vars(self))
        made.base_dist = base
        made._batch_shape = lamina.Size(batch_shape)
        return made

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    @property
    def support(self) -> Any:
        if not self.transforms:
            return self.base_dist.support
        last = self.transforms[-1].codomain
        missing = len(self.event_shape) - last.event_dim
        return constraints.independent(last, missing) if missing > 0 else last

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        with lamina.no_grad():
            return self._through(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        return self._through(self.base_dist.rsample(sample_shape))

    def _through(self, x: Tensor) -> Tensor:
        for transform in self.transforms:
            x = transform(x)
        return x

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        event_dim, y = len(self.event_shape), value
        total: Any = 0.0
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            event_dim += transform.domain.event_dim - transform.codomain.event_dim
            own = transform.log_abs_det_jacobian(x, y)
            total = total - sum_rightmost(own, event_dim - transform.domain.event_dim)
            y = x
        base = self.base_dist.log_prob(y)
        score: Tensor = total + sum_rightmost(base, event_dim - len(self.base_dist.event_shape))
        return score

    def _sign(self) -> Any:
        sign: Any = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        return sign

    def cdf(self, value: Tensor) -> Tensor:
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        below = self.base_dist.cdf(value)
        sign = self._sign()
        return below if isinstance(sign, int) and sign == 1 else sign * (below - 0.5) + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        sign = self._sign()
        if not (isinstance(sign, int) and sign == 1):
            value = sign * (value - 0.5) + 0.5
        return self._through(self.base_dist.icdf(value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_dist}, {self.transforms})"
