"""The layers, one file per kind, under PyTorch's paths where it has them; import from ``lamina.nn``."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:  # lamina.nn has them all, and imports this package
    from lamina import nn

    if name.startswith("_") or name not in nn.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(nn, name)
