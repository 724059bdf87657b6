"""Pooling of volumes, and pooling at random places. Their laws: functional.pooling3d and fractional_pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import _core
from lamina._core import Tensor
from lamina.nn import functional as F
from lamina.nn.functional.shape_args import sizes
from lamina.nn.modules.module import Module
from lamina.nn.modules.pooling import (
    Size,
    _AdaptiveAvgPool,
    _AdaptiveMaxPool,
    _AvgPool,
    _LPPool,
    _MaxPool,
    _MaxUnpool,
)


class MaxPool3d(_MaxPool):
    """The largest value of a window: (n, c, d, h, w) or (c, d, h, w); its place with ``return_indices``."""

    def forward(self, input: Tensor) -> Any:
        return F.max_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class AvgPool3d(_AvgPool):
    """The mean of each window: (n, c, d, h, w) or (c, d, h, w).

    >>> lamina.nn.AvgPool3d(2)(lamina.ones(1, 1, 4, 4, 4)).sum().item()
    8.0
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means over windows placed so that (..., d, h, w) becomes (..., *output_size); None keeps a size."""

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool3d(input, self.output_size)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest values of windows placed so that (..., d, h, w) becomes (..., *output_size)."""

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class LPPool3d(_LPPool):
    """``(sum of x^p)^(1/p)`` over each window, p = ``norm_type``: (n, c, d, h, w) or (c, d, h, w)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool3d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class MaxUnpool3d(_MaxUnpool):
    """As ``MaxUnpool2d``, over volumes: (n, c, d, h, w) or (c, d, h, w)."""

    _dims = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class _FractionalMaxPool(Module):
    _dims: int

    def __init__(
        self,
        kernel_size: Size,
        output_size: Size | None = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        word = self._get_name()
        if (output_size is None) == (output_ratio is None):
            raise _core.ShapeError(f"{word}: give output_size or output_ratio, and only one of them")
        self.kernel_size = sizes(kernel_size, self._dims, "kernel_size")
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else sizes(output_size, self._dims, "output_size")
        self.output_ratio = None if output_ratio is None else sizes(output_ratio, self._dims, "output_ratio")
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise _core.ShapeError(f"{word}: output_ratio must be between 0 and 1 (got {output_ratio})")


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest values of windows at random places: (n, c, h, w) or (c, h, w).

    The output's size is ``output_size``, or ``output_ratio`` of the input's.
    """

    _dims = 2
    _random_samples: Tensor | None

    def forward(self, input: Tensor) -> Any:
        return F.fractional_max_pool2d(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            self._random_samples,
        )


class FractionalMaxPool3d(_FractionalMaxPool):
    """As ``FractionalMaxPool2d``, over volumes: (n, c, d, h, w) or (c, d, h, w)."""

    _dims = 3
    _random_samples: Tensor | None

    def forward(self, input: Tensor) -> Any:
        return F.fractional_max_pool3d(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            self._random_samples,
        )
