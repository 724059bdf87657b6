"""What checkpoints hold beside tensors: namespaces, paths, NumPy's arrays; and dtypes that lamina lacks."""

from __future__ import annotations

import argparse
import io
import json
import pathlib
import pickle
import types
from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest

import lamina
from lamina.io import UnpicklingError, safetensors
from lamina.serialization import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from source_torch import call, dict_of, integer, name, numbers, storage, text, tuple_of, zip_of


def load(data):
    return lamina.load(io.BytesIO(data))


def pickled(obj):
    """``obj`` as Python itself writes it, between the protocol and the stop."""
    return pickle.dumps(obj, 2)[2:-1]


def again(obj):
    file = io.BytesIO()
    lamina.save(obj, file)
    return load(file.getvalue())


OBJECTS = {
    "namespace": argparse.Namespace(lr=0.1, out=pathlib.PurePosixPath("/a/b"), names=["x"], none=None),
    "simple namespace": types.SimpleNamespace(a=1, b={"c": (2,)}),
    "path": pathlib.Path("runs/1"),
    "windows": pathlib.PureWindowsPath("C:\\x"),
}
DEFAULTS = [defaultdict(list, a=[1]), defaultdict(int, b=2), defaultdict(None, c=3)]
ARRAYS = {
    "float64": np.arange(6.0).reshape(2, 3),
    "int32, turned": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
    "bool, no dimension": np.array(True),
    "empty": np.zeros((0, 2), np.float16),
    "big-endian": np.arange(3, dtype=">i8"),
    "complex": np.array([1 + 2j]),
    "every second": np.arange(10, dtype=np.uint8)[::2],
}


@pytest.mark.parametrize("obj", OBJECTS.values(), ids=list(OBJECTS))
def test_objects_of_python(obj):
    for found in (load(zip_of(pickled(obj))), again(obj), load(pickle.dumps({"x": obj}, 4))["x"]):
        assert found == obj and type(found) is type(obj)


@pytest.mark.parametrize("obj", DEFAULTS, ids=["list", "int", "None"])
def test_default_dicts(obj):
    found = load(zip_of(pickled(obj)))
    assert found == obj and found.default_factory is obj.default_factory
    assert again(obj) == dict(obj)


@pytest.mark.parametrize("array", ARRAYS.values(), ids=list(ARRAYS))
def test_arrays_of_numpy(array):
    old = pickled(array).replace(b"numpy._core.", b"numpy.core.")
    for found in (
        load(zip_of(pickled(array))),
        load(zip_of(old)),
        again(array),
        load(pickle.dumps(array, 5)),
    ):
        assert (
            type(found) is np.ndarray
            and found.dtype in (array.dtype, array.dtype.newbyteorder("="))
            and found.shape == array.shape
        )
        assert np.array_equal(found, array)
    rest = load(zip_of(pickled({"array": array, "same": array, "dtype": array.dtype})))
    assert rest["array"] is rest["same"] and rest["dtype"] == array.dtype


def test_the_state_of_numpys_generator():
    state = np.random.RandomState(3).get_state()
    found = again(state)
    one, two = np.random.RandomState(), np.random.RandomState(3)
    one.set_state(found)
    assert one.uniform() == two.uniform()


F4 = call(("numpy", "dtype"), text("f4"), b"\x89", b"\x88")
EMPTY = call(("numpy._core.multiarray", "_reconstruct"), name("numpy", "ndarray"), numbers(0), text("b"))


def array_of(shape, data, dtype=F4, fortran=b"\x89"):
    return EMPTY + tuple_of(integer(1), shape, dtype, fortran, data) + b"b"


