"""Transforms of distributions, divergences between them, relaxed ones, mixtures, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import lamina
from lamina import distributions as D
from lamina.distributions import constraints

F64 = lamina.float64


def t(*values: float) -> lamina.Tensor:
    return lamina.tensor(values, dtype=F64)


# ---- transforms

TRANSFORMS = [
    D.ExpTransform(),
    D.AffineTransform(1.0, -2.0),
    D.SigmoidTransform(),
    D.TanhTransform(),
    D.SoftplusTransform(),
    D.ComposeTransform([D.AffineTransform(0.5, 2.0), D.TanhTransform()]),
    D.ExpTransform().inv,
    D.PowerTransform(2.0),
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_transforms_go_back_and_know_their_slope(transform) -> None:
    x = t(0.2, 0.5, 1.3).requires_grad_()
    y = transform(x)
    np.testing.assert_allclose(transform.inv(y).detach().numpy(), x.detach().numpy(), rtol=1e-6)
    (dy,) = lamina.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(
        transform.log_abs_det_jacobian(x, y).detach().numpy(), np.log(np.abs(dy.numpy())), atol=1e-6
    )
    assert (np.sign(dy.numpy()) == float(transform.sign)).all()
    assert transform.codomain.check(y).all()


def test_stick_breaking_and_its_determinant() -> None:
    transform, x = D.StickBreakingTransform(), t(0.3, -0.7, 1.1)
    y = transform(x)
    assert y.sum().item() == pytest.approx(1) and tuple(transform.forward_shape((3,))) == (4,)
    np.testing.assert_allclose(transform.inv(y).numpy(), x.numpy(), atol=1e-8)
    jacobian = lamina.autograd.functional.jacobian(lambda x: transform(x)[:-1], x).numpy()
    wanted = np.linalg.slogdet(jacobian)[1]
    assert transform.log_abs_det_jacobian(x, y).item() == pytest.approx(wanted)


def test_transformed_distribution_is_the_known_one() -> None:
    d = D.TransformedDistribution(
        D.Uniform(t(0.0), t(1.0)), [D.SigmoidTransform().inv, D.AffineTransform(1.0, 2.0)]
    )
    x = t(-2.0, 0.3, 4.0)  # the logistic distribution
    z = (x.numpy() - 1) / 2
    np.testing.assert_allclose(d.log_prob(x).numpy(), -z - 2 * np.log1p(np.exp(-z)) - np.log(2), rtol=1e-9)
    np.testing.assert_allclose(d.cdf(x).numpy(), 1 / (1 + np.exp(-z)), rtol=1e-9)
    np.testing.assert_allclose(d.icdf(d.cdf(x)).numpy(), x.numpy(), rtol=1e-6)
    falling = D.TransformedDistribution(D.Exponential(t(1.0)), D.AffineTransform(0.0, -1.0))
    assert falling.cdf(t(-1.0)).item() == pytest.approx(math.exp(-1))
    whole = D.TransformedDistribution(
        D.Normal(lamina.zeros(3), 1.0), D.IndependentTransform(D.ExpTransform(), 1)
    )
    assert whole.event_shape == (3,) and whole.log_prob(lamina.ones(2, 3)).shape == (2,)
    assert whole.expand((4,)).rsample().shape == (4, 3)


# ---- divergence


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (D.Normal(t(0.5), t(1.5)), D.Normal(t(-0.2), t(0.9))),
        (D.Laplace(t(0.5), t(1.5)), D.Laplace(t(-0.2), t(0.9))),
        (D.Gamma(t(2.5), t(1.5)), D.Gamma(t(1.5), t(0.7))),
        (D.Beta(t(2.5), t(1.5)), D.Beta(t(1.5), t(2.7))),
        (D.Exponential(t(1.5)), D.Exponential(t(0.7))),
        (D.Exponential(t(1.5)), D.Gamma(t(2.0), t(0.7))),
        (D.Gamma(t(2.5), t(1.5)), D.Exponential(t(0.7))),
        (D.Uniform(t(0.0), t(1.0)), D.Uniform(t(-1.0), t(2.0))),
        (D.Uniform(t(0.0), t(1.0)), D.Normal(t(-1.0), t(2.0))),
        (D.Gumbel(t(0.5), t(1.5)), D.Gumbel(t(-0.2), t(0.9))),
        (D.Cauchy(t(0.5), t(1.5)), D.Cauchy(t(-0.2), t(0.9))),
        (D.HalfNormal(t(1.5)), D.HalfNormal(t(0.9))),
        (D.LogNormal(t(0.5), t(0.5)), D.LogNormal(t(0.1), t(0.9))),
        (D.Poisson(t(3.0)), D.Poisson(t(2.0))),
        (D.Geometric(t(0.3)), D.Geometric(t(0.4))),
        (D.Bernoulli(t(0.3)), D.Bernoulli(t(0.4))),
        (D.Binomial(6, t(0.3)), D.Binomial(6, t(0.4))),
        (D.Categorical(t(0.3, 0.7)), D.Categorical(t(0.6, 0.4))),
        (D.OneHotCategorical(t(0.3, 0.7)), D.OneHotCategorical(t(0.6, 0.4))),
        (D.Dirichlet(t(1.0, 2.0, 3.0)), D.Dirichlet(t(2.0, 2.0, 2.0))),
        (
            D.MultivariateNormal(t(0.0, 1.0), lamina.eye(2, dtype=F64) * 2),
            D.MultivariateNormal(t(1.0, 1.0), lamina.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=F64)),
        ),
        (D.Independent(D.Normal(t(0.5, 1.0), 1.5), 1), D.Independent(D.Normal(t(0.0, 0.0), 1.0), 1)),
    ],
    ids=lambda d: type(d).__name__,
)
def test_divergence_is_the_mean_difference_over_samples(p, q) -> None:
    lamina.manual_seed(11)
    x = p.sample((60_000,))
    difference = (p.log_prob(x) - q.log_prob(x)).numpy()
    error = 6 * difference.std() / math.sqrt(60_000) + 1e-9
    assert D.kl_divergence(p, q).item() == pytest.approx(difference.mean(), abs=error)


def test_divergence_of_what_does_not_fit() -> None:
    wide, narrow = D.Uniform(t(0.0), t(2.0)), D.Uniform(t(0.0), t(1.0))
    assert D.kl_divergence(wide, narrow).item() == math.inf
    zero = D.kl_divergence(D.Categorical(t(0.0, 1.0)), D.Categorical(t(0.5, 0.5))).item()
    assert zero == pytest.approx(math.log(2))
    assert D.kl_divergence(D.Categorical(t(0.5, 0.5)), D.Categorical(t(0.0, 1.0))).item() == math.inf
    with pytest.raises(NotImplementedError, match="No KL"):
        D.kl_divergence(wide, D.Poisson(1.0))

    class Own(D.Normal):
        pass

    @D.register_kl(Own, D.Normal)
    def own(p, q):
        return lamina.tensor(42.0)

    assert D.kl_divergence(Own(0.0, 1.0), D.Normal(0.0, 1.0)).item() == 42
    assert D.kl_divergence(D.Normal(0.0, 1.0), Own(0.0, 1.0)).item() == 0


# ---- relaxed, mixtures, checks


def test_relaxed_samples_near_the_discrete_ones_and_carry_gradients() -> None:
    lamina.manual_seed(4)
    logits = t(0.5, -1.0).requires_grad_()
    x = D.RelaxedBernoulli(0.05, logits=logits).rsample((20_000,))
    np.testing.assert_allclose(x.mean(0).detach().numpy(), logits.sigmoid().detach().numpy(), atol=0.02)
    x.mean().backward()
    assert (logits.grad > 0).all()
    grid = np.linspace(1e-6, 1 - 1e-6, 400_001)
    density = D.RelaxedBernoulli(1.5, logits=t(0.5)).log_prob(lamina.tensor(grid)).exp().numpy()
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-3)
    vector = D.RelaxedOneHotCategorical(0.7, probs=t(0.2, 0.3, 0.5))
    assert vector.rsample((6,)).sum(-1).allclose(lamina.ones(6, dtype=F64))
    through = D.OneHotCategoricalStraightThrough(logits=t(0.1, 0.2).requires_grad_())
    assert set(through.rsample((20,)).detach().round().unique().tolist()) <= {0.0, 1.0}


def test_mixture() -> None:
    d = D.MixtureSameFamily(D.Categorical(t(0.25, 0.75)), D.Normal(t(-1.0, 3.0), t(0.5, 1.0)))
    x = np.linspace(-8, 12, 40_001)
    p = d.log_prob(lamina.tensor(x)).exp().numpy()
    assert np.trapezoid(p, x) == pytest.approx(1)
    assert d.mean.item() == pytest.approx(np.trapezoid(p * x, x))
    assert d.variance.item() == pytest.approx(np.trapezoid(p * (x - 2) ** 2, x))
    assert d.cdf(t(0.0)).item() == pytest.approx(np.trapezoid(p[x <= 0], x[x <= 0]), abs=1e-4)
    lamina.manual_seed(5)
    assert d.sample((20_000,)).mean().item() == pytest.approx(2, abs=0.06)
    vectors = D.MixtureSameFamily(
        D.Categorical(lamina.ones(2)), D.Independent(D.Normal(lamina.zeros(2, 3), 1.0), 1)
    )
    assert vectors.sample((4,)).shape == (4, 3) and vectors.log_prob(lamina.zeros(5, 3)).shape == (5,)


def test_parameters_and_values_are_checked_unless_told_not_to() -> None:
    with pytest.raises(ValueError, match=r"scale .*GreaterThan"):
        D.Normal(0.0, -1.0)
    with pytest.raises(ValueError, match="support"):
        D.Exponential(1.0).log_prob(lamina.tensor(-1.0))
    with pytest.raises(ValueError, match="support"):
        D.Categorical(lamina.ones(2)).log_prob(lamina.tensor(5))
    with pytest.raises(ValueError, match="broadcastable"):
        D.Normal(lamina.zeros(3), 1.0).log_prob(lamina.zeros(2))
    with pytest.raises(ValueError, match="not both"):
        D.Bernoulli(probs=0.5, logits=0.0)
    with pytest.raises(ValueError, match="probs"):
        D.Bernoulli(1.5)
    with pytest.raises(ValueError, match="low"):
        D.Uniform(1.0, 0.0)
    with pytest.raises(NotImplementedError, match="rsample"):
        D.Poisson(1.0).rsample()
    D.Normal(0.0, -1.0, validate_args=False)
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(True)
    assert "Normal(loc: 0.0, scale: 1.0)" in repr(D.Normal(0.0, 1.0))
    with pytest.raises(ValueError, match="without the distribution"):
        constraints.dependent.check(lamina.ones(1))


def test_policy_gradient_learns_the_better_arm() -> None:
    lamina.manual_seed(0)
    logits = lamina.zeros(3, requires_grad=True)
    optimizer = lamina.optim.Adam([logits], lr=0.1)
    for _ in range(150):
        d = D.Categorical(logits=logits)
        action = d.sample((32,))
        reward = (action == 2).float()
        loss = -(d.log_prob(action) * (reward - reward.mean())).mean() - 0.01 * d.entropy()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert logits.softmax(0)[2].item() > 0.9
