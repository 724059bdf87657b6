"""A model cut over several processes, which lamina does not have: the name code asks a module's class for."""

from __future__ import annotations

from typing import Any

from lamina.nn.modules.module import Module

__all__ = ["FullyShardedDataParallel"]


class FullyShardedDataParallel(Module):
    """Training by several processes, which lamina does not have: it says so.

    Raises:
        RuntimeError: always.
    """

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        raise RuntimeError("FullyShardedDataParallel: lamina trains in one process")
