"""Distributions: densities that integrate to 1, cumulated and inverted; moments of samples; gradients of
samples; PyTorch's numbers where it is installed."""

from __future__ import annotations

import math

import numpy as np
import pytest

import lamina
from lamina import distributions as D
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
