"""Weights in several files: the index of a sharded checkpoint, and folders as Hugging Face lays them out."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import lamina

from .file import open_regular

if TYPE_CHECKING:
    from lamina import Tensor

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
INDEX = ".index.json"
MAX_JSON = 100_000_000  # bytes


def load_folder(
    path: str | os.PathLike[str], *, mmap: bool = False
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """``config.json`` and the tensors of a folder, sharded or not, safetensors or PyTorch's.

    Raises:
        FileNotFoundError: there are no weights; it says which names were looked for.
        FileFormatError: a file is not what it claims to be.

    >>> config, tensors = lamina.io.load_folder("bert-base-uncased")
    """
    from .format import load

    folder = os.fspath(path)
    tried = [name + end for name in WEIGHTS for end in ("", INDEX)]
    for name in tried:
        file = os.path.join(folder, name)
        if os.path.exists(file):
            config = os.path.join(folder, "config.json")
            settings = read_json(config) if os.path.exists(config) else {}
            return settings, load(file, mmap=mmap)
    raise FileNotFoundError(f"{folder} has none of {', '.join(tried)}")


def load_index(path: str, **options: Any) -> dict[str, Tensor]:
    """The tensors of a sharded checkpoint, in the order of its index."""
    from .format import load

    index = read_json(path)
    places = index.get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise lamina.FileFormatError(f"{path}: weight_map must map the tensors' names to file names")
    shards: dict[str, Any] = {}
    for name in dict.fromkeys(places.values()):
        if (
            name != os.path.basename(name)
            or name in ("", ".", "..")
            or not name.isprintable()
            or "\\" in name
        ):
            raise lamina.FileFormatError(f"{path}: {name!r} is not the name of a file beside the index")
        if name.endswith(INDEX):
            raise lamina.FileFormatError(f"{path}: {name!r} is another index")
        shards[name] = load(os.path.join(os.path.dirname(path), name), **options)
    result = {}
    for tensor, shard in places.items():
        if not isinstance(shards[shard], dict) or not isinstance(shards[shard].get(tensor), lamina.Tensor):
            raise lamina.FileFormatError(f"{path}: {shard} has no tensor {tensor!r}")
        result[tensor] = shards[shard][tensor]
    return result


def read_json(path: str) -> dict[str, Any]:
    """The object of a JSON file."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > MAX_JSON:
            raise lamina.FileFormatError(f"{path}: more than {MAX_JSON} bytes of JSON")
        text = file.read()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise lamina.FileFormatError(f"{path}: this is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise lamina.FileFormatError(f"{path}: expected an object in JSON, but got a {type(value).__name__}")
    return value
