"""Distributions: densities that integrate to 1, cumulated and inverted; moments of samples; gradients of
samples; PyTorch's numbers where it is installed."""

from __future__ import annotations

import math

import numpy as np
import pytest

import lamina
from lamina import distributions as D
from lamina.distributions import constraints
from lamina.distributions.gamma_sample import slope

F64 = lamina.float64


def t(*values: float) -> lamina.Tensor:
    return lamina.tensor(values, dtype=F64)


# Continuous distributions over numbers, with an interval that holds all but 1e-7 of them.
CONTINUOUS = {
    "Normal": (lambda d: d.Normal, (0.5, 2.0), (-14, 15)),
    "LogNormal": (lambda d: d.LogNormal, (0.2, 0.5), (1e-4, 25)),
    "HalfNormal": (lambda d: d.HalfNormal, (1.5,), (0, 12)),
    "Uniform": (lambda d: d.Uniform, (-1.0, 3.0), (-1, 3)),
    "Exponential": (lambda d: d.Exponential, (1.5,), (0, 14)),
    "Laplace": (lambda d: d.Laplace, (-0.5, 0.8), (-15, 14)),
    "Gamma": (lambda d: d.Gamma, (2.5, 1.5), (1e-9, 25)),
    "Chi2": (lambda d: d.Chi2, (3.0,), (1e-9, 60)),
    "Beta": (lambda d: d.Beta, (2.5, 3.5), (1e-9, 1 - 1e-9)),
    "Gumbel": (lambda d: d.Gumbel, (0.5, 1.2), (-6, 30)),
    "Weibull": (lambda d: d.Weibull, (1.5, 2.0), (1e-9, 8)),
    "StudentT": (lambda d: d.StudentT, (9.0, 0.5, 1.5), (-90, 90)),
    "Cauchy": (lambda d: d.Cauchy, (0.5, 1.5), None),
    "Pareto": (lambda d: d.Pareto, (1.0, 5.0), (1, 60)),
}
DISCRETE = {
    "Bernoulli": (lambda d: d.Bernoulli, (0.3,), 1),
    "Geometric": (lambda d: d.Geometric, (0.4,), 60),
    "Poisson": (lambda d: d.Poisson, (3.5,), 40),
    "Binomial": (lambda d: d.Binomial, (7, 0.3), 7),
    "NegativeBinomial": (lambda d: d.NegativeBinomial, (2.5, 0.4), 80),
}


def made(name: str, lib=D, tensor=t):
    kind, parameters, _ = (CONTINUOUS | DISCRETE)[name]
    return kind(lib)(*(p if isinstance(p, int) else tensor(p) for p in parameters))


def has(distribution, name: str, *args):
    try:
        value = getattr(distribution, name)
        return value(*args) if args or callable(value) else value
    except NotImplementedError:
        return None


@pytest.mark.parametrize("name", [n for n in CONTINUOUS if CONTINUOUS[n][2]])
def test_density_integrates_to_one_and_gives_moments_cdf_and_entropy(name: str) -> None:
    d = made(name)
    x = np.linspace(*CONTINUOUS[name][2], 200_001)
    log_p = d.log_prob(lamina.tensor(x)).numpy()
    p = np.where(np.isfinite(log_p), np.exp(log_p), 0)

    def integral(f):
        return np.trapezoid(f, x)

    assert integral(p) == pytest.approx(1, abs=1e-4)
    mean = integral(p * x)
    assert d.mean.item() == pytest.approx(mean, abs=2e-3)
    assert d.variance.item() == pytest.approx(integral(p * (x - mean) ** 2), rel=3e-3)
    assert d.stddev.item() == pytest.approx(math.sqrt(d.variance.item()))
    entropy = has(d, "entropy")
    assert entropy.item() == pytest.approx(-integral(p * np.where(p > 0, log_p, 0)), abs=1e-3)
    below = has(d, "cdf", lamina.tensor(x[100_000:100_001]))
    if below is not None:
        assert below.item() == pytest.approx(np.trapezoid(p[:100_001], x[:100_001]), abs=1e-4)
    q = t(0.05, 0.5, 0.9)
    where = has(d, "icdf", q)
    if where is not None:
        np.testing.assert_allclose(d.cdf(where).numpy(), q.numpy(), atol=1e-9)


@pytest.mark.parametrize("name", DISCRETE)
def test_probabilities_sum_to_one_and_give_moments_and_entropy(name: str) -> None:
    d = made(name)
    k = np.arange(DISCRETE[name][2] + 1.0)
    p = np.exp(d.log_prob(lamina.tensor(k)).numpy())
    assert p.sum() == pytest.approx(1, abs=1e-6)
    mean = (p * k).sum()
    assert d.mean.item() == pytest.approx(mean, rel=1e-5)
    assert d.variance.item() == pytest.approx((p * (k - mean) ** 2).sum(), rel=1e-4)
    entropy = has(d, "entropy")
    if entropy is not None:
        assert entropy.item() == pytest.approx(-(p * np.log(p)).sum(), rel=1e-5)


