"""How a loss per element becomes the loss: the reduction argument, its two older forms, and a check."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from lamina import _core
from lamina._core import Tensor

REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": Tensor.mean,
    "sum": Tensor.sum,
    "none": lambda loss: loss,
}


def chosen(reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> str:
    """The reduction that was asked for, in words; ``size_average`` and ``reduce`` are its deprecated forms.

    Raises:
        ShapeError: ``reduction`` is none of ``"mean"``, ``"sum"``, ``"none"``.
    """
    if size_average is not None or reduce is not None:
        summed = size_average is not None and not size_average
        reduction = "none" if reduce is not None and not reduce else "sum" if summed else "mean"
        warnings.warn(
            f"size_average and reduce are deprecated, use reduction='{reduction}' instead", stacklevel=3
        )
    if reduction not in REDUCTIONS:
        raise _core.ShapeError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The mean, the sum, or the loss as it is."""
    if reduction not in REDUCTIONS:
        raise _core.ShapeError(f"{reduction} is not a valid value for reduction")
    return REDUCTIONS[reduction](loss)


def warn_if_broadcast(input: Tensor, target: Tensor) -> None:
    """A target of another shape is usually a mistake, though sizes may broadcast."""
    if input.shape != target.shape:
        warnings.warn(
            f"loss: the target's shape {tuple(target.shape)} is not the input's {tuple(input.shape)}; "
            "they are broadcast, which is seldom meant",
            stacklevel=3,
        )
