"""Regions of feature maps brought to one size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import lamina
from lamina import nn
from lamina._core import ShapeError, Tensor
from lamina.nn.functional.shape_args import sizes


def roi_align(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """Regions of (n, c, h, w) at one size: (k, c, *output_size), each value the mean of bilinear samples.

    ``boxes`` is (k, 5) with the image's number before the corners, or for each image a tensor (l, 4); they
    are multiplied by ``spatial_scale``. There are ``sampling_ratio`` squared samples in each cell; with -1 as
    many as there are pixels. ``aligned`` moves them by half a pixel: 0 is the middle of the first one.
    Source: He et al., Mask R-CNN, 2017.

    Raises:
        ShapeError: other shapes, or a box of an image that there is not.

    >>> roi_align(lamina.ones(1, 2, 8, 8), lamina.tensor([[0.0, 1.0, 1.0, 5.0, 5.0]]), 2).shape
    lamina.Size([1, 2, 2, 2])
    """
    height, width = sizes(output_size, 2, "output_size")
    if not isinstance(boxes, Tensor):
        numbered = [
            lamina.cat([lamina.full((len(b), 1), i, dtype=b.dtype), b], 1) for i, b in enumerate(boxes)
        ]
        boxes = lamina.cat(numbered) if numbered else input.new_zeros(0, 5)
    if input.ndim != 4 or boxes.ndim != 2 or boxes.shape[1] != 5 or min(height, width) < 1:
        raise ShapeError(
            f"roi_align: expected input (n, c, h, w), boxes (k, 5) and a size above 0, got "
            f"{tuple(input.shape)}, {tuple(boxes.shape)} and {(height, width)}"
        )
    regions = []
    for image, x1, y1, x2, y2 in boxes.detach().double().tolist():
        if not 0 <= image < input.shape[0]:
            raise ShapeError(f"roi_align: a box of image {image:g}, but there are {input.shape[0]}")
        ends = ((y1, y2, height, input.shape[2]), (x1, x2, width, input.shape[3]))
        rows, columns = (
            lamina.tensor(_means(*end, spatial_scale, sampling_ratio, aligned), dtype=input.dtype)
            for end in ends
        )
        regions.append(rows.matmul(input[int(image)].matmul(columns.transpose(0, 1))))
    return lamina.stack(regions) if regions else input.new_zeros(0, input.shape[1], height, width)


def _means(start: float, end: float, cells: int, size: int, scale: float, samples: int, aligned: bool) -> Any:
    """What a cell takes of each pixel along one dimension, (cells, size): bilinear sampling is separable."""
    start, end = start * scale - 0.5 * aligned, end * scale - 0.5 * aligned
    length = end - start if aligned else max(end - start, 1.0)
    count = samples if samples > 0 else math.ceil(length / cells)
    weights = np.zeros((cells, size))
    if count < 1:
        return weights
    places = start + length / cells * (np.arange(cells)[:, None] + (np.arange(count) + 0.5) / count)
    inside = (places >= -1) & (places <= size)
    places = np.clip(places, 0, size - 1)
    low = np.floor(places).astype(np.int64)
    rest = places - low
    cell = np.broadcast_to(np.arange(cells)[:, None], places.shape)
    np.add.at(weights, (cell, low), (1 - rest) * inside / count)
    np.add.at(weights, (cell, np.minimum(low + 1, size - 1)), rest * inside / count)
    return weights


class RoIAlign(nn.Module):
    """``roi_align`` as a layer: (n, c, h, w) and boxes -> (k, c, *output_size)."""

    def __init__(
        self,
        output_size: int | Sequence[int],
        spatial_scale: float,
        sampling_ratio: int,
        aligned: bool = False,
    ) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self.sampling_ratio, self.aligned = sampling_ratio, aligned

    def forward(self, input: Tensor, rois: Tensor | Sequence[Tensor]) -> Tensor:
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio}, aligned={self.aligned}"
        )
