"""Layers that widen the last one to three dimensions. Their law: lamina.nn.functional.pad."""

from __future__ import annotations

from collections.abc import Sequence

from lamina._core import Tensor
from lamina.nn import functional as F
from lamina.nn.functional.shape_args import sizes
from lamina.nn.modules.module import Module


class _Pad(Module):
    """``padding`` is one number, or (before, after) per dimension, the last dimension first."""

    _dims: int
    _mode: str

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        self.padding = sizes(padding, 2 * self._dims, "padding")

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    _mode = "constant"

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A border of ``value`` around the last dimension."""

    _dims = 1


class ConstantPad2d(_ConstantPad):
    """A border of ``value`` around the last two dimensions.

    >>> lamina.nn.ConstantPad2d(1, 7.0)(lamina.zeros(1, 1, 1)).sum().item()
    56.0
    """

    _dims = 2


class ConstantPad3d(_ConstantPad):
    """A border of ``value`` around the last three dimensions."""

    _dims = 3


class _ZeroPad(_Pad):
    _mode = "constant"


class ZeroPad1d(_ZeroPad):
    """A border of zeros around the last dimension."""

    _dims = 1


class ZeroPad2d(_ZeroPad):
    """A border of zeros around the last two dimensions."""

    _dims = 2


class ZeroPad3d(_ZeroPad):
    """A border of zeros around the last three dimensions."""

    _dims = 3


class _ReflectionPad(_Pad):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPad):
    """A border of the values mirrored at the edge: (n, c, l) or (c, l)."""

    _dims = 1


class ReflectionPad2d(_ReflectionPad):
    """A border of the values mirrored at the edge: (n, c, h, w) or (c, h, w)."""

    _dims = 2


class _ReplicationPad(_Pad):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPad):
    """A border of the edge's values: (n, c, l) or (c, l)."""

    _dims = 1


class ReplicationPad2d(_ReplicationPad):
    """A border of the edge's values: (n, c, h, w) or (c, h, w)."""

    _dims = 2


class _CircularPad(_Pad):
    _mode = "circular"


class CircularPad1d(_CircularPad):
    """A border of the values from the other end: (n, c, l) or (c, l)."""

    _dims = 1


class CircularPad2d(_CircularPad):
    """A border of the values from the other end: (n, c, h, w) or (c, h, w)."""

    _dims = 2


class ReflectionPad3d(_ReflectionPad):
    """A border of the values mirrored at the edge: (n, c, d, h, w) or (c, d, h, w)."""

    _dims = 3


class ReplicationPad3d(_ReplicationPad):
    """A border of the edge's values: (n, c, d, h, w) or (c, d, h, w)."""

    _dims = 3


class CircularPad3d(_CircularPad):
    """A border of the values from the other end: (n, c, d, h, w) or (c, d, h, w)."""

    _dims = 3
