"""GGUF, the files of llama.cpp: metadata and named tensors, most of them in blocks of few bits.

Everything the file claims is checked before it is believed. The blocks are read in gguf_block.py.
"""

from __future__ import annotations

import os
import struct
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

import lamina
from lamina import _core

from .file import Source
from .gguf_block import BLOCKS, BY_NAME, dequantize

if TYPE_CHECKING:
    from lamina import Tensor

MAGIC = b"GGUF"
# Types of numbers in the metadata, by their number in the file, as struct writes them.
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
# Types of tensors that are no blocks: name, lamina's dtype, bytes.
PLAIN = {
    0: ("F32", "float32", 4),
    1: ("F16", "float16", 2),
    24: ("I8", "int8", 1),
    25: ("I16", "int16", 2),
    26: ("I32", "int32", 4),
    27: ("I64", "int64", 8),
    28: ("F64", "float64", 8),
    30: ("BF16", "bfloat16", 2),
}
MAX_DIMS = 4
MAX_NESTING = 8  # arrays in arrays; real files have none


class QuantizedTensor(NamedTuple):
    """A tensor as the file has it: the type's name, the shape of its numbers, the bytes of its blocks.

    ``blocks`` is uint8 of shape ``(*shape[:-1], bytes of one row)``.

    >>> weight = QuantizedTensor("Q8_0", lamina.Size([1, 32]), lamina.zeros(1, 34, dtype=lamina.uint8))
    >>> weight.dequantize().shape
    lamina.Size([1, 32])
    """

    type: str
    shape: tuple[int, ...]
    blocks: Tensor

    def dequantize(self) -> Tensor:
        """The numbers as a float32 tensor of ``shape``."""
        values = dequantize(BY_NAME[self.type], self.blocks.numpy())
        return lamina.from_numpy(values).reshape(self.shape)


