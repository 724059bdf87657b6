"""Histograms over bins of any width, in one dimension and in several. histc and bincount: search.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina import _core
from lamina._core import DtypeError, ShapeError, Tensor
from lamina.return_types import named

__all__ = ["histogram", "histogramdd"]


def _edges(word: str, values: np.ndarray, bins: Any, limits: Any) -> np.ndarray:
    if isinstance(bins, Tensor):
        return bins.detach().numpy()
    if bins < 1:
        raise ShapeError(f"{word}: expected at least one bin, got {bins}")
    if limits is None:
        low, high = (values.min(), values.max()) if values.size else (0.0, 0.0)
    else:
        low, high = limits
        if not (np.isfinite(low) and np.isfinite(high) and low <= high):
            raise ShapeError(f"{word}: expected a range from the lower to the higher, got {low} and {high}")
    if low == high:
        low, high = (low - 0.5, high + 0.5) if limits is None or values.size else (low, high + 1)
    return np.linspace(low, high, bins + 1, dtype=values.dtype)


def histogramdd(
    input: Tensor,
    bins: Any,
    *,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """``(hist, bin_edges)`` of the points in the rows of ``input`` (..., d), in boxes.

    ``bins`` is how many there are along every dimension, along each, or the edges of each as tensors.
    ``range`` holds the lower and the upper limit of each dimension, by default those of the points; points
    outside are left out. ``weight`` counts a point as more or less than one; ``density`` scales to an
    integral of 1.

    >>> lamina.histogramdd(lamina.tensor([[0.0, 1.0], [1.0, 0.0]]), 2).hist.tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    if input.ndim < 2 or not input.is_floating_point():
        raise ShapeError(f"histogramdd: expected floats (..., d), got {tuple(input.shape)} of {input.dtype}")
    size = input.shape[-1]
    points = input.detach().reshape(-1, size).numpy()
    each = list(bins) if isinstance(bins, (list, tuple)) else [bins] * size
    limits = [None] * size if range is None else [tuple(range[2 * i : 2 * i + 2]) for i in _count(size)]
    if len(each) != size or (range is not None and len(range) != 2 * size):
        raise ShapeError(f"histogramdd: expected bins and limits for {size} dimensions")
    weights = None if weight is None else weight.detach().reshape(-1).numpy()
    if weights is not None and len(weights) != len(points):
        raise ShapeError(f"histogramdd: expected {len(points)} weights, got {len(weights)}")
    edges = [_edges("histogramdd", points[:, i], each[i], limits[i]) for i in _count(size)]
    found, _ = np.histogramdd(points, edges, weights=weights, density=density)
    made = tuple(_core.from_numpy(np.ascontiguousarray(e)).to(input.dtype) for e in edges)
    return named("histogramdd", "hist bin_edges", _core.from_numpy(found).to(input.dtype), made)


_count = range


def histogram(
    input: Tensor,
    bins: int | Tensor = 100,
    *,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
    out: Any = None,
) -> Any:
    """``(hist, bin_edges)`` of all elements: how many lie in each of ``bins``, or between given edges.

    The last bin holds its upper edge too. ``range``, ``weight`` and ``density`` are those of ``histogramdd``.

    >>> lamina.histogram(lamina.tensor([1.0, 2.0, 1.0]), 2, range=(0.0, 3.0)).hist.tolist()
    [2.0, 1.0]
    """
    if not input.is_floating_point() or (isinstance(bins, Tensor) and bins.dtype is not input.dtype):
        raise DtypeError(f"histogram: expected floats, and edges of the same dtype, got {input.dtype}")
    if weight is not None and weight.shape != input.shape:
        raise ShapeError(
            f"histogram: expected weights of shape {tuple(input.shape)}, got {tuple(weight.shape)}"
        )
    values = input.detach().reshape(-1).numpy()
    edges = _edges("histogram", values, bins, range)
    weights = None if weight is None else weight.detach().reshape(-1).numpy()
    found, _ = np.histogram(values, edges, weights=weights, density=density)
    hist = _core._into_out(_core.from_numpy(found).to(input.dtype), None if out is None else out[0])
    made = _core.from_numpy(np.ascontiguousarray(edges)).to(input.dtype)
    return named("histogram", "hist bin_edges", hist, _core._into_out(made, None if out is None else out[1]))
