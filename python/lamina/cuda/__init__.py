"""CUDA, of which there is none here: what a script asks before it decides for the CPU, and what PyTorch lets
pass.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.cuda import amp as amp


def __getattr__(name: str) -> Any:
    if name != "amp":
        raise AttributeError(f"module 'lamina.cuda' has no attribute {name!r}")
    return import_module("lamina.cuda.amp")


def is_available() -> bool:
    """Whether tensors can live on an NVIDIA GPU: no."""
    return False


def device_count() -> int:
    """How many GPUs there are: none."""
    return 0


def is_initialized() -> bool:
    """Whether CUDA has been started: no."""
    return False


def manual_seed(seed: int) -> None:
    """Seeds the generator of the current GPU, of which there is none; for the CPU: ``lamina.manual_seed``."""


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all GPUs, of which there are none; the CPU's is ``lamina.manual_seed``'s."""


def empty_cache() -> None:
    """Gives back what is cached on GPUs, which is nothing; ``lamina.empty_cache`` does so for the CPU."""
