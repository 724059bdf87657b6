"""Architectures under the names and ``state_dict`` keys of their public checkpoints, loaded when first used.

``vision`` has networks for images, ``text`` those for language; ``transfer`` makes them learn something else,
``lora`` with few weights. ``from_pretrained`` finds out what a file is; ``summary`` prints a table.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import lora, text, transfer, vision
    from .recognise import from_pretrained
    from .table import summary

__all__ = ["from_pretrained", "lora", "summary", "text", "transfer", "vision"]
# The modules of the functions.
_FUNCTIONS = {"from_pretrained": "recognise", "summary": "table"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'lamina.models' has no attribute {name!r}")
    module = import_module(f"lamina.models.{_FUNCTIONS.get(name, name)}")
    return getattr(module, name) if name in _FUNCTIONS else module
