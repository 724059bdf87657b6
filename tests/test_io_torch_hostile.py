"""PyTorch's files and pickles made to lie, to run code or to take forever: each is refused, saying where."""

from __future__ import annotations

import io
import os
import pickle
import struct
import time
import zipfile

import numpy as np
import pytest

import lamina
from lamina.io import UnpicklingError
from source_torch import (
    NO_HOOKS,
    SIX,
    X,
    call,
    dict_of,
    integer,
    name,
    numbers,
    storage,
    stream_of,
    tensor,
    text,
    tuple_of,
    zip_of,
)

PART = storage("0", 6)


def load(data, **options):
    return lamina.load(io.BytesIO(data), **options)


# ---- code


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


FORBIDDEN = {
    "posix.system": Evil(os.system, "touch {}"),
    "builtins.exec": Evil(exec, "open({!r}, 'w')"),
    "builtins.eval": Evil(eval, "open({!r}, 'w')"),
    "builtins.getattr": Evil(getattr, "x", "y"),
    "io.open": Evil(open, "{}", "w"),
    "builtins.__import__": Evil(__import__, "os"),
}


@pytest.mark.parametrize("weights_only", [None, True, False])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("forbidden", FORBIDDEN)
def test_code_is_refused_by_name(tmp_path, forbidden, protocol, weights_only):
    trap = tmp_path / "trap"
    function, arguments = FORBIDDEN[forbidden].call
    evil = Evil(
        function, *[item.replace("{}", str(trap)).replace("{!r}", repr(str(trap))) for item in arguments]
    )
    pickled = pickle.dumps({"epoch": 3, "x": evil}, protocol)
    body = pickled[2:-1]  # without the protocol and the stop
    for data in (pickled, zip_of(body), stream_of(body)):
        with pytest.raises(UnpicklingError, match=f"the global '{forbidden}' is refused") as caught:
            load(data, weights_only=weights_only)
        assert "at byte" in str(caught.value) and isinstance(caught.value, lamina.FileFormatError)
        assert isinstance(caught.value, pickle.UnpicklingError)
    assert not trap.exists()


@pytest.mark.parametrize(
    "path",
    [
        *[
            "torch.load",
            "torch.hub.load",
            "torch._utils._rebuild_device_tensor_from_numpy",
            "torch.nn.modules.linear.Linear",
        ],
        *[
            "torch.storage._load_from_bytes",
            "lamina.load",
            "lamina.io.format.load",
            "numpy.load",
            "os.system",
        ],
        *["builtins.type", "functools.partial", "torch.ops", "builtins.getattr"],
        *["torch.FloatStorage.__init__", "torch.DataStorage", "torch.Tensor.numpy", "__torch__.Net"],
        *["copyreg._reconstructor", "numpy.core.multiarray._reconstruct2", "torch.jit._pickle.build_intlist"],
    ],
)
def test_other_globals_are_refused(path):
    module, _, last = path.rpartition(".")
    for make in (zip_of, stream_of):
        with pytest.raises(UnpicklingError, match=f"the global '{path}' is refused"):
            load(make(name(module, last) + b")R"))


def test_the_place_is_named(tmp_path):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(zip_of(dict_of(x=name("os", "system"))))
    with pytest.raises(
        UnpicklingError, match=r"checkpoint\.pt: archive/data\.pkl, at byte 10: the global 'os"
    ):
        lamina.load(path)


# ---- pickles that lie

