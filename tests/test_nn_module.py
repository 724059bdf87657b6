"""Module: members, attribute rules, walking, conversion, printing, copies."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn


class Block(nn.Module):
    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.scale = nn.Parameter(lamina.ones(width))
        self.register_buffer("count", lamina.zeros(1))
        self.register_buffer("scratch", lamina.zeros(2), persistent=False)
        self.inner = nn.Linear(width, 2)

    def forward(self, x: Any) -> Any:
        return self.inner(x * self.scale)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Block()
        self.second = nn.Sequential(nn.Linear(2, 4), nn.ReLU())
        self.twin = self.first

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x))


# ---- members


def test_members_are_listed_in_order_and_shared_ones_once() -> None:
    net = Net()
    names = ["first.scale", "first.inner.weight", "first.inner.bias", "second.0.weight", "second.0.bias"]
    assert [name for name, _ in net.named_parameters()] == names
    assert [name for name, _ in net.named_buffers()] == ["first.count", "first.scratch"]
    assert [name for name, _ in net.named_children()] == ["first", "second"]
    modules = ["", "first", "first.inner", "second", "second.0", "second.1"]
    assert [name for name, _ in net.named_modules()] == modules
    assert len(list(net.parameters())) == len(names)
    assert len(list(net.modules())) == len(modules)


def test_walking_options() -> None:
    net = Net()
    doubled = [name for name, _ in net.named_parameters(remove_duplicate=False)]
    assert "twin.inner.weight" in doubled and len(doubled) == 8
    assert [name for name, _ in net.first.named_parameters(prefix="p", recurse=False)] == ["p.scale"]
    assert [name for name, _ in net.named_modules(prefix="p")][:2] == ["p", "p.first"]
    assert list(net.parameters(recurse=False)) == []
    assert next(net.first.buffers(recurse=False)) is net.first.count


def test_finding_by_name() -> None:
    net = Net()
    assert net.get_submodule("second.0") is net.second[0]
    assert net.get_submodule("") is net
    assert net.get_parameter("first.inner.bias") is net.first.inner.bias
    assert net.get_buffer("first.count") is net.first.count
    with pytest.raises(AttributeError, match="Sequential has no attribute `7`"):
        net.get_submodule("second.7")
    with pytest.raises(AttributeError, match=r"`scale` is not an nn\.Module"):
        net.get_submodule("first.scale")
    with pytest.raises(AttributeError, match=r"`count` is not an nn\.Parameter"):
        net.get_parameter("first.count")
    with pytest.raises(AttributeError, match="`scale` is not a buffer"):
        net.get_buffer("first.scale")
    new = nn.Identity()
    net.set_submodule("second.1", new)
    assert net.second[1] is new
    with pytest.raises(AttributeError):
        net.set_submodule("second.9", new, strict=True)
    with pytest.raises(ValueError):
        net.set_submodule("", new)


def test_assigning_changes_the_kind_of_a_name() -> None:
    module = nn.Module()
    module.x = 1
    module.x = nn.Parameter(lamina.zeros(2))
    assert list(module._parameters) == ["x"]
    module.x = nn.Linear(1, 1)
    assert list(module._parameters) == [] and list(module._modules) == ["x"]
    module.x = nn.Buffer(lamina.zeros(3), persistent=False)
    assert list(module._modules) == [] and list(module._buffers) == ["x"]
    assert list(module.state_dict()) == []
    module.x = lamina.ones(4)
    assert module._buffers["x"].shape[0] == 4
    module.x = None
    assert list(module._buffers) == ["x"] and list(module.buffers()) == []
    del module.x
    assert list(module._buffers) == [] and not hasattr(module, "x")


def test_reassigning_keeps_the_order() -> None:
    layer = nn.Linear(2, 3)
    layer.weight = nn.Parameter(lamina.zeros(3, 2))
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]


def test_wrong_assignments_say_so() -> None:
    layer = nn.Linear(2, 3)
    with pytest.raises(TypeError, match="cannot assign 'Tensor' as parameter 'weight'"):
        layer.weight = lamina.zeros(3, 2)
    layer.child = nn.ReLU()
    with pytest.raises(TypeError, match="cannot assign 'int' as child module 'child'"):
        layer.child = 3
    layer.register_buffer("b", lamina.zeros(1))
    with pytest.raises(TypeError, match="cannot assign 'float' as buffer 'b'"):
        layer.b = 1.0
    with pytest.raises(TypeError, match="cannot assign 'Tensor' object to parameter 'p'"):
        layer.register_parameter("p", lamina.zeros(1))
    with pytest.raises(TypeError, match="cannot assign 'int' object to buffer 'q'"):
        layer.register_buffer("q", 3)
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        layer.add_module("m", 3)
    assert list(layer._parameters) == ["weight", "bias"] and list(layer._modules) == ["child"]


def test_names_are_checked() -> None:
    module = nn.Module()
    with pytest.raises(KeyError, match="attribute 'forward' already exists"):
        module.register_buffer("forward", None)
    with pytest.raises(KeyError, match='contain "\\."'):
        module.add_module("a.b", nn.ReLU())
    with pytest.raises(KeyError, match="be empty string"):
        module.register_parameter("", None)
    with pytest.raises(TypeError, match="should be a string"):
        module.register_module(3, nn.ReLU())

    class Hasty(nn.Module):
        def __init__(self) -> None:
            self.weight = nn.Parameter(lamina.zeros(1))

    with pytest.raises(AttributeError, match=r"cannot assign parameter before Module\.__init__\(\) call"):
        Hasty()


def test_a_parameter_must_be_a_leaf() -> None:
    result = nn.Parameter(lamina.ones(2), requires_grad=False)
    result.mul_(nn.Parameter(lamina.ones(2)))
    with pytest.raises(ValueError, match="cannot assign non-leaf Tensor to parameter 'p'"):
        nn.Module().register_parameter("p", result)


def test_tables_are_live() -> None:
    layer = nn.Linear(2, 3)
    other = nn.Parameter(lamina.zeros(3))
    layer._parameters["bias"] = other
    assert layer.bias is other
    del layer._parameters["bias"]
    assert not hasattr(layer, "bias")
    with pytest.raises(KeyError):
        layer._parameters["training"]
    assert "weight" in layer._parameters and len(layer._parameters) == 1
    assert list(reversed(layer._parameters)) == ["weight"]
    assert "weight" in repr(layer._parameters)


def test_dir_shows_members_but_no_numbers() -> None:
    names = dir(nn.Sequential(nn.Linear(1, 1)))
    assert "0" not in names and "forward" in names
    assert "weight" in dir(nn.Linear(1, 1))


def test_a_missing_attribute_names_the_module() -> None:
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'wieght'"):
        nn.Linear(1, 1).wieght  # noqa: B018


def test_a_wrapper_may_pass_attributes_on() -> None:
    class Wrapper(nn.Module):
        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self.module = module

        def __getattr__(self, name: str) -> Any:
            try:
                return super().__getattr__(name)  # type: ignore[misc]
            except AttributeError:
                return getattr(self.module, name)

    wrapped = Wrapper(nn.Linear(2, 3))
    assert wrapped.out_features == 3 and wrapped.weight is wrapped.module.weight


def test_a_module_may_take_the_name_of_a_class_attribute() -> None:
    class Declared(nn.Module):
        norm: nn.Module | None = None

    module = Declared()
    module.norm = nn.LayerNorm(2)
    assert isinstance(module.norm, nn.LayerNorm) and list(module._modules) == ["norm"]


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match=r'Module \[Module\] is missing the required "forward"'):
        nn.Module()(1)


def test_dropping_a_module_frees_it_at_once() -> None:
    gc.disable()
    try:
        net = Net()
        net(lamina.ones(1, 3)).sum().backward()
        watch = weakref.ref(net.first.inner)
        del net
        assert watch() is None
    finally:
        gc.enable()


# ---- mode and gradients


def test_train_and_eval_reach_all_below() -> None:
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.train()
    assert all(module.training for module in net.modules())
    with pytest.raises(ValueError):
        net.train("yes")  # type: ignore[arg-type]


def test_requires_grad_and_zero_grad() -> None:
    net = Net()
    net(lamina.ones(2, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all(p.grad.abs().sum().item() == 0 for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


def test_apply_visits_children_first() -> None:
    seen: list[str] = []
    net = Net()
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "Block", "Linear", "ReLU", "Sequential", "Net"]


def test_conversion_keeps_the_objects() -> None:
    net = Net()
    net(lamina.ones(2, 3)).sum().backward()
    net.register_buffer("steps", lamina.tensor(3))
    before = list(net.parameters())
    net.double()
    after = list(net.parameters())
    assert all(a is b for a, b in zip(before, after, strict=True))
    assert all(p.dtype == lamina.float64 and p.grad.dtype == lamina.float64 for p in after)
    assert net.first.count.dtype == lamina.float64 and net.steps.dtype == lamina.int64
    assert net(lamina.ones(2, 3, dtype=lamina.float64)).dtype == lamina.float64
    net.float()
    assert net.second[0].weight.dtype == lamina.float32
    net.to(lamina.ones(1, dtype=lamina.float64))
    assert net.second[0].weight.dtype == lamina.float64
    assert net.to("cpu").second[0].weight.dtype == lamina.float64
    net.type(lamina.float32)
    assert net.steps.dtype == lamina.float32
    with pytest.raises(TypeError, match="only accepts floating point"):
        net.to(lamina.int64)


# ---- printing


def test_printing_nests_and_indents() -> None:
    assert repr(Net()) == (
        "Net(\n"
        "  (first): Block(\n"
        "    (inner): Linear(in_features=3, out_features=2, bias=True)\n"
        "  )\n"
        "  (second): Sequential(\n"
        "    (0): Linear(in_features=2, out_features=4, bias=True)\n"
        "    (1): ReLU()\n"
        "  )\n"
        "  (twin): Block(\n"
        "    (inner): Linear(in_features=3, out_features=2, bias=True)\n"
        "  )\n"
        ")"
    )


def test_printing_with_facts_and_children() -> None:
    class Odd(nn.Module):
        def extra_repr(self) -> str:
            return "one\ntwo"

    odd = Odd()
    assert repr(odd) == "Odd(\n  one\n  two\n)"
    odd.child = nn.ReLU()
    assert repr(odd) == "Odd(\n  one\n  two\n  (child): ReLU()\n)"


# ---- copies


def test_deepcopy_shares_nothing_but_keeps_sharing() -> None:
    net = Net().eval()
    other = copy.deepcopy(net)
    assert other.twin is other.first and other.first is not net.first
    assert not other.training
    for mine, theirs in zip(net.parameters(), other.parameters(), strict=True):
        assert mine is not theirs and np.array_equal(mine.detach().numpy(), theirs.detach().numpy())
    with lamina.no_grad():
        other.first.scale.fill_(7.0)
    assert net.first.scale.sum().item() == 3.0


def test_a_shallow_copy_has_the_same_members_and_its_own_names() -> None:
    net = Net()
    twin = copy.copy(net)
    assert twin.first is net.first and list(twin.state_dict()) == list(net.state_dict())
    twin.extra = nn.Parameter(lamina.zeros(1))
    del twin.second
    assert "extra" not in net.state_dict() and "second.0.weight" in net.state_dict()


def test_pickle_brings_back_the_same_network() -> None:
    net = Net()
    net.second[0].bias.requires_grad_(False)
    other = pickle.loads(pickle.dumps(net))
    x = lamina.ones(2, 3)
    assert np.array_equal(net(x).detach().numpy(), other(x).detach().numpy())
    assert isinstance(other.first.scale, nn.Parameter) and other.twin is other.first
    assert not other.second[0].bias.requires_grad and other.second[0].weight.requires_grad
    assert list(other.state_dict()) == list(net.state_dict())


# ---- Parameter and Buffer


def test_parameter_is_a_leaf_that_shares_memory() -> None:
    data = lamina.zeros(2)
    parameter = nn.Parameter(data)
    assert isinstance(parameter, lamina.Tensor) and parameter.requires_grad and parameter.is_leaf
    data.fill_(5.0)
    assert parameter.tolist() == [5.0, 5.0]
    assert type(parameter * 2) is lamina.Tensor
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert repr(parameter).startswith("Parameter containing:\ntensor([5., 5.]")
    assert nn.Parameter().numel() == 0
    with pytest.raises(TypeError, match="expected a Tensor as data, got list"):
        nn.Parameter([1.0])


def test_copies_of_parameter_and_buffer() -> None:
    parameter = nn.Parameter(lamina.ones(2), requires_grad=False)
    buffer = nn.Buffer(lamina.ones(2), persistent=False)
    for twin in (copy.deepcopy(parameter), pickle.loads(pickle.dumps(parameter))):
        assert type(twin) is nn.Parameter and not twin.requires_grad and twin.tolist() == [1.0, 1.0]
    for twin in (copy.deepcopy(buffer), pickle.loads(pickle.dumps(buffer))):
        assert type(twin) is nn.Buffer and not twin.persistent and twin.tolist() == [1.0, 1.0]
