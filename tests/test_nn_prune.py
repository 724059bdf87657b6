"""Pruning: which numbers go, what stands in a module meanwhile, and how it ends; beside PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn.utils import prune

W = np.array([[0.1, -0.9, 0.3], [-0.2, 0.8, -0.05]], np.float32)


def layer() -> nn.Linear:
    made = nn.Linear(3, 2)
    with lamina.no_grad():
        made.weight.copy_(lamina.from_numpy(W))
    return made


def test_least_numbers_are_held_at_zero_and_learn_no_more() -> None:
    net = layer()
    assert prune.l1_unstructured(net, "weight", amount=3) is net and prune.is_pruned(nn.Sequential(net))
    expected = np.where(np.abs(W) > 0.25, W, 0)
    np.testing.assert_array_equal(net.weight.detach().numpy(), expected)
    assert [name for name, _ in net.named_parameters()] == ["bias", "weight_orig"]
    assert [name for name, _ in net.named_buffers()] == ["weight_mask"]
    np.testing.assert_array_equal(net.weight_orig.detach().numpy(), W)
    optimizer = lamina.optim.SGD(net.parameters(), lr=0.1)
    net(lamina.ones(1, 3)).sum().backward()
    optimizer.step()
    net(lamina.ones(1, 3))
    np.testing.assert_allclose(net.weight.detach().numpy(), np.where(expected, expected - 0.1, 0), rtol=1e-6)
    before = net.weight.detach().numpy().copy()
    assert prune.remove(net, "weight") is net and not prune.is_pruned(net)
    assert list(net.state_dict()) == ["bias", "weight"] and isinstance(net.weight, nn.Parameter)
    np.testing.assert_array_equal(net.weight.detach().numpy(), before)
    with pytest.raises(ValueError, match="has to be pruned"):
        prune.remove(net, "weight")


def test_whole_slices_go() -> None:
    net = prune.ln_structured(layer(), "weight", amount=1, n=2, dim=1)
    np.testing.assert_array_equal(net.weight_mask.numpy(), [[0, 1, 1], [0, 1, 1]])
    prune.ln_structured(net, "weight", amount=0.5, n=float("inf"), dim=0)
    np.testing.assert_array_equal(net.weight_mask.numpy(), [[0, 1, 1], [0, 0, 0]])
    (hook,) = net._forward_pre_hooks.values()
    assert isinstance(hook, prune.PruningContainer) and len(hook) == 2 and hook[1].amount == 0.5
    for seed in range(5):
        lamina.manual_seed(seed)
        mask = prune.random_structured(layer(), "weight", amount=2, dim=1).weight_mask.numpy()
        assert (mask.sum(0) == 2).sum() == 1 and mask.sum() == 2


def test_pruned_again_it_decides_among_what_is_left() -> None:
    net = layer()
    prune.l1_unstructured(net, "weight", amount=0.5)
    prune.l1_unstructured(net, "weight", amount=1 / 3)
    np.testing.assert_array_equal(net.weight_mask.numpy() != 0, np.abs(W) > 0.5)
    prune.random_unstructured(net, "weight", amount=2)
    assert net.weight_mask.sum().item() == 0
    prune.identity(net, "bias")
    assert net.bias_mask.tolist() == [1, 1]


def test_several_layers_together() -> None:
    first, second = layer(), layer()
    with lamina.no_grad():
        second.weight.mul_(10)
    prune.global_unstructured(
        [(first, "weight"), (second, "weight")], pruning_method=prune.L1Unstructured, amount=0.5
    )
    kept = [module.weight_mask.sum().item() for module in (first, second)]
    assert kept == [1, 5]
    with pytest.raises(TypeError, match="unstructured"):
        prune.global_unstructured([(first, "weight")], prune.LnStructured, amount=1, n=1)


def test_scores_decide_instead_of_values_and_own_rules() -> None:
    net = prune.l1_unstructured(layer(), "weight", 3, importance_scores=lamina.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(net.weight_mask.numpy(), [[0, 0, 0], [1, 1, 1]])

    class Every2nd(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t: Any, default_mask: Any) -> Any:
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    net = layer()
    Every2nd.apply(net, "weight")
    np.testing.assert_array_equal(net.weight_mask.numpy(), [[0, 1, 0], [1, 0, 1]])
    t = prune.L1Unstructured(amount=2).prune(lamina.tensor([3.0, -1.0, 2.0]))
    assert t.tolist() == [3, 0, 0]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: prune.l1_unstructured(layer(), "weight", 1.5), ValueError, "amount=1.5"),
        (lambda: prune.l1_unstructured(layer(), "weight", 7), ValueError, "number to prune=6"),
        (lambda: prune.l1_unstructured(layer(), "weight", "all"), TypeError, "Invalid type for amount"),
        (lambda: prune.l1_unstructured(layer(), "in_features", 1), TypeError, "name of a parameter"),
        (lambda: prune.random_structured(layer(), "bias", 1, 0), ValueError, "at least 2 dimensions"),
        (lambda: prune.random_structured(layer(), "weight", 1, 2), IndexError, "Invalid index 2"),
        (lambda: prune.custom_from_mask(layer(), "weight", lamina.ones(3)), ValueError, "mask has shape"),
        (lambda: prune.PruningContainer().add_pruning_method(3), TypeError, "not a BasePruningMethod"),
    ],
)
def test_what_cannot_be_pruned(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


def test_like_pytorch() -> None:
    torch = pytest.importorskip("torch")
    from torch.nn.utils import prune as theirs

    rng = np.random.default_rng(1)
    weight = rng.standard_normal((6, 4, 3, 3)).astype(np.float32)
    nets = [kind.Conv2d(4, 6, 3, bias=False) for kind in (nn, torch.nn)]
    for net, library, rules in zip(nets, (lamina, torch), (prune, theirs), strict=True):
        with library.no_grad():
            net.weight.copy_(library.from_numpy(weight))
        rules.ln_structured(net, "weight", amount=0.4, n=1, dim=0)
        rules.l1_unstructured(net, "weight", amount=0.3)
        rules.ln_structured(net, "weight", amount=1, n=2, dim=1)
        rules.custom_from_mask(net, "weight", library.from_numpy((weight > -0.5).astype(np.float32)))
    np.testing.assert_array_equal(nets[0].weight_mask.numpy(), nets[1].weight_mask.numpy())
    x = rng.standard_normal((2, 4, 5, 5)).astype(np.float32)
    np.testing.assert_allclose(
        nets[0](lamina.from_numpy(x)).detach().numpy(),
        nets[1](torch.from_numpy(x)).detach().numpy(),
        rtol=1e-4,
        atol=1e-5,
    )
    assert list(nets[0].state_dict()) == list(nets[1].state_dict())
