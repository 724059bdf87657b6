"""nn.utils: clipping by norm and by value, parameters as one vector."""

from __future__ import annotations

import math

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import utils
from nn_check import array, close, tensor


def parameters() -> list[nn.Parameter]:
    made = [nn.Parameter(lamina.zeros(*shape, dtype=lamina.float64)) for shape in ((3, 2), (4,), (1,))]
    for i, parameter in enumerate(made[:2]):
        parameter.grad = tensor(array(*parameter.shape, seed=i))
    return made


@pytest.mark.parametrize("order", [2.0, 1, 3.0, math.inf])
def test_clip_grad_norm(order: float) -> None:
    given = parameters()
    flat = np.concatenate([parameter.grad.numpy().ravel().copy() for parameter in given[:2]])
    norm = np.linalg.norm(flat, order)
    close(utils.clip_grad_norm_(iter(given), 1.0, order), norm)
    after = np.concatenate([parameter.grad.numpy().ravel() for parameter in given[:2]])
    close(after, flat / (norm + 1e-6))
    assert given[2].grad is None
    # Below the bound nothing moves.
    utils.clip_grad_norm_(given, 1000.0, order)
    close(np.concatenate([parameter.grad.numpy().ravel() for parameter in given[:2]]), after)


def test_clip_grad_norm_of_nothing_and_of_one() -> None:
    assert utils.clip_grad_norm_([], 1.0).item() == 0.0
    assert utils.clip_grad_norm_(nn.Parameter(lamina.ones(1)), 1.0).item() == 0.0
    one = parameters()[0]
    utils.clip_grad_norm_(one, 0.5, foreach=False)
    assert abs(np.linalg.norm(one.grad.numpy()) - 0.5) < 1e-5


def test_clip_grad_norm_and_what_is_not_finite() -> None:
    given = parameters()
    given[1].grad[2] = math.nan
    before = given[0].grad.clone()
    with pytest.raises(RuntimeError, match="non-finite"):
        utils.clip_grad_norm_(given, 1.0, error_if_nonfinite=True)
    close(given[0].grad, before.numpy())
    assert math.isnan(utils.clip_grad_norm_(given, 1.0).item())
    assert np.isnan(given[0].grad.numpy()).all()


def test_total_norm_then_clip() -> None:
    given = parameters()
    norm = utils.get_total_norm([parameter.grad for parameter in given[:2]])
    assert norm.ndim == 0
    utils.clip_grads_with_norm_(given, 0.1, norm)
    assert abs(utils.get_total_norm(p.grad for p in given[:2]).item() - 0.1) < 1e-6


def test_clip_grad_value() -> None:
    given = parameters()
    expected = np.clip(given[0].grad.numpy(), -0.5, 0.5)
    utils.clip_grad_value_(given, 0.5)
    close(given[0].grad, expected)
    assert given[1].grad.abs().max().item() == 0.5


def test_parameters_to_vector_and_back() -> None:
    layer = nn.Linear(2, 3)
    vector = utils.parameters_to_vector(layer.parameters())
    assert vector.tolist() == [*layer.weight.flatten().tolist(), *layer.bias.tolist()]
    vector.sum().backward()
    assert layer.bias.grad.tolist() == [1.0, 1.0, 1.0]
    weight = layer.weight
    utils.vector_to_parameters(lamina.arange(9.0), layer.parameters())
    assert layer.weight is weight and weight.is_leaf and weight.requires_grad
    assert weight.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]] and layer.bias.tolist() == [6.0, 7.0, 8.0]
    with pytest.raises(ValueError, match="expected 9 elements, got 8"):
        utils.vector_to_parameters(lamina.zeros(8), layer.parameters())
    assert weight[0, 1].item() == 1.0
    with pytest.raises(TypeError):
        utils.vector_to_parameters([0.0] * 9, layer.parameters())


@pytest.mark.parametrize("dim", [0, 1, -1, None])
def test_weight_norm(dim: int | None) -> None:
    layer = nn.Linear(3, 4).double()
    weight, x = layer.weight.detach().numpy().copy(), array(2, 3)
    utils.weight_norm(layer, dim=dim)
    close(layer(tensor(x)), x @ weight.T + layer.bias.detach().numpy())
    axis = None if dim is None else 1 - dim % 2
    norm = np.linalg.norm(weight, axis=axis, keepdims=dim is not None)
    close(layer.weight_g, norm)
    with lamina.no_grad():
        layer.weight_g.mul_(3.0)
        layer.weight_v.mul_(5.0)  # the direction's length does not count
    layer(tensor(x)).sum().backward()
    close(layer.weight, 3 * weight)
    close(layer.weight_g.grad, (x.sum(0) * weight / norm).sum(axis, keepdims=dim is not None))
    assert abs((layer.weight_v.grad.numpy() * weight).sum()) < 1e-10
    with pytest.raises(RuntimeError, match="normalised already"):
        utils.weight_norm(layer)
    utils.remove_weight_norm(layer)
    assert sorted(layer.state_dict()) == ["bias", "weight"] and isinstance(layer.weight, nn.Parameter)
    close(layer.weight, 3 * weight)
    layer(tensor(x))
    with pytest.raises(ValueError, match="not normalised"):
        utils.remove_weight_norm(layer)
    with pytest.raises(AttributeError):
        utils.weight_norm(layer, "kernel")


def test_spectral_norm() -> None:
    layer = nn.Conv2d(3, 4, 2).double()
    weight = layer.weight.detach().numpy().copy()
    original = layer.weight
    utils.spectral_norm(layer, n_power_iterations=3)
    assert layer.weight_orig is original
    x = tensor(array(1, 3, 4, 4))
    for _ in range(40):
        output = layer(x)
    largest = np.linalg.svd(weight.reshape(4, -1))[1][0]
    close(layer.weight, weight / largest, 1e-6)
    output.sum().backward()
    # The quotient does not change along the weight itself.
    assert abs((original.grad.numpy() * weight).sum()) < 1e-6
    layer.eval()
    u = layer.weight_u.clone()
    layer(x)
    close(layer.weight_u, u.numpy())
    other = utils.spectral_norm(nn.Conv2d(3, 4, 2).double())
    other.load_state_dict(layer.state_dict())
    close(other.eval()(x), layer(x).detach().numpy())
    with pytest.raises(RuntimeError, match="normalised already"):
        utils.spectral_norm(layer)
    utils.remove_spectral_norm(layer)
    close(layer.weight, weight / largest, 1e-6)
    assert sorted(layer.state_dict()) == ["bias", "weight"] and layer.weight.requires_grad
    with pytest.raises(ValueError, match="not normalised"):
        utils.remove_spectral_norm(layer)
    with pytest.raises(ValueError, match="must be positive"):
        utils.spectral_norm(layer, n_power_iterations=0)
