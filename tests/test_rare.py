"""Functions that few programs use, judged by identities, by NumPy and by differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from harness import numbers
from lamina import linalg, special
from lamina.autograd import gradcheck, gradgradcheck

F64 = lamina.float64


def tensor(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> Any:
    return lamina.from_numpy(numbers(*shape, low=low, high=high, seed=seed))


def close(actual: Any, expected: Any, tolerance: float = 1e-10) -> None:
    actual = actual.detach().numpy() if isinstance(actual, lamina.Tensor) else actual
    expected = expected.detach().numpy() if isinstance(expected, lamina.Tensor) else expected
    np.testing.assert_allclose(actual, expected, tolerance, tolerance)


X = tensor(7, low=0.2, high=9)
AT = lamina.tensor([2, 0, 1])
DIFFERENTIABLE: dict[str, Callable[[Any], Any]] = {
    "trigamma": lambda x: lamina.polygamma(1, x),
    "polygamma left of 0": lambda x: lamina.polygamma(2, -x - 0.03),
    "mvlgamma": lambda x: lamina.mvlgamma(x + 1, 3),
    "i0": special.i0,
    "i1": special.i1,
    "i0e": lambda x: special.i0e(-x),
    "i1e": lambda x: special.i1e(-x),
    "gammainc": lambda x: special.gammainc(lamina.full_like(x, 2.5), x),
    "gammaincc": lambda x: special.gammaincc(lamina.full_like(x, 0.7), x),
    "zeta": lambda x: special.zeta(3.0, x),
    "erfcx": lambda x: special.erfcx(x - 3),
    "chebyshev": lambda x: special.chebyshev_polynomial_t(x / 10, 5),
    "gradient": lambda x: lamina.gradient(x, edge_order=2)[0],
    "cumulative_trapezoid": lamina.cumulative_trapezoid,
    "logcumsumexp": lambda x: lamina.logcumsumexp(x * 100, 0) * lamina.tensor([1.0, -1, 1, 0, 2, -3, 1]),
    "matrix_exp": lambda x: linalg.matrix_exp(x[:4].reshape(2, 2) / 4),
    "lu": lambda x: linalg.lu(x[:6].reshape(2, 3))[1:],
    "householder_product": lambda x: linalg.householder_product(x[:6].reshape(3, 2), x[5:]),
    "renorm": lambda x: lamina.renorm(x[:6].reshape(2, 3), 2, 0, 5.0),
    "index_reduce": lambda x: lamina.index_reduce(x[:3], 0, AT, x[3:6], "prod"),
    "scatter_reduce": lambda x: x[:3].scatter_reduce(0, lamina.tensor([1, 1, 0]), x[4:], "amin"),
    "zeros multiply": lambda x: (x[:2] - x[:1]).scatter_reduce(0, lamina.tensor([0, 1, 1]), x[4:], "prod"),
    "svd": lambda x: linalg.svd(x[:6].reshape(2, 3)).S,
    "frexp": lambda x: lamina.frexp(x).mantissa,
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients(name: str) -> None:
    x = X.clone().requires_grad_()
    assert gradcheck(DIFFERENTIABLE[name], (x,))
    assert gradgradcheck(DIFFERENTIABLE[name], (x,))


def test_gamma_and_its_family() -> None:
    close(lamina.polygamma(1, lamina.tensor([1.0, 0.5], dtype=F64)), [math.pi**2 / 6, math.pi**2 / 2])
    close(lamina.polygamma(1, -X) + lamina.polygamma(1, 1 + X), (math.pi / (math.pi * X).sin()) ** 2, 1e-9)
    close(special.zeta(lamina.tensor(2.0, dtype=F64), 1.0), math.pi**2 / 6)
    close(special.gammainc(lamina.ones(7, dtype=F64), X), 1 - (-X).exp())
    close(special.gammainc(X, 2 * X) + special.gammaincc(X, 2 * X), np.ones(7))
    close(lamina.mvlgamma(X + 2, 1), (X + 2).lgamma())
    close(special.erfcx(lamina.tensor([1.0, 5.5], dtype=F64)), [0.427583576155807, 0.1009622183994991], 1e-9)


def test_bessel_functions() -> None:
    x = lamina.linspace(0.1, 90, 50, dtype=F64)
    wronskian = special.bessel_j1(x) * special.bessel_y0(x) - special.bessel_j0(x) * special.bessel_y1(x)
    close(wronskian, 2 / (math.pi * x), 1e-9)
    k0, k1 = special.scaled_modified_bessel_k0(x), special.scaled_modified_bessel_k1(x)
    close(special.i0e(x) * k1 + special.i1e(x) * k0, 1 / x, 1e-12)
    close(special.i0(x[:5]), np.i0(x[:5].numpy()))
    close(special.bessel_j0(lamina.tensor(2.404825557695773, dtype=F64)), 0.0)
    close(special.bessel_j0(-x), special.bessel_j0(x))
    assert special.bessel_y0(lamina.tensor([0.0, -1.0])).tolist()[0] == -math.inf


FAMILIES = {
    "chebyshev_polynomial_t": np.polynomial.Chebyshev,
    "hermite_polynomial_h": np.polynomial.Hermite,
    "hermite_polynomial_he": np.polynomial.HermiteE,
    "laguerre_polynomial_l": np.polynomial.Laguerre,
    "legendre_polynomial_p": np.polynomial.Legendre,
}


@pytest.mark.parametrize("name", FAMILIES)
def test_polynomials(name: str) -> None:
    x = tensor(5)
    for degree in (0, 1, 2, 6):
        close(getattr(special, name)(x, degree), FAMILIES[name].basis(degree)(x.numpy()))
    mixed = getattr(special, name)(x, lamina.tensor([0, 1, 2, 3, -1]))
    close(mixed[3], FAMILIES[name].basis(3)(x[3].item()))
    assert mixed[4].item() == 0


@pytest.mark.parametrize("shape", [(3, 3), (2, 5, 3), (2, 3, 5), (4, 0)])
def test_factors(shape: tuple[int, ...]) -> None:
    A = tensor(*shape)
    P, L, U = linalg.lu(A)
    close(P @ L @ U, A)
    assert bool((L.abs() <= 1).all())
    LU, pivots = linalg.lu_factor(A)
    close(lamina.lu_unpack(LU, pivots).L, L)
    if shape[-2] >= shape[-1]:
        a, tau = lamina.geqrf(A)
        Q = linalg.householder_product(a, tau)
        close(Q @ a[..., : shape[-1], :].triu(), A)
        close(lamina.ormqr(a, tau, Q, transpose=True)[..., : shape[-1], :], Q.mT @ Q)


def test_solving_with_factors() -> None:
    A, b = tensor(2, 3, 3) + 3 * lamina.eye(3, dtype=F64), tensor(2, 3, 1, seed=1)
    wanted = linalg.solve(A, b)
    close(lamina.lu_solve(b, *lamina.lu(A)), wanted)
    close(linalg.lu_solve(*linalg.lu_factor(A), b, adjoint=True), linalg.solve(A.mT, b))
    close(lamina.triangular_solve(b, A).solution, linalg.solve(A.triu(), b))
    singular = lamina.stack([A[0], lamina.zeros(3, 3, dtype=F64)])
    inverse, info = linalg.inv_ex(singular)
    assert info.tolist() == [0, 1]
    close(inverse[0], linalg.inv(A[0]))
    assert linalg.cholesky_ex(-singular).info.tolist() == [1, 1]
    with pytest.raises(linalg.LinAlgError):
        linalg.inv_ex(singular, check_errors=True)
    values, vectors = np.linalg.eig(A.numpy())
    close(linalg.matrix_exp(A), ((vectors * np.exp(values)[:, None]) @ np.linalg.inv(vectors)).real, 1e-8)
    low = tensor(7, 2) @ tensor(2, 5, seed=3)
    U, S, V = lamina.svd_lowrank(low, q=3)
    close(U @ lamina.diag(S) @ V.mT, low)
    close(lamina.pca_lowrank(low, q=2)[1], linalg.svdvals(low - low.mean(0))[:2])
    T = tensor(6, 2, 3)
    close(lamina.tensordot(linalg.tensorinv(T, 1), T, 1).reshape(6, 6), np.eye(6), 1e-8)
    close(
        linalg.tensorsolve(T.reshape(2, 3, 6), tensor(2, 3)),
        np.linalg.solve(T.reshape(6, 6).numpy(), tensor(2, 3).numpy().ravel()),
        1e-8,
    )


def test_windows() -> None:
    for name in ("bartlett", "blackman", "hamming"):
        close(getattr(lamina, f"{name}_window")(9, False, dtype=F64), getattr(np, name)(9))
    close(lamina.hann_window(8, dtype=F64), np.hanning(9)[:-1])
    close(lamina.kaiser_window(9, False, beta=5.0, dtype=F64), np.kaiser(9, 5.0))
    close(lamina.signal.windows.gaussian(3, std=2.0, dtype=F64), np.exp([-0.125, 0, -0.125]))
    assert lamina.hann_window(1).tolist() == [1.0] and lamina.hann_window(0).shape == (0,)


def test_histograms() -> None:
    values, weights = tensor(50), tensor(50, low=0, high=1)
    close(lamina.histogram(values, density=True).hist, np.histogram(values.numpy(), 100, density=True)[0])
    for density in (False, True):
        found = lamina.histogram(values, 7, range=(-1.5, 1.5), weight=weights, density=density)
        wanted = np.histogram(values.numpy(), 7, (-1.5, 1.5), density, weights.numpy())
        close(found.hist, wanted[0])
        close(found.bin_edges, wanted[1])
    points = values.reshape(25, 2)
    close(lamina.histogramdd(points, (3, 4)).hist, np.histogramdd(points.numpy(), (3, 4))[0])


def test_numbers() -> None:
    a, b = lamina.tensor([12, -4, 0]), lamina.tensor([[18], [6]])
    close(lamina.gcd(a, b), np.gcd(a.numpy(), b.numpy()))
    close(lamina.lcm(a, b), np.lcm(a.numpy(), b.numpy()))
    mantissa, exponent = lamina.frexp(X)
    close(lamina.ldexp(mantissa, exponent), X)
    assert lamina.angle(lamina.tensor([-1.0, 2.0])).tolist() == pytest.approx([math.pi, 0])
    assert [x.tolist() for x in lamina.unravel_index(lamina.tensor([5, 0]), (2, 3))] == [[1, 0], [2, 0]]
    assert lamina.nonzero_static(lamina.tensor([0, 3]), size=2).tolist() == [[1], [-1]]
    assert lamina.transpose_copy(lamina.ones(2, 3), 0, 1).is_contiguous(
        memory_format=lamina.contiguous_format
    )


def test_masked() -> None:
    x, mask = tensor(4, 6), tensor(4, 6, seed=5) > -1
    rows = [row[kept] for row, kept in zip(x.numpy(), mask.numpy(), strict=True)]
    whole = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}
    for name, law in whole.items():
        close(getattr(lamina.masked, name)(x, 1, mask=mask), [law(row) for row in rows])
    close(lamina.masked.var(x, 1, mask=mask), [np.var(row, ddof=1) for row in rows])
    close(lamina.masked.norm(x, 2.0, 1, mask=mask), [np.linalg.norm(row) for row in rows])
    close(lamina.masked.logsumexp(x, 1, mask=mask), [np.log(np.exp(row).sum()) for row in rows])
    shares = lamina.masked.softmax(x, 1, mask=mask)
    close(shares.sum(1), np.ones(4))
    assert bool((shares[~mask] == 0).all())
    close(lamina.masked.normalize(x, 2.0, 1, mask=mask).norm(2, 1), np.ones(4))


def test_random_counts() -> None:
    lamina.manual_seed(0)
    counts = lamina.poisson(lamina.full((2000,), 4.0))
    assert abs(counts.mean().item() - 4) < 0.3 and abs(counts.var().item() - 4) < 0.6
    hits = lamina.binomial(lamina.full((2000,), 10.0), lamina.tensor(0.3))
    assert abs(hits.mean().item() - 3) < 0.2 and hits.max().item() <= 10
    lamina.manual_seed(0)
    assert lamina.equal(counts, lamina.poisson(lamina.full((2000,), 4.0)))


def test_memory() -> None:
    x = lamina.arange(6.0)
    assert x.resize_(2, 2).tolist() == [[0, 1], [2, 3]] and x.resize_as_(lamina.ones(3)).tolist() == [0, 1, 2]
    assert not x.is_shared()
    y = x.share_memory_()
    assert y is x and x.is_shared() and x[1:].is_shared() and x.tolist() == [0, 1, 2]


def test_names_that_numpy_has_and_out() -> None:
    x = tensor(3, 4)
    close(lamina.sum(x, axis=1, keepdims=True), x.sum(1, True))
    close(lamina.softmax(x, axis=0), x.softmax(0))
    close(lamina.add(x1=x, x2=x), 2 * x)
    values, places = lamina.empty(0, dtype=F64), lamina.empty(0, dtype=lamina.int64)
    found = lamina.sort(x, 1, out=(values, places))
    assert found.values is values and found.indices is places
    close(values, np.sort(x.numpy(), 1))
    parts = [lamina.empty(0, dtype=F64) for _ in range(3)]
    lamina.linalg.svd(x, False, out=tuple(parts))
    close(parts[0] @ lamina.diag(parts[1]) @ parts[2], x)
    with pytest.raises(TypeError, match="dims"):
        lamina.softmax(x, dims=0)
    with pytest.raises(TypeError):
        lamina.maximum(x, 1.0)


def test_random_up_to_the_largest_of_the_dtype() -> None:
    x = lamina.empty(4000, dtype=lamina.int8).random_(-5, None)
    assert (int(x.min()), int(x.max())) == (-5, 127)
    assert set(lamina.empty(99, dtype=lamina.int64).random_(2).tolist()) == {0, 1}


def test_batches_and_classes_of_which_there_are_none() -> None:
    F = lamina.nn.functional
    assert F.fractional_max_pool2d(lamina.ones(0, 2, 9, 9), 3, output_size=2).shape == (0, 2, 2, 2)
    assert F.cross_entropy(lamina.ones(5, 0), lamina.ones(5, 0), reduction="sum").item() == 0
    assert F.cross_entropy(lamina.ones(5, 0), lamina.ones(5, 0), label_smoothing=0.1).shape == ()
