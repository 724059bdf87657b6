"""Objects as PyTorch's zip files, which ``torch.load(weights_only=True)`` reads: the pickle and the archive.

The pickle is written opcode by opcode, because its globals are names of a library that need not be here.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import lamina
from lamina import _core
from lamina.device_type import device

from . import instance
from .archive import pack
from .plain_object import NUMBERS
from .torch_object import SIZES, STORAGES

if TYPE_CHECKING:
    from lamina import Tensor

ROOT = "archive"
NAMES = {dtype: f"{first}Storage" for first, (dtype, _) in STORAGES.items()}


class Position(NamedTuple):
    """Where a tensor's elements are: which storage, of how many elements, from which one, how far apart."""

    key: str
    length: int
    offset: int
    strides: tuple[int, ...]


def serialize(obj: Any) -> Iterator[Any]:
    """The parts of the file for ``obj``, in order.

    Raises:
        TypeError: ``obj`` holds something that ``lamina.save`` cannot write.
        ValueError: ``obj`` contains itself, or is nested too deeply.
    """
    try:
        positions, storages = _place(_tensors(obj))
        pickled = _Pickler(positions).dump(obj)
    except RecursionError as error:
        raise ValueError("save: the object contains itself, or is nested too deeply") from error
    members: list[tuple[str, Any]] = [
        (f"{ROOT}/data.pkl", pickled),
        (f"{ROOT}/byteorder", b"little"),
        *((f"{ROOT}/data/{key}", _core.to_bytes(flat)) for key, flat in storages.items()),
        (f"{ROOT}/version", b"3\n"),
    ]
    return pack(members)


# ---- storages


def _tensors(obj: Any) -> list[Tensor]:
    """The different tensors of an object."""
    found: dict[int, Tensor] = {}
    seen: set[int] = set()
    alive: list[Any] = []  # so that no id is given twice
    rest = [obj]
    while rest:
        value = rest.pop()
        if isinstance(value, lamina.Tensor):
            found[id(value)] = value
        elif id(value) not in seen and not isinstance(value, (str, bytes, type, int, float)):
            parts = _parts(value)
            if parts:
                seen.add(id(value))
                alive.append(value)
                rest.extend(reversed(parts))
    return list(found.values())


def _parts(value: Any) -> list[Any]:
    """What tensors may be in."""
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple)):
        return list(value)
    if type(value) is SimpleNamespace:
        return [vars(value)]
    try:
        return [instance.state_of(value)]
    except TypeError:
        return []


def _place(tensors: list[Tensor]) -> tuple[dict[int, Position], dict[str, Tensor]]:
    """Positions by the tensors' ids, and storages: tensors of one dtype whose memory overlaps share one."""
    groups: list[list[Tensor]] = []
    reached, kind = 0, None
    for tensor in sorted(tensors, key=lambda t: (str(t.dtype), t.data_ptr(), -_extent(t))):
        begin = tensor.data_ptr()
        end = begin + _extent(tensor) * tensor.element_size()
        if tensor.dtype == kind and begin < reached and tensor.numel():
            groups[-1].append(tensor)
            reached = max(reached, end)
        else:
            groups.append([tensor])
            reached, kind = end, tensor.dtype
    number = {id(tensor): at for at, tensor in enumerate(tensors)}
    positions: dict[int, Position] = {}
    storages: dict[str, Tensor] = {}

    def keep(flat: Tensor, members: list[Tensor]) -> None:
        key, first = str(len(storages)), members[0].data_ptr()
        storages[key] = flat
        for t in members:
            offset = (t.data_ptr() - first) // t.element_size() if t.numel() else 0
            positions[id(t)] = Position(key, flat.numel(), offset, tuple(t.stride()))

    for group in sorted(groups, key=lambda group: number[id(group[0])]):
        span = _span(group)
        if span is not None:
            keep(span, group)
            continue
        for t in group:
            keep(t.detach().contiguous().reshape(-1), [t])
            key, count, _, _ = positions[id(t)]
            dense = tuple(int(np.prod(t.shape[d + 1 :])) for d in range(t.ndim))
            positions[id(t)] = Position(key, count, 0, dense)
    return positions, storages


