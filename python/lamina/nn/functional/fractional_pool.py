"""Pooling whose windows lie at random places, so that sizes shrink by a fraction.

Source: Graham, Fractional Max-Pooling, 2014."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.shape_args import sizes

Size = int | Sequence[int]


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Size,
    output_size: Size | None = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest values of windows at random places: (n, c, h, w) or (c, h, w) -> (..., *output_size).

    Either ``output_size``, or ``output_ratio`` between 0 and 1 of the input's. With ``return_indices`` also
    the int64 places of the values in the plane. ``_random_samples`` (n, c, 2), from 0 to 1, are the places.

    Raises:
        ShapeError: the windows do not fit, or not one of size and ratio is given.

    >>> lamina.nn.functional.fractional_max_pool2d(lamina.ones(1, 1, 5, 5), 2, output_ratio=0.7).shape[2]
    3
    """
    order = (1, 0)  # the samples begin with the width
    return _fractional(
        "fractional_max_pool2d",
        input,
        kernel_size,
        (output_size, output_ratio),
        return_indices,
        _random_samples,
        order,
    )


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Size,
    output_size: Size | None = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """As ``fractional_max_pool2d``: (n, c, d, h, w) or (c, d, h, w) -> (..., *output_size)."""
    return _fractional(
        "fractional_max_pool3d",
        input,
        kernel_size,
        (output_size, output_ratio),
        return_indices,
        _random_samples,
        (0, 1, 2),
    )


def _fractional(
    word: str,
    input: Tensor,
    kernel_size: Size,
    wanted: tuple[Any, Any],
    return_indices: bool,
    samples: Tensor | None,
    order: tuple[int, ...],
) -> Any:
    dims = len(order)
    if input.ndim not in (dims + 1, dims + 2):
        raise _core.ShapeError(
            f"{word}: expected {dims + 1} or {dims + 2} dimensions, got {tuple(input.shape)}"
        )
    if (wanted[0] is None) == (wanted[1] is None):
        raise _core.ShapeError(f"{word}: give output_size or output_ratio, and only one of them")
    lead, plane = tuple(input.shape[:-dims]), tuple(input.shape[-dims:])
    kernels = sizes(kernel_size, dims, "kernel_size")
    if wanted[0] is not None:
        counts = sizes(wanted[0], dims, "output_size")
    else:
        ratios = sizes(wanted[1], dims, "output_ratio")
        counts = tuple(int(size * ratio) for size, ratio in zip(plane, ratios, strict=True))
    if any(
        not 0 < count + kernel - 1 <= size for count, kernel, size in zip(counts, kernels, plane, strict=True)
    ):
        raise _core.ShapeError(f"{word}: {counts} windows of {kernels} do not fit into {plane}")
    n, channels = (1, *lead)[-2:]
    if samples is None:
        samples = lamina.rand(n, channels, dims, dtype=input.dtype)
    if samples.ndim != 3 or tuple(samples.shape[1:]) != (channels, dims) or samples.shape[0] < n:
        raise _core.ShapeError(f"{word}: expected samples {(n, channels, dims)}, got {tuple(samples.shape)}")
    samples = samples.detach()[:n].reshape(n * channels, dims)
    places: Any = 0  # in the flat plane, (n * c, out ..., kernel ...)
    for dim, (size, count, kernel) in enumerate(zip(plane, counts, kernels, strict=True)):
        starts = _starts(samples[:, order[dim]].unsqueeze(1), size, count, kernel)
        own = starts.unsqueeze(2) + lamina.arange(kernel)
        shape = [n * channels] + [1] * (2 * dims)
        shape[1 + dim], shape[1 + dims + dim] = count, kernel
        places = places * size + own.reshape(shape)
    places = places.reshape(n * channels, math.prod(counts), math.prod(kernels))
    flat = input.reshape(n * channels, math.prod(plane))
    values = flat.gather(1, places.flatten(1)).reshape(places.shape)
    output, winners = values.max(-1)
    output = output.reshape(*lead, *counts)
    if not return_indices:
        return output
    return output, places.gather(2, winners.unsqueeze(2)).reshape(*lead, *counts)


def _starts(sample: Tensor, size: int, count: int, kernel: int) -> Tensor:
    """Where the windows of a dimension begin, (n * c, count), the last one at the end."""
    last = lamina.full((sample.shape[0], 1), size - kernel, dtype=lamina.int64)
    if count == 1:
        return last
    step = (size - kernel) / (count - 1)
    turns = lamina.arange(count - 1, dtype=sample.dtype)
    begin = ((turns + sample) * step).to(lamina.int64) - (sample * step).to(lamina.int64)
    return lamina.cat([begin, last], 1)
