"""Images read at places of a grid, and grids out of affine maps: the parts of a spatial transformer.

Source: Jaderberg et al., Spatial Transformer Networks, 2015."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.precision import in_float32

# One dimension's share in a value: the numbers of rows (or columns) and their weights.
Taps = list[tuple[Tensor, Tensor]]


@in_float32
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Values of images (n, c, h, w) at places (n, h', w', 2) = (x, y) from -1 to 1 -> (n, c, h', w').

    -1 and 1 are the middles of the outermost pixels with ``align_corners``, else their outer edges. ``mode``
    is bilinear, nearest or bicubic. Outside there are zeros, the ``"border"``, or its ``"reflection"``.

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
    n, rows, columns = (*grid.shape, 0, 0, 0)[:3]
    if input.ndim != 4 or tuple(grid.shape) != (input.shape[0], rows, columns, 2) or 0 in input.shape[1:]:
        raise _core.ShapeError(
            "grid_sample(): expected input (n, c, h, w) and grid (n, h', w', 2), "
            f"but got {tuple(input.shape)} and {tuple(grid.shape)}"
        )
    channels, height, width = input.shape[1:]
    places = grid.reshape(n, 1, rows * columns, 2)
    across = _taps(places.select(-1, 0), width, mode, padding_mode, bool(align_corners))
    down = _taps(places.select(-1, 1), height, mode, padding_mode, bool(align_corners))
    flat = input.reshape(n, channels, height * width)
    parts = []
    for (row, row_weight), (column, column_weight) in itertools.product(down, across):
        index = (row * width + column).expand(n, channels, rows * columns)
        parts.append(flat.gather(2, index) * (row_weight * column_weight))
    return sum(parts[1:], parts[0]).reshape(n, channels, rows, columns)


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
    """The grid (n, h, w, 2) for ``grid_sample`` that the maps ``theta`` (n, 2, 3) make for images ``size``.

    ``size`` is (n, c, h, w); place (x, y) of the result is read at ``theta @ (x, y, 1)``.

    Raises:
        ShapeError: other shapes, or a size that is not positive.

    >>> still = lamina.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> lamina.nn.functional.affine_grid(still, (1, 1, 1, 2), align_corners=True)[0, 0, :, 0].tolist()
    [-1.0, 1.0]
    """
    if len(size) != 4 or tuple(theta.shape) != (size[0], 2, 3):
        raise _core.ShapeError(
            f"Expected a batch of 2D affine matrices of shape Nx2x3 for size {tuple(size)} (n, c, h, w). "
            f"Got {tuple(theta.shape)}."
        )
    if min(size) <= 0:
        raise _core.ShapeError(f"Expected non-zero, positive output size. Got {tuple(size)}")
    n, _, height, width = size
    lines = []
    for count in (width, height):
        line = lamina.linspace(-1, 1, count, dtype=theta.dtype) if count > 1 else theta.new_zeros(1)
        lines.append(line if align_corners else line * ((count - 1) / count))
    x = lines[0].expand(height, width)
    y = lines[1].unsqueeze(1).expand(height, width)
    base = lamina.stack([x, y, lamina.ones_like(x)], -1).reshape(height * width, 3)
    return base.matmul(theta.transpose(1, 2)).reshape(n, height, width, 2)
