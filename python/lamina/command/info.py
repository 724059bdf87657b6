"""``lamina info``: what is in a file of weights. Nothing in it is run, and no terminal gets its text raw."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import lamina

EXAMPLES = """\
  lamina info model.safetensors
  lamina info checkpoint.pt --all
  lamina info SmolLM2-135M-Instruct.Q4_1.gguf
  lamina info all-MiniLM-L6-v2/           (a folder with config.json and weights)"""
SHOWN = 24  # tensors and other entries, unless all are asked for
WIDTH = 80  # characters of a value
MAX_ENTRIES, MAX_DEPTH = 1_000_000, 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("file", nargs="+", metavar="FILE", help="a file of weights, or a folder of them")
    parser.add_argument("--all", action="store_true", help="list every entry, and long values whole")


def run(args: argparse.Namespace) -> int:
    """Describe each file; those that cannot be read are named, and the others are described all the same."""
    failed = 0
    for number, path in enumerate(args.file):
        if number:
            print()
        try:
            for line in describe(path, args.all):
                print(line)
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            if len(args.file) == 1:
                raise
            print(f"{clean(path)}: {error}")
            failed = 1
    return failed


def describe(path: str, everything: bool = False) -> Iterator[str]:
    """The lines about one file.

    Raises:
        OSError: it cannot be read.
        FileFormatError: it is not what it claims to be.
    """
    kind, facts, content = _open(path)
    size = f"{_bytes(os.path.getsize(path))}, " if os.path.isfile(path) else ""
    yield f"{clean(path)}: {size}{kind}"
    limit = MAX_ENTRIES if everything else SHOWN
    for title, table in facts.items():
        if table:
            yield f"{title}:"
            yield from _values(table.items(), limit, everything)
    tensors: list[tuple[str, Any]] = []
    others: list[tuple[str, Any]] = []
    for name, value in _entries(content):
        (tensors if _is_tensor(value) else others).append((name, value))
    if others:
        yield "other values:"
        yield from _values(others, limit, everything)
    if tensors:
        yield "tensors:"
        width = min(max(len(clean(name)) for name, _ in tensors[:limit]), WIDTH)
        for name, value in tensors[:limit]:
            shape = " x ".join(map(str, value.shape)) or "scalar"
            yield f"  {clean(name):<{width}}  {_dtype(value):<9} {shape}"
        yield from _more(len(tensors) - limit)
    yield _total([value for _, value in tensors])


def _open(path: str) -> tuple[str, dict[str, Mapping[Any, Any]], Any]:
    """The kind of file, what it says of itself, and its content, of which as little as possible is read."""
    if os.path.isdir(path):
        config, tensors = lamina.io.load_folder(path, mmap=True)
        return "a folder with weights", {"config.json": config}, tensors
    with open(path, "rb") as file:
        start = file.read(16)
    if start.startswith(b"GGUF"):
        metadata, tensors = lamina.io.load_gguf(path, dequantize=False)
        return "GGUF", {"metadata": metadata}, tensors
    content = lamina.load(path, mmap=True)
    if start.startswith(b"PK"):
        kind = "npz" if path.endswith(".npz") else "PyTorch (zip)"
    elif start.startswith(b"\x80") and int.from_bytes(start[:8], "little") > 10**8:
        kind = "PyTorch (before 1.6), or a pickle"
    elif start.startswith(b"\x93NUMPY"):
        kind = "npy"
    else:
        metadata = {} if path.endswith(".json") else _header(path)
        return "safetensors", {"metadata": metadata}, content
    return kind, {}, content


def _header(path: str) -> dict[str, str]:
    from lamina.io.checkpoint import STRUCTURE
    from lamina.io.file import Source
    from lamina.io.safetensors import read

    with Source(path, True) as file:
        return {key: value for key, value in read(file)[1].items() if key != STRUCTURE}


def _entries(content: Any) -> Iterator[tuple[str, Any]]:
    """Tensors, and what else is no container, by dotted names; a container met twice counts once."""
    rest, seen = [("", content, 0)], set()
    count = 0
    while rest and count < MAX_ENTRIES:
        name, value, depth = rest.pop()
        count += 1
        inside = None
        if isinstance(value, Mapping):
            inside = list(value.items())
        elif isinstance(value, (list, tuple)) and not _is_tensor(value) and any(map(_holds, value)):
            inside = list(enumerate(value))
        if inside is None:
            yield name or "(the object)", value
        elif depth == MAX_DEPTH:
            yield name, "more, nested deeper"
        elif id(value) not in seen:
            seen.add(id(value))
            for key, part in reversed(inside):
                rest.append((f"{name}.{key}" if name else str(key), part, depth + 1))


def _holds(value: Any) -> bool:
    return isinstance(value, (Mapping, list, tuple)) or _is_tensor(value)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, (lamina.Tensor, lamina.io.QuantizedTensor))


def _dtype(value: Any) -> str:
    return value.type if isinstance(value, lamina.io.QuantizedTensor) else str(value.dtype).rpartition(".")[2]


def _values(pairs: Any, limit: int, everything: bool) -> Iterator[str]:
    pairs = list(pairs)
    for key, value in pairs[:limit]:
        if isinstance(value, (list, dict, set)) and not everything:
            text = f"{type(value).__name__} of {len(value)}"
            if isinstance(value, list):
                text += f": {', '.join(map(repr, value[:4]))}"[:WIDTH]
        else:
            text = repr(value)
        if len(text) > WIDTH and not everything:
            text = f"{text[:WIDTH]}... ({len(text)} characters)"
        yield f"  {clean(str(key))} = {clean(text)}"
    yield from _more(len(pairs) - limit)


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f"  ... and {count} more (--all lists them)"


def _total(tensors: list[Any]) -> str:
    numbers: Counter[str] = Counter()
    size = 0
    for value in tensors:
        count = 1
        for length in value.shape:
            count *= length
        numbers[_dtype(value)] += count
        stored = value.blocks if isinstance(value, lamina.io.QuantizedTensor) else value
        size += stored.numel() * stored.element_size()
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in numbers.most_common())
    return f"{len(tensors)} tensors, {sum(numbers.values()):,} values ({kinds or 'none'}), {_bytes(size)}"


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.4g} {unit}"
        size /= 1000
    return f"{size:.4g} GB"


def clean(text: str) -> str:
    """``text`` without control characters, which could write anywhere on a terminal, and lone surrogates."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