EIGHT = call(("_codecs", "encode"), text("\1" * 8), text("latin1"))
LIES = {
    "too large": (array_of(numbers(3), EIGHT), "3 numbers of 4 bytes has 8 bytes"),
    "negative": (array_of(numbers(-2), EIGHT), "has 8 bytes"),
    "twice negative": (array_of(numbers(-2, -1), EIGHT), "has 8 bytes"),
    "overflow": (array_of(numbers(2**62, 2**62), EIGHT), "has 8 bytes"),
    "of text": (array_of(text("ab"), EIGHT), "a tuple of whole numbers"),
    "many dimensions": (array_of(numbers(*[1] * 70), EIGHT), "a tuple of whole numbers"),
    "no dtype": (array_of(numbers(2), EIGHT, dtype=b"N"), "must have a dtype and bytes"),
    "objects": (call(("numpy", "dtype"), text("O8"), b"\x89", b"\x88"), "'O8' is none of a number"),
    "fields": (F4 + tuple_of(integer(3), text("<"), b"N", b"}", b"N") + b"b", "dtype is broken"),
    "another class": (
        call(("numpy._core.multiarray", "_reconstruct"), name("torch", "Size"), numbers(0), text("b")),
        "begins as an empty one",
    ),
    "begins large": (
        call(("numpy._core.multiarray", "_reconstruct"), name("numpy", "ndarray"), numbers(2**40), text("b")),
        "begins as an empty one",
    ),
    "a bool of 1 and 9": (
        array_of(
            numbers(2),
            call(("_codecs", "encode"), text("\1\t"), text("latin1")),
            call(("numpy", "dtype"), text("b1"), b"\x89", b"\x88"),
        ),
        "neither 0 nor 1",
    ),
    "a namespace's own": (
        name("argparse", "Namespace") + b")\x81" + dict_of(_get_kwargs=b"N") + b"b",
        "it does not have itself",
    ),
    "a path of numbers": (call(("pathlib", "PosixPath"), integer(3)), "a path is made of text"),
    "a factory that is called": (
        call(("collections", "defaultdict"), name("torch", "Size")),
        "cannot be made with <torch.Size>",
    ),
}


@pytest.mark.parametrize(("part", "message"), LIES.values(), ids=list(LIES))
def test_lies(part, message):
    with pytest.raises(UnpicklingError, match=message):
        load(zip_of(part))


# ---- what a script allows


class Setting:
    def __init__(self, value):
        self.value = value


class Counted(Setting):
    def __setstate__(self, state):
        self.value = state["value"] + 1


def test_only_what_is_allowed_is_made():
    data = zip_of(pickled({"a": Setting(3), "b": Counted(4), "c": Fraction(1, 3)}))
    with pytest.raises(UnpicklingError, match="safe_globals"):
        load(data)
    with safe_globals([Setting, Counted, Fraction]):
        x = load(data)
        assert set(get_safe_globals()) == {Setting, Counted, Fraction}
    assert (x["a"].value, x["b"].value, x["c"]) == (3, 5, Fraction(1, 3)) and type(x["a"]) is Setting
    assert get_safe_globals() == []
    with pytest.raises(UnpicklingError, match="is refused"):
        load(data)
    add_safe_globals([(Fraction, "other.Name")])
    assert load(zip_of(call(("other", "Name"), integer(1), integer(2)))) == Fraction(1, 2)
    clear_safe_globals()
    for wrong in ([3], [(Fraction, 3)]):
        with pytest.raises(TypeError, match="safe_globals"):
            add_safe_globals(wrong)


def test_some_are_never_allowed():
    import os

    with safe_globals([os.system, (os.system, "os.system"), eval, exec]):
        for module, word in (
            ("posix", "system"),
            ("os", "system"),
            ("builtins", "eval"),
            ("builtins", "exec"),
        ):
            with pytest.raises(UnpicklingError, match="is refused"):
                load(zip_of(call((module, word), text("1"))))


# ---- dtypes that lamina lacks


def float8(byte, exponent_bits, bias, special):
    """One number by the definition."""
    fraction_bits = 7 - exponent_bits
    sign = -1.0 if byte >> 7 else 1.0
    exponent, fraction = byte >> fraction_bits & (2**exponent_bits - 1), byte & (2**fraction_bits - 1)
    if special(exponent, fraction) is not None:
        return sign * special(exponent, fraction)
    if exponent == 0:
        return sign * fraction * 2.0 ** (1 - bias - fraction_bits)
    return sign * (1 + fraction / 2**fraction_bits) * 2.0 ** (exponent - bias)


