"""Checkpoints as safetensors: state dicts, and other data that nests them.

A flat dict of tensors is a plain safetensors file. Anything else is flattened to named tensors, and its
structure kept as JSON in the metadata; so a checkpoint, too, can be read by every program that knows the
format.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import lamina

from . import safetensors
from .file import Source

if TYPE_CHECKING:
    from lamina import Tensor

STRUCTURE = "lamina.structure"  # the metadata key
VERSION = 1


def serialize(obj: Any) -> Iterator[Any]:
    """The parts of the file for ``obj``.

    Raises:
        TypeError: ``obj`` holds something that ``lamina.save`` cannot write.
        ValueError: ``obj`` contains itself.
    """
    tensors: dict[str, Tensor] = {}
    metadata = None
    if isinstance(obj, Mapping) and all(_is_plain(key, value) for key, value in obj.items()):
        tensors = dict(obj)
    else:
        try:
            structure = {"version": VERSION, "tree": _encode(obj, "", tensors)}
            metadata = {STRUCTURE: json.dumps(structure, allow_nan=False)}
        except RecursionError as error:
            raise ValueError("save: the object contains itself, or is nested too deeply") from error
    return safetensors.serialize(tensors, metadata)


def read(file: Source) -> Any:
    """The object of a file that ``serialize`` made, or the tensors of another safetensors file."""
    tensors, metadata = safetensors.read(file)
    if STRUCTURE not in metadata:
        return tensors
    try:
        return _decode_structure(metadata[STRUCTURE], tensors)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise lamina.FileFormatError(
            f"{file.name}: {STRUCTURE} in the metadata is broken: {error}"
        ) from error


# JSON has no tensors, tuples, infinities, or keys other than strings. Each is written as an object with one
# key that begins with "$"; a dict that has such a key itself is written as the list of its pairs.


def _encode(obj: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    def child(key: Any, value: Any) -> Any:
        return _encode(value, f"{path}.{key}" if path else str(key), tensors)

    if isinstance(obj, lamina.Tensor):
        name = path or "tensor"
        while name in tensors or name == safetensors.METADATA:
            name += "_"
        tensors[name] = obj
        return {"$tensor": name}
    if isinstance(obj, np.generic):
        obj = obj.item()
    if isinstance(obj, float) and not math.isfinite(obj):
        return {"$float": repr(float(obj))}
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in obj):
            return {key: child(key, value) for key, value in obj.items()}
        for key in obj:
            if not (key is None or isinstance(key, (bool, int, float, str))):
                raise TypeError(
                    f"save: a key must be a string, number, bool or None, got {type(key).__name__}"
                )
        return {"$dict": [[_encode(key, path, tensors), child(key, value)] for key, value in obj.items()]}
    if isinstance(obj, (list, tuple)) and not hasattr(obj, "_fields"):
        items = [child(index, value) for index, value in enumerate(obj)]
        return items if isinstance(obj, list) else {"$tuple": items}
    raise TypeError(cannot_save(obj, path))


def _is_plain(key: Any, value: Any) -> bool:
    return isinstance(key, str) and key != safetensors.METADATA and isinstance(value, lamina.Tensor)


def cannot_save(obj: Any, path: str) -> str:
    where = f" at {path!r}" if path else ""
    advice = ""
    if hasattr(obj, "state_dict"):
        advice = "; save its state_dict()"
    elif isinstance(obj, np.ndarray):
        advice = "; turn it into a tensor with lamina.from_numpy"
    return f"save: cannot write a {type(obj).__name__}{where}{advice}"


def _decode_structure(text: str, tensors: dict[str, Tensor]) -> Any:
    structure = json.loads(text)
    if structure["version"] != VERSION:
        raise ValueError(f"version {structure['version']!r} is not {VERSION}")
    unused = dict(tensors)
    result = _decode(structure["tree"], unused)
    if unused:
        raise ValueError(f"it does not mention the tensors {list(unused)}")
    return result


def _decode(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, list):
        return [_decode(item, tensors) for item in node]
    if not isinstance(node, dict):
        return node
    special = [key for key in node if key.startswith("$")]
    if not special:
        return {key: _decode(value, tensors) for key, value in node.items()}
    kind, value = special[0], node[special[0]]
    if len(node) > 1:
        raise ValueError(f"{kind} with other keys beside it")
    if kind == "$tensor":
        return tensors.pop(value)
    if kind == "$tuple":
        return tuple(_decode(item, tensors) for item in value)
    if kind == "$dict":
        return {_decode(key, {}): _decode(item, tensors) for key, item in value}
    if kind == "$float" and value in ("nan", "inf", "-inf"):
        return float(value)
    raise ValueError(f"unknown {kind} {value!r}")
