"""Images into tensors and back, numbers into other ranges, normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import lamina
from lamina._core import ShapeError, Tensor

from .kind import is_pillow, pillow

_WIDE = {"I": np.int32, "I;16": np.int32, "F": np.float32}


def _pixels(pic: Any) -> np.ndarray:
    """A Pillow image or an array as (height, width, channels)."""
    if is_pillow(pic):
        pixels = np.array(pic, dtype=_WIDE.get(pic.mode))
        pixels = pixels.astype(np.uint8) * 255 if pic.mode == "1" else pixels
    elif isinstance(pic, np.ndarray):
        pixels = pic
    else:
        raise TypeError(f"pic should be a Pillow image or ndarray. Got {type(pic)}")
    if pixels.ndim not in (2, 3):
        raise ShapeError(f"pic should be 2/3 dimensional. Got {pixels.ndim} dimensions.")
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def to_tensor(pic: Any) -> Tensor:
    """A Pillow image or an array (h, w, c) as a tensor (c, h, w); bytes become float32 from 0 to 1.

    Raises:
        TypeError: ``pic`` is neither.
        ShapeError: an array that has not two or three dimensions.

    >>> to_tensor(np.full((1, 2, 3), 255, np.uint8)).shape
    lamina.Size([3, 1, 2])
    """
    planes = np.ascontiguousarray(_pixels(pic).transpose(2, 0, 1))
    if planes.dtype == np.uint8:
        return lamina.from_numpy(planes.astype(np.float32) / np.float32(255))
    return lamina.from_numpy(planes)


def pil_to_tensor(pic: Any) -> Tensor:
    """A Pillow image as a tensor (c, h, w) of its own numbers.

    Raises:
        TypeError: ``pic`` is no Pillow image.
    """
    if not is_pillow(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    return lamina.from_numpy(np.ascontiguousarray(_pixels(pic).transpose(2, 0, 1)))


def convert_image_dtype(image: Tensor, dtype: Any = None) -> Tensor:
    """The image in another dtype, its values scaled to that one's range: 0 to 1, or 0 to the largest integer.

    >>> convert_image_dtype(lamina.tensor([[[255]]], dtype=lamina.uint8)).item()
    1.0
    """
    dtype = lamina.float32 if dtype is None else dtype
    if image.dtype == dtype:
        return image
    if image.is_floating_point():
        if dtype.is_floating_point:
            return image.to(dtype)
        if dtype.itemsize > 3 and (image.dtype == lamina.float32 or dtype == lamina.int64):
            raise RuntimeError(f"The cast from {image.dtype} to {dtype} cannot be performed safely.")
        return (image * (lamina.iinfo(dtype).max + 1 - 1e-3)).to(dtype)
    most = lamina.iinfo(image.dtype).max
    if dtype.is_floating_point:
        return image.to(dtype) / most
    other = lamina.iinfo(dtype).max
    if most > other:
        return image.div((most + 1) // (other + 1), rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((other + 1) // (most + 1))


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor (c, h, w) or an array (h, w, c) as a Pillow image; floating tensors go from 0 to 1.

    Raises:
        TypeError: ``pic`` is neither, or of a dtype that Pillow has no mode for.
        ShapeError: more than four channels, or not two or three dimensions.
    """
    if isinstance(pic, Tensor):
        pic = pic.detach()
        pic = (pic * 255).to(lamina.uint8) if pic.is_floating_point() and mode != "F" else pic
        pixels = pic.numpy()
        pixels = pixels.transpose(1, 2, 0) if pixels.ndim == 3 else pixels
    else:
        pixels = pic
    if not isinstance(pixels, np.ndarray):
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    if pixels.ndim not in (2, 3):
        raise ShapeError(f"pic should be 2/3 dimensional. Got {pixels.ndim} dimensions.")
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if not 1 <= channels <= 4:
        raise ShapeError(f"pic should have from 1 to 4 channels. Got {channels} channels.")
    if channels == 1:
        pixels = pixels.reshape(pixels.shape[:2])
        kinds = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}
    else:
        kinds = {"uint8": ("LA", "RGB", "RGBA")[channels - 2]}
    if str(pixels.dtype) not in kinds:
        raise TypeError(f"Input type {pixels.dtype} is not supported for {channels} channels")
    made = pillow().fromarray(np.ascontiguousarray(pixels))
    return made if mode is None or mode == made.mode else made.convert(mode)


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """``(x - mean) / std`` for each channel of (..., c, h, w).

    Raises:
        TypeError: ``tensor`` is no tensor of floating numbers.
        ShapeError: fewer than three dimensions, or a standard deviation of 0.

    >>> normalize(lamina.ones(1, 1, 1), [0.5], [0.25]).item()
    2.0
    """
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        got = tensor.dtype if isinstance(tensor, Tensor) else type(tensor)
        raise TypeError(f"Input tensor should be a float tensor. Got {got}.")
    if tensor.ndim < 3:
        raise ShapeError(
            f"Expected tensor to be a tensor image of size (..., C, H, W). Got {tuple(tensor.shape)}"
        )
    centre = lamina.tensor(mean, dtype=tensor.dtype).reshape(-1, 1, 1)
    spread = lamina.tensor(std, dtype=tensor.dtype).reshape(-1, 1, 1)
    if bool((spread == 0).any()):
        raise ShapeError(
            f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero."
        )
    if inplace:
        return tensor.sub_(centre).div_(spread)
    return (tensor - centre) / spread


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    """The tensor (..., c, h, w) with ``v`` written over the rectangle from row ``i`` and column ``j``."""
    if not isinstance(img, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    img = img if inplace else img.clone()
    img[..., i : i + h, j : j + w] = v
    return img
