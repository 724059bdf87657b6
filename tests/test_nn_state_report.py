"""load_state_dict when names differ: what it says, and how names are given anew."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import lamina
from lamina import nn


def net():
    return nn.Sequential(OrderedDict(encoder=nn.Linear(2, 3), norm=nn.BatchNorm1d(3), head=nn.Linear(3, 1)))


def moved(state, change):
    return {change(key): value for key, value in state.items()}


def same(a, b):
    return all(a[key].tolist() == b[key].tolist() for key in a) and list(a) == list(b)


def fails(model, state, **options):
    before = {key: value.tolist() for key, value in model.state_dict().items()}
    with pytest.raises(RuntimeError, match="Error\\(s\\) in loading state_dict for Sequential") as caught:
        model.load_state_dict(state, **options)
    assert before == {key: value.tolist() for key, value in model.state_dict().items()}
    return str(caught.value)


def test_everything_is_said_at_once():
    state = net().state_dict()
    state["head.weigth"] = state.pop("head.weight")
    state["encoder.bias"] = lamina.zeros(7)
    state["extra"] = lamina.zeros(1)
    text = fails(net(), state)
    assert 'Missing key(s) in state_dict: "head.weight". ' in text
    assert 'Unexpected key(s) in state_dict: "extra", "head.weigth". ' in text
    assert "size mismatch for encoder.bias: copying a param with shape lamina.Size([7])" in text
    assert '"head.weight" may be "head.weigth".' in text and '"extra"."' not in text


@pytest.mark.parametrize(
    ("change", "rename"),
    [
        (lambda key: f"backbone.{key}", {"backbone.": ""}),
        (lambda key: f"model.net.{key}", {"model.net.": ""}),
    ],
)
def test_a_prefix_is_found(change, rename):
    source, model = net(), net()
    state = moved(source.state_dict(), change)
    assert f"differ by a prefix alone: try rename={rename}" in fails(model, state)
    assert str(model.load_state_dict(state, rename=rename)) == "<All keys matched successfully>"
    assert same(model.state_dict(), source.state_dict())
    wrapped = nn.ModuleDict({"model": net()})
    with pytest.raises(RuntimeError, match=r"try rename=\{'': 'model\.'\}"):
        wrapped.load_state_dict(source.state_dict())
    wrapped.load_state_dict(source.state_dict(), rename={"": "model."})


def test_the_prefix_of_data_parallel_is_dropped():
    source, model = net(), net()
    state = OrderedDict(moved(source.state_dict(), lambda key: f"module.{key}"))
    state._metadata = {"": {}, "module": {"version": 1}, "module.norm": {"version": 2}}
    model.load_state_dict(state)
    assert same(model.state_dict(), source.state_dict())
    assert len(state) == len(source.state_dict()) and "module.head.bias" in state
    own = nn.ModuleDict({"module": net()})  # a model whose part has that name keeps it
    own.load_state_dict(state)
    assert same(own["module"].state_dict(), source.state_dict())
    state["head.bias"] = lamina.zeros(1)  # not before every name
    assert "Missing" in fails(model, state)


def test_weights_one_level_down():
    text = fails(net(), {"epoch": 3, "model": net().state_dict(), "optimizer": {"state": {}}})
    assert "holds weights one level down: load state_dict['model']." in text


def test_rename():
    source, model = net(), net()
    old = {"encoder": "enc", "norm": "layers.0", "head.weight": "w", "head.bias": "b"}

    def change(key):
        for new, name in old.items():
            if key == new or key.startswith(new + "."):
                return name + key[len(new) :]
        raise AssertionError(key)

    state = {**moved(source.state_dict(), change), "classifier.0.weight": lamina.zeros(5)}
    table = {"enc": "encoder", "layers.0": "norm", "w": "head.weight", "b": "head.bias", "classifier": None}
    model.load_state_dict(state, rename=table)
    assert same(model.state_dict(), source.state_dict())
    model = net()
    swap = {name: new for new, name in old.items()}

    def function(key):
        first = next((name for name in swap if key == name or key.startswith(name + ".")), None)
        return None if first is None else swap[first] + key[len(first) :]

    model.load_state_dict(state, rename=function)
    assert same(model.state_dict(), source.state_dict())
    with pytest.raises(ValueError, match=r"turns 'enc\.weight' and 'w' both into 'x'"):
        model.load_state_dict(state, rename=lambda key: "x" if key in ("enc.weight", "w") else key)


def test_without_strict_it_says_what_it_skipped():
    state = net().state_dict()
    state["old"] = state.pop("head.bias")
    keys = net().load_state_dict(state, strict=False)
    assert keys.missing_keys == ["head.bias"] and keys.unexpected_keys == ["old"]
    assert str(keys) == "IncompatibleKeys(missing_keys=['head.bias'], unexpected_keys=['old'])"


def test_pytorch_says_the_same_of_what_it_knows():
    torch = pytest.importorskip("torch")

    def build(nn):
        return nn.Sequential(OrderedDict(encoder=nn.Linear(2, 3), head=nn.Linear(3, 1)))

    ours, theirs = build(nn), build(torch.nn)
    for make, model in ((lamina.zeros, ours), (torch.zeros, theirs)):
        state = model.state_dict()
        state["a"] = state.pop("head.weight")
        state["encoder.bias"] = make(4)
        with pytest.raises(RuntimeError) as caught:
            model.load_state_dict(state)
        if model is ours:
            lines = str(caught.value).split("\n")
    for line, expected in zip(lines, str(caught.value).split("\n"), strict=False):
        assert line.replace("lamina", "torch") == expected
