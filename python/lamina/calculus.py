"""Differences, integrals and derivatives of sampled functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.elementwise import inexact
from lamina.shape import as_tuple, wrap

__all__ = ["cumulative_trapezoid", "diff", "gradient", "trapezoid", "trapz"]


def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The difference of each element from the one before it along ``dim``, ``n`` times over.

    >>> lamina.diff(lamina.tensor([1, 4, 9])).tolist()
    [3, 5]
    """
    if input.ndim == 0 or n < 0:
        raise ShapeError(f"diff: expected at least 1 dimension and n >= 0, got {input.ndim} and {n}")
    dim = wrap(dim, input.ndim, "diff")
    parts = [x for x in (prepend, input, append) if x is not None and (n or x is input)]
    x = _core.cat(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, x.shape[dim])):
        size = max(x.shape[dim] - 1, 0)
        after, before = x.narrow(dim, x.shape[dim] - size, size), x.narrow(dim, 0, size)
        x = after ^ before if x.dtype is _core.bool else after - before
    return _core._into_out(x.clone() if n == 0 else x, out)


def _steps(word: str, y: Tensor, x: Tensor | None, dx: Any, dim: int) -> Any:
    """The widths between the samples of ``y`` along ``dim``: one number, or a tensor that broadcasts."""
    if x is None:
        return 1.0 if dx is None else dx
    if dx is not None:
        raise ShapeError(f"{word}: expected x or dx, got both")
    steps = diff(x, dim=-1 if x.ndim == 1 else dim - y.ndim)
    return steps.reshape([-1 if d == dim else 1 for d in range(y.ndim)]) if x.ndim == 1 else steps


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral of ``y`` along ``dim`` by the trapezoidal rule, over points ``x`` or a spacing ``dx`` (1).

    >>> lamina.trapezoid(lamina.tensor([1.0, 2.0, 3.0])).item()
    4.0
    """
    dim = wrap(dim, y.ndim, "trapezoid")
    size = y.shape[dim]
    steps = _steps("trapezoid", y, x, dx, dim)
    if x is None:
        ends = y.select(dim, 0) * 0.5 + y.select(dim, size - 1) * 0.5 if size else 0.0
        return (y.sum(dim) - ends) * steps
    return ((y.narrow(dim, 1, size - 1) + y.narrow(dim, 0, size - 1)) * steps).sum(dim) / 2


trapz = trapezoid


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integrals of ``y`` along ``dim`` up to each sample but the first, by the trapezoidal rule.

    >>> lamina.cumulative_trapezoid(lamina.tensor([1.0, 2.0, 3.0])).tolist()
    [1.5, 4.0]
    """
    dim = wrap(dim, y.ndim, "cumulative_trapezoid")
    size = y.shape[dim]
    steps = _steps("cumulative_trapezoid", y, x, dx, dim)
    pairs = y.narrow(dim, 1, max(size - 1, 0)) + y.narrow(dim, 0, max(size - 1, 0))
    return (pairs * steps).cumsum(dim) / 2


def gradient(
    input: Tensor, *, spacing: Any = None, dim: int | Sequence[int] | None = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """The derivative of a sampled function along each ``dim``, by central differences of second order.

    ``spacing`` is the distance between samples, one per dim, or tensors of coordinates. The ends take
    one-sided differences of order ``edge_order``, 1 or 2.

    Raises:
        ShapeError: fewer than ``edge_order + 1`` samples, or spacings that do not fit the dims.

    >>> lamina.gradient(lamina.tensor([1.0, 4.0, 9.0]))[0].tolist()
    [3.0, 4.0, 5.0]
    """
    dims = tuple(range(input.ndim)) if dim is None else as_tuple(dim)
    dims = tuple(wrap(d, input.ndim, "gradient") for d in dims)
    if edge_order not in (1, 2):
        raise ShapeError(f"gradient: expected edge_order to be 1 or 2, got {edge_order}")
    if len(set(dims)) != len(dims):
        raise ShapeError(f"gradient: expected every dim once, got {dims}")
    spacing = 1 if spacing is None else spacing
    spacings = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(dims)
    if len(spacings) != len(dims):
        raise ShapeError(f"gradient: expected {len(dims)} spacings, one per dim, got {len(spacings)}")
    return tuple(_slope(input, d, step, edge_order) for d, step in zip(dims, spacings, strict=True))


def _slope(input: Tensor, dim: int, step: Any, order: int) -> Tensor:
    size = input.shape[dim]
    if size < order + 1:
        raise ShapeError(f"gradient: expected at least {order + 1} samples along {dim}, got {size}")
    x = inexact(input)
    if isinstance(step, Tensor) and step.ndim:
        if step.ndim != 1 or step.numel() != size:
            raise ShapeError(f"gradient: expected {size} coordinates for dim {dim}, got {tuple(step.shape)}")
        widths = diff(step.to(x.dtype))
    else:
        widths = _core.full((size - 1,), float(step), x.dtype)
    widths = widths.reshape([-1 if d == dim else 1 for d in range(x.ndim)])
    slopes = diff(x, dim=dim) / widths
    before, after = widths.narrow(dim, 0, size - 2), widths.narrow(dim, 1, size - 2)
    low, high = slopes.narrow(dim, 0, size - 2), slopes.narrow(dim, 1, size - 2)
    middle = (low * after + high * before) / (before + after)
    first, last = slopes.narrow(dim, 0, 1), slopes.narrow(dim, size - 2, 1)
    if order == 2:  # a parabola through three samples: its slope changes evenly
        turn = (high - low) / (before + after)
        first = first - turn.narrow(dim, 0, 1) * widths.narrow(dim, 0, 1)
        last = last + turn.narrow(dim, size - 3, 1) * widths.narrow(dim, size - 2, 1)
    return _core.cat([first, middle, last], dim)
