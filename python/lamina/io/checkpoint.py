"""``save`` and ``load``: state dicts, and checkpoints that nest them among other data, as safetensors.

A flat dict of tensors is a plain safetensors file. Anything else is flattened to named tensors, and its
structure kept as JSON in the metadata; so a checkpoint, too, can be read by every program that knows the
format.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import lamina

from . import safetensors

if TYPE_CHECKING:
    from lamina import Tensor

STRUCTURE = "lamina.structure"  # the metadata key
VERSION = 1


def save(obj: Any, f: Any) -> None:
    """Write tensors, and dicts, lists, tuples, strings, numbers, bools and None around them, to a file.

    Keys may be strings, numbers, bools or None. Subclasses of dict come back as dicts, NumPy numbers as
    Python's, tensors without ``requires_grad``; a tensor that occurs twice is written twice.

    Args:
        obj: usually ``model.state_dict()``, or a dict such as ``{"model": ..., "optimizer": ..., "epoch":
        3}``. f: a path, which is replaced as a whole or not at all, or a file open for writing in binary.

    Raises:
        TypeError: ``obj`` holds something else.
        ValueError: ``obj`` contains itself.

    >>> lamina.save({"model": model.state_dict(), "epoch": 3}, "checkpoint.safetensors")
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
    if hasattr(f, "write"):
        f.write(safetensors.save(tensors, metadata))
    else:
        safetensors.save_file(tensors, f, metadata)


def load(f: Any, map_location: Any = None, *, weights_only: bool = True, mmap: bool = False) -> Any:
    """Read what ``save`` wrote, or any safetensors file as a dict of its tensors. Nothing in it is executed.

    Args:
        f: a path, or a file open for reading in binary.
        map_location: None or "cpu".
        weights_only: must be True: a file holds data, never code.
        mmap: map the file instead of reading it; see :func:`lamina.io.safetensors.load_file`.

    Raises:
        FileFormatError: the file is not what it claims to be.
        ValueError: another ``map_location``, or ``weights_only=False``.

    >>> model.load_state_dict(lamina.load("model.safetensors"))
    """
    safetensors.check_device(map_location)
    if not weights_only:
        raise ValueError("load: weights_only=False asks to run code from the file, which lamina never does")
    tensors, metadata = safetensors.read(f, mmap)
    if STRUCTURE not in metadata:
        return tensors
    name = f if isinstance(f, (str, os.PathLike)) else getattr(f, "name", type(f).__name__)
    try:
        return _decode_structure(metadata[STRUCTURE], tensors)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise lamina.FileFormatError(f"{name}: {STRUCTURE} in the metadata is broken: {error}") from error


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
    raise TypeError(_cannot_save(obj, path))


def _is_plain(key: Any, value: Any) -> bool:
    return isinstance(key, str) and key != safetensors.METADATA and isinstance(value, lamina.Tensor)


def _cannot_save(obj: Any, path: str) -> str:
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
