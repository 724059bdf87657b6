"""Transposed convolution layers. Their law: lamina.nn.functional.conv_transpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import _core
from lamina._core import Tensor
from lamina.nn import functional as F
from lamina.nn.functional.shape_args import sizes
from lamina.nn.modules.conv import Size, _ConvNd


class _ConvTransposeNd(_ConvNd):
    padding: Any  # a tuple of numbers

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self.output_padding = sizes(output_padding, self._dims, "output_padding")

    def _check(self) -> None:
        if self.padding_mode != "zeros":
            raise _core.ShapeError(
                f'Only "zeros" padding mode is supported for {self._get_name()}, got {self.padding_mode!r}'
            )
        if isinstance(self.padding, str):
            raise TypeError(f"{self._get_name()}: expected padding in numbers, got {self.padding!r}")
        super()._check()

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    def _extra(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """The padding that leads to ``output_size``, given with or without (n, c)."""
        if output_size is None:
            return self.output_padding
        lead = input.ndim - self._dims
        if len(output_size) not in (self._dims, lead + self._dims):
            raise _core.ShapeError(
                f"ConvTranspose{self._dims}D: for {input.ndim}D input, output_size must have {self._dims} "
                f"or {lead + self._dims} elements (got {len(output_size)})"
            )
        wanted = list(output_size)[-self._dims :]
        least = [
            (size - 1) * step - 2 * border + spacing * (kernel - 1) + 1
            for size, step, border, spacing, kernel in zip(
                input.shape[-self._dims :],
                self.stride,
                self.padding,
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        ]
        most = [size + step - 1 for size, step in zip(least, self.stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(least, wanted, most, strict=True)):
            raise _core.ShapeError(
                f"requested an output size of {wanted}, but valid sizes range from {least} to {most} "
                f"(for an input of {tuple(input.shape[-self._dims :])})"
            )
        return tuple(size - low for size, low in zip(wanted, least, strict=True))


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of ``Conv1d``: (n, in_channels, l) or without n -> (n, out_channels, l').

    ``weight`` is (in_channels, out_channels / groups, k); ``output_size`` as in ``ConvTranspose2d``.
    """

    _dims = 1

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.conv_transpose1d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._extra(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of ``Conv2d``: (n, in_channels, h, w) or without n -> (n, out_channels, h', w').

    ``weight`` is (in_channels, out_channels / groups, kh, kw). ``output_padding`` chooses among the sizes
    that a convolution would make h, w of; ``output_size``, given to the call, does it in place of that.

    Source: Zeiler et al., Deconvolutional Networks, 2010.

    >>> up = lamina.nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1)
    >>> up(lamina.ones(1, 1, 4, 4)).shape[2], up(lamina.ones(1, 1, 4, 4), output_size=(8, 8)).shape[2]
    (7, 8)
    """

    _dims = 2

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.conv_transpose2d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._extra(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of ``Conv3d``: (n, in_channels, d, h, w) or without n -> (n, out_channels, d', h', w').

    ``weight`` is (in_channels, out_channels / groups, kd, kh, kw); the rest as in ``ConvTranspose2d``.
    """

    _dims = 3

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.conv_transpose3d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._extra(input, output_size),
            self.groups,
            self.dilation,
        )