def no_infinity(exponent, fraction):
    return np.nan if (exponent, fraction) == (15, 7) else None


def as_in_half(exponent, fraction):
    return None if exponent < 31 else np.nan if fraction else np.inf


WIDER = {
    "float8_e4m3fn": ("F8_E4M3", np.float32, [float8(b, 4, 7, no_infinity) for b in range(256)], np.uint8),
    "float8_e5m2": ("F8_E5M2", np.float32, [float8(b, 5, 15, as_in_half) for b in range(256)], np.uint8),
    "uint16": ("U16", np.int32, [*range(65536 - 256, 65536)], np.uint16),
    "uint32": ("U32", np.int64, [*range(2**32 - 256, 2**32)], np.uint32),
}


@pytest.mark.parametrize("dtype", WIDER)
def test_narrow_dtypes_become_wider(dtype):
    code, wide, expected, stored = WIDER[dtype]
    data = np.arange(256, dtype=np.uint8) if stored is np.uint8 else np.array(expected, stored)
    header = json.dumps({"x": {"dtype": code, "shape": [2, 128], "data_offsets": [0, data.nbytes]}})
    one = safetensors.load(len(header).to_bytes(8, "little") + header.encode() + data.tobytes())["x"]
    part = tuple_of(text("storage"), name("torch.storage", "UntypedStorage"), text("0"), text("cpu"))
    part = part[:-1] + integer(data.nbytes) + b"tQ"
    hooks = call(("collections", "OrderedDict"))
    tensor = call(
        ("torch._utils", "_rebuild_tensor_v3"),
        *(part, integer(0), numbers(2, 128), numbers(128, 1), b"\x89", hooks, name("torch", dtype)),
    )
    two = load(zip_of(tensor, [("0", data.tobytes())]))
    for x in (one, two):
        assert x.dtype is getattr(lamina, np.dtype(wide).name) and x.shape == (2, 128)
        assert np.array_equal(x.numpy().reshape(-1), np.array(expected, wide), equal_nan=wide is np.float32)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (call(("torch._utils", "_rebuild_sparse_tensor"), b"N", b"N"), "lamina has no sparse tensors"),
        (call(("torch._utils", "_rebuild_qtensor"), b"N"), "lamina has no quantized tensors"),
        (storage("0", 6, "QInt8"), "QInt8Storage>, which lamina lacks"),
        (storage("0", 6), "a storage without a tensor"),
    ],
)
def test_what_lamina_lacks_is_named(part, message):
    with pytest.raises(UnpicklingError, match=message):
        load(zip_of(part))


# ---- with PyTorch


def test_pytorch_reads_and_writes_the_same():
    torch = pytest.importorskip("torch")
    weight = lamina.arange(6.0).reshape(2, 3)
    file = io.BytesIO()
    lamina.save({**OBJECTS, "arrays": list(ARRAYS.values()), "w": weight}, file)
    found = torch.load(io.BytesIO(file.getvalue()), weights_only=False)
    assert (
        all(found[key] == value for key, value in OBJECTS.items()) and found["w"].tolist() == weight.tolist()
    )
    for one, two in zip(found["arrays"], ARRAYS.values(), strict=True):
        assert one.dtype.itemsize == two.dtype.itemsize and np.array_equal(one, two)
    for dtype in ("float8_e4m3fn", "float8_e5m2", "uint16", "uint32"):
        x = torch.arange(0, 60, 7).to(getattr(torch, dtype)).reshape(3, 3).t()
        back = io.BytesIO()
        torch.save({"x": x, "y": x[1]}, back)
        read = load(back.getvalue())
        assert (
            read["x"].tolist() == x.to(torch.float64).tolist() and read["y"].tolist() == read["x"][1].tolist()
        )
