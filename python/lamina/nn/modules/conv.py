"""Convolution layers. Their law: lamina.nn.functional.conv."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn import functional as F
from lamina.nn import init
from lamina.nn.functional.shape_args import sizes
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter

Size = int | Sequence[int]


class _ConvNd(Module):
    """Parameters and options of a convolution over ``_dims`` dimensions."""

    _dims: int
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = sizes(kernel_size, self._dims, "kernel_size")
        self.stride = sizes(stride, self._dims, "stride")
        self.padding = padding if isinstance(padding, str) else sizes(padding, self._dims, "padding")
        self.dilation = sizes(dilation, self._dims, "dilation")
        self.output_padding = (0,) * self._dims
        self.groups = groups
        self.padding_mode = padding_mode
        self._check()
        self._borders = self._both_sides()
        self.weight = Parameter(lamina.empty(self._weight_shape(), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(lamina.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _check(self) -> None:
        if self.groups <= 0:
            raise _core.ShapeError("groups must be a positive integer")
        if self.in_channels % self.groups:
            raise _core.ShapeError("in_channels must be divisible by groups")
        if self.out_channels % self.groups:
            raise _core.ShapeError("out_channels must be divisible by groups")
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise _core.ShapeError(
                    f"Invalid padding string {self.padding!r}, should be one of 'same', 'valid'"
                )
            if self.padding == "same" and any(step != 1 for step in self.stride):
                raise _core.ShapeError("padding='same' is not supported for strided convolutions")
        if self.padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise _core.ShapeError(
                f"padding_mode must be zeros, reflect, replicate or circular, but got {self.padding_mode!r}"
            )

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def _both_sides(self) -> list[int]:
        """The padding as ``F.pad`` wants it: before and after, the last dimension first."""
        borders: list[int] = []
        for dim in reversed(range(self._dims)):
            if not isinstance(self.padding, str):
                borders += [self.padding[dim]] * 2
            else:
                total = self.dilation[dim] * (self.kernel_size[dim] - 1) if self.padding == "same" else 0
                borders += [total // 2, total - total // 2]
        return borders

    def reset_parameters(self) -> None:
        """Draw new starting values: U(-b, b) with ``b = 1 / sqrt(in_channels / groups * kernel size)``."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            if fan_in:
                init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        if self.padding != (0,) * self._dims:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self._dims:
            parts.append(f"dilation={self.dilation}")
        if any(self.output_padding):
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Correlation(_ConvNd):
    """A convolution that is not transposed."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """What ``forward`` computes, with other weights; subclasses that change the weights call it."""
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._borders, self.padding_mode), 0
        law: Any = (F.conv1d, F.conv2d, F.conv3d)[self._dims - 1]
        return law(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(_Correlation):
    """Cross-correlation over one dimension: (n, in_channels, l) or without n -> (n, out_channels, l').

    ``weight`` is (out_channels, in_channels / groups, k). ``padding_mode`` as in ``Conv2d``.
    """

    _dims = 1

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv2d(_Correlation):
    """Cross-correlation over an image: (n, in_channels, h, w) or without n -> (n, out_channels, h', w').

    ``weight`` is (out_channels, in_channels / groups, kh, kw). ``padding_mode`` is zeros, reflect, replicate
    or circular; ``padding`` is a number, two, ``"same"`` or ``"valid"``.

    >>> lamina.nn.Conv2d(1, 8, 3, padding="same")(lamina.ones(2, 1, 5, 5)).shape[1]
    8
    """

    _dims = 2

    def forward(self, input: Tensor) -> Tensor:
        if self.padding_mode != "zeros" or isinstance(self.padding, str):
            return self._conv_forward(input, self.weight, self.bias)
        # Put off, what follows it in a network that is not trained is done along with it.
        return _core.conv2d(
            input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups,
            may_wait=not self.training,
        )  # fmt: skip


class Conv3d(_Correlation):
    """Cross-correlation over a volume: (n, in_channels, d, h, w) or without n -> (n, out_channels, ...).

    ``weight`` is (out_channels, in_channels / groups, kd, kh, kw); the rest as in ``Conv2d``.
    """

    _dims = 3

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)
