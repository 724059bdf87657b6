"""Files made to lie: each is refused with a FileFormatError that says what is wrong, and none crashes."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest

import lamina
from lamina.io import safetensors

GOOD = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


def file_of(header, data=bytes(24), length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def changed(**fields):
    return {"x": {**GOOD, **fields}}


LIES = {
    "nothing": (b"", "begins with 8 bytes, but there are 0"),
    "seven bytes": (b"1234567", "begins with 8 bytes, but there are 7"),
    "header longer than the file": (file_of({}, length=50), "claims 50 bytes, but 26 follow"),
    "header longer than allowed": (file_of({}, length=2**63), "no format that lamina reads"),
    "empty header": (file_of(b"", b""), "does not begin with '{'"),
    "no JSON": (file_of(b"{nonsense}"), "is not JSON"),
    "a list": (file_of(b"[1, 2]  "), "does not begin with '{'"),
    "space before": (file_of(b" {}", b""), "does not begin with '{'"),
    "half a header": (file_of(json.dumps({"x": GOOD}).encode()[:-4]), "is not JSON"),
    "two headers": (file_of(b"{}{}", b""), "is not JSON"),
    "bad UTF-8": (file_of(b'{"\xff": 1}'), "is not JSON"),
    "deep": (file_of(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "is not JSON"),
    "huge number": (file_of(b'{"x":' + b"9" * 10_000 + b"}"), "is not JSON"),
    "a key twice": (file_of(b'{"x": %b, "x": %b}' % ((json.dumps(GOOD).encode(),) * 2)), "the key 'x' twice"),
    "a field twice": (file_of(b'{"x": {"dtype": "F32", "dtype": "F64"}}'), "the key 'dtype' twice"),
    "metadata of numbers": (file_of({"__metadata__": {"a": 1}, "x": GOOD}), "must map strings to strings"),
    "metadata as a list": (file_of({"__metadata__": [], "x": GOOD}), "must map strings to strings"),
    "an entry that is a number": (file_of({"x": 3}), "must be described by"),
    "a field missing": (file_of({"x": {"dtype": "F32", "shape": [2, 3]}}), "must be described by"),
    "a field too many": (file_of(changed(stride=[1])), "must be described by"),
    "unknown dtype": (file_of(changed(dtype="F4")), "has the dtype 'F4'; lamina has F64, "),
    "dtype as a list": (file_of(changed(dtype=["F32"])), "has the dtype <class 'list'>"),
    "negative size": (file_of(changed(shape=[-2, -3])), "shape must be a list of non-negative"),
    "fraction as size": (file_of(changed(shape=[2.0, 3])), "shape must be a list of non-negative"),
    "true as size": (file_of(changed(shape=[True, 6])), "shape must be a list of non-negative"),
    "size beyond 64 bits": (file_of(changed(shape=[2**64, 0])), "shape must be a list of non-negative"),
    "size that overflows": (file_of(changed(shape=[2**40, 2**40])), "overflows"),
    "overflow behind a zero": (file_of(changed(shape=[2**40, 2**40, 0])), "overflows"),
    "overflow to the right size": (file_of(changed(shape=[2**62 + 6, 4])), "overflows"),
    "too many dimensions": (file_of(changed(shape=[1] * 1000 + [6])), "tensor 'x'"),
    "one offset": (file_of(changed(data_offsets=[24])), "a begin and an end"),
    "offsets turned round": (file_of(changed(data_offsets=[24, 0])), "a begin and an end"),
    "offset as a string": (file_of(changed(data_offsets=["0", "24"])), "data_offsets must be a list of"),
    "offsets too short": (file_of(changed(data_offsets=[0, 20])), "takes 24 bytes, but data_offsets are"),
    "more data than said": (file_of({"x": GOOD}, bytes(25)), "take 24 bytes, but 25 follow"),
    "less data than said": (file_of({"x": GOOD}, bytes(23)), "take 24 bytes, but 23 follow"),
    "data without tensors": (file_of({}), "take 0 bytes, but 24 follow"),
    "a gap at the start": (file_of(changed(data_offsets=[8, 32]), bytes(32)), "leaves a gap before it"),
    "a gap": (
        file_of({"x": GOOD, "y": {**GOOD, "data_offsets": [32, 56]}}, bytes(56)),
        "'y' leaves a gap before it: it begins at 32, expected 24",
    ),
    "an overlap": (
        file_of({"x": GOOD, "y": {**GOOD, "data_offsets": [16, 40]}}, bytes(40)),
        "'y' overlaps the one before",
    ),
    "shared bytes": (file_of({"x": GOOD, "y": GOOD}), "'y' overlaps the one before"),
    "a bool of 2": (
        file_of({"x": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]}}, b"\x00\x02\x01"),
        "tensor 'x': a BOOL cannot be 2",
    ),
}


@pytest.mark.parametrize(("data", "text"), LIES.values(), ids=list(LIES))
def test_lies_are_refused(tmp_path, data, text):
    with pytest.raises(lamina.FileFormatError, match=text):
        lamina.load(io.BytesIO(data))
    path = tmp_path / "liar"
    path.write_bytes(data)
    for mmap in (False, True):
        with pytest.raises(lamina.FileFormatError, match=text) as caught:
            lamina.load(path, mmap=mmap)
        assert str(path) in str(caught.value)


def test_the_truth_is_not_refused():
    assert lamina.load(io.BytesIO(file_of({"x": GOOD})))["x"].shape == (2, 3)
    nothing = {"dtype": "F64", "shape": [0, 7], "data_offsets": [24, 24]}
    loaded = lamina.load(io.BytesIO(file_of({"y": nothing, "x": GOOD, "z": nothing})))
    assert [tuple(tensor.shape) for tensor in loaded.values()] == [(0, 7), (2, 3), (0, 7)]


def test_tensors_that_are_not_aligned():
    """Other writers may put a float32 behind a single byte."""
    header = {
        "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [1, 9]},
    }
    text = json.dumps(header).encode()
    for pad in range(8):  # wherever the header ends
        data = file_of(text + b" " * pad, b"\x07" + np.array([1.5, -2], "<f4").tobytes())
        loaded = lamina.load(io.BytesIO(data))
        assert loaded["b"].tolist() == [1.5, -2.0] and (loaded["b"] * 2).tolist() == [3.0, -4.0]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"<!DOCTYPE html><html>", "text, such as an error page"),
        (b'  {"error": 404}', "text, such as an error page"),
        (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS, not the file itself"),
        (b"\x7fELF" + bytes(range(100)), "no format that lamina reads"),
    ],
)
def test_other_kinds_of_file_are_named(data, text):
    with pytest.raises(lamina.FileFormatError, match=re.escape(f"this is {text}")):
        lamina.load(io.BytesIO(data))


def test_a_header_whose_length_looks_like_a_pickle():
    header = json.dumps({"x": GOOD}).encode()
    data = file_of(header + b" " * (0x280 - len(header)))
    assert data[:2] == b"\x80\x02"
    assert list(lamina.load(io.BytesIO(data))) == ["x"]


STRUCTURES = {
    "no JSON": "{",
    "no tree": '{"version": 1}',
    "another version": '{"version": 2, "tree": {"$tensor": "x"}}',
    "a list": "[1]",
    "a tensor that is not there": '{"version": 1, "tree": {"$tensor": "y"}}',
    "a tensor twice": '{"version": 1, "tree": [{"$tensor": "x"}, {"$tensor": "x"}]}',
    "a tensor left out": '{"version": 1, "tree": []}',
    "a tensor with company": '{"version": 1, "tree": {"$tensor": "x", "b": 1}}',
    "an unknown sign": '{"version": 1, "tree": [{"$tensor": "x"}, {"$code": "print()"}]}',
    "a float that is none": '{"version": 1, "tree": [{"$tensor": "x"}, {"$float": "1e5"}]}',
    "a dict that is none": '{"version": 1, "tree": [{"$tensor": "x"}, {"$dict": [1, 2]}]}',
    "a key that cannot be one": '{"version": 1, "tree": [{"$tensor": "x"}, {"$dict": [[[], 1]]}]}',
    "depth": '{"version": 1, "tree": ' + "[" * 100_000 + "]" * 100_000 + "}",
}


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=list(STRUCTURES))
def test_structures_that_lie(structure):
    data = safetensors.save({"x": lamina.zeros(2)}, {"lamina.structure": structure})
    with pytest.raises(lamina.FileFormatError, match=r"lamina\.structure in the metadata is broken"):
        lamina.load(io.BytesIO(data))
    assert list(safetensors.load(data)) == ["x"]  # the tensors themselves are sound
