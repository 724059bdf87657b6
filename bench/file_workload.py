"""Weights from the disk, warm in the page cache: PyTorch's files of both kinds, safetensors into a model.

The tensors have the sizes of MiniLM-L6-v2: 91 MB in 104 tensors. Files are written once for all libraries.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from workload import Make, Step, Workload

WIDE, LAYERS = 384, 6


def shapes() -> dict[str, tuple[int, ...]]:
    """Names and sizes of a BERT of six layers."""
    layer = {"q": (WIDE, WIDE), "k": (WIDE, WIDE), "v": (WIDE, WIDE), "o": (WIDE, WIDE)}
    layer |= {"up": (4 * WIDE, WIDE), "down": (WIDE, 4 * WIDE)}
    found: dict[str, tuple[int, ...]] = {"word": (30522, WIDE), "position": (512, WIDE), "kind": (2, WIDE)}
    found |= {"norm_weight": (WIDE,), "norm_bias": (WIDE,)}
    for n in range(LAYERS):
        for name, shape in layer.items():
            found[f"layer{n}_{name}_weight"] = shape
            found[f"layer{n}_{name}_bias"] = shape[:1]
        for norm in ("first", "second"):
            found[f"layer{n}_{norm}_weight"] = found[f"layer{n}_{norm}_bias"] = (WIDE,)
    return found


@cache
def folder() -> Path:
    path = Path(tempfile.mkdtemp(prefix="lamina-bench-"))
    atexit.register(shutil.rmtree, path)
    return path


def state(torch: ModuleType) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {name: torch.from_numpy(rng.random(shape, np.float32)) for name, shape in shapes().items()}


@cache
def written(name: str) -> str:
    """A file of the weights, made by lamina; or in PyTorch's older format, which PyTorch alone writes."""
    import lamina

    path = folder() / name
    if name == "legacy.pt":
        import torch

        torch.save(state(torch), path, _use_new_zipfile_serialization=False)
    else:
        lamina.save(state(lamina), path)
    return str(path)


def load(name: str) -> Make:
    def make(torch: ModuleType) -> Step:
        path = written(name)
        return lambda: torch.load(path)

    return make


def model(torch: ModuleType) -> Any:
    """A module with parameters of these sizes."""
    holder = torch.nn.Module()
    for name, shape in shapes().items():
        holder.register_parameter(name, torch.nn.Parameter(torch.zeros(shape)))
    return holder


def load_into_model(torch: ModuleType) -> Step:
    """lamina takes safetensors; PyTorch, which has no reader of its own for them, its own format."""
    holder = model(torch)
    path = written("model.safetensors" if torch.__name__ == "lamina" else "model.pt")
    return lambda: holder.load_state_dict(torch.load(path))


try:
    import torch as _torch
except ImportError:
    _torch = None

# A .pt must take at most twice PyTorch's time; a model of 91 MB 0.1 s, which file_cost.py measures.
WORKLOADS = [
    Workload("load a .pt of 91 MB", load("model.pt"), goal=0.5),
    Workload("load 91 MB into a model", load_into_model),
]
if _torch is not None:
    WORKLOADS.insert(1, Workload("load a .pt of before 1.6", load("legacy.pt"), goal=0.5))
