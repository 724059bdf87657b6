"""Convolutions: arguments as users write them, onto the one 2-d law of the core.

Layers: lamina.nn.modules.conv."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.padding import pad
from lamina.nn.functional.precision import integers_too, through_float32
from lamina.nn.functional.shape_args import check_windows, in_own_name, sizes

Size = int | Sequence[int]


@in_own_name
@integers_too
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation: input (n, c, l) or (c, l), weight (out, c / groups, k), bias (out) -> (n, out, l').

    ``l' = (l + 2 * padding - dilation * (k - 1) - 1) // stride + 1``. ``"same"`` keeps l, ``"valid"`` is 0.

    Raises:
        ShapeError: sizes do not fit, or ``"same"`` with a stride.
    """
    if weight.ndim != 3 or input.ndim not in (2, 3):
        raise _core.ShapeError(
            f"conv1d: expected input (n, c, l) or (c, l) and weight (out, c / groups, k), "
            f"got {tuple(input.shape)} and {tuple(weight.shape)}"
        )
    strides, dilations = (1, *sizes(stride, 1, "stride")), (1, *sizes(dilation, 1, "dilation"))
    input, weight = input.unsqueeze(-2), weight.unsqueeze(-2)
    if isinstance(padding, str):
        input, paddings = resolve_padding("conv1d", input, weight.shape[2:], padding, strides, dilations)
    else:
        paddings = (0, *sizes(padding, 1, "padding"))
    return _core.conv2d(input, weight, bias, strides, paddings, dilations, groups).squeeze(-2)


@integers_too
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation: (n, c, h, w) or (c, h, w) -> (n, out, h', w') or (out, h', w').

    ``weight`` is (out, c / groups, kh, kw), ``bias`` (out).

    ``h' = (h + 2 * padding - dilation * (kh - 1) - 1) // stride + 1``. ``"same"`` keeps h, w; ``"valid"`` is
    0.

    Raises:
        ShapeError: sizes do not fit, or ``"same"`` with a stride.

    >>> lamina.nn.functional.conv2d(lamina.ones(1, 1, 3, 3), lamina.ones(1, 1, 3, 3)).item()
    9.0
    """
    strides, dilations = sizes(stride, 2, "stride"), sizes(dilation, 2, "dilation")
    if isinstance(padding, str) and weight.ndim == 4:
        input, paddings = resolve_padding("conv2d", input, weight.shape[2:], padding, strides, dilations)
    else:
        paddings = (0, 0) if isinstance(padding, str) else sizes(padding, 2, "padding")
    return _core.conv2d(input, weight, bias, strides, paddings, dilations, groups)


@in_own_name
@integers_too
@through_float32
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation: (n, c, d, h, w) or (c, d, h, w) -> (n, out, d', h', w') or (out, d', h', w').

    ``weight`` is (out, c / groups, kd, kh, kw); sizes, ``"same"`` and ``"valid"`` as in ``conv2d``. It is the
    sum of kd convolutions of slices.

    Raises:
        ShapeError: sizes do not fit, or ``"same"`` with a stride.
    """
    if weight.ndim != 5 or input.ndim not in (4, 5):
        raise _core.ShapeError(
            "conv3d: expected input (n, c, d, h, w) or (c, d, h, w) and weight (out, c / groups, kd, kh, "
            f"kw), got {tuple(input.shape)} and {tuple(weight.shape)}"
        )
    if input.ndim == 4:
        return conv3d(input.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0)
    if weight.shape[2] == 0:
        raise _core.ShapeError(f"conv3d: weight of size {tuple(weight.shape)} has no depth")
    step, *steps = sizes(stride, 3, "stride")
    spacing, *spacings = sizes(dilation, 3, "dilation")
    if isinstance(padding, str):
        every = (step, *steps), (spacing, *spacings)
        input, (border, *borders) = resolve_padding("conv3d", input, weight.shape[2:], padding, *every)
    else:
        border, *borders = sizes(padding, 3, "padding")
    slices = pad(input, (0, 0, 0, 0, border, border)).transpose(1, 2)
    n, depth, channels, height, width = slices.shape
    span = spacing * (weight.shape[2] - 1) + 1
    if step <= 0 or spacing <= 0 or depth < span:
        raise _core.ShapeError(
            f"conv3d: windows {tuple(weight.shape[2:])} with stride {step} and dilation {spacing} do not fit "
            f"into shape {tuple(input.shape)} with padding {border}"
        )
    count = (depth - span) // step + 1
    parts = []
    for k in range(weight.shape[2]):
        start = k * spacing
        taken = slices[:, start : start + (count - 1) * step + 1 : step]
        taken = taken.reshape(n * count, channels, height, width)
        own = bias if k == 0 else None
        parts.append(_core.conv2d(taken, weight.select(2, k), own, steps, borders, spacings, groups))
    total = sum(parts[1:], parts[0])
    return total.reshape(n, count, *total.shape[1:]).transpose(1, 2)


