"""Statistics that come from sorting: median, quantiles, the k-th value, the most frequent one."""

from __future__ import annotations

from typing import Any

from lamina import _core
from lamina._core import DtypeError, ShapeError, Tensor
from lamina.result import takes_out
from lamina.return_types import named
from lamina.shape import wrap

__all__ = ["kthvalue", "median", "mode", "msort", "nanmedian", "nanquantile", "quantile"]

INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _nonempty(input: Tensor, dim: int, word: str) -> int:
    dim = wrap(dim, input.ndim, word)
    if input.ndim and input.shape[dim] == 0:
        raise ShapeError(f"{word}: expected dimension {dim} of shape {tuple(input.shape)} to be non-empty")
    return dim


def _picked(word: str, input: Tensor, dim: int, places: Tensor, keepdim: bool) -> Any:
    """Values at ``places`` (size 1 along dim), so that gradients go where the values came from."""
    values = input.gather(dim, places)
    if not keepdim and input.ndim:
        values, places = values.squeeze(dim), places.squeeze(dim)
    return named(word, "values indices", values, places)


def _middle(word: str, input: Tensor, dim: int | None, keepdim: bool, skip_nan: bool) -> Any:
    if dim is None:
        if input.numel() == 0:
            return _core.full((), float("nan"), input.dtype)
        flat = input.reshape(-1)
        middle = _middle(word, flat.detach(), 0, False, skip_nan).values
        # All elements that equal it share the gradient.
        return flat[flat.isnan()].mean() if bool(middle.isnan()) else flat[flat == middle].amax()
    dim = _nonempty(input, dim, word)
    values, order = input.detach().sort(dim)
    size = values.shape[dim] if input.ndim else 1
    if not input.is_floating_point():
        return _picked(
            word, input, dim, order.narrow(dim, (size - 1) // 2, 1) if input.ndim else order, keepdim
        )
    # NaN is sorted behind everything: the last place tells whether there is one.
    missing = values.isnan().sum(dim, True) if input.ndim else values.isnan().to(_core.int64)
    if skip_nan:
        at = _core.floor_divide((size - missing - 1).clamp(min=0), 2)
    else:
        at = _core.where(missing > 0, size - 1, (size - 1) // 2)
    return _picked(word, input, dim, order.gather(dim, at), keepdim)


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle value (the lower of two): of all elements, or ``(values, indices)`` along ``dim``. NaN wins.

    >>> lamina.tensor([3, 1, 2]).median().item()
    2
    """
    return _middle("median", input, dim, keepdim, skip_nan=False)


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """``median`` of the elements that are not NaN."""
    return _middle("nanmedian", input, dim, keepdim, skip_nan=True)


@takes_out
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """``(values, indices)`` of the k-th smallest along ``dim``, counted from 1.

    Raises:
        ShapeError: there is no k-th.
    """
    dim = _nonempty(input, dim, "kthvalue")
    size = input.shape[dim] if input.ndim else 1
    if not 1 <= k <= size:
        raise ShapeError(f"kthvalue: k={k} is out of range for dimension {dim} of size {size}")
    order = input.detach().sort(dim).indices
    return _picked("kthvalue", input, dim, order.narrow(dim, k - 1, 1) if input.ndim else order, keepdim)


@takes_out
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """``(values, indices)`` of the value that is most frequent along ``dim``, the smallest of several."""
    dim = _nonempty(input, dim, "mode")
    if input.ndim == 0:
        return _picked("mode", input, dim, _core.full((), 0, _core.int64), keepdim)
    values, order = input.detach().sort(dim)
    size = values.shape[dim]
    places = _core.arange(0, size, 1, _core.int64)
    places = places.reshape([size if d == dim else 1 for d in range(input.ndim)])
    changed = values.narrow(dim, 1, size - 1) != values.narrow(dim, 0, size - 1)
    starts = _core.cat([_core.full_like(values.narrow(dim, 0, 1), True, _core.bool), changed], dim)
    # How far each place is into its run of equal values; the first longest run ends at the maximum.
    length = places - _core.where(starts, places, 0).cummax(dim).values
    return _picked("mode", input, dim, order.gather(dim, length.argmax(dim, True)), keepdim)


def msort(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The values sorted along dimension 0."""
    return _core._into_out(input.sort(0).values, out)


def quantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """The values below which the fractions ``q`` of ``input`` lie, along ``dim`` or of all. NaN wins.

    The result has the dimension of ``q``, if it has one, in front. Between two values: ``"linear" "lower"
    "higher" "midpoint"`` or ``"nearest"``.

    Raises:
        ShapeError: a fraction outside of [0, 1], or nothing to choose from.

    >>> lamina.quantile(lamina.tensor([0.0, 1.0, 2.0]), 0.25).item()
    0.5
    """
    return _core._into_out(_quantile("quantile", input, q, dim, keepdim, interpolation, False), out)


def nanquantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """``quantile`` of the elements that are not NaN."""
    return _core._into_out(_quantile("nanquantile", input, q, dim, keepdim, interpolation, True), out)


def _quantile(
    word: str,
    input: Tensor,
    q: float | Tensor,
    dim: int | None,
    keepdim: bool,
    interpolation: str,
    skip_nan: bool,
) -> Tensor:
    if not input.is_floating_point() or (isinstance(q, Tensor) and q.dtype is not input.dtype):
        raise DtypeError(f"{word}: expected a floating dtype, and q of the same; got {input.dtype}")
    fraction = q if isinstance(q, Tensor) else _core.full((), q, input.dtype)
    if interpolation not in INTERPOLATIONS or fraction.ndim > 1:
        raise ShapeError(f"{word}: expected q of at most 1 dimension and one of {INTERPOLATIONS}")
    if not ((fraction >= 0) & (fraction <= 1)).all():
        raise ShapeError(f"{word}: q values must be in the range [0, 1], got {fraction.tolist()}")
    kept = [1] * input.ndim if dim is None else list(input.shape)
    along = input.reshape(-1) if dim is None or input.ndim == 0 else input
    dim = 0 if dim is None else _nonempty(input, dim, word)
    if along.shape[dim] == 0:
        raise ShapeError(f"{word}: input must be non-empty")
    values = along.sort(dim).values.movedim(dim, -1)
    result = _between(values, fraction.reshape(-1), interpolation, skip_nan).movedim(-1, 0)
    if keepdim and input.ndim:
        kept[dim] = 1
        result = result.reshape([result.shape[0], *kept])
    return result if fraction.ndim else result.squeeze(0)


def _between(values: Tensor, fraction: Tensor, interpolation: str, skip_nan: bool) -> Tensor:
    """Sorted rows (..., n) to (..., number of fractions)."""
    size = values.shape[-1]
    missing = values.detach().isnan().sum(-1, True)
    if skip_nan:
        rank = fraction * (size - 1 - missing).clamp(min=0).to(fraction.dtype)
    else:  # a row with NaN is read at its end, where NaN stands
        rank = _core.where(missing > 0, float(size - 1), fraction * (size - 1))
    if interpolation == "nearest":
        return values.gather(-1, rank.round().to(_core.int64))
    low = values.gather(-1, rank.floor().to(_core.int64))
    high = values.gather(-1, rank.ceil().to(_core.int64))
    if interpolation == "lower":
        return low
    if interpolation == "higher":
        return high
    weight = _core.full_like(rank, 0.5) if interpolation == "midpoint" else rank - rank.floor()
    return _core.lerp(low, high, weight)