OBJECTS = {
    "cut short": (b"}(K", "cut short"),
    "a stack of two": (b"}}", "1 values left over"),
    "an empty stack": (b"0", "at byte"),
    "a mark as the object": (b"(", "left over"),
    "no mark": (b"]e", "no mark"),
    "text protocol": (b"S'x'\n", "opcode b'S'"),
    "a class by name": (b"(ios\nsystem\n", "opcode b'i'"),
    "an extension code": (b"\x82\x01", "opcode b'\\\\x82'"),
    "a memo that is not there": (b"h\x05", "nothing was remembered as 5"),
    "a memo far away": (b"]r\xff\xff\xff\xffj\xfe\xff\xff\xff", "nothing was remembered as 4294967294"),
    "text of 4 GB": (b"X\xff\xff\xff\xff", "4294967295 bytes are claimed"),
    "text of 2^63 bytes": (b"\x8d" + b"\xff" * 7 + b"\x7f", "9223372036854775807 bytes are claimed"),
    "bytes of 2^60": (b"\x8e" + struct.pack("<Q", 2**60), "1152921504606846976 bytes are claimed"),
    "an integer of 2 KB": (b"\x8b" + struct.pack("<I", 2048) + b"\x01" * 2048, "an integer of 2048 bytes"),
    "bad UTF-8": (b"X\x01\0\0\0\xff", "UnicodeDecodeError"),
    "a name without end": (b"c" + b"a" * 5000, "a name of more than 1000 characters"),
    "a list as a key": (b"}]Ns", "list cannot be a key"),
    "a dict in a set": (b"\x8f(}\x90", "dict cannot be a key"),
    "nested tuples as a key": (b"}" + b")" + b"\x85" * 3 + b"Ns", "tuple cannot be a key"),
    "calling a number": (b"K\x01)R", "int 1 cannot be called"),
    "calling with a list": (name("torch", "Size") + b"]R", "cannot be called"),
    "calling a class of storages": (name("torch", "FloatStorage") + b")R", "cannot be called"),
    "state of a list": (b"]}b", "state of a list cannot be set"),
    "state of a function": (
        name("torch", "Size") + dict_of(make=b"N") + b"b",
        "state of a Global cannot be set",
    ),
    "dunder state": (NO_HOOKS + dict_of(__class__=b"N") + b"b", "attributes must have names"),
    "appending to a tuple": (b")Na", "appended to a tuple"),
    "odd items": (b"}(Nu", "items are set on a dict"),
    "items of a tensor": (tensor(PART) + b"NNs", "items are set on a Tensor"),
    "a size of text": (call(("torch", "Size"), text("ab")), "must be non-negative integers"),
    "a huge size": (call(("torch", "Size"), numbers(2**64)), "must be non-negative integers"),
    "an unknown device": (call(("torch", "device"), text("toaster")), "none of cpu, cuda, mps"),
    "a strange encoding": (call(("_codecs", "encode"), text("a"), text("zip")), "cannot be encoded"),
    "a bytearray of 2^40": (
        call(("builtins", "bytearray"), integer(2**40)),
        "bytearray cannot be made of a int",
    ),
    "a persistent number": (integer(3) + b"Q", "something other than a storage"),
    "a persistent module": (
        tuple_of(text("module"), b"N", text("f"), text("source")) + b"Q",
        "other than a storage",
    ),
    "a storage of another type": (
        tuple_of(text("storage"), name("torch", "Size"), text("0"), text("cpu"), integer(6)) + b"Q",
        "has the type <torch.Size>",
    ),
    "a negative storage": (storage("0", -1), "claims -1 elements"),
    "a storage of 2^62": (storage("0", 2**62), "claims 4611686018427387904 elements"),
    "a storage of two types": (tuple_of(storage("0", 6), storage("0", 6, "Int")), "one storage is taken for"),
    "a tensor of no storage": (tensor(b"N"), "made of a NoneType"),
    "a tensor too large": (tensor(PART, (2, 4), (4, 1)), "at byte"),
    "a tensor behind the end": (tensor(PART, (2, 3), (3, 1), 1), "at byte"),
    "a tensor far behind": (tensor(PART, (2,), (2**62,), 0), "at byte"),
    "a negative offset": (tensor(PART, (2,), (1,), -1), "offset must be non-negative"),
    "a negative stride": (tensor(PART, (2,), (-1,), 3), "stride must be non-negative"),
    "a tensor that overflows": (tensor(PART, (2**40, 2**40), (0, 0)), "overflows"),
    "an overflow behind a zero": (tensor(PART, (2**40, 2**40, 0), (0, 0, 0)), "overflows"),
    "more strides than sizes": (tensor(PART, (2,), (1, 1)), "at byte"),
    "65 dimensions": (tensor(PART, (1,) * 65, (1,) * 65), "at byte"),
    "hooks": (tensor(PART, hooks=dict_of(hook=b"N")), "backward hooks"),
    "requires_grad of 7": (tensor(PART, grad=integer(7)), "requires_grad must be a bool"),
    "gradients of integers": (tensor(storage("1", 3, "Long"), (3,), (1,), grad=b"\x88"), "at byte"),
    "a bool of 2": (tensor(storage("2", 3, "Bool"), (3,), (1,)), "a bool is neither 0 nor 1"),
    "a parameter of text": (
        call(("torch._utils", "_rebuild_parameter"), text("x"), b"\x88", b"}"),
        "must be a tensor",
    ),
}
MORE = {"0": SIX, "1": np.arange(3), "2": np.array([0, 2, 1], np.uint8)}


