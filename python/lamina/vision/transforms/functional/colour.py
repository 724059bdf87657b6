"""What colours pixels have: brightness, contrast, saturation, hue, and tables over all values.

Pillow does its own images; tensors are blended in floating numbers and rounded down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import lamina
from lamina._core import ShapeError, Tensor
from lamina.nn import functional as F

from .convert import convert_image_dtype, to_pil_image, to_tensor
from .geometry import in_float
from .kind import check_image, pillow


def most(image: Tensor) -> float:
    """The value of white."""
    return 1.0 if image.is_floating_point() else lamina.iinfo(image.dtype).max


def _check(img: Tensor, word: str, bytes_only: bool = False) -> None:
    if img.ndim < 3 or img.shape[-3] not in (1, 3):
        raise TypeError(f"{word}: expected (..., 1 or 3, h, w), got {tuple(img.shape)}")
    if bytes_only and img.dtype != lamina.uint8:
        raise TypeError(f"{word}: Only uint8 image tensors are supported, but found {img.dtype}")


def _factor(word: str, factor: float) -> None:
    if factor < 0:
        raise ShapeError(f"{word} ({factor}) is not non-negative.")


def _blend(first: Tensor, second: Tensor, ratio: float) -> Tensor:
    """``ratio`` of the first and the rest of the second, within the range of the first's dtype."""
    real = first.dtype if first.is_floating_point() else lamina.float32
    mixed = first.to(real) * ratio + second.to(real) * (1.0 - ratio)
    return mixed.clamp(0, most(first)).to(first.dtype)


