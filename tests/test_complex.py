"""Complex tensors: values judged by NumPy in complex128, gradients by differences of the parts, views by
their memory, and every function by what it does with a complex argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Tensor

DTYPES = ["complex64", "complex128"]
TOLERANCE = {"complex64": 2e-5, "complex128": 1e-12}


def numbers(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return scale * (rng.normal(size=shape) + 1j * rng.normal(size=shape))


def close(found: Tensor, expected: Any, tolerance: float = 1e-12) -> None:
    expected = np.asarray(expected)
    assert tuple(found.shape) == expected.shape
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=tolerance, atol=tolerance)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def gradient_by_differences(f: Any, z: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """dL/da + i dL/db of the real L = f(z)."""
    found = np.zeros_like(z)
    for at in np.ndindex(z.shape):
        for unit in (1.0, 1j):
            up, down = z.copy(), z.copy()
            up[at] += step * unit
            down[at] -= step * unit
            found[at] += unit * (f(up) - f(down)) / (2 * step)
    return found


# name, NumPy's function, where it is sampled
UNARY = [
    ("neg", np.negative, 1),
    ("square", np.square, 1),
    ("sqrt", np.sqrt, 1),
    ("rsqrt", lambda z: 1 / np.sqrt(z), 1),
    ("reciprocal", np.reciprocal, 1),
    ("exp", np.exp, 1),
    ("exp2", lambda z: 2**z, 1),
    ("expm1", np.expm1, 0.5),
    ("log", np.log, 1),
    ("log2", lambda z: np.log(z) / np.log(2), 1),
    ("log10", np.log10, 1),
    ("log1p", np.log1p, 0.5),
    ("sin", np.sin, 1),
    ("cos", np.cos, 1),
    ("tan", np.tan, 0.7),
    ("asin", np.arcsin, 1),
    ("acos", np.arccos, 1),
    ("atan", np.arctan, 1),
    ("sinh", np.sinh, 1),
    ("cosh", np.cosh, 1),
    ("tanh", np.tanh, 0.7),
    ("asinh", np.arcsinh, 1),
    ("acosh", np.arccosh, 1),
    ("atanh", np.arctanh, 1),
    ("sigmoid", sigmoid, 1),
    ("sinc", np.sinc, 0.5),
    ("abs", np.abs, 1),
    ("angle", np.angle, 1),
    ("sgn", lambda z: z / np.abs(z), 1),
    ("conj", np.conj, 1),
    ("real", np.real, 1),
    ("imag", np.imag, 1),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "reference", "scale"), UNARY, ids=[u[0] for u in UNARY])
def test_values(name, reference, scale, dtype):
    z = numbers(5, 7, scale=scale).astype(dtype)
    found = getattr(lamina, name)(lamina.from_numpy(z))
    close(found, reference(z.astype("complex128")).astype(found.numpy().dtype), TOLERANCE[dtype])
    crossed = getattr(lamina, name)(lamina.from_numpy(z).t())  # another layout
    close(crossed, found.numpy().T, TOLERANCE[dtype])


def weigh(y: Any, w: Any) -> Any:
    """A real number of y that feels both of its parts."""
    return (y * w).real.sum()


@pytest.mark.parametrize(("name", "reference", "scale"), UNARY, ids=[u[0] for u in UNARY])
def test_gradients_by_differences(name, reference, scale):
    z, w = numbers(6, scale=scale), numbers(6, seed=1)
    x = lamina.from_numpy(z.copy()).requires_grad_()
    weigh(getattr(lamina, name)(x), lamina.from_numpy(w)).backward()
    assert x.grad is not None and x.grad.dtype == lamina.complex128
    expected = gradient_by_differences(lambda v: (reference(v) * w).real.sum(), z)
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-6, atol=1e-7)


def test_gradient_of_polar():
    r, t, w = np.array([1.5, 0.5]), np.array([0.3, -2.0]), numbers(2)
    abs_, angle = (lamina.from_numpy(v.copy()).requires_grad_() for v in (r, t))
    weigh(lamina.polar(abs_, angle), lamina.from_numpy(w)).backward()
    close(abs_.grad, (np.exp(1j * t) * w).real)
    close(angle.grad, (1j * r * np.exp(1j * t) * w).real)


PLANES = [
    ("sqrt", np.sqrt),
    ("log", np.log),
    ("asin", np.arcsin),
    ("acos", np.arccos),
    ("atanh", np.arctanh),
    ("acosh", np.arccosh),
    ("asinh", np.arcsinh),
    ("atan", np.arctan),
]


@pytest.mark.parametrize(("name", "reference"), PLANES, ids=[p[0] for p in PLANES])
def test_both_sides_of_every_cut(name, reference):
    real = np.array([-3.0, -0.5, 0.5, 3.0])
    z = np.concatenate([real + 1e-9j, real - 1e-9j, 1j * real + 1e-9, 1j * real - 1e-9])
    close(getattr(lamina, name)(lamina.from_numpy(z)), reference(z), 1e-8)


BINARY = [
    ("add", np.add),
    ("sub", np.subtract),
    ("mul", np.multiply),
    ("div", np.divide),
    ("pow", np.power),
    ("eq", np.equal),
    ("ne", np.not_equal),
    ("logical_and", np.logical_and),
    ("logical_or", np.logical_or),
    ("logical_xor", np.logical_xor),
]


@pytest.mark.parametrize(("name", "reference"), BINARY, ids=[b[0] for b in BINARY])
def test_values_of_two(name, reference):
    x, y, r = numbers(3, 4), numbers(4, seed=1), np.random.default_rng(2).random((3, 1)) + 0.5
    x[0, 0] = y[0] = 0 if name.startswith("logical") else x[0, 0]
    function = getattr(lamina, name)
    for a, b in ((x, y), (x, r), (r, y), (x, y.astype("complex64"))):
        close(function(lamina.from_numpy(a), lamina.from_numpy(b)), reference(a, b), 1e-7)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow"])
@pytest.mark.parametrize("kinds", ["cc", "cr", "rc"])
def test_gradients_of_two_by_differences(name, kinds):
    values = [numbers(2, 3), numbers(3, seed=1)]
    values = [v if k == "c" else np.abs(v) + 0.5 for v, k in zip(values, kinds, strict=True)]
    w = numbers(2, 3, seed=2)
    reference = dict(BINARY)[name]
    x, y = (lamina.from_numpy(v.copy()).requires_grad_() for v in values)
    weigh(getattr(lamina, name)(x, y), lamina.from_numpy(w)).backward()
    for i, t in enumerate((x, y)):
        assert t.grad is not None and t.grad.dtype == t.dtype  # real ones have real gradients

        def loss(v: np.ndarray, i: int = i) -> Any:
            pair = [v if i == 0 else values[0], v if i == 1 else values[1]]
            return (reference(*pair) * w).real.sum()

        expected = gradient_by_differences(loss, values[i].astype(complex))
        expected = expected if kinds[i] == "c" else expected.real
        np.testing.assert_allclose(t.grad.numpy(), expected, rtol=1e-6, atol=1e-7)


def test_second_derivatives_by_differences():
    z, w = numbers(4), numbers(4, seed=1)
    x = lamina.from_numpy(z.copy()).requires_grad_()
    (g,) = lamina.autograd.grad((x.exp() * x.conj() / (x * x + 3)).abs().sum(), x, create_graph=True)
    weigh(g, lamina.from_numpy(w)).backward()

    def first(v: np.ndarray) -> Any:
        t = lamina.from_numpy(v.copy()).requires_grad_()
        (g,) = lamina.autograd.grad((t.exp() * t.conj() / (t * t + 3)).abs().sum(), t)
        return (g.numpy() * w).real.sum()

    np.testing.assert_allclose(x.grad.numpy(), gradient_by_differences(first, z), rtol=1e-5, atol=1e-6)


REDUCTIONS = [
    ("sum", np.sum),
    ("mean", np.mean),
    ("prod", np.prod),
    ("var", lambda z, **o: np.var(z, ddof=1, **o)),
    ("std", lambda z, **o: np.std(z, ddof=1, **o)),
    ("any", np.any),
    ("all", np.all),
    ("count_nonzero", np.count_nonzero),
]


@pytest.mark.parametrize(("name", "reference"), REDUCTIONS, ids=[r[0] for r in REDUCTIONS])
def test_reductions(name, reference):
    z = numbers(3, 4, 5)
    z[0, 0, 0] = 0
    x = lamina.from_numpy(z)
    close(getattr(x, name)(), reference(z))
    close(getattr(x, name)(dim=(0, 2)), reference(z, axis=(0, 2)))


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_running_sums_and_products(name):
    z = numbers(3, 9)
    close(getattr(lamina, name)(lamina.from_numpy(z), 1), getattr(np, name)(z, 1))


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "var", "std", "cumsum", "cumprod", "logsumexp"])
def test_gradients_of_reductions_by_differences(name):
    z, w = numbers(3, 4), numbers(4, seed=1)

    def loss(v: np.ndarray, grad: bool = False) -> Any:
        x = lamina.from_numpy(v.copy()).requires_grad_(grad)
        weigh(
            getattr(x, name)(1 if name.startswith("cum") else 0), lamina.from_numpy(w)
        ).backward() if grad else None
        return (
            x
            if grad
            else weigh(getattr(x, name)(1 if name.startswith("cum") else 0), lamina.from_numpy(w)).item()
        )

    np.testing.assert_allclose(
        loss(z, True).grad.numpy(), gradient_by_differences(loss, z), rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 4), (4, 5)),
        ((4,), (4,)),
        ((3, 4), (4,)),
        ((4,), (4, 2)),
        ((2, 3, 4), (4, 5)),
        ((2, 1, 3, 4), (5, 4, 2)),
    ],
)
def test_products_of_matrices(a, b, dtype):
    x, y = numbers(*a).astype(dtype), numbers(*b, seed=1).astype(dtype)
    close(lamina.from_numpy(x) @ lamina.from_numpy(y), x @ y, TOLERANCE[dtype])


def test_gradients_of_matrix_products_by_differences():
    x, y, w = numbers(2, 3), numbers(3, 2, seed=1), numbers(2, 2, seed=2)
    a, b = (lamina.from_numpy(v.copy()).requires_grad_() for v in (x, y))
    weigh(a @ b, lamina.from_numpy(w)).backward()
    close(a.grad, gradient_by_differences(lambda v: ((v @ y) * w).real.sum(), x), 1e-7)
    close(b.grad, gradient_by_differences(lambda v: ((x @ v) * w).real.sum(), y), 1e-7)


def test_einsum_of_a_spectral_convolution():
    x, w = numbers(2, 3, 4, 5), numbers(3, 6, 4, 5, seed=1)
    found = lamina.einsum("bixy,ioxy->boxy", lamina.from_numpy(x), lamina.from_numpy(w))
    close(found, np.einsum("bixy,ioxy->boxy", x, w))


def test_convolution():
    x, w, b = numbers(1, 2, 7), numbers(3, 2, 3, seed=1), numbers(3, seed=2)
    found = lamina.nn.functional.conv1d(*(lamina.from_numpy(v) for v in (x, w, b)))
    windows = np.lib.stride_tricks.sliding_window_view(x, 3, 2)
    close(found, np.einsum("ncxk,ock->nox", windows, w) + b[:, None])
