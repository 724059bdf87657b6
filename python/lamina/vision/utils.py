"""Many images in one: make_grid and save_image, under torchvision's names."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import lamina
from lamina._core import Tensor

from .transforms.functional.convert import to_pil_image


def make_grid(
    tensor: Tensor | Sequence[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Images (n, c, h, w), or a list of them, side by side in one (3, H, W), ``nrow`` in a row.

    ``normalize`` shifts their values to 0 to 1, from ``value_range`` or their own range, of each image alone
    with ``scale_each``.

    >>> make_grid(lamina.zeros(5, 1, 4, 4), nrow=3).shape
    lamina.Size([3, 14, 20])
    """
    images = tensor if isinstance(tensor, Tensor) else lamina.stack(list(tensor))
    images = images.reshape(1, *([1] * (3 - images.ndim)), *images.shape) if images.ndim < 4 else images
    images = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
    if normalize:
        dims = (1, 2, 3) if scale_each else (0, 1, 2, 3)
        low = images.amin(dims, True) if value_range is None else value_range[0]
        high = images.amax(dims, True) if value_range is None else value_range[1]
        images = images.clamp(low, high) if value_range is not None else images
        images = (images - low) / (lamina.as_tensor(high - low).clamp(min=1e-5))
    count, channels, height, width = images.shape
    if count == 1:
        return images[0]
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    down, across = height + padding, width + padding
    grid = lamina.full(
        (channels, down * rows + padding, across * columns + padding), pad_value, dtype=images.dtype
    )
    for i in range(count):
        top, left = i // columns * down + padding, i % columns * across + padding
        grid[:, top : top + height, left : left + width] = images[i]
    return grid


def save_image(
    tensor: Tensor | Sequence[Tensor], fp: str | os.PathLike, format: str | None = None, **options: Any
) -> None:
    """The ``make_grid`` of images from 0 to 1, with its ``options``, written to a file.

    Raises:
        ImportError: Pillow is not installed.
    """
    grid = make_grid(tensor, **options)
    pixels = (grid * 255 + 0.5).clamp(0, 255).to(lamina.uint8)
    to_pil_image(pixels).save(fp, format=format)
