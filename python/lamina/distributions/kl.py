"""kl_divergence: how far one distribution is from another, in closed form, by the kinds of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lamina
from lamina._core import Tensor
from lamina.distributions.bernoulli import Bernoulli
from lamina.distributions.categorical import Categorical, OneHotCategorical
from lamina.distributions.count import Binomial, Geometric, Poisson
from lamina.distributions.dirichlet import Beta, Dirichlet
from lamina.distributions.distribution import Distribution, sum_rightmost
from lamina.distributions.exponential import Exponential
from lamina.distributions.gamma import Gamma
from lamina.distributions.heavy_tail import EULER, Cauchy, Gumbel
from lamina.distributions.independent import Independent
from lamina.distributions.laplace import Laplace
from lamina.distributions.log_normal import HalfNormal
from lamina.distributions.multivariate_normal import MultivariateNormal
from lamina.distributions.normal import Normal
from lamina.distributions.transformed_distribution import TransformedDistribution
from lamina.distributions.uniform import Uniform

Divergence = Callable[[Any, Any], Tensor]
REGISTRY: dict[tuple[type, type], Divergence] = {}
INFINITE = float("inf")


def register_kl(type_p: type, type_q: type) -> Callable[[Divergence], Divergence]:
    """Decorates the function that gives the divergence for these two kinds and what derives from them.

    Raises:
        TypeError: one of them is no distribution.
    """
    for kind in (type_p, type_q):
        if not isinstance(kind, type) or not issubclass(kind, Distribution):
            raise TypeError(f"register_kl: expected a kind of Distribution, got {kind}")

    def register(function: Divergence) -> Divergence:
        REGISTRY[type_p, type_q] = function
        return function

    return register


def _find(p: type, q: type) -> Divergence | None:
    """The function registered for the nearest ancestors of both."""
    places = [
        (p.__mro__.index(a) + q.__mro__.index(b), function)
        for (a, b), function in REGISTRY.items()
        if issubclass(p, a) and issubclass(q, b)
    ]
    return min(places, key=lambda place: place[0])[1] if places else None


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """``E_p[log p - log q]``, of shape ``batch_shape``. Source: Kullback & Leibler, 1951.

    Raises:
        NotImplementedError: there is no closed form here for these two kinds.

    >>> D = lamina.distributions
    >>> D.kl_divergence(D.Normal(0.0, 1.0), D.Normal(1.0, 1.0)).item()
    0.5
    """
    function = _find(type(p), type(q))
    if function is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
        )
    return function(p, q)


@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Tensor:
    ratio = (p.scale / q.scale).square()
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).square() - 1 - ratio.log())


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Tensor:
    return _normal(p._normal(), q._normal())


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Tensor:
    softplus = lamina.nn.functional.softplus
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    return one + (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Tensor:
    own = p.total_count * _bernoulli(p, q)
    return lamina.where(p.total_count > q.total_count, INFINITE, own)


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Tensor:
    each = p.probs * (p.logits - q.logits)
    each = lamina.where(q.probs == 0, INFINITE, each)
    return lamina.where((p.probs == 0).expand(each.shape), 0.0, each).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot_categorical(p: Any, q: Any) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Tensor:
    return -p.entropy() - lamina.log1p(-q.probs) / p.probs - q.logits


@register_kl(Uniform, Uniform)
def _uniform(p: Any, q: Any) -> Tensor:
    inside = (q.low <= p.low) & (q.high >= p.high)
    return lamina.where(inside, ((q.high - q.low) / (p.high - p.low)).log(), INFINITE)


@register_kl(Uniform, Normal)
def _uniform_normal(p: Any, q: Any) -> Tensor:
    width = p.high - p.low
    spread = width.square() / 12 + ((p.high + p.low) / 2 - q.loc).square()
    return 0.5 * (2 * lamina.pi * q.scale.square() / width.square()).log() + 0.5 * spread / q.scale.square()


@register_kl(Exponential, Exponential)
def _exponential(p: Any, q: Any) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Exponential, Gamma)
def _exponential_gamma(p: Any, q: Any) -> Tensor:
    return _gamma(Gamma(lamina.ones_like(p.rate), p.rate, validate_args=False), q)


@register_kl(Gamma, Exponential)
def _gamma_exponential(p: Any, q: Any) -> Tensor:
    return _gamma(p, Gamma(lamina.ones_like(q.rate), q.rate, validate_args=False))


@register_kl(Gamma, Gamma)
def _gamma(p: Any, q: Any) -> Tensor:
    a, b = p.concentration, q.concentration
    shape = lamina.lgamma(b) - lamina.lgamma(a) + (a - b) * lamina.digamma(a)
    return b * (p.rate / q.rate).log() + shape + (q.rate - p.rate) * (a / p.rate)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Tensor:
    a, b = p.concentration, q.concentration
    total, other = a.sum(-1), b.sum(-1)
    norm = lamina.lgamma(total) - lamina.lgamma(other) - (lamina.lgamma(a) - lamina.lgamma(b)).sum(-1)
    return norm + ((a - b) * (lamina.digamma(a) - lamina.digamma(total).unsqueeze(-1))).sum(-1)


@register_kl(Beta, Beta)
def _beta(p: Any, q: Any) -> Tensor:
    return _dirichlet(p._dirichlet, q._dirichlet)


@register_kl(Laplace, Laplace)
def _laplace(p: Any, q: Any) -> Tensor:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * (-distance / p.scale).exp() - 1


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Any, q: Any) -> Tensor:
    apart = (p.scale + q.scale).square() + (p.loc - q.loc).square()
    return apart.log() - (4 * p.scale * q.scale).log()


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Any, q: Any) -> Tensor:
    ratio = p.scale / q.scale
    moved = (q.loc - p.loc) / q.scale
    return (
        q.scale.log()
        - p.scale.log()
        + EULER * (ratio - 1)
        - moved
        + (moved + lamina.lgamma(ratio + 1)).exp()
        - 1
    )


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Tensor:
    solved = lamina.linalg.solve_triangular(q.scale_tril, p.scale_tril, upper=False)
    moved = lamina.linalg.solve_triangular(q.scale_tril, (q.loc - p.loc).unsqueeze(-1), upper=False)
    distance = solved.square().sum((-2, -1)) + moved.square().sum((-2, -1))
    return q._half_log_det() - p._half_log_det() + 0.5 * (distance - p.event_shape[0])


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("kl_divergence: Independent of different numbers of dimensions")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("kl_divergence: TransformedDistribution with different transforms")
    return kl_divergence(p.base_dist, q.base_dist)