@pytest.mark.parametrize("name", [n for n in CONTINUOUS | DISCRETE if n not in ("Cauchy", "Pareto")])
def test_samples_have_the_moments_and_the_seed_decides_them(name: str) -> None:
    d = made(name)
    lamina.manual_seed(7)
    x = d.sample((40_000,))
    assert tuple(x.shape) == (40_000, 1) and x.dtype is F64 and not x.requires_grad
    tolerance = 5 * d.stddev.item() / 200
    assert x.mean().item() == pytest.approx(d.mean.item(), abs=tolerance)
    assert x.var().item() == pytest.approx(d.variance.item(), rel=0.1)
    assert d.support.check(x).all()
    lamina.manual_seed(7)
    np.testing.assert_array_equal(d.sample((40_000,)).numpy(), x.numpy())


@pytest.mark.parametrize(
    "name", [n for n in CONTINUOUS if n not in ("Gamma", "Beta", "Chi2", "StudentT", "HalfNormal")]
)
def test_gradients_of_samples_are_differences_at_one_seed(name: str) -> None:
    kind, parameters, _ = CONTINUOUS[name]

    def total(*values):
        lamina.manual_seed(3)
        return kind(D)(*values).rsample((50,)).clamp(-50, 50).sum()

    inputs = [t(p).requires_grad_() for p in parameters]
    assert lamina.autograd.gradcheck(total, inputs, atol=1e-3, rtol=1e-4)


def test_slope_of_gamma_samples_is_that_of_the_quantile() -> None:
    """By differences of the distribution function, which is integrated in the variable ln x."""

    def probability(alpha: float, z: float) -> float:
        s = np.linspace(-40 / alpha, math.log(z), 400_001)
        return np.trapezoid(np.exp(alpha * s - np.exp(s)), s) / math.gamma(alpha)

    for alpha in (0.3, 1.0, 2.5, 7.0):
        for z in (0.2 * alpha, alpha, 2.5 * alpha):
            h = 1e-4
            rise = (probability(alpha + h, z) - probability(alpha - h, z)) / (2 * h)
            density = z ** (alpha - 1) * math.exp(-z) / math.gamma(alpha)
            assert slope(np.array(z), np.array(alpha)) == pytest.approx(-rise / density, rel=2e-4, abs=1e-6)
    below, above = (slope(np.array(z), np.array(a)) for z, a in ((1030.0, 999.9), (1030.1, 1000.1)))
    assert below == pytest.approx(above, rel=1e-3)


def test_gradient_of_the_mean_of_gamma_samples() -> None:
    lamina.manual_seed(0)
    shape, rate = t(2.0).requires_grad_(), t(4.0).requires_grad_()
    D.Gamma(shape, rate).rsample((60_000,)).mean().backward()
    assert shape.grad.item() == pytest.approx(1 / 4, rel=0.02)
    assert rate.grad.item() == pytest.approx(-2 / 16, rel=0.02)
    weights = t(1.0, 2.0, 3.0).requires_grad_()
    D.Dirichlet(weights).rsample((60_000,))[:, 0].mean().backward()
    np.testing.assert_allclose(weights.grad.detach().numpy(), [5 / 36, -1 / 36, -1 / 36], atol=4e-3)


# ---- vectors


def test_categorical_scores_draws_and_enumerates() -> None:
    d = D.Categorical(logits=lamina.tensor([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]]))
    p = np.exp([[0, 1, 2], [3, 0, 0]]) / np.exp([[0, 1, 2], [3, 0, 0]]).sum(1, keepdims=True)
    np.testing.assert_allclose(d.probs.numpy(), p, rtol=1e-6)
    np.testing.assert_allclose(d.entropy().numpy(), -(p * np.log(p)).sum(1), rtol=1e-5)
    np.testing.assert_allclose(
        d.log_prob(lamina.tensor([2, 0])).numpy(), np.log([p[0, 2], p[1, 0]]), rtol=1e-5
    )
    lamina.manual_seed(0)
    x = d.sample((20_000,))
    assert tuple(x.shape) == (20_000, 2) and x.dtype is lamina.int64
    for column in range(2):
        share = np.bincount(x[:, column].numpy(), minlength=3) / 20_000
        np.testing.assert_allclose(share, p[column], atol=0.015)
    assert tuple(d.enumerate_support().shape) == (3, 2)
    assert tuple(d.log_prob(d.enumerate_support()).shape) == (3, 2)
    assert tuple(d.sample().shape) == (2,) and tuple(d.sample((4, 5)).shape) == (4, 5, 2)
    one_hot = D.OneHotCategorical(probs=d.probs)
    assert tuple(one_hot.sample((4,)).shape) == (4, 2, 3) and one_hot.event_shape == (3,)
    np.testing.assert_allclose(
        one_hot.log_prob(lamina.eye(3)[[2, 0]]).numpy(), np.log([p[0, 2], p[1, 0]]), rtol=1e-5
    )
    counts = D.Multinomial(50, probs=d.probs)
    drawn = counts.sample((30,))
    assert tuple(drawn.shape) == (30, 2, 3) and (drawn.sum(-1) == 50).all()
    pair = D.Multinomial(2, probs=lamina.tensor([0.25, 0.75]))
    assert pair.log_prob(lamina.tensor([1.0, 1.0])).exp().item() == pytest.approx(2 * 0.25 * 0.75)
    probabilities = np.array([0.25**2, 2 * 0.25 * 0.75, 0.75**2])
    assert pair.entropy().item() == pytest.approx(-(probabilities * np.log(probabilities)).sum(), rel=1e-5)