@pytest.mark.parametrize(("part", "message"), OBJECTS.values(), ids=list(OBJECTS))
def test_lying_objects(part, message):
    data = zip_of(part, [(key, values.tobytes()) for key, values in MORE.items()])
    with pytest.raises(UnpicklingError, match=message):
        load(data)
    used = [key for key in MORE if text(key) in part]
    stream = stream_of(part, [(key, len(MORE[key]), MORE[key].tobytes()) for key in used])
    with pytest.raises(lamina.FileFormatError):
        load(stream)


# ---- archives and streams that lie


def patched(data, sign, offset, code, value):
    """``data`` with a number changed in the last header that begins with ``sign``."""
    out = bytearray(data)
    struct.pack_into(code, out, data.rindex(sign) + offset, value)
    return bytes(out)


def bomb():
    return zip_of(X, [("0", bytes(400_000_000))], compression=zipfile.ZIP_DEFLATED)


GOOD = zip_of(X)
CENTRAL, END = b"PK\x01\x02", b"PK\x05\x06"
ARCHIVES = {
    "half a file": (GOOD[: len(GOOD) // 2], "cut short"),
    "nothing but a start": (GOOD[:30], "cut short"),
    "two disks": (patched(GOOD, END, 4, "<H", 1), "one part of several"),
    "60000 members": (
        patched(patched(GOOD, END, 8, "<H", 60000), END, 10, "<H", 60000),
        "claims 60000 members in",
    ),
    "a directory beyond the end": (patched(GOOD, END, 16, "<I", 2**31), "but ends before"),
    "a directory of 2 GB": (patched(GOOD, END, 12, "<I", 2**31), "but ends before"),
    "a member beyond the end": (patched(GOOD, CENTRAL, 42, "<I", 2**31), "beyond the end"),
    "a member elsewhere": (patched(GOOD, CENTRAL, 42, "<I", 3), "is not where the directory says"),
    "a member of 2 GB": (
        patched(patched(GOOD, CENTRAL, 20, "<I", 2**31), CENTRAL, 24, "<I", 2**31),
        "claims 2147483648 bytes",
    ),
    "two sizes": (patched(GOOD, CENTRAL, 24, "<I", 25), "claims 25 bytes, 24 of the file"),
    "encrypted": (patched(GOOD, CENTRAL, 8, "<H", 1), "is encrypted"),
    "another method": (patched(GOOD, CENTRAL, 10, "<H", 12), "packed by a method other"),
    "another sign": (patched(GOOD, CENTRAL, 0, "<I", 0), "of the directory is broken"),
    "a bomb": (bomb(), "claim to grow to 400000"),
    "a smaller bomb": (
        patched(zip_of(X, [("0", bytes(10**6))], compression=8), CENTRAL, 24, "<I", 24),
        "does not inflate to the 24 bytes",
    ),
    "no deflation": (patched(GOOD, CENTRAL, 10, "<H", 8), "cannot be inflated"),
    "no pickle": (
        zip_of(X, more=[("x", b"")]).replace(b"data.pkl", b"data.pkz"),
        "with a data.pkl in the archive",
    ),
    "two pickles": (zip_of(X, more=[("b/data.pkl", b"")]), "there are 2"),
    "no storage": (zip_of(X, []), "has no storage 'archive/data/0'"),
    "a path out of the archive": (
        zip_of(dict_of(x=tensor(storage("../../../etc/passwd", 6)))),
        "has no storage 'archive/data/../../../etc/passwd'",
    ),
    "a short storage": (zip_of(X, [("0", bytes(20))]), "'0' of 6 elements of 4 bytes has 20 bytes"),
    "a long storage": (zip_of(X, [("0", bytes(28))]), "has 28 bytes"),
    "big-endian": (zip_of(X, more=[("archive/byteorder", b"big")]), "not little-endian"),
    "a member twice": (
        zip_of(X, more=[("archive/data.pkX", b"")]).replace(b"pkX", b"pkl"),
        "'archive/data.pkl' twice",
    ),
}


@pytest.mark.parametrize(("data", "message"), ARCHIVES.values(), ids=list(ARCHIVES))
def test_lying_archives(tmp_path, data, message):
    path = tmp_path / "liar.pt"
    path.write_bytes(data)
    for mmap in (False, True):
        with pytest.raises(lamina.FileFormatError, match=message) as caught:
            lamina.load(path, mmap=mmap)
        assert str(path) in str(caught.value)


def test_members_that_lie_over_one_another():
    """Many names for the same bytes, as bombs without any recursion have it."""
    data = bytearray(GOOD)
    first = data.index(CENTRAL)
    second = data.index(CENTRAL, first + 4)
    struct.pack_into("<I", data, first + 20, second - 100)
    struct.pack_into("<I", data, first + 24, second - 100)
    with pytest.raises(lamina.FileFormatError, match=r"lies over|claims"):
        load(bytes(data))


STREAMS = {
    "another protocol": (stream_of(X, protocol=1000, little=False), "at byte"),
    "big-endian": (stream_of(X, little=False), "little-endian"),
    "storages of terabytes": (
        stream_of(dict_of(x=tensor(storage("0", 2**40))), [("0", 2**40, b"")]),
        "storages of more bytes are claimed",
    ),
    "storages that are not named": (stream_of(X, keys=["1"]), "not those that were named"),
    "a storage twice": (stream_of(X, keys=["0", "0"]), "not those that were named"),
    "another count": (stream_of(X, [("0", 5, SIX.tobytes())]), "has 5 elements"),
    "a negative count": (stream_of(X, [("0", -6, SIX.tobytes())]), "elements"),
    "a short storage": (stream_of(X, [("0", 6, bytes(20))]), "cut short"),
    "a bool of 3": (
        stream_of(dict_of(x=tensor(storage("0", 6, "Bool"))), [("0", 6, b"\0\1\0\1\3\0")]),
        "neither 0 nor 1",
    ),
    "nothing behind the magic number": (stream_of(X)[:15], "cut short"),
}


@pytest.mark.parametrize(("data", "message"), STREAMS.values(), ids=list(STREAMS))
def test_lying_streams(data, message):
    with pytest.raises(UnpicklingError, match=message):
        load(data)


# ---- time and memory

LAUGHS = b"]q\0" + b"".join(b"](" + b"h%c" % n * 10 + b"eq%c" % (n + 1) for n in range(30))
HUNGRY = {
    "a stack of 2 million": (b"]" * 2_000_000, "values wait for their container"),
    "copies of one text": (
        text("x" * 100_000)
        + b"q\0"
        + text("latin1")
        + b"q\1"
        + b"".join(name("_codecs", "encode") + b"(h\0h\1tR0" for _ in range(5000)),
        "copies the same values over and over",
    ),
    "copies of one tuple": (
        b"("
        + b"K\1" * 100_000
        + b"tq\0"
        + b"".join(name("builtins", "set") + b"h\0\x85R0" for _ in range(5000)),
        "copies the same values over and over",
    ),
    "keys that collide": (
        b"}(" + b"".join(integer(n * (2**61 - 1)) + b"N" for n in range(1, 5000)) + b"u",
        "cannot be a key",
    ),
    "many tuples as keys": (
        b"}(" + b"".join(numbers(n, n) + b"N" for n in range(50_000)) + b"u",
        "more than 10000 tuples are keys",
    ),
}


@pytest.mark.parametrize(("part", "message"), HUNGRY.values(), ids=list(HUNGRY))
def test_hungry_pickles(part, message):
    begin = time.process_time()
    with pytest.raises(UnpicklingError, match=message):
        load(zip_of(part))
    assert time.process_time() - begin < 20


def test_what_is_nested_deeply_or_shared_widely_takes_no_longer_than_its_size():
    begin = time.process_time()
    load(zip_of(b"(" + LAUGHS + b"t"))
    load(zip_of(b"]" + b"]" * 100_000 + b"a" * 100_000))
    load(zip_of(b")" + b"\x85" * 100_000))
    assert time.process_time() - begin < 20
