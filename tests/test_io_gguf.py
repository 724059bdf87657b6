"""GGUF: metadata of every type, tensors, blocks against a reading number by number, and files made to lie."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

import lamina
from source_gguf import BLOCKS, blocks, file_of, info, metadata, string

PLAIN = {0: "float32", 1: "float16", 24: "int8", 25: "int16", 26: "int32", 27: "int64", 28: "float64"}


def load(data, **options):
    return lamina.io.load_gguf(io.BytesIO(data), **options)


# ---- what is read


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks(tmp_path, name):
    number, size, numbers, _, reading = BLOCKS[name]
    data = blocks(name, 6, np.random.default_rng(number))
    path = tmp_path / "f.gguf"
    path.write_bytes(file_of((), [info("w", (3, 2 * numbers), number, 0)], data.tobytes()))
    expected = np.array([reading(bytes(b)) for b in data]).reshape(3, -1)
    _, loaded = lamina.io.load_gguf(path)
    assert loaded["w"].dtype == lamina.float32 and tuple(loaded["w"].shape) == (3, 2 * numbers)
    np.testing.assert_allclose(loaded["w"].numpy(), expected, rtol=1e-5, atol=1e-6 * abs(expected).max())
    _, kept = lamina.io.load_gguf(path, dequantize=False)
    assert kept["w"].type == name and tuple(kept["w"].shape) == (3, 2 * numbers)
    assert kept["w"].blocks.dtype == lamina.uint8 and tuple(kept["w"].blocks.shape) == (3, 2 * size)
    assert kept["w"].blocks.numpy().tobytes() == data.tobytes()
    assert kept["w"].dequantize().tolist() == loaded["w"].tolist()


@pytest.mark.parametrize("kind", PLAIN)
def test_plain_tensors(kind):
    values = np.arange(24).astype(PLAIN[kind])
    data = file_of((), [info("a.weight", (2, 3, 4), kind, 0)], values.tobytes())
    [(name, tensor)] = load(data)[1].items()
    assert name == "a.weight" and tensor.dtype == getattr(lamina, PLAIN[kind])
    assert tensor.tolist() == values.reshape(2, 3, 4).tolist()


def test_bfloat16():
    data = file_of((), [info("x", (3,), 30, 0)], struct.pack("<3H", 0x3F80, 0xC000, 0x7F80))
    assert load(data)[1]["x"].dtype == lamina.bfloat16
    assert load(data)[1]["x"].tolist() == [1.0, -2.0, float("inf")]


def test_metadata():
    values = [
        metadata("u8", 0, b"\xff"),
        metadata("i8", 1, b"\xff"),
        metadata("u16", 2, struct.pack("<H", 65535)),
        metadata("i16", 3, struct.pack("<h", -2)),
        metadata("u32", 4, struct.pack("<I", 2**32 - 1)),
        metadata("i32", 5, struct.pack("<i", -3)),
        metadata("f32", 6, struct.pack("<f", 0.5)),
        metadata("bool", 7, b"\x01"),
        metadata("string", 8, string("Grüße")),
        metadata("numbers", 9, struct.pack("<IQ3i", 5, 3, 1, -2, 3)),
        metadata("bools", 9, struct.pack("<IQ2B", 7, 2, 0, 1)),
        metadata("strings", 9, struct.pack("<IQ", 8, 2) + string("") + string("b")),
        metadata("nested", 9, struct.pack("<IQIQ2H", 9, 1, 2, 2, 7, 8)),
        metadata("u64", 10, struct.pack("<Q", 2**64 - 1)),
        metadata("i64", 11, struct.pack("<q", -(2**63))),
        metadata("f64", 12, struct.pack("<d", 0.1)),
        metadata("byte", 8, string(b"\xff")),
    ]
    found, tensors = load(file_of(values))
    assert tensors == {} and found.pop("byte").encode("utf-8", "surrogateescape") == b"\xff"
    assert found == {
        "u8": 255,
        "i8": -1,
        "u16": 65535,
        "i16": -2,
        "u32": 2**32 - 1,
        "i32": -3,
        "f32": 0.5,
        "bool": True,
        "string": "Grüße",
        "numbers": [1, -2, 3],
        "bools": [False, True],
        "strings": ["", "b"],
        "nested": [[7, 8]],
        "u64": 2**64 - 1,
        "i64": -(2**63),
        "f64": 0.1,
    }
    assert found["bool"] is True


def test_alignment_and_changing_a_tensor(tmp_path):
    values = [metadata("general.alignment", 4, struct.pack("<I", 256))]
    infos = [info("a", (2,), 0, 0), info("b", (2,), 0, 256)]
    body = struct.pack("<2f", 1, 2) + bytes(248) + struct.pack("<2f", 3, 4)
    path = tmp_path / "f"
    path.write_bytes(file_of(values, infos, body, alignment=256))
    before = path.read_bytes()
    _, tensors = lamina.io.load_gguf(path)
    tensors["b"] += 1
    assert tensors["a"].tolist() == [1, 2] and tensors["b"].tolist() == [4, 5]
    assert path.read_bytes() == before


# ---- lies

X = info("x", (4,), 0, 0)
U32 = struct.pack("<I", 1)
LIES = {
    "nothing": (b"", "the magic number takes 4 bytes, but 0 are left"),
    "another magic": (file_of(magic=b"GGJT"), "begins with b'GGUF'"),
    "version 1": (file_of(version=1), "version 1; lamina reads 2 and 3"),
    "big-endian": (file_of(version=3 << 24), "a big-endian file"),
    "too many tensors": (file_of(counts=(2**60, 0)), "1152921504606846976 tensors are claimed"),
    "too many values": (file_of(counts=(0, 2**63)), "9223372036854775808 metadata entries are claimed"),
    "a key of 2^60 bytes": (file_of([struct.pack("<QIQ", 2**60, 0, 0)]), "takes 1152921504606846976 bytes"),
    "a string of 2^60 bytes": (
        file_of([metadata("k", 8, struct.pack("<QQ", 2**60, 0))]),
        "the value of 'k' takes 1152921504606846976 bytes",
    ),
    "an array of 2^60 strings": (
        file_of([metadata("k", 9, struct.pack("<IQ", 8, 2**60))]),
        "1152921504606846976 elements of the value of 'k'",
    ),
    "an array of 2^62 numbers": (
        file_of([metadata("k", 9, struct.pack("<IQ", 10, 2**62))]),
        "4611686018427387904 elements of the value of 'k'",
    ),
    "deep arrays": (
        file_of([metadata("k", 9, struct.pack("<IQ", 9, 1) * 1000 + struct.pack("<IQB", 0, 1, 1))]),
        "nested more than 8 deep",
    ),
    "a key that is not UTF-8": (file_of([metadata(b"\xff", 4, U32)]), "is not UTF-8"),
    "a key twice": (file_of([metadata("k", 4, U32)] * 2), "the key 'k' twice"),
    "an unknown type of value": (file_of([metadata("k", 13, U32)]), "unknown type 13"),
    "a bool of 2": (file_of([metadata("k", 7, b"\x02")]), "a bool cannot be 2"),
    "bools of 3": (file_of([metadata("k", 9, struct.pack("<IQB", 7, 1, 3))]), "a bool cannot be 3"),
    "alignment 0": (file_of([metadata("general.alignment", 4, bytes(4))]), "must be a power of two, not 0"),
    "alignment of words": (
        file_of([metadata("general.alignment", 8, string("a"))]),
        "a power of two, not 'a'",
    ),
    "a tensor twice": (file_of((), [X, X], bytes(16)), "two tensors named 'x'"),
    "five dimensions": (file_of((), [info("x", (1,) * 5, 0, 0)], bytes(4)), "has 5 dimensions"),
    "2^31 dimensions": (
        file_of((), [string("x") + struct.pack("<I", 2**31) + bytes(40)]),
        "has 2147483648 dimensions",
    ),
    "an unknown type": (file_of((), [info("x", (4,), 99, 0)], bytes(16)), "has type 99; lamina reads F32"),
    "a removed type": (file_of((), [info("x", (32,), 4, 0)], bytes(99)), "has type 4;"),
    "an overflow": (file_of((), [info("x", (2**32, 2**32), 0, 0)]), "overflows"),
    "overflow behind a zero": (file_of((), [info("x", (2**62, 2**62, 0), 0, 0)]), "overflows"),
    "half a block": (file_of((), [info("x", (48,), 2, 0)], bytes(99)), "no multiple of Q4_0's 32"),
    "not aligned": (file_of((), [info("x", (4,), 0, 8)], bytes(99)), "no multiple of 32"),
    "beyond the end": (
        file_of((), [info("x", (4,), 0, 0)], bytes(15)),
        "ends at byte 16 of the data, which has 15",
    ),
    "far beyond the end": (file_of((), [info("x", (4,), 0, 2**63)], bytes(16)), "ends at byte"),
    "an overlap": (file_of((), [X, info("y", (4,), 0, 0)], bytes(16)), "'y' overlaps the one before"),
}


@pytest.mark.parametrize(("data", "text"), LIES.values(), ids=list(LIES))
def test_lies_are_refused(tmp_path, data, text):
    for pad in (
        (b"", bytes(64)) if "beyond" not in text and "ends" not in text and "take" not in text else (b"",)
    ):
        with pytest.raises(lamina.FileFormatError, match=text):
            load(data + pad if data else data)
    path = tmp_path / "liar"
    path.write_bytes(data)
    with pytest.raises(lamina.FileFormatError, match="at byte") as caught:
        lamina.io.load_gguf(path)
    assert str(path) in str(caught.value)
