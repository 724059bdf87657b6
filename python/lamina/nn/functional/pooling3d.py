"""Pooling over volumes: the plane first, then the depth, because a maximum and a mean may be taken in turn.

Images and lines: pooling.py. Layers: lamina.nn.modules.pooling3d."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.pooling import (
    _lp_pool,
    _unpool,
    adaptive_max_pool2d,
    avg_pool2d,
    max_pool2d,
)
from lamina.nn.functional.precision import integers_too
from lamina.nn.functional.shape_args import check_room, in_own_name, sizes, steps

Size = int | Sequence[int]


def _as_planes(word: str, input: Tensor) -> Tensor:
    """(..., d, h, w) as images (n * c, d, h, w), whose channels are the depth."""
    if input.ndim not in (4, 5):
        raise _core.ShapeError(f"{word}: expected (n, c, d, h, w) or (c, d, h, w), got {tuple(input.shape)}")
    if 0 in input.shape[-4:]:
        raise _core.ShapeError(f"{word}: expected channels and sizes above 0, got {tuple(input.shape)}")
    return input.reshape(math.prod(input.shape[:-3]), *input.shape[-3:])


def _windows(kernel_size: Size, stride: Size | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    kernels = sizes(kernel_size, 3, "kernel_size")
    return kernels, steps(stride, kernels)


@in_own_name
def max_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window: (n, c, d, h, w) or (c, d, h, w) -> (..., d', h', w').

    The stride is the window's size unless given. With ``return_indices`` also the int64 places of the
    values, counted in the volume of d * h * w.

    Raises:
        ShapeError: the window does not fit, or the padding is more than half of it.

    >>> lamina.nn.functional.max_pool3d(lamina.arange(8.0).reshape(1, 2, 2, 2), 2).item()
    7.0
    """
    kernels, strides = _windows(kernel_size, stride)
    borders, spacings = sizes(padding, 3, "padding"), sizes(dilation, 3, "dilation")
    planes = _as_planes("max_pool3d", input)
    output, inside = max_pool2d(
        planes, kernels[1:], strides[1:], borders[1:], spacings[1:], ceil_mode, return_indices=True
    )
    n, depth, height, width = output.shape
    output, chosen = max_pool2d(
        output.reshape(n, 1, depth, height * width),
        (kernels[0], 1),
        (strides[0], 1),
        (borders[0], 0),
        (spacings[0], 1),
        ceil_mode,
        return_indices=True,
    )
    shape = (*input.shape[:-3], output.shape[2], height, width)
    if not return_indices:
        return output.reshape(shape)
    return output.reshape(shape), _in_volume(inside, chosen, input).reshape(shape)


def _in_volume(inside: Tensor, chosen: Tensor, input: Tensor) -> Tensor:
    """Places in the volume, of places in each plane (n, d, h', w') and of those among the planes."""
    n, depth, height, width = inside.shape
    places = chosen.reshape(n, chosen.shape[2], height * width)
    level = places.div(height * width, rounding_mode="floor")
    return level * (input.shape[-2] * input.shape[-1]) + inside.reshape(n, depth, height * width).gather(
        1, level
    )


@in_own_name
@integers_too
def avg_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The mean of each window: (n, c, d, h, w) or (c, d, h, w) -> (..., d', h', w'), as in ``avg_pool2d``.

    Raises:
        ShapeError: the window does not fit, the padding is more than half of it, or the divisor is 0.
    """
    kernels, strides = _windows(kernel_size, stride)
    borders = sizes(padding, 3, "padding")
    if divisor_override == 0:
        raise _core.ShapeError("avg_pool3d: divisor must be not zero")
    sums = None if divisor_override is None else 1
    planes = _as_planes("avg_pool3d", input)
    planes = avg_pool2d(planes, kernels[1:], strides[1:], borders[1:], ceil_mode, count_include_pad, sums)
    n, depth, height, width = planes.shape
    output = avg_pool2d(
        planes.reshape(n, 1, depth, height * width),
        (kernels[0], 1),
        (strides[0], 1),
        (borders[0], 0),
        ceil_mode,
        count_include_pad,
        sums,
    )
    output = output.reshape(*input.shape[:-3], output.shape[2], height, width)
    means = output if divisor_override is None else output / divisor_override
    return means if out is None else _core._into_out(means, out)


def _output_sizes(word: str, input: Tensor, output_size: Any) -> tuple[int, ...]:
    wanted = sizes(output_size, 3, "output_size")
    found = [old if new is None else new for new, old in zip(wanted, input.shape[-3:], strict=True)]
    if min(found) < 0 or 0 in input.shape[-3:]:
        raise _core.ShapeError(f"{word}: cannot make {wanted} out of shape {tuple(input.shape)}")
    check_room(word, (*input.shape[:-3], *found))
    return tuple(found)


@in_own_name
def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows placed so that (..., d, h, w) becomes (..., *output_size); None keeps a size."""
    planes = _as_planes("adaptive_avg_pool3d", input)
    depth, height, width = _output_sizes("adaptive_avg_pool3d", input, output_size)
    output = _core.interpolate(planes, "mean", (depth, height, width), (0.0, 0.0, 0.0))
    return output.reshape(*input.shape[:-3], depth, height, width)


@in_own_name
def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest values of windows placed so that (..., d, h, w) becomes (..., *output_size).

    None in ``output_size`` keeps a size.
    With ``return_indices`` also the int64 places of the values, counted in the volume of d * h * w.
    """
    planes = _as_planes("adaptive_max_pool3d", input)
    depth, height, width = _output_sizes("adaptive_max_pool3d", input, output_size)
    output, inside = adaptive_max_pool2d(planes, (height, width), return_indices=True)
    column = output.reshape(*output.shape[:2], height * width).unsqueeze(1)
    output, chosen = adaptive_max_pool2d(column, (depth, height * width), return_indices=True)
    shape = (*input.shape[:-3], depth, height, width)
    if not return_indices:
        return output.reshape(shape)
    return output.reshape(shape), _in_volume(inside, chosen, input).reshape(shape)


@in_own_name
def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """``(sum of x^p)^(1/p)`` over windows, p = ``norm_type``: (n, c, d, h, w) or (c, d, h, w)."""
    return _lp_pool(avg_pool3d, input, norm_type, sizes(kernel_size, 3, "kernel_size"), stride, ceil_mode)


@in_own_name
def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """As ``max_unpool2d``: (n, c, d, h, w) or (c, d, h, w) -> (..., d', h', w')."""
    return _unpool("max_unpool3d", input, indices, (kernel_size, stride, padding), output_size, 3)
