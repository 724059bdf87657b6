"""``save`` and ``load``: which format a file has, or shall have. The formats are in files of their own."""

from __future__ import annotations

import os
from typing import Any

import lamina

from . import checkpoint, safetensors
from .file import Source, replace_file

ZIP = b"PK"


def save(obj: Any, f: Any) -> None:
    """Write tensors, and dicts, lists, tuples, strings, numbers, bools and None around them, to a file.

    A name that ends in .safetensors gives that format: keys may be strings, numbers, bools or None,
    subclasses of dict come back as dicts, tensors without ``requires_grad``, and one that occurs twice is
    written twice. Every other name, and a file without one, gets what ``torch.load(weights_only=True)`` reads
    too. It may also hold sets, bytes, dtypes and sizes, and keeps ordered dicts, parameters,
    ``requires_grad``, strides and shared memory. NumPy's numbers become Python's. Arrays of NumPy, paths and
    namespaces are written as PyTorch does, which reads them with ``weights_only=False``. An object, such as a
    whole module, is written as the name of its class and its attributes: only ``lamina.load`` reads that.

    Args:
        obj: usually ``model.state_dict()``, or a dict such as ``{"model": ..., "optimizer": ..., "epoch":
        3}``. f: a path, which is replaced as a whole or not at all, or a file open for writing in binary.

    Raises:
        TypeError: ``obj`` holds something else.
        ValueError: ``obj`` contains itself.

    >>> lamina.save({"model": model.state_dict(), "epoch": 3}, "checkpoint.pt")
    """
    name = f if isinstance(f, (str, os.PathLike)) else getattr(f, "name", "")
    if str(name).endswith(".safetensors"):
        parts = checkpoint.serialize(obj)
    else:
        from . import torch_save

        parts = torch_save.serialize(obj)
    if hasattr(f, "write"):
        for part in parts:
            f.write(part)
    else:
        replace_file(f, parts)


def load(
    f: Any, map_location: Any = None, *, weights_only: bool | None = None, mmap: bool | None = None
) -> Any:
    """Read a file of weights; nothing in it is executed. What it is, its first bytes say.

    safetensors: what ``save`` wrote, or a dict of tensors. PyTorch's files, zip or older: the object, where
    storages come from any device; a TorchScript archive gives its tensors by name. GGUF and .npz: a dict of
    tensors; .npy: a tensor. A name that ends in .index.json: the tensors of all its shards. Of dtypes that
    lamina lacks, float8 becomes float32, uint16 int32 and uint32 int64.

    Args:
        f: a path, or a file open for reading in binary.
        map_location: None, "cpu", a dict of devices, or a function of storage and device, as PyTorch has it.
        weights_only: a file gives tensors, numbers, arrays of NumPy, containers, paths and namespaces, and
            objects of the classes declared in ``lamina.serialization``. With False it may also give modules
            and dataclasses, as ``save`` writes them, whose classes the program has loaded. Everything else is
            refused by name: lamina imports nothing for a file and runs no code from it.
        mmap: map the file instead of reading it; it must then not be cut short while a tensor of it lives.

    Raises:
        FileFormatError: the file is not what it claims to be; lamina.io.UnpicklingError where that is a
            pickle, or one that asks for more than data.
        RuntimeError: ``map_location`` asks for a device that lamina lacks.

    >>> model.load_state_dict(lamina.load("model.safetensors"))
    """
    from .torch_object import Place

    place = Place(map_location)
    if weights_only not in (None, True, False):
        raise TypeError(f"load: weights_only must be a bool, got {weights_only!r}")
    if isinstance(f, (str, os.PathLike)) and os.fspath(f).endswith(".index.json"):
        from .folder import load_index

        return load_index(os.fspath(f), map_location=map_location, mmap=mmap)
    with Source(f, bool(mmap)) as file:
        return _read(file, place, weights_only is False)


def _read(file: Source, place: Any, whole: bool) -> Any:
    start = file.peek(16)
    # A safetensors file begins with the length of its header, which can look like a pickle's first bytes.
    if len(start) < 8 or int.from_bytes(start[:8], "little") <= safetensors.MAX_HEADER:
        return checkpoint.read(file)
    if start.startswith(ZIP):
        from .archive import Archive
        from .numpy_file import is_npz, read_npz
        from .torch_file import read_zip

        archive = Archive(file.rest(), file.name)
        return read_npz(archive) if is_npz(archive) else read_zip(archive, place, whole)
    if start.startswith(b"GGUF"):
        from .gguf import read

        return read(file)[1]
    if start.startswith(b"\x93NUMPY"):
        from .numpy_file import read_npy

        return read_npy(file.rest(), file.name)
    if start.startswith(b"\x80"):
        from .torch_file import STREAM, read_pickle, read_stream

        if start.startswith(STREAM):
            return read_stream(file.rest(), file.name, place, whole)
        return read_pickle(file.rest(), file.name, whole)
    what = "no format that lamina reads"
    if start.startswith(b"version https://"):
        what = "a pointer of Git LFS, not the file itself"
    elif start.lstrip()[:1] in (b"<", b"{"):
        what = "text, such as an error page"
    raise lamina.FileFormatError(f"{file.name}: this is {what}: it begins with {start!r}")