def _extent(tensor: Tensor) -> int:
    """How many elements of memory lie between the first and the last one, both counted."""
    if not tensor.numel():
        return 0
    return 1 + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride(), strict=True))


def _span(group: list[Tensor]) -> Tensor | None:
    """The memory that the tensors look at; None where they should be copied, to leave out gaps."""
    first = group[0].detach()
    count = (
        max(
            (t.data_ptr() - first.data_ptr()) // first.element_size() + _extent(t) for t in group if t.numel()
        )
        if first.numel()
        else 0
    )
    if len(group) == 1 and first.numel() < count:
        return None
    try:
        return first.as_strided((count,), (1,))
    except (ValueError, RuntimeError, IndexError):  # memory that is shared without PyTorch's knowing
        return None


# ---- the pickle


class _Pickler:
    """Writes opcodes of protocol 2."""

    def __init__(self, positions: dict[int, Position]) -> None:
        self.positions = positions
        self.out = bytearray(b"\x80\x02")
        self.memo: dict[Any, int] = {}
        self.open: set[int] = set()  # containers being written
        self.alive: list[Any] = []  # so that no id is given twice

    def dump(self, obj: Any) -> bytes:
        self.write(obj, "")
        return bytes(self.out + b".")

    def write(self, obj: Any, path: str) -> None:
        if isinstance(obj, np.generic):
            obj = obj.item()
        kind = type(obj)
        if obj is None or kind is bool:
            self.out += {None: b"N", True: b"\x88", False: b"\x89"}[obj]
        elif isinstance(obj, int):
            self.integer(int(obj))
        elif isinstance(obj, float):
            self.out += b"G" + struct.pack(">d", obj)
        elif isinstance(obj, str):
            self.remember(("text", str(obj)), lambda: self.text(str(obj)))
        elif isinstance(obj, lamina.dtype):
            self.name("torch " + str(obj).rpartition(".")[2])
        else:
            self.alive.append(obj)
            self.remember(id(obj), lambda: self.container(obj, path))

    def remember(self, key: Any, write: Any) -> None:
        """Write once, then refer to it."""
        if key in self.memo:
            index = self.memo[key]
            self.out += b"h%c" % index if index < 256 else b"j" + struct.pack("<I", index)
            return
        write()
        index = self.memo[key] = len(self.memo)
        self.out += b"q%c" % index if index < 256 else b"r" + struct.pack("<I", index)

    def text(self, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        self.out += b"X" + struct.pack("<I", len(data)) + data

    def integer(self, number: int) -> None:
        if -(2**31) <= number < 2**31:
            self.out += b"J" + struct.pack("<i", number)
        else:
            data = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
            if len(data) > 255:
                raise TypeError(f"save: an integer of {number.bit_length()} bits is too large")
            self.out += b"\x8a%c" % len(data) + data

    def name(self, dotted: str) -> None:
        """A global: module, space, name."""
        self.remember(
            ("name", dotted), lambda: self.out.extend(b"c%b\n" % dotted.replace(" ", "\n").encode())
        )

    def call(self, dotted: str, *arguments: Any, path: str = "") -> None:
        self.name(dotted)
        self.tuple_of(arguments, path)
        self.out += b"R"

    def tuple_of(self, items: tuple[Any, ...], path: str) -> None:
        self.out += b"("
        for at, item in enumerate(items):
            if callable(item) and not isinstance(item, lamina.Tensor):
                item()  # a part that is written by other means
            else:
                self.write(item, f"{path}.{at}" if path else str(at))
        self.out += b"t"

    def container(self, obj: Any, path: str) -> None:
        if id(obj) in self.open:
            raise ValueError(f"save: the object at {path!r} contains itself")
        self.open.add(id(obj))
        if isinstance(obj, lamina.Tensor):
            self.tensor(obj)
        elif isinstance(obj, Mapping):
            self.mapping(obj, path)
        elif isinstance(obj, list):
            self.out += b"]("
            for at, item in enumerate(obj):
                self.write(item, f"{path}.{at}" if path else str(at))
            self.out += b"e"
        elif isinstance(obj, lamina.Size):
            self.call("torch Size", tuple(obj))
        elif isinstance(obj, tuple) and not hasattr(obj, "_fields"):
            self.tuple_of(tuple(obj), path)
        elif isinstance(obj, (set, frozenset)):
            self.call("__builtin__ set", list(obj), path=path)
        elif isinstance(obj, device):
            self.call("torch device", *((obj.type,) if obj.index is None else (obj.type, obj.index)))
        elif isinstance(obj, complex):
            self.call("__builtin__ complex", obj.real, obj.imag)
        elif isinstance(obj, bytearray):
            self.call("__builtin__ bytearray", bytes(obj))
        elif isinstance(obj, bytes):
            self.call("_codecs encode", obj.decode("latin-1"), "latin1")
        elif isinstance(obj, (type, FunctionType, BuiltinFunctionType)) and instance.name_of(obj):
            self.out += b"c%b\n" % str(instance.name_of(obj)).replace(" ", "\n").encode()
        elif type(obj) is np.ndarray and obj.dtype.str[1:] in NUMBERS:
            self.array(obj)
        elif type(obj) is SimpleNamespace:
            self.call("types SimpleNamespace")
            self.write(vars(obj), path)
            self.out += b"b"
        elif isinstance(obj, PurePath):
            self.call(f"pathlib {type(obj).__name__}", *obj.parts)
        else:
            self.instance(obj, path)
        self.open.remove(id(obj))

    def instance(self, obj: Any, path: str) -> None:
        """An object as its class and its attributes."""
        try:
            state = instance.state_of(obj)
        except TypeError:
            from .checkpoint import cannot_save

            raise TypeError(cannot_save(obj, path)) from None
        self.name(str(instance.name_of(type(obj))))
        self.out += b")\x81"
        self.write(state, path)
        self.out += b"b"

    def mapping(self, obj: Mapping[Any, Any], path: str) -> None:
        if isinstance(obj, OrderedDict):
            self.call("collections OrderedDict")
        else:
            self.out += b"}"
        self.out += b"("
        for key, value in obj.items():
            if not (key is None or isinstance(key, (bool, int, float, str, tuple))):
                raise TypeError(
                    f"save: a key must be a string, number, bool, None or tuple, got {type(key).__name__}"
                )
            self.write(key, path)
            self.write(value, f"{path}.{key}" if path else str(key))
        self.out += b"u"
        metadata = getattr(obj, "_metadata", None)
        if isinstance(obj, OrderedDict) and isinstance(metadata, Mapping):
            self.write({"_metadata": metadata}, path)
            self.out += b"b"

    def array(self, array: Any) -> None:
        """As NumPy's own ``__reduce__`` has it; its module is called by the name of the NumPy at hand."""
        core = "_core" if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else "core"
        order = array.dtype.str[0]
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous

        def dtype() -> None:
            self.call("numpy dtype", array.dtype.str[1:], False, True)
            self.write((3, order, None, None, None, -1, -1, 0), "")
            self.out += b"b"

        self.call(f"numpy.{core}.multiarray _reconstruct", lambda: self.name("numpy ndarray"), (0,), b"b")
        self.tuple_of((1, tuple(array.shape), dtype, fortran, array.tobytes("F" if fortran else "C")), "")
        self.out += b"b"

    def tensor(self, tensor: Tensor) -> None:
        from lamina.nn.parameter import Parameter

        wrapped = isinstance(tensor, Parameter)
        hooks = OrderedDict[str, Any]()
        position = self.positions[id(tensor)]
        dtype = str(tensor.dtype).rpartition(".")[2]
        typed = dtype in NAMES
        count = position.length if typed else position.length * SIZES[dtype]

        def storage() -> None:
            kind = f"torch {NAMES[dtype]}" if typed else "torch.storage UntypedStorage"
            self.tuple_of(("storage", lambda: self.name(kind), position.key, "cpu", count), "")
            self.out += b"Q"

        form = (storage, position.offset, tuple(tensor.shape), position.strides)
        flags = (tensor.requires_grad and not wrapped, hooks, *(() if typed else (tensor.dtype,)))

        def rebuilt() -> None:
            self.call(f"torch._utils _rebuild_tensor_v{2 if typed else 3}", *form, *flags)

        if wrapped:
            self.call("torch._utils _rebuild_parameter", rebuilt, tensor.requires_grad, hooks)
        else:
            rebuilt()
