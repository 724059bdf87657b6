"""What training loops need around the mathematics: ``data`` feeds them, ``checkpoint`` saves memory,
``hooks`` lets others listen in.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import hooks

if TYPE_CHECKING:
    from . import checkpoint, data, diagnosis, model_zoo, tensorboard

__all__ = ["checkpoint", "data", "diagnosis", "hooks", "model_zoo", "tensorboard"]


def __getattr__(name: str) -> Any:  # whoever needs hooks alone does not wait for data
    if name not in ("checkpoint", "data", "diagnosis", "model_zoo", "tensorboard"):
        raise AttributeError(f"module 'lamina.utils' has no attribute {name!r}")
    return import_module(f"lamina.utils.{name}")
