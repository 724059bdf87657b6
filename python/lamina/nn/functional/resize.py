"""Images made larger or smaller: interpolate by sampling, pixel_shuffle by moving channels into the plane.

Layers: lamina.nn.modules.upsampling and pixelshuffle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.shape_args import check_room, in_own_name, sizes

# Dimensions behind (n, c) that each mode works on.
_MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "trilinear": (3,),
    "bicubic": (2,),
    "area": (1, 2, 3),
}
# What each of them does along a dimension; nearest and nearest-exact do what they say.
_LAWS = {"linear": "linear", "bilinear": "linear", "trilinear": "linear", "bicubic": "cubic", "area": "mean"}


@in_own_name
def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize (n, c, l), (n, c, h, w) or (n, c, d, h, w) to ``size``, or by ``scale_factor``.

    Modes: nearest, nearest-exact, linear (3-d input), bilinear, bicubic (4-d), trilinear (5-d), area. With
    ``align_corners`` the centres of the corner pixels coincide, otherwise the image's edges do.
    ``recompute_scale_factor`` takes the factor from the rounded sizes. With ``antialias`` (bilinear and
    bicubic) the kernel is as wide as the step where images are made smaller. The cubic kernel is that of
    Keys, 1981.

    Raises:
        ShapeError: both or neither of the two sizes are given, or the mode does not suit the rest.

    >>> lamina.nn.functional.interpolate(lamina.tensor([[[1.0, 2.0]]]), scale_factor=2).tolist()
    [[[1.0, 1.0, 2.0, 2.0]]]
    """
    dims = input.ndim - 2
    if dims not in _MODES.get(mode, ()):
        raise _core.ShapeError(
            f"interpolate: mode '{mode}' does not take input of shape {tuple(input.shape)}"
        )
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise _core.ShapeError(f"interpolate: align_corners has no meaning for mode '{mode}'")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise _core.ShapeError(f"interpolate: antialias is for modes bilinear and bicubic, got '{mode}'")
    if (size is None) == (scale_factor is None):
        raise _core.ShapeError("interpolate: give size or scale_factor, and only one of them")
    old = tuple(input.shape[2:])
    factors: list[float | None] = [None] * dims
    if size is not None:
        if recompute_scale_factor:
            raise _core.ShapeError("interpolate: recompute_scale_factor has no meaning with an explicit size")
        new = tuple(int(n) for n in sizes(size, dims, "size"))
    else:
        given = sizes(scale_factor, dims, "scale_factor")  # type: ignore[arg-type]
        if not all(math.isfinite(factor) for factor in given):
            raise _core.ShapeError(f"interpolate: expected a finite scale_factor, got {scale_factor}")
        new = tuple(math.floor(n * factor) for n, factor in zip(old, given, strict=True))
        factors = factors if recompute_scale_factor else list(given)
    if min(new + old) < 1:
        raise _core.ShapeError(f"interpolate: cannot resize {old} to {new}")
    check_room("interpolate", (*input.shape[:2], *new))
    floating = input.is_floating_point()
    if not floating and input.dtype != lamina.uint8 and not mode.startswith("nearest"):
        raise _core.DtypeError(
            f"interpolate: mode '{mode}' is for floating numbers or bytes, got {input.dtype}"
        )
    law = _LAWS.get(mode, mode)
    align = bool(align_corners)
    steps = [_step(*each, align) for each in zip(old, new, factors, strict=True)]
    if floating or mode.startswith("nearest"):
        return _core.interpolate(input, law, new, steps, align, antialias)
    # Bytes are computed in float32, and rounded after each dimension, the last one first.
    output = input.to(lamina.float32)
    for i in reversed(range(dims)):
        lines = output.transpose(2 + i, -1)
        lines = _core.interpolate(lines, law, new[i : i + 1], steps[i : i + 1], align, antialias)
        output = (lines.transpose(2 + i, -1) + 0.5).floor().clamp(0, 255)
    return output.to(input.dtype)


def _step(before: int, after: int, factor: float | None, align_corners: bool) -> float:
    """How far apart the places are that neighbouring new values are read from."""
    if align_corners:
        return (before - 1) / (after - 1) if after > 1 else 0.0
    return before / after if factor is None else 1 / factor


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The older name of ``interpolate``."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """The older name of ``interpolate`` by the nearest value."""
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """The older name of bilinear ``interpolate`` with aligned corners."""
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


@in_own_name
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels into the plane: (..., c * r * r, h, w) -> (..., c, h * r, w * r).

    Source: Shi et al., Real-Time Single Image and Video Super-Resolution, 2016.

    Raises:
        ShapeError: the channels are no multiple of r * r.
    """
    r = upscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-3] % (r * r):
        raise _core.ShapeError(
            f"pixel_shuffle: expected (..., c * {r} * {r}, h, w), got shape {tuple(input.shape)}"
        )
    *lead, channels, height, width = input.shape
    blocks = input.reshape(math.prod(lead), channels // (r * r), r, r, height, width).permute(
        0, 1, 4, 2, 5, 3
    )
    return blocks.reshape(*lead, channels // (r * r), height * r, width * r)


@in_own_name
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The plane into channels: (..., c, h * r, w * r) -> (..., c * r * r, h, w).

    Raises:
        ShapeError: height or width are no multiple of r.
    """
    r = downscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-2] % r or input.shape[-1] % r:
        raise _core.ShapeError(
            f"pixel_unshuffle: expected (..., h * {r}, w * {r}), got shape {tuple(input.shape)}"
        )
    *lead, channels, height, width = input.shape
    blocks = input.reshape(math.prod(lead), channels, height // r, r, width // r, r).permute(0, 1, 3, 5, 2, 4)
    return blocks.reshape(*lead, channels * r * r, height // r, width // r)


@in_own_name
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels (n, c, ...) dealt out anew: the first of each group, then the second of each, and so on.

    Source: Zhang et al., ShuffleNet, 2018.

    Raises:
        ShapeError: fewer than three dimensions, or channels that are no multiple of ``groups``.
    """
    if input.ndim < 3:
        raise _core.ShapeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {tuple(input.shape)}"
        )
    if groups <= 0:
        raise _core.ShapeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    n, channels, *plane = input.shape
    if channels % groups:
        raise _core.ShapeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups."
        )
    return input.reshape(n, groups, channels // groups, *plane).transpose(1, 2).reshape(input.shape)
