"""Images made larger or smaller: interpolate by sampling, pixel_shuffle by moving channels into the plane.

Layers: lamina.nn.modules.upsampling and pixelshuffle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.pooling import adaptive_avg_pool1d, adaptive_avg_pool2d
from lamina.nn.functional.pooling3d import adaptive_avg_pool3d
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
    if mode == "area":
        means = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)
        return means[dims - 1](input, new)
    if mode.startswith("nearest"):
        return _resized(input, new, factors, mode, False, False)
    if not input.is_floating_point() and input.dtype != lamina.uint8:
        raise _core.DtypeError(
            f"interpolate: mode '{mode}' is for floating numbers or bytes, got {input.dtype}"
        )
    # Half numbers are computed in float32 and rounded once, bytes are rounded after each dimension.
    wide = input if input.dtype == lamina.float64 else input.to(lamina.float32)
    whole = input.dtype == lamina.uint8
    return _resized(wide, new, factors, mode, bool(align_corners), antialias, whole).to(input.dtype)


def _resized(
    input: Tensor,
    new: tuple[int, ...],
    factors: list[float | None],
    mode: str,
    align_corners: bool,
    antialias: bool,
    whole: bool = False,
) -> Tensor:
    """One dimension after the other, the last one first; ``whole`` keeps to the numbers that bytes have."""
    for i in reversed(range(len(new))):
        before, after, factor = input.shape[2 + i], new[i], factors[i]
        # PyTorch computes the places in the precision of the values, and rounding may move a place.
        real = np.float64 if input.dtype == lamina.float64 else np.float32
        if antialias:
            input = _resample_smooth(input, 2 + i, _steps(before, after, factor, align_corners), mode, after)
        else:
            input = _resample(input, 2 + i, _taps(mode, before, after, factor, align_corners, real))
        if whole:
            input = (input + 0.5).floor().clamp(0, 255)
    return input


def _steps(before: int, after: int, factor: float | None, align_corners: bool) -> float:
    """How far apart the places are that neighbouring new values are read from."""
    if align_corners:
        return (before - 1) / (after - 1) if after > 1 else 0.0
    return before / after if factor is None else 1 / factor


def _resample_smooth(input: Tensor, dim: int, step: float, mode: str, after: int) -> Tensor:
    """A kernel that is stretched over at least one step, as a product with the matrix of its weights."""
    before = input.shape[dim]
    stretch = max(step, 1.0)
    reach = (1 if mode == "bilinear" else 2) * stretch
    weights = np.zeros((after, before))
    for i in range(after):
        centre = step * (i + 0.5)
        first, stop = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), before)
        away = np.abs((np.arange(first, stop) - centre + 0.5) / stretch)
        own = np.maximum(1 - away, 0.0) if mode == "bilinear" else np.where(away < 2, _cubic(away, -0.5), 0.0)
        weights[i, first:stop] = own / own.sum()
    matrix = lamina.tensor(weights, dtype=input.dtype)
    return input.transpose(dim, -1).matmul(matrix.transpose(0, 1)).transpose(dim, -1)


def _resample(input: Tensor, dim: int, taps: list[tuple[np.ndarray, np.ndarray | None]]) -> Tensor:
    """The sum of the values at the taps' places along ``dim``, each times the tap's weights (None: 1)."""
    output: Any = None
    for places, weights in taps:
        part = input.index_select(dim, lamina.tensor(places.tolist(), dtype=lamina.int64))
        if weights is not None:
            shape = [1] * input.ndim
            shape[dim] = len(weights)
            part = part * lamina.tensor(weights.tolist(), dtype=input.dtype).reshape(shape)
        output = part if output is None else output + part
    return output


def _taps(
    mode: str, before: int, after: int, factor: float | None, align_corners: bool, real: type
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Where along a dimension each new value is read from, and with which weights."""
    targets: np.ndarray = np.arange(after, dtype=real)
    step = real(_steps(before, after, factor, False))
    last = before - 1
    if mode in ("nearest", "nearest-exact"):
        offset = real(0.5 if mode == "nearest-exact" else 0.0)
        return [(np.minimum(np.floor((targets + offset) * step), last).astype(np.int64), None)]
    if align_corners:
        source = targets * real(_steps(before, after, factor, True))
    else:
        source = (targets + real(0.5)) * step - real(0.5)
        source = source if mode == "bicubic" else np.maximum(source, 0)
    low = np.floor(source).astype(np.int64)
    t = source - low.astype(real)
    if mode == "bicubic":
        weights = [_cubic(t + 1), _cubic(t), _cubic(1 - t), _cubic(2 - t)]
        return [(np.clip(low + k - 1, 0, last), w) for k, w in enumerate(weights)]
    low = np.minimum(low, last)
    return [(low, 1 - t), (np.minimum(low + 1, last), t)]


def _cubic(x: np.ndarray, a: float = -0.75) -> np.ndarray:
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, far)


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
