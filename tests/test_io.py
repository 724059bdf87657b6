"""save, load and safetensors: round trips, whole files or none. Hostile files are in test_io_hostile.py."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import lamina
from lamina import optim
from lamina.io import safetensors
from lamina.io.file import Source

DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]


def sample(dtype="float32", shape=(2, 3)):
    rng = np.random.default_rng(len(shape))
    return lamina.from_numpy(np.asarray(rng.integers(0, 5, shape), np.float32)).to(getattr(lamina, dtype))


def same(a, b):
    assert a.dtype == b.dtype and tuple(a.shape) == tuple(b.shape)
    assert a.to(lamina.float64).tolist() == b.to(lamina.float64).tolist()


def equal(a, b):
    """Whether two checkpoints hold the same, types included."""
    if isinstance(a, lamina.Tensor):
        same(a, b)
        return True
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and (a == b or (a != a and b != b))


# ---- round trips


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(tmp_path, dtype, mmap):
    tensors = {
        "x": sample(dtype),
        "scalar": sample(dtype, ()),
        "empty": sample(dtype, (0, 3)),
        "y": sample(dtype, (5,)),
    }
    lamina.save(tensors, tmp_path / "f.safetensors")
    loaded = lamina.load(tmp_path / "f.safetensors", mmap=mmap)
    assert list(loaded) == list(tensors)
    for name, tensor in tensors.items():
        same(loaded[name], tensor)


def test_special_values_keep_their_bits(tmp_path):
    values = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324, np.finfo(np.float64).max])
    lamina.save({"x": lamina.from_numpy(values)}, tmp_path / "f.safetensors")
    assert lamina.load(tmp_path / "f.safetensors")["x"].numpy().tobytes() == values.tobytes()


def test_views_are_written_as_they_look(tmp_path):
    x = lamina.arange(12).reshape(3, 4)
    lamina.save({"t": x.t(), "part": x[1:, ::2], "wide": x[:1].expand(5, 4)}, tmp_path / "f.safetensors")
    loaded = lamina.load(tmp_path / "f.safetensors")
    assert loaded["t"].tolist() == x.t().tolist() and loaded["part"].tolist() == [[4, 6], [8, 10]]
    assert loaded["wide"].tolist() == [[0, 1, 2, 3]] * 5


@pytest.mark.parametrize("mmap", [False, True])
def test_loaded_tensors_can_be_changed_and_the_file_does_not(tmp_path, mmap):
    path = tmp_path / "f.safetensors"
    lamina.save({"x": lamina.zeros(3), "y": lamina.ones(3)}, path)
    before = path.read_bytes()
    loaded = lamina.load(path, mmap=mmap)
    loaded["x"].add_(7.0)
    assert loaded["x"].tolist() == [7.0] * 3 and loaded["y"].tolist() == [1.0] * 3
    assert path.read_bytes() == before
    lamina.save({"z": lamina.zeros(1)}, path)  # replaced while it is mapped
    assert loaded["x"].tolist() == [7.0] * 3 and loaded["y"].tolist() == [1.0] * 3


def test_reading_does_not_copy_twice(tmp_path):
    path = tmp_path / "f.safetensors"
    lamina.save({"x": lamina.zeros(1000), "y": lamina.zeros(1000)}, path)
    with Source(path) as source:
        source.read(100)
        assert np.frombuffer(source.rest(), np.uint8).ctypes.data % 64 == 0
    loaded = lamina.load(path)
    starts = sorted(tensor.data_ptr() for tensor in loaded.values())
    assert starts[1] - starts[0] == 4000  # views of one buffer


def test_open_files_and_bytes():
    data = safetensors.save({"x": sample()})
    same(lamina.load(io.BytesIO(data))["x"], sample())
    same(safetensors.load(data)["x"], sample())
    assert safetensors.load(safetensors.save({})) == {}


CHECKPOINT = {
    "model": {"a.weight": sample(), "b": sample("int64", (4,))},
    "optimizer": {
        "state": {0: {"step": sample("float32", ())}, -1: {}},
        "param_groups": [{"betas": (0.9, 0.99)}],
    },
    "numbers": [1, -(2**70), 2.5, 1e-300, float("nan"), float("inf"), -float("inf"), True, None],
    "text": 'é \ud7ff \U0001f600 "quoted" \n',
    "keys": {1: "int", "1": "str", None: 0, 2.5: (), "": {}},
    "$tensor": {"$x": 1},
    "a": {"b": sample()},
    "a.b": sample("int32"),
    "nested": [[], [[()]], ({"k": (sample(),)},)],
}


def test_checkpoints_come_back_as_they_were(tmp_path):
    lamina.save(CHECKPOINT, tmp_path / "f.safetensors")
    assert equal(lamina.load(tmp_path / "f.safetensors"), CHECKPOINT)
    plain = safetensors.load_file(tmp_path / "f.safetensors")  # any program sees them
    same(plain["model.a.weight"], sample())
    for alone in (sample(), 3, "text", [], (), None, {"x": {}}, {"__metadata__": sample()}, {3: sample()}):
        lamina.save(alone, tmp_path / "f.safetensors")
        assert equal(lamina.load(tmp_path / "f.safetensors"), alone)


def test_an_optimizer_resumes_from_its_file(tmp_path):
    def step(params, optimizer, schedule):
        for param in params:
            param.grad = lamina.ones(3)
        optimizer.step()
        schedule.step()

    def make():
        params = [lamina.zeros(3).requires_grad_() for _ in range(2)]
        optimizer = optim.Adam(params, lr=0.1, amsgrad=True)
        return params, optimizer, optim.lr_scheduler.MultiStepLR(optimizer, [2, 4])

    first = make()
    for _ in range(3):
        step(*first)
    lamina.save(
        {"optimizer": first[1].state_dict(), "schedule": first[2].state_dict()}, tmp_path / "f.safetensors"
    )
    second = make()
    saved = lamina.load(tmp_path / "f.safetensors")
    second[1].load_state_dict(saved["optimizer"])
    second[2].load_state_dict(saved["schedule"])
    for param, source in zip(second[0], first[0], strict=True):
        with lamina.no_grad():
            param.copy_(source)
    for _ in range(3):
        step(*first)
        step(*second)
    assert [p.tolist() for p in first[0]] == [p.tolist() for p in second[0]]
    assert first[2].get_last_lr() == second[2].get_last_lr()


# ---- writing


class Loop(list):
    """A list that contains itself."""


def test_what_cannot_be_saved(tmp_path):
    loop = Loop()
    loop.append(loop)
    for value, error, text in (
        ({"x": {1, 2}}, TypeError, "cannot write a set at 'x'"),
        ({"x": [np.array([None])]}, TypeError, "cannot write a ndarray at 'x.0'; turn it into a tensor"),
        (optim.SGD([lamina.zeros(1).requires_grad_()]), TypeError, "cannot write a SGD; save its state_dict"),
        ({"x": b"bytes"}, TypeError, "cannot write a bytes"),
        ({(1, 2): 3}, TypeError, "a key must be .* got tuple"),
        (loop, ValueError, "contains itself"),
    ):
        with pytest.raises(error, match=text):
            lamina.save(value, tmp_path / "f.safetensors")
        if not any(word in text for word in ("bytes", "set", "tuple", "ndarray")):
            with pytest.raises(error, match=text):
                lamina.save(value, io.BytesIO())
    with pytest.raises(TypeError, match=r"a key must be .* got bytes"):
        lamina.save({b"x": 1}, tmp_path / "f.pt")
    assert os.listdir(tmp_path) == []
    for tensors, metadata, error, text in (
        ({"x": 1}, None, TypeError, "'x' mapped to int"),
        ({1: sample()}, None, TypeError, "int 1 mapped to Tensor"),
        ({"__metadata__": sample()}, None, ValueError, "cannot be named"),
        ({}, {"x": 1}, TypeError, "strings to strings"),
    ):
        with pytest.raises(error, match=text):
            safetensors.save(tensors, metadata)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "f.safetensors"
    lamina.save({"x": sample()}, path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        safetensors.save_file({"x": sample(), "y": "text"}, path)

    def full(*args):
        raise OSError("no space left")

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, full)
        with pytest.raises(OSError, match="no space left"):
            lamina.save({"x": lamina.zeros(100)}, path)
        monkeypatch.undo()
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["f.safetensors"]


def test_a_disk_that_fails_once_while_more_is_written(tmp_path, monkeypatch):
    """The system reports a failed write to one caller alone, which may be the thread that writes ahead."""
    path = tmp_path / "f.pt"
    lamina.save({"x": sample()}, path)
    before = path.read_bytes()
    real, failed = os.fsync, []

    def once(descriptor):
        if not failed:
            failed.append(descriptor)
            raise OSError("input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", once)
    with pytest.raises(OSError, match="input/output error"):
        lamina.save({str(n): lamina.zeros(1 << 20) for n in range(8)}, path)
    assert failed and path.read_bytes() == before and os.listdir(tmp_path) == ["f.pt"]
    large = {str(n): lamina.full((1 << 20,), float(n)) for n in range(8)}
    lamina.save(large, path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    assert [value[5].item() for value in lamina.load(path).values()] == list(range(8))


def test_the_new_file_is_like_any_other(tmp_path):
    old = os.umask(0o022)
    try:
        lamina.save({"x": sample()}, tmp_path / "f.safetensors")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "f.safetensors").stat().st_mode) == 0o644
    (tmp_path / "link.safetensors").symlink_to("f.safetensors")
    lamina.save({"y": sample()}, tmp_path / "link.safetensors")  # writes where the link points
    assert (tmp_path / "link.safetensors").is_symlink() and list(lamina.load(tmp_path / "f.safetensors")) == [
        "y"
    ]
    with pytest.raises(IsADirectoryError):
        lamina.save({"x": sample()}, tmp_path)
    with pytest.raises(FileNotFoundError):
        lamina.save({"x": sample()}, tmp_path / "missing" / "f")
    with pytest.raises(FileNotFoundError):
        lamina.load(tmp_path / "missing")
    with pytest.raises(TypeError, match="expected a path"):
        lamina.load(3)


def test_names_of_any_length_and_letters(tmp_path):
    name = "ü" * 100
    lamina.save({name: sample()}, tmp_path / ("n" * 238 + ".safetensors"))
    assert list(lamina.load(tmp_path / ("n" * 238 + ".safetensors"))) == [name]


# ---- options


def test_options_that_lamina_does_not_have_are_refused(tmp_path):
    path = tmp_path / "f.safetensors"
    lamina.save({"x": sample()}, path)
    assert list(lamina.load(path, "cpu")) == list(lamina.load(path, map_location=None)) == ["x"]
    for kwargs, error, text in (
        ({"map_location": "cuda"}, RuntimeError, "no device cuda"),
        ({"weights_only": "no"}, TypeError, "weights_only must be a bool"),
        ({"pickle_module": 1}, TypeError, "pickle_module"),
    ):
        with pytest.raises(error, match=text):
            lamina.load(path, **kwargs)
    with pytest.raises(TypeError, match="expected a path"):
        lamina.load(io.BytesIO(path.read_bytes()), mmap=True)


def test_the_format_is_that_of_others(tmp_path):
    """The bytes of a file, written out by hand from the format's description."""
    header = (
        b'{"b":{"dtype":"U8","shape":[2],"data_offsets":[8,10]},'
        b'"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}'
    )
    data = len(header).to_bytes(8, "little") + header + np.array([1.5, -2], "<f4").tobytes() + b"\x03\x04"
    loaded = safetensors.load(data)
    assert (
        list(loaded) == ["b", "a"]
        and loaded["a"].tolist() == [[1.5, -2.0]]
        and loaded["b"].tolist() == [3, 4]
    )
    written = safetensors.save({"b": loaded["b"], "a": loaded["a"]}, {"format": "pt"})
    size = int.from_bytes(written[:8], "little")
    assert size % 8 == 0 and json.loads(written[8 : 8 + size]) == {
        "__metadata__": {"format": "pt"},
        **json.loads(header),
    }
    assert written[8 + size :] == data[8 + len(header) :]


def test_numpy_alone_is_needed(tmp_path):
    lamina.save({"x": sample()}, tmp_path / "f.safetensors")
    code = f"import lamina; assert lamina.load({str(tmp_path / 'f.safetensors')!r})['x'].shape == (2, 3)"
    subprocess.run([sys.executable, "-c", code], check=True)