def resolve_padding(
    word: str,
    input: Tensor,
    kernel: Sequence[int],
    padding: str,
    stride: Sequence[int],
    dilation: Sequence[int],
) -> tuple[Tensor, tuple[int, ...]]:
    """``"same"`` or ``"valid"`` in numbers; what cannot be halved evenly is put behind ``input`` first."""
    if padding == "valid":
        return input, (0,) * len(kernel)
    if padding != "same":
        raise _core.ShapeError(f"{word}: expected padding 'same', 'valid' or numbers, got '{padding}'")
    if any(step != 1 for step in stride):
        raise _core.ShapeError(f"{word}: padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    extra: list[int] = []
    for total in reversed(totals):
        extra += [0, total % 2]
    return pad(input, extra) if any(extra) else input, tuple(total // 2 for total in totals)


@in_own_name
def unfold(
    input: Tensor, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> Tensor:
    """The windows of a convolution as columns: (n, c, h, w) or (c, h, w) -> (n, c * kh * kw, windows).

    Raises:
        ShapeError: ``input`` is no image, or smaller than one window.
    """
    if input.ndim not in (3, 4):
        raise _core.ShapeError(f"unfold: expected (n, c, h, w) or (c, h, w), got shape {tuple(input.shape)}")
    if input.ndim == 3:
        return unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    kernels, steps = sizes(kernel_size, 2, "kernel_size"), sizes(stride, 2, "stride")
    spacings, borders = sizes(dilation, 2, "dilation"), sizes(padding, 2, "padding")
    windows = pad(input, (borders[1], borders[1], borders[0], borders[0]))
    n, c, height, width = windows.shape
    counts = []
    check_windows("unfold", kernels, steps, spacings)
    if c == 0:
        raise _core.ShapeError(f"unfold: expected channels, got shape {tuple(input.shape)}")
    for size, kernel, step, spacing in zip((height, width), kernels, steps, spacings, strict=True):
        span = spacing * (kernel - 1) + 1
        if span > size:
            raise _core.ShapeError(f"unfold: windows of {kernels} do not fit into shape {tuple(input.shape)}")
        counts.append((size - span) // step + 1)
    # A view in which the windows overlap: (n, c, kh, kw, oh, ow).
    by_n, by_c, by_row, by_column = windows.stride()
    strides = (by_row * spacings[0], by_column * spacings[1], by_row * steps[0], by_column * steps[1])
    view = windows.as_strided((n, c, *kernels, *counts), (by_n, by_c, *strides), windows.storage_offset())
    return view.reshape(n, c * math.prod(kernels), math.prod(counts))


@in_own_name
def fold(
    input: Tensor,
    output_size: Size,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> Tensor:
    """The transpose of ``unfold``: columns (n, c * kh * kw, windows), or without n, are added up where their
    windows lie in an image (n, c, *output_size).

    Raises:
        ShapeError: the columns are no windows of this size, or another number than fits into the image.

    >>> lamina.nn.functional.fold(lamina.ones(1, 4, 4), (3, 3), 2)[0, 0].tolist()
    [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
    """
    if input.ndim == 2:
        return fold(input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride).squeeze(0)
    size, kernels = sizes(output_size, 2, "output_size"), sizes(kernel_size, 2, "kernel_size")
    steps, spacings = sizes(stride, 2, "stride"), sizes(dilation, 2, "dilation")
    borders = sizes(padding, 2, "padding")
    check_windows("fold", kernels, steps, spacings)
    if input.ndim != 3 or input.shape[1] % math.prod(kernels):
        raise _core.ShapeError(
            "fold: Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input of shape {tuple(input.shape)} and kernel_size={kernels}"
        )
    height, width = (length + 2 * border for length, border in zip(size, borders, strict=True))
    counts = tuple(
        max((length - spacing * (kernel - 1) - 1) // step + 1, 0)
        for length, spacing, kernel, step in zip((height, width), spacings, kernels, steps, strict=True)
    )
    if input.shape[2] != math.prod(counts) or 0 in counts:
        raise _core.ShapeError(
            f"fold: Given output_size={size}, kernel_size={kernels}, dilation={spacings}, padding={borders}, "
            f"stride={steps}, expected size of input's dimension 2 to match the calculated number of sliding "
            f"blocks {counts[0]} * {counts[1]} = {math.prod(counts)}, but got {input.shape[2]}"
        )
    n, channels = input.shape[0], input.shape[1] // math.prod(kernels)
    # Where in the plane the elements of a column lie, (kh, kw, oh, ow).
    strides = (width * spacings[0], spacings[1], width * steps[0], steps[1])
    places = lamina.arange(height * width).as_strided((*kernels, *counts), strides).reshape(-1)
    planes = lamina.zeros(n * channels, height * width, dtype=input.dtype)
    planes = planes.index_add(1, places, input.reshape(n * channels, places.numel()))
    image = planes.reshape(n, channels, height, width)
    return image[..., borders[0] : height - borders[0], borders[1] : width - borders[1]]