def test_multivariate_normal_by_each_matrix() -> None:
    rng = np.random.default_rng(0)
    half = np.tril(rng.normal(size=(3, 3))) * 0.3 + np.eye(3)
    covariance, mean, x = half @ half.T, rng.normal(size=3), rng.normal(size=(5, 3))
    inverse = np.linalg.inv(covariance)
    wanted = (
        -0.5 * np.einsum("ni,ij,nj->n", x - mean, inverse, x - mean)
        - 0.5 * np.linalg.slogdet(covariance)[1]
        - 1.5 * math.log(2 * math.pi)
    )
    for given in (
        {"covariance_matrix": covariance},
        {"precision_matrix": inverse},
        {"scale_tril": np.linalg.cholesky(covariance)},
    ):
        d = D.MultivariateNormal(lamina.tensor(mean), **{k: lamina.tensor(v) for k, v in given.items()})
        np.testing.assert_allclose(d.log_prob(lamina.tensor(x)).numpy(), wanted, rtol=1e-8)
        np.testing.assert_allclose(d.covariance_matrix.numpy(), covariance, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(d.precision_matrix.numpy(), inverse, rtol=1e-7, atol=1e-9)
    lamina.manual_seed(1)
    drawn = d.sample((50_000,)).numpy()
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.05)
    with pytest.raises(ValueError, match="Exactly one"):
        D.MultivariateNormal(lamina.zeros(2))
    with pytest.raises(ValueError, match="PositiveDefinite"):
        D.MultivariateNormal(lamina.zeros(2), lamina.tensor([[1.0, 2.0], [2.0, 1.0]]))


def test_dirichlet_is_beta_in_two_parts() -> None:
    d, b = D.Dirichlet(t(2.0, 5.0)), D.Beta(t(2.0), t(5.0))
    assert d.log_prob(t(0.3, 0.7)).item() == pytest.approx(b.log_prob(t(0.3)).item())
    assert d.entropy().item() == pytest.approx(b.entropy().item())
    lamina.manual_seed(2)
    np.testing.assert_allclose(d.sample((9,)).sum(-1).numpy(), np.ones(9), rtol=1e-9)


def test_independent_and_expand() -> None:
    base = D.Normal(lamina.zeros(2, 3), lamina.ones(3))
    d = D.Independent(base, 1)
    assert d.batch_shape == (2,) and d.event_shape == (3,)
    x = lamina.ones(4, 2, 3)
    np.testing.assert_allclose(d.log_prob(x).numpy(), base.log_prob(x).sum(-1).numpy())
    assert d.expand((5, 2)).sample().shape == (5, 2, 3)
    assert D.Categorical(lamina.ones(4)).expand((3,)).sample((2,)).shape == (2, 3)
    assert D.Beta(1.0, 2.0).expand((3,)).sample().shape == (3,)
    with pytest.raises(ValueError, match="reinterpreted_batch_ndims"):
        D.Independent(base, 3)


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


@pytest.mark.parametrize("name", list(CONTINUOUS | DISCRETE))
def test_pytorchs_numbers(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = (
        made(name),
        made(name, torch.distributions, lambda *v: torch.tensor(v, dtype=torch.float64)),
    )
    for fact in ("mean", "variance", "stddev", "mode", "entropy", "batch_shape", "event_shape"):
        try:
            wanted = getattr(theirs, fact)
            wanted = wanted() if callable(wanted) else wanted
        except NotImplementedError:
            continue
        got = getattr(ours, fact)
        got = got() if callable(got) else got
        np.testing.assert_allclose(list(got), list(wanted), rtol=1e-6, err_msg=fact)
    lamina.manual_seed(3)
    x = ours.sample((9,))
    for fact in ("log_prob", "cdf"):
        try:
            wanted = getattr(theirs, fact)(torch.tensor(x.numpy()))
            got = getattr(ours, fact)(x)
        except NotImplementedError:
            continue
        np.testing.assert_allclose(got.numpy(), wanted.numpy(), rtol=1e-6, atol=1e-12, err_msg=fact)
