"""Forms that write over their tensor, for functions that the core has in their plain form alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina import _core
from lamina._core import Tensor


def in_place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """``x.f_(...)`` from ``f(x, ...)``: the result's values and history become x's own."""

    def twin(self: Tensor, *args: Any, **options: Any) -> Tensor:
        # While recording, what the function saves for the way back must outlive the old values.
        source = self.clone() if _core.grad_enabled() and self.requires_grad else self
        return self._assign(function(source, *args, **options))

    return _named(twin, function, "written over the tensor")


def reshaped_in_place(view: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """``x.f_(...)`` for a view ``f``: x itself looks at its memory in the new way."""

    def twin(self: Tensor, *args: Any, **options: Any) -> Tensor:
        return self._become(view(self, *args, **options))

    return _named(twin, view, "of the tensor itself, without copying")


def _named(twin: Callable[..., Tensor], function: Callable[..., Tensor], what: str) -> Callable[..., Tensor]:
    twin.__name__ = function.__name__ + "_"
    twin.__doc__ = f"``{function.__name__}`` {what}."
    return twin


def fill_diagonal_(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Fill the main diagonal; with ``wrap`` it starts anew below a tall matrix, one row further down.

    Raises:
        ShapeError: less than 2 dimensions, or more than 2 that differ.
    """
    if self.ndim < 2 or (self.ndim > 2 and len(set(self.shape)) > 1):
        raise _core.ShapeError(
            f"fill_diagonal_: expected a matrix or equal sizes, got shape {tuple(self.shape)}"
        )
    rows, columns = self.shape[0], self.shape[1]
    # A step of one in every dimension at once.
    count = min(self.shape)
    if wrap and self.ndim == 2 and rows > columns:
        # The diagonal goes on behind an empty row: element i of it is at row i + i // columns.
        at = _core.arange(0, rows, 1, _core.int64)
        at = at[(at % (columns + 1)) < columns]
        return self.index_put_((at, at % (columns + 1)), _core.full((), fill_value, self.dtype))
    places = _core.arange(0, count, 1, _core.int64)
    return self.index_put_((places,) * self.ndim, _core.full((), fill_value, self.dtype))
