"""NumPy's files, .npy and .npz, as tensors. Arrays of Python objects, which would be pickles, are refused.

The layout is that of numpy.lib.format. The header is matched, not evaluated.
"""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING

import numpy as np

import lamina
from lamina import _core

from .archive import Archive
from .file import MAX_DIMS

if TYPE_CHECKING:
    from lamina import Tensor

MAGIC = b"\x93NUMPY"
MAX_HEADER = 1 << 16
HEADER = re.compile(
    r"\{'descr': '([<>|=])([biufc])(\d{1,2})', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d+(?:, \d+)*,?)?)\),? ?\}\s*"
)
KINDS = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}


def read_npy(buffer: memoryview, name: str) -> Tensor:
    """The array of a .npy file.

    Raises:
        FileFormatError: the file is not what it claims to be, or lamina lacks the dtype.
    """

    def fail(text: str) -> lamina.FileFormatError:
        return lamina.FileFormatError(f"{name}: {text}")

    if bytes(buffer[:6]) != MAGIC or len(buffer) < 10:
        raise fail(f"a .npy file begins with {MAGIC!r}")
    wide = 2 if buffer[6] == 1 else 4
    length = int.from_bytes(buffer[8 : 8 + wide], "little")
    begin = 8 + wide + length
    if buffer[6] not in (1, 2, 3) or length > MAX_HEADER or begin > len(buffer):
        raise fail(f"version {buffer[6]} with a header of {length} bytes in a file of {len(buffer)}")
    text = bytes(buffer[8 + wide : begin]).decode("latin-1")
    match = HEADER.fullmatch(text)
    if match is None:
        raise fail(f"not an array of numbers of a plain dtype: {text.strip()[:200]!r}")
    order, kind, size, fortran, numbers = match.groups()
    if kind == "b" and size != "1":
        raise fail(f"NumPy has no bool of {size} bytes")
    dtype = "bool" if kind == "b" else f"{KINDS[kind]}{int(size) * 8}"
    known = getattr(lamina, dtype, None)
    if not isinstance(known, lamina.dtype):
        raise fail(f"lamina has no dtype {dtype}")
    if numbers.count(",") > MAX_DIMS:
        raise fail(f"more than {MAX_DIMS} dimensions")
    if any(len(part) > 19 for part in numbers.split(", ")):
        raise fail(f"the shape ({numbers[:80]}) overflows")
    shape = tuple(int(part) for part in numbers.rstrip(",").split(", ") if part)
    if prod(n for n in shape if n) * int(size) >= 2**62:
        raise fail(f"the shape {shape} overflows")
    if len(buffer) - begin != prod(shape) * int(size):
        raise fail(
            f"{dtype} of shape {shape} takes {prod(shape) * int(size)} bytes, got {len(buffer) - begin}"
        )
    if dtype == "bool" and begin < len(buffer) and np.frombuffer(buffer, np.uint8, offset=begin).max() > 1:
        raise fail("a bool is neither 0 nor 1")
    if order == ">":
        swapped = np.frombuffer(buffer, f">{kind}{size}", offset=begin)
        buffer, begin = swapped.astype(f"<{kind}{size}").data.cast("B"), 0
    try:
        if fortran == "True":
            turned = _core.from_buffer(buffer, known, shape[::-1], begin)
            return turned.permute(tuple(range(len(shape)))[::-1])
        return _core.from_buffer(buffer, known, shape, begin)
    except ValueError as error:  # the core's ShapeError, for too many dimensions
        raise fail(str(error)) from error


def read_npz(archive: Archive) -> dict[str, Tensor]:
    """The arrays of a .npz archive by their names."""
    return {
        name.removesuffix(".npy"): read_npy(archive.read(name), f"{archive.name}: {name}")
        for name in archive.members
    }


def is_npz(archive: Archive) -> bool:
    """Whether an archive holds arrays and nothing else."""
    return bool(archive.members) and all(name.endswith(".npy") for name in archive.members)
