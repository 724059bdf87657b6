"""dtypes: their short names, their limits, and the tensor types that carry a dtype in their name."""

from __future__ import annotations

import copyreg
import math
from typing import Any

from lamina import _core
from lamina._core import Tensor, dtype

# name, short names, name of the tensor type
NAMES = (
    ("float32", ("float",), "FloatTensor"),
    ("float64", ("double",), "DoubleTensor"),
    ("float16", ("half",), "HalfTensor"),
    ("bfloat16", (), "BFloat16Tensor"),
    ("int64", ("long",), "LongTensor"),
    ("int32", ("int",), "IntTensor"),
    ("int16", ("short",), "ShortTensor"),
    ("int8", (), "CharTensor"),
    ("uint8", (), "ByteTensor"),
    ("bool", (), "BoolTensor"),
    ("complex64", ("cfloat",), "ComplexFloatTensor"),
    ("complex128", ("cdouble",), "ComplexDoubleTensor"),
)
ALIASES: dict[str, dtype] = {
    alias: getattr(_core, name) for name, short, _ in NAMES for alias in (name, *short)
}
# bits of the significand without the leading one, largest and smallest exponent of a normal number
_FLOATS = {"float16": (10, 15), "bfloat16": (7, 127), "float32": (23, 127), "float64": (52, 1023)}
_INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
# Python's types stand for dtypes wherever one is asked for.
_PYTHON = {float: _core.float64, int: _core.int64, bool: _core.bool, complex: _core.complex128}


def _dtype_named(name: str) -> dtype:
    return ALIASES[name]


copyreg.pickle(dtype, lambda d: (_dtype_named, (d.name,)))


def name_of(d: dtype) -> str:
    """``"float32"`` for ``lamina.float32``."""
    return d.name


class finfo:
    """The limits of a floating dtype, or of the parts of a complex one.

    They are ``bits eps max min tiny smallest_normal resolution dtype``.

    Raises:
        TypeError: the dtype is neither floating nor complex.

    >>> lamina.finfo(lamina.float16).max
    65504.0
    """

    def __init__(self, type: dtype | None = None) -> None:
        known: Any = _PYTHON
        d = known.get(type, type) if type is not None else _core.get_default_dtype()
        if not isinstance(d, dtype) or not (d.is_floating_point or d.is_complex):
            raise TypeError(f"finfo: expected a floating dtype, got {type}; lamina.iinfo handles integers")
        d = d.to_real()
        digits, exponent = _FLOATS[d.name]
        self.dtype = d.name
        self.bits = 8 * d.itemsize
        self.eps = 2.0**-digits
        self.max = (2.0 - self.eps) * 2.0**exponent
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** (1 - exponent)
        self.resolution = 10.0 ** -math.floor(digits * math.log10(2))

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """The limits of an integer dtype: ``bits max min dtype``.

    Raises:
        TypeError: the dtype is not one of integers.

    >>> lamina.iinfo(lamina.uint8).max
    255
    """

    def __init__(self, type: dtype) -> None:
        d = _PYTHON.get(type, type)  # type: ignore[call-overload]
        if not isinstance(d, dtype) or d.name not in _INTEGERS:
            raise TypeError(f"iinfo: expected an integer dtype, got {type}; lamina.finfo handles floats")
        self.dtype = d.name
        self.bits = 8 * d.itemsize
        self.max = 2 ** (self.bits - d.is_signed) - 1
        self.min = -self.max - 1 if d.is_signed else 0

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a value of one dtype may become one of another in an op: never from a complex number to a
    float, from that to an integer, nor from any to bool.

    >>> lamina.can_cast(lamina.float64, lamina.int32)
    False
    """
    kinds = [
        3 if d.is_complex else 2 if d.is_floating_point else 0 if d is _core.bool else 1 for d in (from_, to)
    ]
    return kinds[0] <= kinds[1]


class _TypedTensors(type):
    """The class of FloatTensor and its kin: of one dtype, made as ``Tensor(...)`` makes float32 ones."""

    dtype: dtype

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype

    def __call__(cls, *args: Any) -> Tensor:
        from lamina.convert import legacy_tensor

        return legacy_tensor(*args, dtype=cls.dtype)


TYPES = {
    kind: _TypedTensors(kind, (), {"dtype": ALIASES[name], "__module__": "lamina"})
    for name, _, kind in NAMES
    if "complex" not in name
}


def dtype_from(given: Any, word: str) -> dtype:
    """A dtype from what ``Tensor.type`` takes: a dtype, FloatTensor, or its name with or without the
    package's.

    Raises:
        TypeError: it names no dtype of lamina.
    """
    if isinstance(given, str) and ".cuda." not in given:
        given = TYPES.get(given.rpartition(".")[2], given)
    if isinstance(given, _TypedTensors):
        return given.dtype
    given = _PYTHON.get(given, given) if isinstance(given, type) else given
    if not isinstance(given, dtype):
        raise TypeError(f"{word}: expected a dtype or the name of a tensor type, got {given!r}")
    return given


def type_name(d: dtype) -> str:
    """``"lamina.FloatTensor"`` for ``lamina.float32``: what ``Tensor.type()`` answers."""
    return "lamina." + next(kind for name, _, kind in NAMES if name == d.name)
