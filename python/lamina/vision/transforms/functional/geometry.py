"""Where pixels lie: resizing, cutting, borders, mirrors, rotations and other affine maps.

Pillow does its own images; tensors go by lamina.nn.functional."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import lamina
from lamina._core import ShapeError, Tensor
from lamina.nn import functional as F

from .kind import InterpolationMode, check_image, get_dimensions, mode_of, pillow, pillow_number

NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR


def pair(size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width) of one number or two."""
    numbers = (size,) if isinstance(size, int) else tuple(size)
    if len(numbers) not in (1, 2):
        raise ShapeError(f"Please provide only two dimensions (h, w) for size, got {size}.")
    return int(numbers[0]), int(numbers[-1])


def in_float(image: Tensor, work: Any) -> Tensor:
    """What ``work`` makes of images (n, c, h, w) of floating numbers, in the shape and dtype of ``image``."""
    whole = image.reshape(-1, *([1] * (3 - image.ndim)), *image.shape[-3:])
    result = work(whole if image.is_floating_point() else whole.to(lamina.float32))
    result = result.reshape(*image.shape[:-3], *result.shape[-min(image.ndim, 3) :])
    if not image.is_floating_point():
        limits = lamina.iinfo(image.dtype)
        result = result.round().clamp(limits.min, limits.max).to(image.dtype)
    return result


