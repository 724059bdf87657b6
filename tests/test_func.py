"""lamina.func: derivatives against formulas and against each other, functional_call, vmap."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import func, nn

F64 = lamina.float64
X = lamina.tensor([0.3, -0.8, 1.1], dtype=F64)


def cube(x):
    return (x**3).sum()


def test_gradients_nest() -> None:
    x = lamina.tensor(0.7, dtype=F64)
    assert func.grad(lamina.sin)(x).item() == pytest.approx(np.cos(0.7))
    assert func.grad(func.grad(lamina.sin))(x).item() == pytest.approx(-np.sin(0.7))
    assert func.grad(func.grad(func.grad(lamina.sin)))(x).item() == pytest.approx(-np.cos(0.7))
    slope, value = func.grad_and_value(cube)(X)
    np.testing.assert_allclose(slope.numpy(), 3 * X.numpy() ** 2)
    assert value.item() == pytest.approx((X.numpy() ** 3).sum()) and not value.requires_grad
    # the variable of the outer derivative used inside of the inner one
    mixed = func.grad(lambda x: func.grad(lambda y: x * y**2)(lamina.tensor(3.0)) * x)
    assert mixed(lamina.tensor(2.0)).item() == pytest.approx(24)


def test_gradients_of_nests_of_several_arguments_and_aux() -> None:
    def loss(parameters, x):
        y = x * parameters["w"] + parameters["b"]
        return y.square().sum(), y

    parameters = {"w": lamina.tensor(2.0), "b": lamina.tensor(1.0)}
    slopes, y = func.grad(loss, has_aux=True)(parameters, lamina.tensor([1.0, 2.0]))
    assert slopes["w"].item() == 2 * (3 * 1 + 5 * 2) and slopes["b"].item() == 16
    assert y.tolist() == [3.0, 5.0] and not y.requires_grad
    a, b = func.grad(lambda a, b: a * b, argnums=(0, 1))(lamina.tensor(2.0), lamina.tensor(3.0))
    assert (a.item(), b.item()) == (3.0, 2.0)
    with pytest.raises(RuntimeError, match="scalar"):
        func.grad(lamina.exp)(X)
    with pytest.raises(ValueError, match="argnums"):
        func.grad(cube, argnums=1)(X)


def test_results_are_connected_where_somebody_else_wants_a_gradient() -> None:
    net = nn.Linear(3, 1).double()
    x = X.clone()
    slope = func.grad(lambda x: net(x).tanh().sum())(x)  # depends on the parameters
    slope.square().sum().backward()
    assert net.weight.grad is not None and net.weight.grad.abs().sum() > 0
    leaf = X.clone().requires_grad_()
    func.grad(cube)(leaf).sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), 6 * X.numpy())
    with lamina.no_grad():
        assert not func.grad(cube)(X).requires_grad


def test_products_with_the_jacobian_and_the_jacobian_itself() -> None:
    matrix = lamina.tensor(np.random.default_rng(0).normal(size=(2, 3)))

    def f(x):
        return (matrix @ x).sin()

    jacobian = np.cos(matrix.numpy() @ X.numpy())[:, None] * matrix.numpy()
    for make in (func.jacrev, func.jacfwd):
        np.testing.assert_allclose(make(f)(X).numpy(), jacobian, rtol=1e-9)
    value, back = func.vjp(f, X)
    v = lamina.tensor([0.5, -2.0], dtype=F64)
    np.testing.assert_allclose(back(v)[0].numpy(), v.numpy() @ jacobian, rtol=1e-9)
    np.testing.assert_allclose(value.numpy(), f(X).numpy())
    u = lamina.tensor([0.5, -2.0, 1.0], dtype=F64)
    value, moved = func.jvp(f, (X,), (u,))
    np.testing.assert_allclose(moved.numpy(), jacobian @ u.numpy(), rtol=1e-9)
    with pytest.raises(ValueError, match="cotangents"):
        back(u)


def test_second_derivatives_by_every_way() -> None:
    wanted = np.diag(6 * X.numpy())
    for f in (
        func.hessian(cube),
        func.jacfwd(func.jacrev(cube)),
        func.jacrev(func.jacfwd(cube)),
        func.jacrev(func.grad(cube)),
    ):
        np.testing.assert_allclose(f(X).numpy(), wanted, atol=1e-12)
    u = lamina.ones(3, dtype=F64)
    np.testing.assert_allclose(func.jvp(func.grad(cube), (X,), (u,))[1].numpy(), 6 * X.numpy())
    both = func.jacrev(lambda a, b: a * b, argnums=(0, 1))(X, X)
    np.testing.assert_allclose(both[0].numpy(), np.diag(X.numpy()))
    pair = func.jacfwd(lambda x: (x, {"square": x**2}))(X)
    np.testing.assert_allclose(pair[1]["square"].numpy(), np.diag(2 * X.numpy()))


# ---- modules


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(2, 2, bias=False)
        self.b = nn.Linear(2, 2, bias=False)
        self.b.weight = self.a.weight
        self.register_buffer("shift", lamina.zeros(2))

    def forward(self, x, *, scale=1.0):
        return self.b(self.a(x)) * scale + self.shift


def test_functional_call_replaces_for_one_call() -> None:
    net, eye = Tied(), lamina.eye(2)
    before = net.a.weight
    x = lamina.tensor([1.0, 2.0])
    assert func.functional_call(net, {"a.weight": 2 * eye}, (x,)).tolist() == [4.0, 8.0]
    alone = func.functional_call(net, {"a.weight": 2 * eye, "shift": x}, x, {"scale": 2.0}, tie_weights=False)
    np.testing.assert_allclose(alone.detach().numpy(), (net.b(2 * x) * 2 + x).detach().numpy(), rtol=1e-6)
    assert net.a.weight is before and net.shift.tolist() == [0.0, 0.0]
    assert nn.utils.stateless.functional_call(net, {"a.weight": eye}, x).tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="Unexpected"):
        func.functional_call(net, {"c": eye}, x)
    with pytest.raises(RuntimeError, match="Missing"):
        func.functional_call(net, {"a.weight": eye}, x, strict=True)
    with pytest.raises(ValueError, match="multiple"):
        func.functional_call(net, ({"shift": x}, {"shift": x}), x)
    with pytest.raises(ValueError, match="tied"):
        func.functional_call(net, {"a.weight": eye, "b.weight": 2 * eye}, x)
    assert net.a.weight is before


def test_gradients_through_functional_call() -> None:
    lamina.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    x = lamina.randn(5, 3, dtype=F64)
    parameters = {name: p.detach() for name, p in net.named_parameters()}
    slopes = func.grad(lambda p: func.functional_call(net, p, x).square().mean())(parameters)
    net(x).square().mean().backward()
    for name, p in net.named_parameters():
        np.testing.assert_allclose(slopes[name].numpy(), p.grad.numpy(), rtol=1e-9)


def test_per_sample_gradients_and_ensembles_by_vmap() -> None:
    lamina.manual_seed(1)
    net = nn.Linear(3, 1)
    parameters = {name: p.detach() for name, p in net.named_parameters()}
    x, y = lamina.randn(4, 3), lamina.randn(4, 1)

    def loss(parameters, x, y):
        return (func.functional_call(net, parameters, x) - y).square().sum()

    each = func.vmap(func.grad(loss), in_dims=(None, 0, 0))(parameters, x, y)
    assert each["weight"].shape == (4, 1, 3)
    net(x).sub(y).square().sum().backward()
    np.testing.assert_allclose(each["weight"].sum(0).numpy(), net.weight.grad.numpy(), rtol=1e-5)
    models = [nn.Linear(3, 2) for _ in range(5)]
    stacked, buffers = func.stack_module_state(models)
    assert stacked["weight"].is_leaf and stacked["weight"].requires_grad and buffers == {}
    together = func.vmap(lambda p, x: func.functional_call(models[0], p, (x,)), in_dims=(0, None))(stacked, x)
    for row, model in zip(together, models, strict=True):
        np.testing.assert_allclose(row.detach().numpy(), model(x).detach().numpy(), rtol=1e-6)
    with pytest.raises(RuntimeError, match="same class"):
        func.stack_module_state([nn.Linear(1, 1), nn.ReLU()])


def test_vmap_dimensions_randomness_and_errors() -> None:
    a = lamina.arange(6.0).reshape(2, 3)
    assert func.vmap(lambda x: x.sum(), in_dims=1)(a).tolist() == [3.0, 5.0, 7.0]
    assert func.vmap(lambda x: 2 * x, out_dims=1)(a).shape == (3, 2)
    assert func.vmap(lambda x, y: (x, y), out_dims=(0, None))(a, a)[1].tolist() == [0.0, 1.0, 2.0]
    assert func.vmap(func.vmap(lambda x: x + 1))(a).tolist() == (a + 1).tolist()
    assert lamina.vmap is func.vmap
    with pytest.raises(RuntimeError, match="random"):
        func.vmap(lambda x: x + lamina.rand(1))(a)
    same = func.vmap(lambda x: lamina.rand(2), randomness="same")(a)
    other = func.vmap(lambda x: lamina.rand(2), randomness="different")(a)
    assert (same[0] == same[1]).all() and (other[0] != other[1]).any()
    for bad in (lambda: func.vmap(lamina.add)(a, lamina.ones(3)), lambda: func.vmap(lamina.exp, 2)(a)):
        with pytest.raises(ValueError, match="vmap"):
            bad()
    with pytest.raises(ValueError, match="empty"):
        func.vmap(lamina.exp)(lamina.ones(0, 2))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["jacrev", "jacfwd", "hessian"])
def test_pytorchs_answers(name: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    w, x = rng.normal(size=(2, 3)), rng.normal(size=3)

    def answer(lib):
        def f(w, x):
            y = lib.tanh(w @ x)
            return y.sum() if name == "hessian" else y

        given = getattr(lib.func, name)(f, argnums=(0, 1))(lib.from_numpy(w), lib.from_numpy(x))
        return [leaf for row in given for leaf in (row if name == "hessian" else [row])]

    for got, wanted in zip(answer(lamina), answer(torch), strict=True):
        np.testing.assert_allclose(got.numpy(), wanted.numpy(), rtol=1e-9, atol=1e-12)
