"""Linear algebra of complex matrices: values judged by NumPy or by what a decomposition promises, gradients
by differences of the parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import linalg
from test_complex import close, gradient_by_differences, numbers, weigh


def hermitian(n: int) -> np.ndarray:
    z = numbers(n, n)
    return z @ z.conj().T + np.eye(n)


def test_values():
    a, b = numbers(2, 4, 4), numbers(2, 4, 3, seed=1)
    x, y = lamina.from_numpy(a), lamina.from_numpy(b)
    close(linalg.inv(x), np.linalg.inv(a))
    close(linalg.solve(x, y), np.linalg.solve(a, b))
    close(linalg.det(x), np.linalg.det(a))
    close(linalg.svdvals(x), np.linalg.svd(a, compute_uv=False))
    close(linalg.pinv(y), np.linalg.pinv(b))
    close(linalg.matrix_norm(x, "nuc"), np.linalg.norm(a, "nuc", (1, 2)))
    close(linalg.vector_norm(x), np.linalg.norm(a.reshape(-1)))
    sign, logabs = linalg.slogdet(x)
    assert logabs.dtype == lamina.float64
    close(sign * logabs.exp(), np.linalg.det(a))
    close(linalg.lstsq(x, y).solution, np.linalg.solve(a, b))


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 4, 3)])
def test_decompositions_multiply_to_the_matrix(shape):
    x = lamina.from_numpy(numbers(*shape))
    Q, R = linalg.qr(x)
    close(Q @ R, x.numpy())
    close(Q.mH @ Q, np.broadcast_to(np.eye(Q.shape[-1]), (*Q.shape[:-2], Q.shape[-1], Q.shape[-1])))
    U, S, Vh = linalg.svd(x, full_matrices=False)
    assert S.dtype == lamina.float64
    close(U * S.unsqueeze(-2) @ Vh, x.numpy())
    P, L, U = linalg.lu(x)
    close(P @ L @ U, x.numpy())
    a, tau = lamina.geqrf(x)
    k = min(shape[-2:])
    close(linalg.householder_product(a[..., :k], tau) @ a[..., :k, :].triu(), x.numpy(), 1e-10)


def test_hermitian_matrices():
    a = hermitian(4)
    x = lamina.from_numpy(a)
    values, V = linalg.eigh(x)
    assert values.dtype == lamina.float64
    close(V * values @ V.mH, a)
    L = linalg.cholesky(x)
    close(L @ L.mH, a)
    close(lamina.cholesky_inverse(L), np.linalg.inv(a))
    close(linalg.matrix_exp(x / 10), V.numpy() * np.exp(values.numpy() / 10) @ V.numpy().conj().T)


def test_eigenvalues_of_any_matrix():
    for a in (numbers(4, 4), numbers(3, 4, 4).real, np.eye(2), np.array([[0.0, 1], [-1, 0]])):
        x = lamina.from_numpy(np.ascontiguousarray(a))
        values, V = linalg.eig(x)
        assert values.dtype is V.dtype is lamina.complex128
        close(x.to(V.dtype) @ V, (V * values.unsqueeze(-2)).numpy())
        close(linalg.eigvals(x).sum(-1), np.trace(a, axis1=-2, axis2=-1))
    assert linalg.eigvals(lamina.eye(2)).dtype is lamina.complex64
    for wrong in (lamina.ones(2, 3), lamina.tensor([[float("nan")]])):
        with pytest.raises(ValueError, match="eig"):
            linalg.eig(wrong)


def spectral(x: Any) -> Any:
    """Of both results of eig, what does not depend on the order or on how vectors are turned."""
    values, V = linalg.eig(x)
    return ((V.abs() ** 4).sum(-2) * values * values).sum()


GRADIENTS: dict[str, Any] = {
    "inv": lambda x: linalg.inv(x),
    "solve": lambda x: linalg.solve(x, x[:, :2] * 2),
    "det": lambda x: linalg.det(x),
    "slogdet": lambda x: linalg.slogdet(x)[0] * linalg.slogdet(x)[1],
    "logdet": lambda x: lamina.logdet(x),
    "pinv": lambda x: linalg.pinv(x[:, :2]),
    "qr": lambda x: (lambda Q, R: Q @ Q[:, :1].mH.mT * R)(*linalg.qr(x)),
    "svd": lambda x: (lambda U, S, Vh: (U * S.exp()) @ Vh)(*linalg.svd(x)),
    "svd of a tall matrix": lambda x: (lambda U, S, Vh: (U * S.exp()) @ Vh)(*linalg.svd(x[:, :2], False)),
    "eigh": lambda x: (lambda s, V: (V * s.exp()) @ V.mH)(*linalg.eigh((x + x.mH) / 4)),
    "eig": spectral,
    "cholesky": lambda x: linalg.cholesky(x @ x.mH),
    "lu": lambda x: linalg.lu(x)[2],
    "matrix_exp": lambda x: linalg.matrix_exp(x / 4),
    "vecdot": lambda x: linalg.vecdot(x, x * 2j + 1),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_by_differences(name):
    function = GRADIENTS[name]
    for real in (False, True):
        a = numbers(3, 3, seed=5)
        a = a.real + 0j if real else a
        x = lamina.from_numpy(a.real.copy() if real else a.copy()).requires_grad_()
        y = (function(x) * (1 + 0j)).reshape(-1)
        w = numbers(*y.shape, seed=1)
        if name == "logdet" and real:
            continue
        weigh(y, lamina.from_numpy(w)).backward()

        def loss(v: np.ndarray, real: bool = real, w: np.ndarray = w) -> Any:
            t = lamina.from_numpy(v.real.copy() if real else v)
            return weigh((function(t) * (1 + 0j)).reshape(-1), lamina.from_numpy(w)).item()

        expected = gradient_by_differences(loss, a)
        close(x.grad, expected.real if real else expected, 1e-6)
