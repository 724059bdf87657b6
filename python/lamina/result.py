"""``out=`` for functions written in Python that make their result by other means."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from lamina import _core
from lamina._core import DtypeError, Tensor


def takes_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` with one more keyword, ``out``: a tensor, or as many tensors as there are results.

    Raises:
        TypeError: another number of tensors.
    """

    @wraps(function)
    def twin(*args: Any, out: Any = None, **options: Any) -> Any:
        result = function(*args, **options)
        if out is None:
            return result
        if isinstance(result, Tensor):
            return _core._into_out(result, out)
        if isinstance(out, Tensor) or len(out) != len(result):
            raise DtypeError(f"{function.__name__}: expected out to be {len(result)} tensors, got {out}")
        parts = [_core._into_out(x, y) for x, y in zip(result, out, strict=True)]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)

    return twin