def wanted_size(img: Any, size: int | Sequence[int], max_size: int | None = None) -> tuple[int, int]:
    """The (height, width) that ``resize`` makes: a single number is the shorter side."""
    numbers = (size,) if isinstance(size, int) else tuple(size)
    if len(numbers) == 2:
        if max_size is not None:
            raise ShapeError(
                "max_size should only be passed if size specifies the length of the smaller edge"
            )
        return int(numbers[0]), int(numbers[1])
    _, height, width = get_dimensions(img)
    short, long = min(height, width), max(height, width)
    new_short, new_long = int(numbers[0]), int(numbers[0] * long / short)
    if max_size is not None:
        if max_size <= numbers[0]:
            raise ShapeError(
                f"max_size = {max_size} must be strictly greater than the requested size {numbers[0]}"
            )
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_long, new_short) if width <= height else (new_short, new_long)


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: Any = BILINEAR,
    max_size: int | None = None,
    antialias: bool = True,
) -> Any:
    """The image in another size: (height, width), or one number for the shorter side.

    Raises:
        ShapeError: a size of other than one or two numbers.
    """
    mode = mode_of(interpolation)
    is_image = check_image(img)
    new = wanted_size(img, size, max_size)
    if tuple(get_dimensions(img)[1:]) == new:
        return img
    if is_image:
        return img.resize(new[::-1], pillow_number(mode))
    if mode.value not in ("nearest", "nearest-exact", "bilinear", "bicubic"):
        raise ShapeError(f"This interpolation mode is unsupported with Tensor input: {mode.value}")
    smooth = mode.value in ("bilinear", "bicubic")
    options: Any = {"align_corners": False, "antialias": antialias} if smooth else {}
    return in_float(img, lambda x: F.interpolate(x, new, mode=mode.value, **options))


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The rectangle from row ``top`` and column ``left``; what lies outside of the image is black."""
    if check_image(img):
        return img.crop((left, top, left + width, top + height))
    rows, columns = img.shape[-2:]
    right, bottom = left + width, top + height
    inside = img[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    border = [max(-left, 0), max(right - columns, 0), max(-top, 0), max(bottom - rows, 0)]
    border = [min(border[0], width), min(border[1], width), min(border[2], height), min(border[3], height)]
    return F.pad(inside, border) if any(border) else inside


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle (height, width) of the image, with a black border where it is smaller."""
    height, width = pair(output_size)
    _, rows, columns = get_dimensions(img)
    if width > columns or height > rows:
        below, beside = max(height - rows, 0), max(width - columns, 0)
        img = pad(img, [beside // 2, below // 2, (beside + 1) // 2, (below + 1) // 2])
        _, rows, columns = get_dimensions(img)
    return crop(img, round((rows - height) / 2.0), round((columns - width) / 2.0), height, width)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: Any = BILINEAR,
    antialias: bool = True,
) -> Any:
    """``crop``, then ``resize``."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def _sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """left, top, right, bottom of 1, 2 (across, down) or 4 numbers."""
    numbers = (padding,) if isinstance(padding, int) else tuple(padding)
    if len(numbers) not in (1, 2, 4):
        raise ShapeError(
            f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(numbers)} element tuple"
        )
    left, top, right, bottom = (int(number) for number in numbers * (4 // len(numbers)))
    return left, top, right, bottom


def pad(img: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Any:
    """A border around the image: one number, (across, down), or (left, top, right, bottom).

    Modes: constant (with ``fill``), edge, reflect, symmetric. Negative numbers cut off.
    """
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ShapeError("Padding mode should be either constant, edge, reflect or symmetric")
    left, top, right, bottom = sides = _sides(padding)
    if min(sides) < 0:
        cut = [-min(side, 0) for side in sides]
        _, rows, columns = get_dimensions(img)
        img = crop(img, cut[1], cut[0], rows - cut[1] - cut[3], columns - cut[0] - cut[2])
        left, top, right, bottom = (max(side, 0) for side in sides)
    if check_image(img):
        if padding_mode == "constant":
            return pillow("ImageOps").expand(img, (left, top, right, bottom), fill=_fill(img, fill))
        pixels = np.asarray(img)
        widths = ((top, bottom), (left, right), (0, 0))[: pixels.ndim]
        return pillow().fromarray(np.pad(pixels, widths, mode=padding_mode))  # type: ignore[call-overload]
    border = (left, right, top, bottom)
    if padding_mode == "constant":
        value = fill[0] if isinstance(fill, (tuple, list)) else fill
        return F.pad(img, border, value=float(value or 0)).to(img.dtype)
    if padding_mode == "symmetric":
        for dim, before, after in ((-1, left, right), (-2, top, bottom)):
            places = np.pad(np.arange(img.shape[dim]), (before, after), mode="symmetric")
            img = img.index_select(dim, lamina.from_numpy(places))
        return img
    mode = {"edge": "replicate"}.get(padding_mode, padding_mode)
    whole = img.reshape(-1, *img.shape[-2:])
    whole = F.pad(whole, border, mode)
    return whole.reshape(*img.shape[:-2], *whole.shape[-2:])


def _fill(img: Any, fill: Any) -> Any:
    """``fill`` as Pillow wants it: a number for one band, a tuple for several."""
    bands = len(img.getbands())
    numbers = list(fill) if isinstance(fill, (tuple, list)) else [0 if fill is None else fill]
    numbers = numbers * bands if len(numbers) == 1 else numbers
    if len(numbers) != bands:
        raise ShapeError(
            f"The number of elements in 'fill' does not match the bands ({len(numbers)} != {bands})"
        )
    if img.mode != "F":
        numbers = [int(number) for number in numbers]
    return numbers[0] if bands == 1 else tuple(numbers)


def hflip(img: Any) -> Any:
    """The image mirrored left to right."""
    return img.transpose(pillow().FLIP_LEFT_RIGHT) if check_image(img) else img.flip(-1)


def vflip(img: Any) -> Any:
    """The image mirrored top to bottom."""
    return img.transpose(pillow().FLIP_TOP_BOTTOM) if check_image(img) else img.flip(-2)


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, ...]:
    """Four corners (top left, top right, bottom left, bottom right) and the middle."""
    height, width = pair(size)
    _, rows, columns = get_dimensions(img)
    if width > columns or height > rows:
        raise ShapeError(f"Requested crop size {(height, width)} is bigger than input size {(rows, columns)}")
    corners = [(0, 0), (0, columns - width), (rows - height, 0), (rows - height, columns - width)]
    return (
        *(crop(img, top, left, height, width) for top, left in corners),
        center_crop(img, (height, width)),
    )


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """``five_crop`` of the image and of its mirror image."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


# Affine maps


def _inverse(
    centre: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> list[float]:
    """Where a pixel comes from, as the two rows of a matrix: the inverse of shift, rotation, shear, scale."""
    turn, sx, sy = (math.radians(degrees) for degrees in (angle, *shear))
    a = math.cos(turn - sy) / math.cos(sy)
    b = -a * math.tan(sx) - math.sin(turn)
    c = math.sin(turn - sy) / math.cos(sy)
    d = -c * math.tan(sx) + math.cos(turn)
    rows = [[d / scale, -b / scale], [-c / scale, a / scale]]
    back = [-centre[0] - translate[0], -centre[1] - translate[1]]
    made: list[float] = []
    for row, middle in zip(rows, centre, strict=True):
        made += [*row, row[0] * back[0] + row[1] * back[1] + middle]
    return made


def _warp(img: Tensor, matrix: list[float], mode: InterpolationMode, fill: Any) -> Tensor:
    """The tensor read where ``matrix``, around the middle, says."""
    if mode.value not in ("nearest", "bilinear"):
        raise ShapeError(f"This interpolation mode is unsupported with Tensor input: {mode.value}")

    def work(x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        half = lamina.tensor([0.5 * width, 0.5 * height], dtype=x.dtype)
        theta = lamina.tensor(matrix, dtype=x.dtype).reshape(2, 3)
        across = (lamina.arange(width, dtype=x.dtype) - (width - 1) / 2).expand(height, width)
        down = (lamina.arange(height, dtype=x.dtype) - (height - 1) / 2).unsqueeze(1).expand(height, width)
        base = lamina.stack([across, down, lamina.ones_like(across)], -1)
        grid = (base.reshape(-1, 3).matmul(theta.transpose(0, 1)) / half).reshape(1, height, width, 2)
        grid = grid.expand(x.shape[0], height, width, 2)
        if fill is None:
            return F.grid_sample(x, grid, mode.value, align_corners=False)
        covered = F.grid_sample(lamina.ones_like(x[:, :1]), grid, mode.value, align_corners=False)
        colours = [float(v) for v in (fill if isinstance(fill, (tuple, list)) else [fill])]
        colour = lamina.tensor(colours, dtype=x.dtype).reshape(1, -1, 1, 1)
        found = F.grid_sample(x, grid, mode.value, align_corners=False)
        if mode is NEAREST:
            return lamina.where(covered < 0.5, colour, found)
        return found * covered + (1 - covered) * colour

    return in_float(img, work)


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: Any = NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    """The image rotated by ``angle`` degrees (clockwise), scaled, sheared, shifted by ``translate`` pixels.

    Raises:
        ShapeError: a scale that is not positive, or translate or shear of other than two numbers.
    """
    shears = [float(shear), 0.0] if isinstance(shear, (int, float)) else [*map(float, shear), 0.0][:2]
    if len(translate) != 2:
        raise ShapeError(f"translate should be a sequence of length 2, got {translate}")
    if scale <= 0:
        raise ShapeError("Argument scale should be positive")
    _, height, width = get_dimensions(img)
    mode = mode_of(interpolation)
    if check_image(img):
        middle = [width * 0.5, height * 0.5] if center is None else center
        matrix = _inverse(middle, angle, translate, scale, shears)
        where = pillow().AFFINE
        return img.transform(img.size, where, matrix, pillow_number(mode), fillcolor=_fill(img, fill))
    middle = [0.0, 0.0] if center is None else [center[0] - width * 0.5, center[1] - height * 0.5]
    return _warp(img, _inverse(middle, angle, translate, scale, shears), mode, fill)


def rotate(
    img: Any,
    angle: float,
    interpolation: Any = NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    """The image rotated by ``angle`` degrees against the clock; ``expand`` keeps the corners of Pillow's."""
    mode = mode_of(interpolation)
    if check_image(img):
        around = None if center is None else tuple(center)
        return img.rotate(angle, pillow_number(mode), expand, around, fillcolor=_fill(img, fill))
    if expand:
        raise NotImplementedError("rotate: expand is for Pillow images, a tensor keeps its size")
    _, height, width = get_dimensions(img)
    middle = [0.0, 0.0] if center is None else [center[0] - width * 0.5, center[1] - height * 0.5]
    return _warp(img, _inverse(middle, -angle, [0.0, 0.0], 1.0, [0.0, 0.0]), mode, fill)
