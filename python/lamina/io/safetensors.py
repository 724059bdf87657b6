"""The safetensors format: named tensors behind a JSON header. This file is the one door that checks it.

A file is the length of the header (8 bytes, little-endian), the header, and the tensors' bytes without gaps
(https://huggingface.co/docs/safetensors). Everything the header claims is checked before anything is
believed.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

import lamina
from lamina import _core

from .file import MAX_DIMS, Source, replace_file
from .wider import WIDER, widened

if TYPE_CHECKING:
    from lamina import Tensor

# The format's name of a dtype, lamina's, and the bytes per element.
DTYPES = {
    "F64": ("float64", 8),
    "C64": ("complex64", 8),
    "I64": ("int64", 8),
    "F32": ("float32", 4),
    "I32": ("int32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
}
WIDER_DTYPES = {"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "U16": "uint16", "U32": "uint32"}
SIZES = {code: size for code, (_, size) in DTYPES.items()} | {
    code: WIDER[name].bytes for code, name in WIDER_DTYPES.items()
}
METADATA = "__metadata__"
Fail = Callable[[str], NoReturn]
MAX_HEADER = 100_000_000  # bytes, the format's own limit


class Entry(NamedTuple):
    """What the header says of one tensor; ``begin`` and ``end`` count from the end of the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def save_file(
    tensors: Mapping[str, Tensor], filename: str | os.PathLike[str], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors, and strings beside them, to a file that is replaced as a whole.

    Raises:
        TypeError: a name or a metadata entry is not a string, or a value is not a tensor.
        ValueError: a tensor is named ``__metadata__``, or the header exceeds 100 MB.

    >>> save_file({"weight": lamina.zeros(2, 3)}, "model.safetensors")
    """
    replace_file(filename, serialize(tensors, metadata))


def save(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """The same as bytes."""
    return b"".join(serialize(tensors, metadata))


def load_file(
    filename: str | os.PathLike[str], device: str = "cpu", *, mmap: bool = False
) -> dict[str, Tensor]:
    """The tensors of a file, in the order of its header.

    The tensors share one buffer. With ``mmap`` it is the mapped file, and a page is read when it is first
    used; the file must then not be cut short while a tensor of it lives.

    Raises:
        FileFormatError: the file is not what it claims to be, or holds a dtype that lamina lacks.

    >>> state = load_file("model.safetensors")
    """
    check_device(device)
    with Source(filename, mmap) as file:
        return read(file)[0]


def load(data: bytes) -> dict[str, Tensor]:
    """The tensors of a file's bytes, copied."""
    from io import BytesIO

    return read(Source(BytesIO(data)))[0]


def check_device(device: Any) -> None:
    """Raise ValueError unless ``device`` (None for the default) is the CPU."""
    if device is not None and str(device) != "cpu":
        raise ValueError(f"expected the device 'cpu', but got {device!r}")


def read(file: Source) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of what follows in ``file``."""
    entries, metadata = _read_header(file)
    buffer = file.rest()
    return {entry.name: _tensor(entry, buffer, file.name) for entry in entries}, metadata


def serialize(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None) -> Iterator[Any]:
    """The parts of the file, in order; errors as ``save_file``."""
    names = {getattr(lamina, ours): (code, size) for code, (ours, size) in DTYPES.items()}
    header: dict[str, Any] = {}
    if metadata:
        if not all(isinstance(text, str) for pair in metadata.items() for text in pair):
            raise TypeError("metadata must map strings to strings")
        header[METADATA] = dict(metadata)
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, lamina.Tensor):
            raise TypeError(
                f"expected strings mapped to Tensors, but got {type(name).__name__} {name!r} mapped to "
                f"{type(tensor).__name__}"
            )
        if name == METADATA:
            raise ValueError(f"a tensor cannot be named {METADATA}")
        header[name] = {"dtype": names[tensor.dtype][0], "shape": list(tensor.shape), "data_offsets": []}
    # The widest types first, so that every tensor begins at a multiple of its element's size.
    order = sorted(tensors, key=lambda name: -names[tensors[name].dtype][1])
    offset = 0
    for name in order:
        end = offset + tensors[name].numel() * names[tensors[name].dtype][1]
        header[name]["data_offsets"] = [offset, end]
        offset = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise ValueError(f"the header would have {len(text)} bytes; the format allows {MAX_HEADER}")
    yield len(text).to_bytes(8, "little")
    yield text
    for name in order:
        yield _core.to_bytes(tensors[name].detach())


def _read_header(file: Source) -> tuple[list[Entry], dict[str, str]]:
    def fail(text: str) -> NoReturn:
        raise lamina.FileFormatError(f"{file.name}: {text}")

    start = file.read(8)
    if len(start) < 8:
        fail(f"a safetensors file begins with 8 bytes, but there are {len(start)}")
    length = int.from_bytes(start, "little")
    left = file.size - file.position
    if length > MAX_HEADER:
        fail(f"the header claims {length} bytes; the format allows {MAX_HEADER}")
    if length > left:
        fail(f"the header claims {length} bytes, but {left} follow")
    header = _parse(file.read(length), fail)
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        fail(f"{METADATA} must map strings to strings")
    entries = [_entry(name, value, fail) for name, value in header.items()]
    _check_ranges(entries, left - length, fail)
    return entries, metadata


def _parse(text: bytes, fail: Fail) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
            fail(f"the header has the key {twice!r} twice")
        return result

    if not text.startswith(b"{"):
        fail("the header does not begin with '{'")
    try:
        return json.loads(text.decode(), object_pairs_hook=unique)
    except lamina.FileFormatError:
        raise
    except (ValueError, RecursionError) as error:  # bad UTF-8 is a ValueError too
        fail(f"the header is not JSON: {error}")


def _entry(name: str, value: Any, fail: Fail) -> Entry:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        fail(f"tensor {name!r} must be described by dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in SIZES:
        said = dtype if isinstance(dtype, str) else type(dtype)
        fail(f"tensor {name!r} has the dtype {said!r:.40}; lamina has {', '.join(SIZES)}")
    for field, numbers in (("shape", shape), ("data_offsets", offsets)):
        if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n < 2**63 for n in numbers):
            fail(f"tensor {name!r}: {field} must be a list of non-negative 64-bit integers")
    if len(shape) > MAX_DIMS:
        fail(f"tensor {name!r} has {len(shape)} dimensions, more than {MAX_DIMS}")
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        fail(f"tensor {name!r}: data_offsets must be a begin and an end, but got {offsets}")
    itemsize = SIZES[dtype]
    if prod(n for n in shape if n) * itemsize >= 2**63:  # zeros would hide an overflow of the strides
        fail(f"tensor {name!r}: the size of shape {shape} overflows")
    size = prod(shape) * itemsize
    if offsets[1] - offsets[0] != size:
        fail(f"tensor {name!r}: {dtype} of shape {shape} takes {size} bytes, but data_offsets are {offsets}")
    return Entry(name, dtype, tuple(shape), offsets[0], offsets[1])


def _check_ranges(entries: list[Entry], size: int, fail: Fail) -> None:
    position = 0
    for entry in sorted(entries, key=lambda entry: (entry.begin, entry.end)):
        if entry.begin != position:
            kind = "overlaps the one before" if entry.begin < position else "leaves a gap before it"
            fail(f"tensor {entry.name!r} {kind}: it begins at {entry.begin}, expected {position}")
        position = entry.end
    if position != size:
        fail(f"the tensors take {position} bytes, but {size} follow the header")


def _tensor(entry: Entry, buffer: memoryview, file_name: str) -> Tensor:
    itemsize = SIZES[entry.dtype]
    try:
        part = np.frombuffer(buffer, np.uint8, entry.end - entry.begin, entry.begin)
        if entry.dtype in WIDER_DTYPES:
            return widened(WIDER_DTYPES[entry.dtype], part).reshape(entry.shape)
        dtype = getattr(lamina, DTYPES[entry.dtype][0])
        if entry.begin == entry.end:
            return lamina.empty(entry.shape, dtype=dtype)
        if entry.dtype == "BOOL" and part.max() > 1:
            raise ValueError(f"a BOOL cannot be {part.max()}")
        if part.ctypes.data % itemsize:  # other writers need not align
            return _core.from_buffer(part.copy(), dtype, entry.shape, 0)
        return _core.from_buffer(buffer, dtype, entry.shape, entry.begin)
    except ValueError as error:  # or the core's ShapeError, for too many dimensions
        raise lamina.FileFormatError(f"{file_name}: tensor {entry.name!r}: {error}") from error