def load_gguf(
    f: str | os.PathLike[str] | Any, *, dequantize: bool = True
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metadata and the tensors of a GGUF file, in the order of the file.

    Shapes are as PyTorch writes them, outermost dimension first (the file lists the innermost first). A path
    is mapped, not read; tensors of plain types share its pages, and the file must not be cut short while they
    live. Blocks become float32, or with ``dequantize=False`` stay as :class:`QuantizedTensor`.

    Args:
        f: a path, or a file open for reading in binary.

    Raises:
        FileFormatError: the file is not what it claims to be, or has a type of block that lamina lacks.

    >>> metadata, tensors = lamina.io.load_gguf("model.gguf")
    >>> metadata["general.architecture"]
    'llama'
    """
    with Source(f, mapped=isinstance(f, (str, os.PathLike))) as file:
        return read(file, dequantize)


def read(file: Source, dequantize: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same from what follows in ``file``."""
    buffer, name = file.rest(), file.name
    reader = _Reader(buffer, name)
    metadata, entries = reader.header()
    start = reader.position
    tensors = {entry.name: _tensor(entry, buffer, start, name) for entry in entries}
    if dequantize:
        for key, value in tensors.items():
            if isinstance(value, QuantizedTensor):
                tensors[key] = value.dequantize()
    return metadata, tensors


class Entry(NamedTuple):
    """What the file says of one tensor; ``begin`` counts from the start of the tensors' bytes."""

    name: str
    kind: int
    shape: tuple[int, ...]
    begin: int
    size: int


class _Reader:
    """A position in the file's bytes, and how to read what stands there."""

    def __init__(self, buffer: memoryview, name: str) -> None:
        self.buffer, self.name, self.position = buffer, name, 0
        self.view = np.frombuffer(buffer, np.uint8)

    def fail(self, text: str) -> NoReturn:
        raise lamina.FileFormatError(f"{self.name}: at byte {self.position}: {text}")

    def take(self, count: int, what: str) -> memoryview:
        left = len(self.buffer) - self.position
        if count > left:
            self.fail(f"{what} takes {count} bytes, but {left} are left")
        self.position += count
        return self.buffer[self.position - count : self.position]

    def number(self, code: str, what: str) -> Any:
        data = self.take(struct.calcsize("<" + code), what)
        if code == "?" and data[0] > 1:
            self.fail(f"{what}: a bool cannot be {data[0]}")
        return struct.unpack("<" + code, data)[0]

    def string(self, what: str, errors: str = "strict") -> str:
        data = bytes(self.take(self.number("Q", what), what))
        try:
            return data.decode("utf-8", errors)
        except UnicodeDecodeError as error:
            self.fail(f"{what} is not UTF-8: {error}")

    def count(self, number: int, least: int, what: str) -> int:
        """``number``, if so many things of at least ``least`` bytes can follow."""
        left = len(self.buffer) - self.position
        if number * least > left:
            self.fail(f"{number} {what} are claimed, but only {left} bytes are left")
        return number

    def value(self, kind: int, key: str, depth: int = 0) -> Any:
        what = f"the value of {key!r}"
        if kind in NUMBERS:
            return self.number(NUMBERS[kind], what)
        if kind == STRING:
            return self.string(what, "surrogateescape")  # vocabularies may hold single bytes of a character
        if kind != ARRAY:
            self.fail(f"{what} has the unknown type {kind}")
        if depth == MAX_NESTING:
            self.fail(f"{what} has arrays nested more than {MAX_NESTING} deep")
        inner, length = self.number("I", what), self.number("Q", what)
        if inner in NUMBERS:
            code = NUMBERS[inner]
            size = struct.calcsize("<" + code)
            data = self.take(self.count(length, size, f"elements of {what}") * size, what)
            numbers = np.frombuffer(data, "<" + ("u1" if code == "?" else np.dtype(code).str[1:]))
            if code == "?" and len(numbers) and numbers.max() > 1:
                self.fail(f"{what}: a bool cannot be {numbers.max()}")
            return [bool(n) for n in numbers] if code == "?" else numbers.tolist()
        least = 8 if inner == STRING else 12
        return [
            self.value(inner, key, depth + 1) for _ in range(self.count(length, least, f"elements of {what}"))
        ]

    def header(self) -> tuple[dict[str, Any], list[Entry]]:
        """The metadata and the tensors' descriptions; afterwards ``position`` is where the tensors begin."""
        magic = bytes(self.take(4, "the magic number"))
        if magic != MAGIC:
            self.fail(f"a GGUF file begins with {MAGIC!r}, not with {magic!r}")
        version = self.number("I", "the version")
        if version not in (2, 3):
            swapped = " (a big-endian file?)" if version in (2 << 24, 3 << 24) else ""
            self.fail(f"version {version}{swapped}; lamina reads 2 and 3")
        tensor_count, value_count = self.number("Q", "the header"), self.number("Q", "the header")
        self.count(value_count, 13, "metadata entries")
        self.count(tensor_count, 32, "tensors")
        metadata: dict[str, Any] = {}
        for _ in range(value_count):
            key = self.string("a key of the metadata")
            if key in metadata:
                self.fail(f"the metadata has the key {key!r} twice")
            metadata[key] = self.value(self.number("I", f"the type of {key!r}"), key)
        alignment = metadata.get("general.alignment", 32)
        if type(alignment) is not int or not 0 < alignment < 2**24 or alignment & (alignment - 1):
            self.fail(f"general.alignment must be a power of two, not {alignment!r:.80}")
        entries = self._entries(tensor_count, alignment)
        self.position = min(self.position + -self.position % alignment, len(self.buffer))
        self._check_ranges(entries)
        return metadata, entries

    def _entries(self, count: int, alignment: int) -> list[Entry]:
        entries, seen = [], set()
        for _ in range(count):
            name = self.string("a tensor's name")
            if name in seen:
                self.fail(f"there are two tensors named {name!r}")
            seen.add(name)
            what = f"tensor {name!r}"
            dims = self.number("I", what)
            if dims > MAX_DIMS:
                self.fail(f"{what} has {dims} dimensions; GGUF allows {MAX_DIMS}")
            shape = tuple(self.number("Q", what) for _ in range(dims))[::-1]
            kind, begin = self.number("I", what), self.number("Q", what)
            entries.append(Entry(name, kind, shape, begin, self._size(kind, shape, what)))
            if begin % alignment:
                self.fail(f"{what} begins at {begin}, which is no multiple of {alignment}")
        return entries

    def _size(self, kind: int, shape: tuple[int, ...], what: str) -> int:
        if kind not in PLAIN and kind not in BLOCKS:
            self.fail(f"{what} has type {kind}; lamina reads {', '.join(_names())}")
        if prod(n for n in shape if n) >= 2**60:  # zeros would hide an overflow of the strides
            self.fail(f"{what}: the size of shape {list(shape)} overflows")
        if kind in PLAIN:
            return prod(shape) * PLAIN[kind][2]
        block = BLOCKS[kind]
        row = shape[-1] if shape else 1
        if row % block.numbers:
            self.fail(f"{what}: rows of {row} are no multiple of {block.name}'s {block.numbers}")
        return prod(shape) // block.numbers * block.bytes

    def _check_ranges(self, entries: list[Entry]) -> None:
        left, position = len(self.buffer) - self.position, 0
        for entry in sorted(entries, key=lambda entry: (entry.begin, entry.size)):
            if entry.begin < position:
                self.fail(f"tensor {entry.name!r} overlaps the one before")
            position = entry.begin + entry.size
            if position > left:
                self.fail(f"tensor {entry.name!r} ends at byte {position} of the data, which has {left}")


def _names() -> list[str]:
    return [plain[0] for plain in PLAIN.values()] + list(BY_NAME)


def _tensor(entry: Entry, buffer: memoryview, start: int, file: str) -> Any:
    begin = start + entry.begin
    if entry.kind in PLAIN:
        return _core.from_buffer(buffer, getattr(lamina, PLAIN[entry.kind][1]), entry.shape, begin)
    block = BLOCKS[entry.kind]
    row = entry.shape[-1] // block.numbers * block.bytes
    blocks = _core.from_buffer(buffer, lamina.uint8, (*entry.shape[:-1], row), begin)
    return QuantizedTensor(block.name, lamina.Size(entry.shape), blocks)
