"""Pooling over windows: arguments as users write them, onto the 2-d laws of the core; adaptive forms.

Layers: lamina.nn.modules.pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.precision import integers_too
from lamina.nn.functional.shape_args import check_room, in_own_name, sizes, steps

Size = int | Sequence[int]


@in_own_name
def max_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window: (n, c, h, w) or (c, h, w) -> (..., h', w').

    The stride is the window's size unless given. With ``return_indices`` also the int64 places of the
    values, counted in the plane of h * w.

    Raises:
        ShapeError: the window does not fit, or the padding is more than half of it.

    >>> lamina.nn.functional.max_pool2d(lamina.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2).item()
    4.0
    """
    kernels = sizes(kernel_size, 2, "kernel_size")
    strides = steps(stride, kernels)
    output, indices = _max_pool2d(
        input,
        kernels,
        strides,
        sizes(padding, 2, "padding"),
        sizes(dilation, 2, "dilation"),
        ceil_mode,
        return_indices,
    )
    return (output, indices) if return_indices else output


def _max_pool2d(input: Tensor, *window: Any) -> tuple[Tensor, Any]:
    """The law of the core, which is for floating numbers; integers are among those of float64."""
    if input.is_floating_point() or input.is_complex() or input.dtype == lamina.bool:
        return _core.max_pool2d(input, *window)
    output, indices = _core.max_pool2d(input.to(lamina.float64), *window)
    return output.to(input.dtype), indices