def _enhanced(img: Any, kind: str, factor: float) -> Any:
    return getattr(pillow("ImageEnhance"), kind)(img).enhance(factor)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """0 is black, 1 the image, 2 twice as bright.

    >>> adjust_brightness(lamina.full((3, 1, 1), 0.25), 2.0)[0].item()
    0.5
    """
    _factor("brightness_factor", brightness_factor)
    if check_image(img):
        return _enhanced(img, "Brightness", brightness_factor)
    _check(img, "adjust_brightness")
    return _blend(img, lamina.zeros_like(img), brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """0 is the mean grey, 1 the image, 2 twice the contrast."""
    _factor("contrast_factor", contrast_factor)
    if check_image(img):
        return _enhanced(img, "Contrast", contrast_factor)
    _check(img, "adjust_contrast")
    grey = rgb_to_grayscale(img) if img.shape[-3] == 3 else img
    real = img.dtype if img.is_floating_point() else lamina.float32
    return _blend(img, grey.to(real).mean((-3, -2, -1), True), contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """0 is grey, 1 the image, 2 twice the saturation."""
    _factor("saturation_factor", saturation_factor)
    if check_image(img):
        return _enhanced(img, "Color", saturation_factor)
    _check(img, "adjust_saturation")
    return img if img.shape[-3] == 1 else _blend(img, rgb_to_grayscale(img), saturation_factor)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """0 is blurred, 1 the image, 2 sharper."""
    _factor("sharpness_factor", sharpness_factor)
    if check_image(img):
        return _enhanced(img, "Sharpness", sharpness_factor)
    _check(img, "adjust_sharpness")
    if min(img.shape[-2:]) <= 2:
        return img

    def smooth(x: Tensor) -> Tensor:
        kernel = lamina.ones(3, 3, dtype=x.dtype)
        kernel[1, 1] = 5.0
        kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, 3, 3)
        return F.conv2d(x, kernel, groups=x.shape[1])

    blurred = img.clone()
    blurred[..., 1:-1, 1:-1] = in_float(img, smooth)
    return _blend(img, blurred, sharpness_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """The colours moved round the circle of hues by ``hue_factor`` of it, from -0.5 to 0.5.

    Raises:
        ShapeError: a factor outside of that.
    """
    if not -0.5 <= hue_factor <= 0.5:
        raise ShapeError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    if check_image(img):
        if img.mode in ("L", "1", "I", "F"):
            return img
        hue, saturation, value = img.convert("HSV").split()
        turned = np.array(hue, np.int32) + int(hue_factor * 255)
        hue = pillow().fromarray((turned % 256).astype(np.uint8))
        return pillow().merge("HSV", (hue, saturation, value)).convert(img.mode)
    _check(img, "adjust_hue")
    if img.shape[-3] == 1:
        return img
    hue, saturation, value = _to_hsv(convert_image_dtype(img, lamina.float32)).unbind(-3)
    sixths = (hue + hue_factor).remainder(1.0) * 6
    parts = []
    for start in (5, 3, 1):  # red, green, blue: a trapezium over the six sides of the hexagon of hues
        side = (sixths + start).remainder(6.0)
        parts.append(value - value * saturation * lamina.minimum(side, 4 - side).clamp(0, 1))
    return convert_image_dtype(lamina.stack(parts, -3), img.dtype)


def _to_hsv(img: Tensor) -> Tensor:
    red, green, blue = img.unbind(-3)
    high, low = img.amax(-3), img.amin(-3)
    span = high - low
    safe = lamina.where(span > 0, span, 1.0)
    hue = lamina.where(
        high == red,
        (green - blue) / safe,
        lamina.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    saturation = span / lamina.where(span > 0, high, 1.0)
    return lamina.stack([(hue / 6 + 1).fmod(1.0), saturation, high], -3)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """``gain * x ** gamma`` for values from 0 to 1."""
    if gamma < 0:
        raise ShapeError("Gamma should be a non-negative real number")
    if check_image(img):
        table = [min(int(255.999 * gain * (value / 255) ** gamma), 255) for value in range(256)] * 3
        return img.convert("RGB").point(table).convert(img.mode)
    result = (gain * convert_image_dtype(img, lamina.float32) ** gamma).clamp(0, 1)
    return convert_image_dtype(result, img.dtype)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The image in grey, in one channel or three equal ones.

    Raises:
        ShapeError: another number of channels.
    """
    if num_output_channels not in (1, 3):
        raise ShapeError("num_output_channels should be either 1 or 3")
    if check_image(img):
        grey = img.convert("L")
        return grey if num_output_channels == 1 else pillow().merge("RGB", (grey, grey, grey))
    _check(img, "rgb_to_grayscale")
    if img.shape[-3] == 3:
        red, green, blue = img.unbind(-3)
        img = (0.2989 * red + 0.587 * green + 0.114 * blue).to(img.dtype).unsqueeze(-3)
    return img if num_output_channels == 1 else img.expand(*img.shape[:-3], 3, *img.shape[-2:])


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The older name of ``rgb_to_grayscale``, for Pillow's images."""
    return rgb_to_grayscale(img, num_output_channels)


def invert(img: Any) -> Any:
    """Black for white."""
    if check_image(img):
        return pillow("ImageOps").invert(img)
    _check(img, "invert")
    return most(img) - img


def posterize(img: Any, bits: int) -> Any:
    """Only the ``bits`` highest bits of each byte."""
    if not 0 <= bits <= 8:
        raise ShapeError(f"The number if bits should be between 0 and 8. Got {bits}")
    if check_image(img):
        return pillow("ImageOps").posterize(img, bits)
    _check(img, "posterize", bytes_only=True)
    return img & (256 - 2 ** (8 - bits))


def solarize(img: Any, threshold: float) -> Any:
    """What is at least as bright as ``threshold``, inverted."""
    if check_image(img):
        return pillow("ImageOps").solarize(img, threshold)
    _check(img, "solarize")
    if threshold > most(img):
        raise TypeError("Threshold should be less than bound of img.")
    return lamina.where(img >= threshold, invert(img), img)


def autocontrast(img: Any) -> Any:
    """Each channel stretched from black to white."""
    if check_image(img):
        return pillow("ImageOps").autocontrast(img)
    _check(img, "autocontrast")
    real = img.dtype if img.is_floating_point() else lamina.float32
    low, high = (edge.to(real) for edge in (img.amin((-2, -1), True), img.amax((-2, -1), True)))
    flat = high == low
    scale = most(img) / lamina.where(flat, 1.0, high - low)
    low, scale = low.masked_fill(flat, 0.0), scale.masked_fill(flat, 1.0)
    return ((img.to(real) - low) * scale).clamp(0, most(img)).to(img.dtype)


def equalize(img: Any) -> Any:
    """Each channel by a table that makes all values about equally frequent."""
    if check_image(img):
        return pillow("ImageOps").equalize(img)
    _check(img, "equalize", bytes_only=True)
    planes = np.ascontiguousarray(img.numpy()).reshape(-1, *img.shape[-2:])
    return lamina.from_numpy(np.stack([_equalized(plane) for plane in planes]).reshape(tuple(img.shape)))


def _equalized(plane: np.ndarray) -> np.ndarray:
    counts = np.bincount(plane.reshape(-1), minlength=256)
    used = counts[counts != 0]
    step = used[:-1].sum() // 255
    if step == 0:
        return plane
    table = (np.cumsum(counts) + step // 2) // step
    return np.concatenate([[0], table[:-1]]).clip(0, 255).astype(np.uint8)[plane]


def gaussian_blur(img: Any, kernel_size: int | Sequence[int], sigma: Any = None) -> Any:
    """The image under a bell of ``kernel_size`` (across, down) pixels and the spread ``sigma``.

    The spread is ``0.15 * size + 0.35`` unless given.

    Raises:
        ShapeError: sizes that are not odd and positive, or a spread that is not positive.
    """
    sides = (kernel_size,) * 2 if isinstance(kernel_size, int) else tuple(kernel_size)
    spreads = [0.15 * side + 0.35 for side in sides] if sigma is None else sigma
    spreads = [float(spreads)] * 2 if isinstance(spreads, (int, float)) else [float(s) for s in spreads]
    spreads = spreads * (3 - len(spreads)) if len(spreads) == 1 else spreads
    if len(sides) != 2 or len(spreads) != 2 or any(side % 2 == 0 or side < 0 for side in sides):
        raise ShapeError(f"kernel_size should have odd and positive integers. Got {kernel_size}")
    if min(spreads) <= 0:
        raise ShapeError(f"sigma should have positive values. Got {sigma}")
    if check_image(img):
        return to_pil_image(gaussian_blur(_bytes_of(img), sides, spreads), img.mode)
    bells = []
    for side, spread in zip(sides, spreads, strict=True):
        values = [math.exp(-0.5 * ((i - (side - 1) / 2) / spread) ** 2) for i in range(side)]
        bells.append(lamina.tensor([value / sum(values) for value in values], dtype=lamina.float64))

    def blur(x: Tensor) -> Tensor:
        across, down = (side // 2 for side in sides)
        kernel = (bells[1].unsqueeze(1) * bells[0]).to(x.dtype).expand(x.shape[1], 1, sides[1], sides[0])
        return F.conv2d(F.pad(x, (across, across, down, down), "reflect"), kernel, groups=x.shape[1])

    return in_float(img, blur)


def _bytes_of(img: Any) -> Tensor:
    made = to_tensor(img)
    return (made * 255).round().to(lamina.uint8) if made.is_floating_point() and img.mode != "F" else made
