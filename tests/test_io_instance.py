"""Whole modules and other objects in files: what comes back, and what a file may not ask for."""

from __future__ import annotations

import argparse
import dataclasses
import io
import pickle
import sys
from typing import Any, ClassVar

import numpy as np
import pytest

import lamina
from lamina import nn, serialization
from lamina.nn import functional as F


@dataclasses.dataclass
class Config:
    width: int = 4


class Net(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.body = nn.Sequential(nn.Linear(3, config.width), nn.BatchNorm1d(config.width))
        self.again = self.body
        self.activation = F.relu
        self.kind = nn.LayerNorm
        self.register_buffer("places", lamina.arange(3), persistent=False)
        self.missing = None

    def forward(self, x: Any) -> Any:
        return self.activation(self.body(x))


class Counted:
    """Fills itself in its own way, and so only where it is declared."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __getstate__(self) -> Any:
        return {"twice": 2 * self.count}

    def __setstate__(self, state: Any) -> None:
        self.count = state["twice"] // 2


class Undone:
    gone: ClassVar[list[str]] = []

    def __del__(self) -> None:
        self.gone.append(str(vars(self)))


def written(obj: Any) -> io.BytesIO:
    file = io.BytesIO()
    lamina.save(obj, file)
    file.seek(0)
    return file


def file_with(pickled: bytes) -> io.BytesIO:
    """A file like those of ``save``, with another pickle in it."""
    from lamina.io.archive import pack

    parts = pack([("archive/data.pkl", pickled), ("archive/version", b"3\n")])
    return io.BytesIO(b"".join(bytes(part) for part in parts))


def test_a_whole_module_comes_back() -> None:
    net = Net(Config(5)).eval()
    read = lamina.load(written(net), weights_only=False)
    x = lamina.randn(2, 3)
    np.testing.assert_array_equal(read(x).detach().numpy(), net(x).detach().numpy())
    assert type(read) is Net and read.config == Config(5) and not read.training and read.missing is None
    assert read.body is read.again and read.activation is F.relu and read.kind is nn.LayerNorm
    assert list(read.state_dict()) == list(net.state_dict()) and "places" in dict(read.named_buffers())
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in read.parameters())
    read.train()(x).sum().backward()
    assert all(p.grad is not None for p in read.parameters())


def test_every_layer_comes_back_whole() -> None:
    for layer in (
        nn.LSTM(2, 3),
        nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2),
        nn.ModuleDict({"a": nn.ParameterList([nn.Parameter(lamina.ones(2))])}),
        nn.Embedding(3, 4, padding_idx=0),
        nn.Conv2d(2, 3, 3, padding="same", padding_mode="circular"),
        nn.MultiheadAttention(4, 2),
    ):
        read = lamina.load(written(layer), weights_only=False)
        assert repr(read) == repr(layer)
        for (name, value), (own, found) in zip(
            layer.state_dict().items(), read.state_dict().items(), strict=True
        ):
            assert name == own
            np.testing.assert_array_equal(value.numpy(), found.numpy())


def test_without_leave_an_object_is_refused() -> None:
    file = written(Net(Config()))
    with pytest.raises(lamina.io.UnpicklingError, match=r"test_io_instance\.Net' is refused"):
        lamina.load(file)
    file.seek(0)
    classes = [Net, Config, nn.Sequential, nn.Linear, nn.BatchNorm1d, nn.LayerNorm, F.relu]
    with serialization.safe_globals(classes):
        assert set(serialization.get_safe_globals()) == set(classes)
        assert isinstance(lamina.load(file, weights_only=True), Net)
    assert serialization.get_safe_globals() == []
    with pytest.raises(TypeError, match="safe_globals: expected classes or functions"):
        serialization.add_safe_globals([3])


def test_a_class_with_its_own_way_must_be_declared() -> None:
    file = written({"options": argparse.Namespace(lr=0.1, of=[lamina.ones(2)]), "count": Counted(7)})
    with pytest.raises(lamina.io.UnpicklingError, match="Counted' is refused"):
        lamina.load(file, weights_only=False)
    file.seek(0)
    serialization.add_safe_globals([Counted])
    try:
        read = lamina.load(file, weights_only=False)
    finally:
        serialization.clear_safe_globals()
    assert read["count"].count == 7 and read["options"].lr == 0.1


@pytest.mark.parametrize("obj", [lambda x: x, open, iter([1]), np.array([None]), type("Local", (), {})()])
def test_what_has_no_name_or_no_attributes_is_not_written(obj: Any) -> None:
    if obj is open:  # has a name, and so a file may say it; but none may ask for it
        with pytest.raises(lamina.io.UnpicklingError, match="refused"):
            lamina.load(written(obj), weights_only=False)
        return
    with pytest.raises(TypeError, match=r"save: cannot write a .* at 'it'"):
        lamina.save({"it": obj}, io.BytesIO())


@pytest.mark.parametrize(
    "name",
    [
        b"os\nsystem",
        b"builtins\neval",
        b"subprocess\nPopen",
        b"lamina\nload",
        b"lamina.hub\ndownload_url_to_file",
        b"lamina.nn.functional\nNoSuchFunction",
        b"lamina.nn.functional\nlamina.load",
        b"test_io_instance\nUndone",
        b"test_io_instance\nCounted",
        b"__main__\n__builtins__.eval",
        b"lamina.nn.modules.module\nModule.forward",
    ],
)
def test_a_file_may_not_ask_for_anything_else(name: bytes) -> None:
    for rest in (b")\x81}b.", b"X\x04\x00\x00\x00true\x85R.", b"."):
        with pytest.raises(lamina.io.UnpicklingError, match=r"refused|cannot be called"):
            lamina.load(file_with(b"\x80\x02c" + name + b"\n" + rest), weights_only=False)


def test_nothing_is_imported_constructed_or_overwritten_for_a_file() -> None:
    assert "this" not in sys.modules
    with pytest.raises(lamina.io.UnpicklingError, match="refused"):
        lamina.load(file_with(b"\x80\x02cthis\nd\n)\x81."), weights_only=False)
    assert "this" not in sys.modules
    linear = b"\x80\x02clamina.nn.modules.linear\nLinear\n"
    with pytest.raises(lamina.io.UnpicklingError, match="arguments"):
        lamina.load(file_with(linear + b"J\x02\x00\x00\x00\x85R."), weights_only=False)
    for key in (b"X\x09\x00\x00\x00__class__", b"J\x01\x00\x00\x00"):
        with pytest.raises(lamina.io.UnpicklingError, match="must be a dict of names"):
            lamina.load(file_with(linear + b")\x81}(" + key + b"Nub."), weights_only=False)
    with pytest.raises(lamina.io.UnpicklingError):  # the class itself is not what is filled
        lamina.load(file_with(linear + b"}(X\x01\x00\x00\x00aNub."), weights_only=False)
    hollow = lamina.load(file_with(linear + b")\x81}b."), weights_only=False)
    with pytest.raises(AttributeError):
        hollow(lamina.ones(1))


def test_pythons_own_pickle_of_a_module_is_read_by_python() -> None:
    net = Net(Config(3)).eval()
    read = pickle.loads(pickle.dumps(net))
    x = lamina.randn(2, 3)
    np.testing.assert_array_equal(read(x).detach().numpy(), net(x).detach().numpy())
