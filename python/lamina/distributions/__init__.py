"""Probability distributions to draw from, to score values by, and to compare; differentiable where they can
be."""

from lamina.distributions import constraints, transforms
from lamina.distributions.bernoulli import Bernoulli
from lamina.distributions.categorical import (
    Categorical,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
)
from lamina.distributions.count import Binomial, Geometric, NegativeBinomial, Poisson
from lamina.distributions.dirichlet import Beta, Dirichlet
from lamina.distributions.distribution import Distribution, ExponentialFamily
from lamina.distributions.exponential import Exponential
from lamina.distributions.gamma import Chi2, Gamma
from lamina.distributions.heavy_tail import Cauchy, Gumbel, Pareto, StudentT, Weibull
from lamina.distributions.independent import Independent
from lamina.distributions.kl import kl_divergence, register_kl
from lamina.distributions.laplace import Laplace
from lamina.distributions.log_normal import HalfNormal, LogNormal
from lamina.distributions.mixture_same_family import MixtureSameFamily
from lamina.distributions.multinomial import Multinomial
from lamina.distributions.multivariate_normal import MultivariateNormal
from lamina.distributions.normal import Normal
from lamina.distributions.relaxed import RelaxedBernoulli, RelaxedOneHotCategorical
from lamina.distributions.transformed_distribution import TransformedDistribution
from lamina.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    ComposeTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PowerTransform,
    ReshapeTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)
from lamina.distributions.uniform import Uniform

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "ExponentialFamily",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfNormal",
    "Independent",
    "IndependentTransform",
    "Laplace",
    "LogNormal",
    "LowerCholeskyTransform",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "PowerTransform",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StickBreakingTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "Weibull",
    "constraints",
    "identity_transform",
    "kl_divergence",
    "register_kl",
    "transforms",
]
