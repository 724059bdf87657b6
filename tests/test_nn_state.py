"""state_dict and load_state_dict: names, sharing, mismatches, older layouts, hooks."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1, bias=False))


def same(a: Any, b: Any) -> bool:
    return np.array_equal(a.detach().numpy(), b.detach().numpy())


def test_names_and_order() -> None:
    assert list(net().state_dict()) == [
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
        "1.running_mean",
        "1.running_var",
        "1.num_batches_tracked",
        "2.weight",
    ]


def test_the_tensors_are_shared_and_detached() -> None:
    layer = nn.Linear(2, 3)
    state = layer.state_dict()
    assert not state["weight"].requires_grad
    state["bias"].fill_(4.0)
    assert layer.bias.tolist() == [4.0, 4.0, 4.0]
    assert layer.state_dict(keep_vars=True)["weight"] is layer.weight


def test_prefix_and_destination() -> None:
    target: OrderedDict[str, Any] = OrderedDict(first=1)
    result = nn.Linear(1, 1).state_dict(destination=target, prefix="p.")
    assert result is target and list(target) == ["first", "p.weight", "p.bias"]


def test_loading_copies_and_keeps_the_dtype() -> None:
    source, target = net().double(), net()
    weight = target[0].weight
    assert repr(target.load_state_dict(source.state_dict())) == "<All keys matched successfully>"
    assert target[0].weight is weight and weight.dtype == lamina.float32
    assert np.allclose(weight.detach().numpy(), source[0].weight.detach().numpy())
    source[0].weight.detach().fill_(0.0)
    assert weight.abs().sum().item() > 0


def test_assign_takes_the_tensors_over() -> None:
    source, target = net().double(), net()
    target[0].bias.requires_grad_(False)
    state = source.state_dict()
    target.load_state_dict(state, assign=True)
    assert target[0].weight.dtype == lamina.float64
    assert isinstance(target[0].weight, nn.Parameter) and target[0].weight.requires_grad
    assert not target[0].bias.requires_grad
    state["0.bias"].fill_(9.0)
    assert target[0].bias.tolist() == [9.0, 9.0, 9.0]


def test_all_mismatches_are_listed_and_nothing_is_changed() -> None:
    model = net()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = {key: value + 1 for key, value in before.items()}
    del state["1.weight"]
    state["1.other"] = lamina.zeros(1)
    state["9.weight"] = lamina.zeros(1)
    state["0.weight"] = lamina.zeros(4, 2)
    state["0.bias"] = [1.0, 2.0, 3.0]
    with pytest.raises(RuntimeError) as caught:
        model.load_state_dict(state)
    text = str(caught.value)
    assert text.startswith("Error(s) in loading state_dict for Sequential:\n\t")
    assert 'Missing key(s) in state_dict: "1.weight". ' in text
    assert 'Unexpected key(s) in state_dict: "9.weight", "1.other". ' in text
    shapes = f"shape {lamina.zeros(4, 2).shape} from checkpoint, the shape in current model is "
    assert f"size mismatch for 0.weight: copying a param with {shapes}{model[0].weight.shape}." in text
    assert "copying the parameter named \"0.bias\", expected a Tensor but received <class 'list'>" in text
    assert all(same(value, before[key]) for key, value in model.state_dict().items())


def test_missing_keys_alone_change_nothing_either() -> None:
    model = nn.Linear(2, 2)
    before = model.weight.detach().clone()
    with pytest.raises(RuntimeError, match=r'Missing key.*"bias"'):
        model.load_state_dict({"weight": lamina.zeros(2, 2)})
    assert same(model.weight, before)


def test_without_strict_the_keys_come_back() -> None:
    model = nn.Linear(2, 2)
    keys = model.load_state_dict({"weight": lamina.zeros(2, 2), "x.y": lamina.zeros(1)}, strict=False)
    assert keys.missing_keys == ["bias"] and keys.unexpected_keys == ["x.y"]
    assert model.weight.abs().sum().item() == 0
    assert "missing_keys=['bias']" in repr(keys)
    with pytest.raises(RuntimeError, match="size mismatch"):
        model.load_state_dict({"weight": lamina.zeros(3, 2)}, strict=False)


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got <class 'list'>"):
        nn.Linear(1, 1).load_state_dict([])  # type: ignore[arg-type]


def test_a_vector_of_one_loads_into_a_scalar() -> None:
    module = nn.Module()
    module.p = nn.Parameter(lamina.tensor(0.0))
    module.load_state_dict({"p": lamina.tensor([3.0])})
    assert module.p.item() == 3.0


def test_batch_norm_of_the_first_version_has_no_count() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2))
    state = model.state_dict()
    del state["0.num_batches_tracked"]
    with pytest.raises(RuntimeError, match="num_batches_tracked"):
        model.load_state_dict(state)
    plain = dict(state)  # without the record of versions, it may be a file of the first
    model.load_state_dict(plain)
    assert "0.num_batches_tracked" not in plain


def test_extra_state_goes_along() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = 0

        def get_extra_state(self) -> int:
            return self.steps

        def set_extra_state(self, state: int) -> None:
            self.steps = state

    model = nn.Sequential(Counter(), nn.Linear(1, 1))
    model[0].steps = 5
    state = model.state_dict()
    assert state["0._extra_state"] == 5
    other = nn.Sequential(Counter(), nn.Linear(1, 1))
    other.load_state_dict(state)
    assert other[0].steps == 5
    with pytest.raises(RuntimeError, match=r"Unexpected key.*0\._extra_state"):
        nn.Sequential(nn.Module(), nn.Linear(1, 1)).load_state_dict(state)
    del state["0._extra_state"]
    with pytest.raises(RuntimeError, match=r"Missing key.*0\._extra_state"):
        other.load_state_dict(state)


def test_hooks_around_state_dict() -> None:
    layer = nn.Linear(1, 1)
    calls: list[str] = []
    layer.register_state_dict_pre_hook(lambda module, prefix, keep_vars: calls.append(prefix))
    layer.register_state_dict_post_hook(
        lambda module, state, prefix, meta: state.pop(prefix + "bias") and None
    )
    assert list(nn.Sequential(layer).state_dict()) == ["0.weight"] and calls == ["0."]
    handle = layer._register_state_dict_hook(lambda module, state, prefix, meta: {"only": 1})
    assert layer.state_dict() == {"only": 1}
    handle.remove()
    layer.register_state_dict_post_hook(lambda *args: {})
    with pytest.raises(RuntimeError, match="expected None"):
        layer.state_dict()


def test_hooks_around_loading() -> None:
    layer = nn.Linear(1, 1)

    def rename(module: Any, state: Any, prefix: str, *rest: Any) -> None:
        assert module is layer
        state[prefix + "weight"] = state.pop(prefix + "kernel")

    layer.register_load_state_dict_pre_hook(rename)
    layer._register_load_state_dict_pre_hook(lambda state, prefix, *rest: state.pop(prefix + "junk"))
    state = {"kernel": lamina.ones(1, 1), "bias": lamina.ones(1), "junk": 1}
    layer.load_state_dict(state)
    assert layer.weight.item() == 1.0 and sorted(state) == ["bias", "junk", "kernel"]

    other = nn.Sequential(nn.Linear(1, 1))
    order: list[str] = []

    def forgive(module: Any, keys: Any) -> None:
        order.append(type(module).__name__)
        keys.missing_keys.clear()

    other.register_load_state_dict_post_hook(forgive)
    other[0].register_load_state_dict_post_hook(forgive)
    other.load_state_dict({"0.weight": lamina.zeros(1, 1)})
    assert other[0].weight.item() == 0.0 and order == ["Linear", "Sequential"]


def test_a_layer_may_load_its_own_way() -> None:
    class Renamed(nn.Linear):
        def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
            if prefix + "w" in state_dict:
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")
            super()._load_from_state_dict(state_dict, prefix, *rest)

    model = nn.Sequential(Renamed(1, 1, bias=False))
    model.load_state_dict({"0.w": lamina.full((1, 1), 2.0)})
    assert model[0].weight.item() == 2.0
    layer = Renamed(1, 1, bias=False)
    layer._load_from_state_dict({"w": lamina.full((1, 1), 3.0)}, "", {}, True, [], [], [])
    assert layer.weight.item() == 3.0
