"""NumPy's files, sharded checkpoints and Hugging Face folders: what is read, and what is refused."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest

import lamina
from lamina.io import load_folder

KINDS = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "?", ">f4", ">i8"]


def npy(values, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, values, **options)
    return file.getvalue()


def load(data):
    return lamina.load(io.BytesIO(data))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (0, 4), (2, 1, 3)])
def test_npy(tmp_path, kind, shape):
    values = np.asarray(np.random.default_rng(0).integers(0, 2, shape)).astype(kind)
    for order in "CF":
        data = npy(np.asarray(values, order=order))
        x = load(data)
        assert x.dtype == getattr(lamina, values.dtype.name) and tuple(x.shape) == shape
        assert x.tolist() == values.tolist()
    (tmp_path / "x.npy").write_bytes(data)
    assert lamina.load(tmp_path / "x.npy", mmap=True).tolist() == values.tolist()


def test_npz(tmp_path):
    arrays = {"w": np.arange(6.0).reshape(2, 3), "a/b": np.array(3), "c": np.ones((2, 2), np.float16).T}
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "f.npz", **arrays)
        loaded = lamina.load(tmp_path / "f.npz")
        assert list(loaded) == list(arrays)
        for key, value in arrays.items():
            assert loaded[key].tolist() == value.tolist()


def header(text, data=bytes(24), version=1):
    body = text.encode() if isinstance(text, str) else text
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(body)) + body + data


def said(descr="'<f4'", order="False", shape="(2, 3)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


class Evil:
    def __reduce__(self):
        return print, ("never",)


LIES = {
    "objects": (npy(np.array([Evil()], dtype=object)), "not an array of numbers"),
    "nothing": (b"\x93NUMPY\x01\0", "begins with"),
    "version 9": (header(said(), version=9), "version 9"),
    "a long header": (header("")[:8] + b"\xff\xff", "with a header of 65535 bytes in a file of 10"),
    "code": (header(said("__import__('os').abort()")), "not an array of numbers"),
    "deep": (header(said(shape="(" * 20000)), "not an array of numbers"),
    "text": (npy(np.array(["a"])), "not an array of numbers"),
    "records": (npy(np.zeros(2, [("a", "f4")])), "not an array of numbers"),
    "an unknown dtype": (header(said("'<f16'"), bytes(96)), "lamina has no dtype float128"),
    "too few bytes": (header(said(), bytes(23)), "takes 24 bytes, got 23"),
    "too many bytes": (header(said(), bytes(25)), "takes 24 bytes, got 25"),
    "an overflow": (header(said(shape="(4611686018427387904, 4)")), "overflows"),
    "an overflow behind a zero": (header(said(shape="(4611686018427387904, 4, 0)"), b""), "overflows"),
    "a size of 30 digits": (header(said(shape=f"({'9' * 30},)")), "overflows"),
    "a negative size": (header(said(shape="(-2, -3)")), "not an array of numbers"),
    "100 dimensions": (header(said(shape="(" + "1, " * 99 + "6)")), "npy|dimensions"),
    "a bool of 2": (header(said("'|b1'", shape="(3,)"), b"\0\2\1"), "neither 0 nor 1"),
}


@pytest.mark.parametrize(("data", "text"), LIES.values(), ids=list(LIES))
def test_lies(data, text):
    with pytest.raises(lamina.FileFormatError, match=text):
        load(data)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", data)
    with pytest.raises(lamina.FileFormatError, match=r"x\.npy"):
        load(file.getvalue())


def test_an_archive_of_other_things():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", npy(np.ones(2)))
        archive.writestr("x.pkl", pickle.dumps(Evil()))
    with pytest.raises(lamina.FileFormatError, match=r"data\.pkl"):
        load(file.getvalue())


# ---- shards and folders


@pytest.fixture
def shards(tmp_path):
    tensors = {f"layer.{n}": lamina.full((2,), float(n)) for n in range(4)}
    places = {}
    for part in range(2):
        name = f"model-{part}.safetensors"
        own = {key: value for key, value in tensors.items() if int(key[-1]) % 2 == part}
        lamina.save(own, tmp_path / name)
        places.update(dict.fromkeys(own, name))
    index = {"metadata": {"total_size": 32}, "weight_map": {key: places[key] for key in tensors}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "config.json").write_text('{"model_type": "toy"}')
    return tmp_path, index


def test_sharded_checkpoints(shards):
    folder, _ = shards
    for loaded in (
        lamina.load(folder / "model.safetensors.index.json"),
        lamina.load(str(folder / "model.safetensors.index.json"), mmap=True),
        load_folder(folder)[1],
    ):
        assert [value.tolist() for value in loaded.values()] == [[n, n] for n in range(4)]
    assert load_folder(folder)[0] == {"model_type": "toy"}


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_folders_of_one_file(tmp_path, name):
    lamina.save({"w": lamina.ones(2)}, tmp_path / name)
    config, tensors = load_folder(tmp_path, mmap=True)
    assert config == {} and tensors["w"].tolist() == [1, 1]
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=r"none of model\.safetensors, "):
        load_folder(tmp_path)


@pytest.mark.parametrize(
    ("places", "text"),
    [
        ({"layer.0": "../secret.safetensors"}, "not the name of a file beside"),
        ({"layer.0": "/etc/passwd"}, "not the name of a file beside"),
        ({"layer.0": ".."}, "not the name of a file beside"),
        ({"layer.0": "model.safetensors.index.json"}, "another index"),
        ({"layer.0": 3}, "must map"),
        ([], "must map"),
        ({"layer.9": "model-0.safetensors"}, r"model-0\.safetensors has no tensor 'layer\.9'"),
    ],
)
def test_indexes_that_lie(shards, places, text):
    folder, index = shards
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({**index, "weight_map": places}))
    with pytest.raises(lamina.FileFormatError, match=text):
        lamina.load(path)
    for broken in ("", "[]", "[" * 100_000, "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")):
        path.write_text(broken)
        with pytest.raises(lamina.FileFormatError, match="JSON"):
            lamina.load(path)
