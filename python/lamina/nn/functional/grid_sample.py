"""Images read at places of a grid, and grids out of affine maps: the parts of a spatial transformer.

Source: Jaderberg et al., Spatial Transformer Networks, 2015."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.precision import in_float32
from lamina.nn.functional.shape_args import in_own_name

# One dimension's share in a value: the numbers of rows (or columns) and their weights.
Taps = list[tuple[Tensor, Tensor]]


@in_own_name
@in_float32
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Values of images (n, c, h, w) at places (n, h', w', 2) = (x, y) from -1 to 1 -> (n, c, h', w').

    Volumes (n, c, d, h, w) are read at (n, d', h', w', 3) = (x, y, z). -1 and 1 are the middles of the
    outermost pixels with ``align_corners``, else their outer edges. ``mode`` is bilinear (for volumes too),
    nearest, or for images bicubic. Outside there are zeros, the ``"border"``, or its ``"reflection"``.

    Raises:
        ShapeError: other shapes, an empty image, or an unknown mode.

    >>> image = lamina.tensor([[[[1.0, 3.0]]]])
    >>> lamina.nn.functional.grid_sample(image, lamina.zeros(1, 1, 1, 2)).item()
    2.0
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise _core.ShapeError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', "
            f"but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise _core.ShapeError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
            f"but got: '{padding_mode}'"
        )
    dims = input.ndim - 2
    n, *out = tuple(grid.shape[:-1])
    if dims not in (2, 3) or grid.ndim != dims + 2 or grid.shape[-1] != dims or n != input.shape[0]:
        raise _core.ShapeError(
            "grid_sample(): expected input (n, c, h, w) and grid (n, h', w', 2), or (n, c, d, h, w) and "
            f"(n, d', h', w', 3), but got {tuple(input.shape)} and {tuple(grid.shape)}"
        )
    if not input.is_floating_point() or input.dtype != grid.dtype:
        raise _core.DtypeError(
            f"grid_sample(): expected one floating dtype, got {input.dtype} and a grid of {grid.dtype}"
        )
    if 0 in input.shape[2:]:
        raise _core.ShapeError(
            f"grid_sample(): expected input to have non-empty spatial dimensions, got {tuple(input.shape)}"
        )
    if mode == "bicubic" and dims == 3:
        raise _core.ShapeError("grid_sampler(): bicubic interpolation only supports 4D input")
    channels, *plane = input.shape[1:]
    count = math.prod(out)
    places = grid.reshape(n, 1, count, dims)
    taps = [
        _taps(places.select(-1, dims - 1 - i), size, mode, padding_mode, bool(align_corners))
        for i, size in enumerate(plane)
    ]
    flat = input.reshape(n, channels, math.prod(plane))
    total: Any = 0
    for corner in itertools.product(*taps):
        index, weight = corner[0]
        for (line, share), size in zip(corner[1:], plane[1:], strict=True):
            index, weight = index * size + line, weight * share
        total = total + flat.gather(2, index.expand(n, channels, count)) * weight
    return total.reshape(n, channels, *out)


def _taps(place: Tensor, size: int, mode: str, padding: str, align: bool) -> Taps:
    """The lines around each place from -1 to 1, and what each of them counts."""
    x = (place + 1) * (size - 1) / 2 if align else ((place + 1) * size - 1) / 2
    if mode != "bicubic":
        x = _inside(x, size, padding, align)
    if mode == "nearest":
        line = x.round()
        taps = [(line, 1 + (line - line.detach()))]  # 1, whose gradient is zeros rather than none
    else:
        first = x.detach().floor()
        f = x - first
        weights = [1 - f, f] if mode == "bilinear" else [_far(1 + f), _near(f), _near(1 - f), _far(2 - f)]
        start = 0 if mode == "bilinear" else -1
        taps = [(first + (start + i), weight) for i, weight in enumerate(weights)]
    found: Taps = []
    for line, weight in taps:
        if mode == "bicubic":
            line = _inside(line, size, padding, align)
        line = line.detach()
        outside = ~((line >= 0) & (line <= size - 1))
        found.append((line.masked_fill(outside, 0.0).to(lamina.int64), weight.masked_fill(outside, 0.0)))
    return found


# The cubic kernel of Keys, 1981, with a = -0.75, up to a distance of 1 and from there to 2.


def _near(d: Tensor) -> Tensor:
    return (1.25 * d - 2.25) * d * d + 1


def _far(d: Tensor) -> Tensor:
    return ((-0.75 * d + 3.75) * d - 6) * d + 3


def _inside(x: Tensor, size: int, padding: str, align: bool) -> Tensor:
    """Places outside moved onto the border, or reflected at the outermost pixels' edges (or middles)."""
    if padding == "zeros":
        return x
    if padding == "reflection":
        low, span = (0.0, size - 1) if align else (-0.5, size)
        if span == 0:
            return x * 0.0
        away = (x - low).abs()
        turns = (away.detach() / span).floor()
        rest = away - turns * span
        x = lamina.where(turns % 2 == 0, rest, span - rest) + low
    return x.clamp(0, size - 1)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid for ``grid_sample`` that the maps ``theta`` (n, 2, 3) make for images ``size`` (n, c, h, w).

    It is (n, h, w, 2); place (x, y) of the result is read at ``theta @ (x, y, 1)``. For volumes ``theta`` is
    (n, 3, 4) and ``size`` (n, c, d, h, w).

    Raises:
        ShapeError: other shapes, or a size that is not positive.

    >>> still = lamina.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> lamina.nn.functional.affine_grid(still, (1, 1, 1, 2), align_corners=True)[0, 0, :, 0].tolist()
    [-1.0, 1.0]
    """
    if not theta.is_floating_point():
        raise _core.ShapeError(f"Expected theta to have floating point type, but got {theta.dtype}")
    dims = len(size) - 2
    if dims not in (2, 3) or tuple(theta.shape) != (size[0], dims, dims + 1):
        raise _core.ShapeError(
            "Expected a batch of 2D affine matrices of shape Nx2x3 for a size (n, c, h, w), or of 3D affine "
            f"matrices of shape Nx3x4 for (n, c, d, h, w). Got {tuple(theta.shape)} and {tuple(size)}."
        )
    if min(size) <= 0:
        raise _core.ShapeError(f"Expected non-zero, positive output size. Got {tuple(size)}")
    n, _, *plane = size
    axes = []
    for i, count in enumerate(plane):
        line = lamina.linspace(-1, 1, count, dtype=theta.dtype) if count > 1 else theta.new_zeros(1)
        line = line if align_corners else line * ((count - 1) / count)
        axes.append(line.reshape([-1] + [1] * (dims - 1 - i)).expand(*plane))
    base = lamina.stack([*reversed(axes), lamina.ones_like(axes[0])], -1).reshape(math.prod(plane), dims + 1)
    return base.matmul(theta.transpose(1, 2)).reshape(n, *plane, dims)
