"""Images on their way to a network: transforms, datasets and grids, under torchvision's names.

``models`` are those of ``lamina.models.vision``. What is used is loaded; images need Pillow, an extra."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.models import vision as models

    from . import datasets, ops, transforms, utils

__all__ = ["datasets", "models", "ops", "transforms", "utils"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'lamina.vision' has no attribute {name!r}")
    found = import_module("lamina.models.vision" if name == "models" else f"lamina.vision.{name}")
    globals()[name] = found
    return found
