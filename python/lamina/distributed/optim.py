"""An optimizer cut over several processes, which lamina does not have: the name that code imports."""

from __future__ import annotations

from typing import Any

from lamina.optim.optimizer import Optimizer

__all__ = ["ZeroRedundancyOptimizer"]


class ZeroRedundancyOptimizer(Optimizer):
    """Training by several processes, which lamina does not have: it says so.

    Raises:
        RuntimeError: always.
    """

    def __init__(self, params: Any, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("ZeroRedundancyOptimizer: lamina trains in one process")
