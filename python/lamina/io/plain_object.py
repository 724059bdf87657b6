"""What checkpoints hold beside tensors of Python's and NumPy's own: namespaces, paths, arrays, numbers.

All are data: none of them runs anything when it is made, and each is checked before.
"""

from __future__ import annotations

import pathlib
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from .file import MAX_DIMS
from .unpickler import BUILTIN, Global, Unpickler, shown

FACTORIES: dict[str, Callable[[], Any]] = {
    "builtins.list": list,
    "builtins.dict": dict,
    "builtins.set": set,
    "builtins.int": int,
    "builtins.long": int,  # as protocol 2 has it
    "builtins.float": float,
    "builtins.str": str,
    "builtins.unicode": str,
    "builtins.bool": bool,
    "builtins.tuple": tuple,
}
NUMBERS = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")


def _default_dict(machine: Unpickler, factory: Any = None) -> Any:
    if factory is not None and (not isinstance(factory, Global) or factory.name not in FACTORIES):
        machine.fail(f"a defaultdict cannot be made with {shown(factory)}")
    return defaultdict(FACTORIES[factory.name] if factory else None)


def _path(kind: Callable[..., pathlib.PurePath]) -> Callable[..., pathlib.PurePath]:
    def make(machine: Unpickler, *parts: Any) -> pathlib.PurePath:
        if not all(isinstance(part, str) for part in parts):
            machine.fail("a path is made of text")
        return kind(*parts)

    return make


def set_attributes(machine: Unpickler, target: Namespace | SimpleNamespace, state: Any) -> None:
    """The state of a namespace; it keeps what it has of itself."""
    named = isinstance(state, dict) and all(isinstance(key, str) for key in state)
    if not named or any(key.startswith("__") or hasattr(type(target), key) for key in state):
        machine.fail("a namespace's attributes must have names that it does not have itself")
    machine.charge(state)
    vars(target).update(state)


# ---- NumPy


def _dtype(machine: Unpickler, code: Any, *flags: Any) -> Any:
    if not isinstance(code, str) or code not in NUMBERS:
        machine.fail(f"NumPy's dtype {shown(code)} is none of a number")
    return np.dtype(code, copy=True)  # the state is set on it


def set_order(machine: Unpickler, target: Any, state: Any) -> None:
    """The state of a dtype, of which the byte order is all that numbers have."""
    good = isinstance(state, tuple) and len(state) >= 5 and state[1] in ("<", ">", "|", "=")
    if not good or any(part is not None for part in state[2:5]):
        machine.fail("the state of a NumPy dtype is broken")
    target.__setstate__((3, state[1], None, None, None, -1, -1, 0))


def _number(machine: Unpickler, kind: Any, data: Any) -> Any:
    [number] = _values(machine, kind, data, (1,)).tolist()
    return number


def _array(machine: Unpickler, kind: Any, shape: Any, code: Any) -> Any:
    if not isinstance(kind, Global) or kind.name != "numpy.ndarray" or shape != (0,):
        machine.fail("an array begins as an empty one")
    return np.empty(0, np.int8)


def set_array(machine: Unpickler, target: Any, state: Any) -> None:
    """The shape, the dtype and the bytes of an array."""
    if not isinstance(state, tuple) or len(state) != 5 or type(state[3]) is not bool:
        machine.fail("the state of an array is broken")
    _, shape, dtype, fortran, data = state
    machine.charge(data)
    values = _values(machine, dtype, data, shape)
    target.__setstate__((1, shape, dtype, fortran, values.tobytes()))


def _from_buffer(machine: Unpickler, data: Any, dtype: Any, shape: Any, order: Any) -> Any:
    """An array as protocol 5 has it."""
    if order not in ("C", "F"):
        machine.fail(f"an array has the order {shown(order)}")
    machine.charge(data)
    return _values(machine, dtype, data, shape).reshape(shape, order=order).copy(order=order)


def _python2(text: str, size: int) -> bytes:
    """The bytes that a str of Python 2 was, before it was read as UTF-8 if it could be, else as latin-1."""
    data = text.encode("utf-8", "replace")
    return data if len(data) == size else text.encode("latin-1", "replace")


def _values(machine: Unpickler, dtype: Any, data: Any, shape: Any) -> Any:
    """The elements in a row, if there are as many bytes as the shape says."""
    if not isinstance(dtype, np.dtype) or not isinstance(data, (bytes, bytearray, str)):
        machine.fail("numbers of NumPy must have a dtype and bytes")
    if not isinstance(shape, tuple) or len(shape) > MAX_DIMS or not all(type(n) is int for n in shape):
        machine.fail("the shape of an array must be a tuple of whole numbers")
    count = 1
    for size in shape:
        count *= size
    if isinstance(data, str):
        data = _python2(data, count * dtype.itemsize)
    if any(size < 0 for size in shape) or count * dtype.itemsize != len(data):
        machine.fail(f"an array of {count} numbers of {dtype.itemsize} bytes has {len(data)} bytes")
    values = np.frombuffer(data, dtype)
    if dtype.kind == "b" and count and values.view(np.uint8).max() > 1:
        machine.fail("a bool is neither 0 nor 1")
    return values


BUILDS = {Namespace: set_attributes, SimpleNamespace: set_attributes, np.ndarray: set_array}
CORES = ("numpy.core", "numpy._core")  # of NumPy 1 and 2
FUNCTIONS: dict[str, Callable[..., Any] | None] = {
    **dict.fromkeys(FACTORIES.keys() - BUILTIN.keys()),
    "argparse.Namespace": lambda machine: Namespace(),
    "types.SimpleNamespace": lambda machine: SimpleNamespace(),
    "collections.defaultdict": _default_dict,
    **dict.fromkeys(["pathlib.Path", "pathlib.PosixPath"], _path(pathlib.Path)),
    **dict.fromkeys(["pathlib.PurePath", "pathlib.PurePosixPath"], _path(pathlib.PurePosixPath)),
    **dict.fromkeys(["pathlib.WindowsPath", "pathlib.PureWindowsPath"], _path(pathlib.PureWindowsPath)),
    "numpy.dtype": _dtype,
    "numpy.ndarray": None,
    **{f"{core}.multiarray.scalar": _number for core in CORES},
    **{f"{core}.multiarray._reconstruct": _array for core in CORES},
    **{f"{core}.numeric._frombuffer": _from_buffer for core in CORES},
}


def set_state(machine: Unpickler, target: Any, state: Any) -> bool:
    """Set the state of an object that was made here; False if it is another."""
    if isinstance(target, np.dtype):
        set_order(machine, target, state)
    elif type(target) in BUILDS:
        BUILDS[type(target)](machine, target, state)
    else:
        return False
    return True
