"""Distributions with heavy or lopsided tails: Cauchy, StudentT, Gumbel, Weibull, Pareto."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import lamina
from lamina._core import Tensor
from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution, tensors
from lamina.distributions.gamma_sample import standard_gamma

EULER = 0.5772156649015329


def _inner_uniform(shape: Any, like: Tensor) -> Tensor:
    """Even over the open interval from 0 to 1."""
    info = lamina.finfo(like.dtype)
    return lamina.rand(shape, dtype=like.dtype).clamp(min=info.tiny, max=1 - info.eps / 2)


class Cauchy(Distribution):
    """Density ``1 / (pi scale (1 + z^2))`` with ``z = (x - loc) / scale``; it has no mean.

    >>> lamina.distributions.Cauchy(0.0, 1.0).cdf(lamina.tensor(0.0)).item()
    0.5
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
        return lamina.full_like(self.loc, float("nan"))

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return lamina.full_like(self.loc, float("inf"))

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        noise = lamina.empty(self._extended_shape(sample_shape), dtype=self.loc.dtype).cauchy_()
        return self.loc + noise * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        z = (value - self.loc) / self.scale
        return -math.log(math.pi) - self.scale.log() - lamina.log1p(z.square())

    def cdf(self, value: Tensor) -> Tensor:
        self._checked(value)
        return lamina.atan((value - self.loc) / self.scale) / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        return lamina.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self) -> Tensor:
        return math.log(4 * math.pi) + self.scale.log()


class StudentT(Distribution):
    """Student's t of ``df`` degrees of freedom, moved to ``loc`` and stretched by ``scale``.

    >>> lamina.distributions.StudentT(4.0).variance.item()
    2.0
    """

    arg_constraints: ClassVar = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True
    _parameters: ClassVar = {"df": 0, "loc": 0, "scale": 0}

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self.df, self.loc, self.scale = tensors(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return lamina.where(self.df > 1, self.loc, float("nan"))

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        finite = self.scale.square() * self.df / (self.df - 2)
        wide = lamina.where(self.df > 2, finite, float("inf"))
        return lamina.where(self.df > 1, wide, float("nan"))

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        normal = lamina.randn(shape, dtype=self.df.dtype)
        df = self.df.expand(shape)
        return self.loc + self.scale * normal * (df / (2 * standard_gamma(df / 2))).sqrt()

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        z = (value - self.loc) / self.scale
        half = self.df / 2
        norm = (
            self.scale.log()
            + 0.5 * (math.pi * self.df).log()
            + lamina.lgamma(half)
            - lamina.lgamma(half + 0.5)
        )
        return -(half + 0.5) * lamina.log1p(z.square() / self.df) - norm

    def entropy(self) -> Tensor:
        half = self.df / 2
        beta = lamina.lgamma(half) + math.lgamma(0.5) - lamina.lgamma(half + 0.5)
        slope = lamina.digamma(half + 0.5) - lamina.digamma(half)
        return self.scale.log() + (half + 0.5) * slope + 0.5 * self.df.log() + beta


class Gumbel(Distribution):
    """The largest of many: ``cdf`` is ``exp(-exp(-z))`` with ``z = (x - loc) / scale``.

    >>> lamina.distributions.Gumbel(0.0, 1.0).mode.item()
    0.0
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
        return self.loc + self.scale * EULER

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return (math.pi / math.sqrt(6)) * self.scale

    @property
    def variance(self) -> Tensor:
        return self.stddev.square()

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        return self.icdf(_inner_uniform(self._extended_shape(sample_shape), self.loc))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        z = (self.loc - value) / self.scale
        return z - z.exp() - self.scale.log()

    def cdf(self, value: Tensor) -> Tensor:
        self._checked(value)
        return (-((self.loc - value) / self.scale).exp()).exp()

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc - self.scale * (-value.log()).log()

    def entropy(self) -> Tensor:
        return self.scale.log() + (1 + EULER)


class Weibull(Distribution):
    """``cdf`` is ``1 - exp(-(x / scale)^concentration)``.

    >>> lamina.distributions.Weibull(2.0, 1.0).mean.item()
    2.0
    """

    arg_constraints: ClassVar = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive
    has_rsample = True
    _parameters: ClassVar = {"scale": 0, "concentration": 0}

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = tensors(scale, concentration)
        super().__init__(self.scale.shape, validate_args=validate_args)

    def _moment(self, order: float) -> Tensor:
        return lamina.exp(lamina.lgamma(1 + order / self.concentration))

    @property
    def mean(self) -> Tensor:
        return self.scale * self._moment(1)

    @property
    def mode(self) -> Tensor:
        c = self.concentration
        return self.scale * ((c - 1) / c).clamp(min=0) ** c.reciprocal()

    @property
    def variance(self) -> Tensor:
        return self.scale.square() * (self._moment(2) - self._moment(1).square())

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        noise = lamina.empty(self._extended_shape(sample_shape), dtype=self.scale.dtype).exponential_()
        return self.scale * noise.pow(self.concentration.reciprocal())

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        c, z = self.concentration, value / self.scale
        return c.log() - self.scale.log() + (c - 1) * z.log() - z.pow(c)

    def cdf(self, value: Tensor) -> Tensor:
        self._checked(value)
        return -lamina.expm1(-((value / self.scale).pow(self.concentration)))

    def icdf(self, value: Tensor) -> Tensor:
        return self.scale * (-lamina.log1p(-value)).pow(self.concentration.reciprocal())

    def entropy(self) -> Tensor:
        inverse = self.concentration.reciprocal()
        return EULER * (1 - inverse) + (self.scale * inverse).log() + 1


class Pareto(Distribution):
    """``cdf`` is ``1 - (scale / x)^alpha`` for x >= scale.

    >>> lamina.distributions.Pareto(1.0, 2.0).mean.item()
    2.0
    """

    arg_constraints: ClassVar = {"scale": constraints.positive, "alpha": constraints.positive}
    has_rsample = True
    _parameters: ClassVar = {"scale": 0, "alpha": 0}

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self.scale, self.alpha = tensors(scale, alpha)
        super().__init__(self.scale.shape, validate_args=validate_args)

    @property
    def support(self) -> Any:
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Tensor:
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)

    @property
    def mode(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        a = self.alpha.clamp(min=2)
        return self.scale.square() * a / ((a - 1).square() * (a - 2))

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        noise = lamina.empty(self._extended_shape(sample_shape), dtype=self.scale.dtype).exponential_()
        return self.scale * (noise / self.alpha).exp()

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        return self.alpha.log() + self.alpha * self.scale.log() - (self.alpha + 1) * value.log()

    def cdf(self, value: Tensor) -> Tensor:
        self._checked(value)
        return 1 - (self.scale / value).pow(self.alpha)

    def icdf(self, value: Tensor) -> Tensor:
        return self.scale * (1 - value).pow(-self.alpha.reciprocal())

    def entropy(self) -> Tensor:
        return (self.scale / self.alpha).log() + (1 + self.alpha.reciprocal())
