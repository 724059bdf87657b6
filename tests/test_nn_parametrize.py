"""Parameters computed from others: register_parametrization, and weight_norm, spectral_norm, orthogonal."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, x):
        return x.triu()


class Double(nn.Module):
    def forward(self, x):
        return 2 * x


def test_the_weight_is_computed_and_the_original_is_trained() -> None:
    layer = nn.Linear(3, 3)
    before = layer.weight
    kind = type(layer)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert layer.parametrizations.weight.original is before and isinstance(layer, kind)
    assert (layer.weight == layer.weight.mT).all() and parametrize.is_parametrized(layer, "weight")
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    optimizer = lamina.optim.SGD(layer.parameters(), lr=0.1)
    layer(lamina.ones(2, 3)).square().sum().backward()
    optimizer.step()
    assert before.grad is not None and (layer.weight == layer.weight.mT).all()
    value = lamina.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]])
    layer.weight = value
    np.testing.assert_array_equal(layer.weight.detach().numpy(), value.numpy())
    assert parametrize.type_before_parametrizations(layer) is kind
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is kind and layer.weight is before
    np.testing.assert_array_equal(layer.weight.detach().numpy(), value.numpy())
    assert set(layer.state_dict()) == {"weight", "bias"} and not parametrize.is_parametrized(layer)


def test_several_in_a_row_copies_caching_and_errors() -> None:
    layer = nn.Linear(2, 2)
    value = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Double())
    np.testing.assert_array_equal(layer.weight.detach().numpy(), 2 * value.numpy())
    with pytest.raises(RuntimeError, match="right_inverse"):
        layer.weight = value
    twin = copy.deepcopy(layer)
    twin.parametrizations.weight.original.data.zero_()
    assert twin.weight.abs().sum() == 0 and layer.weight.abs().sum() > 0
    assert layer.weight is not layer.weight
    with parametrize.cached():
        assert layer.weight is layer.weight
    with pytest.raises(RuntimeError, match="state_dict"):
        pickle.dumps(layer)
    left = parametrize.remove_parametrizations(copy.deepcopy(layer), "weight", leave_parametrized=False)
    np.testing.assert_array_equal(left.weight.detach().numpy(), value.numpy())
    with pytest.raises(ValueError, match="does not have"):
        parametrize.register_parametrization(layer, "nothing", Double())
    with pytest.raises(ValueError, match="does not have a parametrization"):
        parametrize.remove_parametrizations(layer, "bias")

    class Longer(nn.Module):
        def forward(self, x):
            return lamina.cat([x, x])

    with pytest.raises(ValueError, match="shape"):
        parametrize.register_parametrization(nn.Linear(2, 2), "weight", Longer())
    parametrize.register_parametrization(layer, "bias", Longer(), unsafe=True)
    assert layer.bias.shape == (4,)


def test_weight_norm_keeps_the_value_and_pytorchs_names() -> None:
    layer = nn.Conv1d(2, 3, 2)
    value = layer.weight.detach().clone()
    parametrizations.weight_norm(layer)
    np.testing.assert_allclose(layer.weight.detach().numpy(), value.numpy(), rtol=1e-6)
    assert set(layer.state_dict()) == {
        "bias",
        "parametrizations.weight.original0",
        "parametrizations.weight.original1",
    }
    assert layer.parametrizations.weight.original0.shape == (3, 1, 1)
    with lamina.no_grad():
        layer.parametrizations.weight.original0.mul_(2)
    np.testing.assert_allclose(layer.weight.detach().numpy(), 2 * value.numpy(), rtol=1e-6)
    parametrize.remove_parametrizations(layer, "weight")
    assert isinstance(layer.weight, nn.Parameter)


def test_spectral_norm_divides_by_the_largest_singular_value() -> None:
    lamina.manual_seed(0)
    layer = nn.Linear(6, 4)
    largest = np.linalg.svd(layer.weight.detach().numpy())[1][0]
    value = layer.weight.detach().numpy().copy()
    parametrizations.spectral_norm(layer)
    for _ in range(20):
        weight = layer.weight
    np.testing.assert_allclose(weight.detach().numpy(), value / largest, rtol=1e-3)
    layer.eval()
    u = layer.parametrizations.weight[0]._u.clone()
    layer(lamina.ones(1, 6)).sum().backward()
    assert lamina.equal(u, layer.parametrizations.weight[0]._u)
    assert "parametrizations.weight.0._v" in layer.state_dict()
    with pytest.raises(ValueError, match="iteration"):
        parametrizations.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)


@pytest.mark.parametrize("map", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)])
def test_orthogonal_stays_orthonormal_while_it_is_trained(map: str, shape: tuple[int, int]) -> None:
    lamina.manual_seed(1)
    layer = nn.Linear(shape[1], shape[0], bias=False).double()
    parametrizations.orthogonal(layer, orthogonal_map=map)

    def check() -> None:
        w = layer.weight.detach().numpy()
        gram = w @ w.T if shape[0] <= shape[1] else w.T @ w
        np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-9)

    check()
    first = layer.weight.detach().clone()
    optimizer = lamina.optim.SGD(layer.parameters(), lr=0.2)
    for _ in range(5):
        optimizer.zero_grad()
        (layer.weight - 1).square().sum().backward()
        optimizer.step()
        check()
    assert (layer.weight.detach() - first).abs().max() > 1e-3
    q = lamina.linalg.qr(lamina.randn(max(shape), min(shape), dtype=lamina.float64))[0]
    wanted = q if shape[0] >= shape[1] else q.mT
    layer.weight = wanted
    np.testing.assert_allclose(layer.weight.detach().numpy(), wanted.numpy(), atol=1e-9)


def test_pytorchs_state_of_orthogonal_gives_the_same_weight() -> None:
    torch = pytest.importorskip("torch")
    for shape in ((4, 4), (5, 3)):
        theirs = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(shape[1], shape[0]))
        ours = parametrizations.orthogonal(nn.Linear(shape[1], shape[0]))
        state = {k: lamina.tensor(v.numpy()) for k, v in theirs.state_dict().items()}
        assert list(state) == list(ours.state_dict())
        noise = lamina.randn(shape)
        state["parametrizations.weight.original"] = state["parametrizations.weight.original"] + noise
        with torch.no_grad():
            theirs.parametrizations.weight.original += torch.tensor(noise.numpy())
        ours.load_state_dict(state)
        np.testing.assert_allclose(
            ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-4, atol=1e-5
        )
