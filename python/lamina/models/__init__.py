"""Architectures under the names and ``state_dict`` keys of their public checkpoints, loaded when first used.

``vision`` has networks for images, ``text`` those for language; ``transfer`` makes them learn something else,
``lora`` with few weights. ``from_pretrained`` finds out what a file is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import lora, text, transfer, vision
    from .recognise import from_pretrained

__all__ = ["from_pretrained", "lora", "text", "transfer", "vision"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'lamina.models' has no attribute {name!r}")
    if name == "from_pretrained":
        return import_module("lamina.models.recognise").from_pretrained
    return import_module(f"lamina.models.{name}")
