"""What an image is: one of Pillow's or a tensor (..., c, h, w); and the only door to Pillow."""

from __future__ import annotations

import sys
from enum import Enum
from types import ModuleType
from typing import Any

from lamina._core import Tensor


class InterpolationMode(Enum):
    """How pixels between pixels are found; the last three are for Pillow's images alone."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"

    def __str__(self) -> str:
        return f"InterpolationMode.{self.name}"


# Pillow's numbers of the modes, which old scripts pass.
_NUMBERS = {
    0: InterpolationMode.NEAREST,
    1: InterpolationMode.LANCZOS,
    2: InterpolationMode.BILINEAR,
    3: InterpolationMode.BICUBIC,
    4: InterpolationMode.BOX,
    5: InterpolationMode.HAMMING,
}


def mode_of(interpolation: Any) -> InterpolationMode:
    """The mode meant by a mode or by Pillow's number of it."""
    if isinstance(interpolation, InterpolationMode):
        return interpolation
    try:
        return _NUMBERS[int(interpolation)]
    except (KeyError, TypeError, ValueError):
        raise TypeError(
            f"Argument interpolation should be a InterpolationMode or a Pillow number, got {interpolation!r}"
        ) from None


def pillow_number(mode: InterpolationMode) -> int:
    if mode is InterpolationMode.NEAREST_EXACT:
        return 0
    return next(number for number, own in _NUMBERS.items() if own is mode)


def pillow(name: str = "Image") -> ModuleType:
    """A module of Pillow.

    Raises:
        ImportError: Pillow is not installed.
    """
    try:
        import PIL.Image
        import PIL.ImageEnhance
        import PIL.ImageOps
    except ImportError as error:
        raise ImportError('lamina.vision needs Pillow for images: pip install "lamina[vision]"') from error
    return getattr(PIL, name)


def is_pillow(image: Any) -> bool:
    """Whether ``image`` is one of Pillow's; without loading Pillow for the answer."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def check_image(image: Any) -> bool:
    """Whether ``image`` is one of Pillow's rather than a tensor.

    Raises:
        TypeError: it is neither.
    """
    if is_pillow(image):
        return True
    if not isinstance(image, Tensor):
        raise TypeError(f"Unexpected type {type(image)}: expected a Pillow image or a tensor")
    if image.ndim < 2:
        raise TypeError(f"Tensor is not an image: expected (..., h, w), got shape {tuple(image.shape)}")
    return False


def get_dimensions(img: Any) -> list[int]:
    """``[channels, height, width]`` of an image.

    >>> get_dimensions(lamina.zeros(3, 4, 5))
    [3, 4, 5]
    """
    if check_image(img):
        return [len(img.getbands()), img.height, img.width]
    return [1 if img.ndim == 2 else img.shape[-3], *img.shape[-2:]]


def get_image_size(img: Any) -> list[int]:
    """``[width, height]`` of an image."""
    return get_dimensions(img)[:0:-1]


def get_image_num_channels(img: Any) -> int:
    """The number of channels of an image."""
    return get_dimensions(img)[0]