@in_own_name
def max_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window: (n, c, l) or (c, l) -> (..., l'); the rest as in ``max_pool2d``."""
    kernels = (1, *sizes(kernel_size, 1, "kernel_size"))
    strides = (1, *steps(stride, kernels[1:]))
    output, indices = _max_pool2d(
        _as_image("max_pool1d", input),
        kernels,
        strides,
        (0, *sizes(padding, 1, "padding")),
        (1, *sizes(dilation, 1, "dilation")),
        ceil_mode,
        return_indices,
    )
    return (output.squeeze(-2), indices.squeeze(-2)) if return_indices else output.squeeze(-2)


@integers_too
def avg_pool2d(
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
    """The mean of each window: (n, c, h, w) or (c, h, w) -> (..., h', w'). The stride is the window's size.

    The border of zeros counts as values with ``count_include_pad``; ``divisor_override`` replaces the count.

    Raises:
        ShapeError: the window does not fit, the padding is more than half of it, or the divisor is 0.
    """
    kernels = sizes(kernel_size, 2, "kernel_size")
    strides = steps(stride, kernels)
    means = _core.avg_pool2d(
        input, kernels, strides, sizes(padding, 2, "padding"), ceil_mode, count_include_pad, divisor_override
    )
    return means if out is None else _core._into_out(means, out)


@in_own_name
@integers_too
def avg_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window: (n, c, l) or (c, l) -> (..., l'); the rest as in ``avg_pool2d``."""
    kernels = (1, *sizes(kernel_size, 1, "kernel_size"))
    strides = (1, *steps(stride, kernels[1:]))
    paddings = (0, *sizes(padding, 1, "padding"))
    image = _as_image("avg_pool1d", input)
    return _core.avg_pool2d(image, kernels, strides, paddings, ceil_mode, count_include_pad, None).squeeze(-2)


def _as_image(word: str, input: Tensor) -> Tensor:
    if input.ndim not in (2, 3):
        raise _core.ShapeError(f"{word}: expected (n, c, l) or (c, l), got shape {tuple(input.shape)}")
    return input.unsqueeze(-2)


# Adaptive forms: output i of ``count`` covers floor(i * size / count) to ceil((i + 1) * size / count).


def _bins(size: int, count: int) -> tuple[Any, Any]:
    places = np.arange(count)
    return places * size // max(count, 1), -((-(places + 1) * size) // max(count, 1))


def _output_sizes(word: str, input: Tensor, output_size: Any) -> tuple[int, int]:
    if input.ndim not in (3, 4):
        raise _core.ShapeError(f"{word}: expected (n, c, h, w) or (c, h, w), got shape {tuple(input.shape)}")
    wanted = sizes(output_size, 2, "output_size")
    height, width = (old if new is None else new for new, old in zip(wanted, input.shape[-2:], strict=True))
    if height < 0 or width < 0 or 0 in input.shape[-3:]:
        raise _core.ShapeError(f"{word}: cannot make {wanted} out of shape {tuple(input.shape)}")
    check_room(word, (*input.shape[:-2], height, width))
    return height, width


@in_own_name
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows placed so that (..., h, w) becomes (..., *output_size); None keeps a size.

    >>> lamina.nn.functional.adaptive_avg_pool2d(lamina.ones(1, 3, 5, 5), (2, None)).shape[3]
    5
    """
    if not input.is_floating_point():
        raise _core.DtypeError(f"adaptive_avg_pool2d: expected a floating dtype, got {input.dtype}")
    if output_size in (1, (1, 1)) and input.ndim in (3, 4) and input.numel():
        return input.mean((-2, -1), True)
    wanted = _output_sizes("adaptive_avg_pool2d", input, output_size)
    if wanted == (1, 1):
        return input.mean((-2, -1), True)
    height, width = input.shape[-2:]
    if 0 not in wanted and height % wanted[0] == 0 and width % wanted[1] == 0:
        kernel = (height // wanted[0], width // wanted[1])
        return _core.avg_pool2d(input, kernel, kernel, (0, 0), False, True, None)
    return _core.interpolate(input, "mean", wanted, (0.0, 0.0))


@in_own_name
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows placed so that (..., l) becomes (..., output_size)."""
    image = _as_image("adaptive_avg_pool1d", input)
    return adaptive_avg_pool2d(image, (1, *sizes(output_size, 1, "output_size"))).squeeze(-2)


@in_own_name
def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest values of windows placed so that (..., h, w) becomes (..., *output_size).

    None in ``output_size`` keeps a size.
    With ``return_indices`` also the int64 places of the values, counted in the plane of h * w.
    """
    wanted = _output_sizes("adaptive_max_pool2d", input, output_size)
    height, width = input.shape[-2:]
    if 0 not in wanted and height % wanted[0] == 0 and width % wanted[1] == 0:
        kernel = (height // wanted[0], width // wanted[1])
        return max_pool2d(input, kernel, return_indices=return_indices)
    row_places, rows = _places(height, wanted[0])
    column_places, columns = _places(width, wanted[1])
    # All windows get the length of the longest by repeating their last value, which changes no maximum.
    windows = input.index_select(-1, column_places.reshape(-1)).index_select(-2, row_places.reshape(-1))
    lead = tuple(input.shape[:-2])
    windows = windows.reshape(*lead, wanted[0], rows, wanted[1], columns).transpose(-3, -2)
    output, winners = windows.reshape(*lead, *wanted, rows * columns).max(-1)
    if not return_indices:
        return output
    plane = row_places.reshape(wanted[0], 1, rows, 1) * width + column_places.reshape(
        1, wanted[1], 1, columns
    )
    plane = plane.reshape(*(1 for _ in lead), *wanted, rows * columns).expand(*lead, *wanted, rows * columns)
    return output, plane.gather(-1, winners.unsqueeze(-1)).squeeze(-1)


def _places(size: int, count: int) -> tuple[Tensor, int]:
    """The places that each window covers, (count, longest), and the longest window's length."""
    starts, stops = _bins(size, count)
    longest = int((stops - starts).max(initial=1))
    places = np.minimum(starts[:, None] + np.arange(longest), stops[:, None] - 1)
    return lamina.tensor(places, dtype=lamina.int64).reshape(count, longest), longest


@in_own_name
def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest values of windows placed so that (..., l) becomes (..., output_size)."""
    wanted = (1, *sizes(output_size, 1, "output_size"))
    output, indices = adaptive_max_pool2d(
        _as_image("adaptive_max_pool1d", input), wanted, return_indices=True
    )
    return (output.squeeze(-2), indices.squeeze(-2)) if return_indices else output.squeeze(-2)


@in_own_name
def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """``(sum of x^p)^(1/p)`` over windows, p = ``norm_type``: (n, c, h, w) or (c, h, w) -> (..., h', w')."""
    return _lp_pool(avg_pool2d, input, norm_type, sizes(kernel_size, 2, "kernel_size"), stride, ceil_mode)


@in_own_name
def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """``(sum of x^p)^(1/p)`` over each window, p = ``norm_type``: (n, c, l) or (c, l) -> (..., l')."""
    return _lp_pool(avg_pool1d, input, norm_type, sizes(kernel_size, 1, "kernel_size"), stride, ceil_mode)


def _lp_pool(
    mean: Any, input: Tensor, norm_type: float, kernels: tuple[int, ...], stride: Any, ceil_mode: bool
) -> Tensor:
    """The law of all three, by the pooling ``mean`` of as many dimensions."""
    means = mean(input.pow(norm_type), kernels, stride, 0, ceil_mode)
    return (means * math.prod(kernels)).pow(1 / norm_type)


@in_own_name
def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Each value where ``max_pool2d`` found it, zeros elsewhere: (n, c, h, w) or (c, h, w) -> (..., h', w').

    ``indices`` are those of ``max_pool2d(..., return_indices=True)``. The size is the smallest that pools to
    h, w, or ``output_size``, with or without (n, c). Source: Zeiler and Fergus, 2014.

    Raises:
        ShapeError: sizes do not fit, or the windows cannot have come from ``output_size``.
        IndexError: an index outside of the plane.
    """
    return _unpool("max_unpool2d", input, indices, (kernel_size, stride, padding), output_size, 2)


@in_own_name
def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """As ``max_unpool2d``: (n, c, l) or (c, l) -> (..., l')."""
    return _unpool("max_unpool1d", input, indices, (kernel_size, stride, padding), output_size, 1)


def _unpool(
    word: str, input: Tensor, indices: Tensor, window: tuple[Any, Any, Any], given: Any, dims: int
) -> Tensor:
    if input.ndim not in (dims + 1, dims + 2) or input.shape != indices.shape:
        raise _core.ShapeError(
            f"{word}: expected input and indices of one shape of {dims + 1} or {dims + 2} dimensions, "
            f"got {tuple(input.shape)} and {tuple(indices.shape)}"
        )
    kernels = sizes(window[0], dims, "kernel_size")
    steps = kernels if window[1] is None else sizes(window[1], dims, "stride")
    borders = sizes(window[2], dims, "padding")
    planes = zip(input.shape[-dims:], steps, kernels, borders, strict=True)
    least = [(size - 1) * step + kernel - 2 * border for size, step, kernel, border in planes]
    wanted = least if given is None else list(given)
    if len(wanted) == dims + 2:
        wanted = wanted[2:]
    if len(wanted) != dims:
        raise _core.ShapeError(
            f"output_size should be a sequence containing {dims} or {dims + 2} elements, "
            f"but it has a length of '{len(wanted)}'"
        )
    for dim, (size, usual, step) in enumerate(zip(wanted, least, steps, strict=True)):
        if not usual - step < size < usual + step:
            raise _core.ShapeError(
                f'invalid output_size "{wanted}" '
                f"(dim {dim} must be between {usual - step} and {usual + step})"
            )
    if indices.numel() and int(indices.min()) < 0:
        raise _core.BoundsError(f"{word}: found a negative index, {int(indices.min())}")
    lead = tuple(input.shape[:-dims])
    flat = lamina.zeros(*lead, math.prod(wanted), dtype=input.dtype)
    values = input.reshape(*lead, math.prod(input.shape[-dims:]))
    return flat.scatter(-1, indices.reshape(values.shape), values).reshape(*lead, *wanted)
