"""Layers that find out the size of their input when they are first called.

What they become: linear.py, conv.py, conv_transpose.py, batchnorm.py, instancenorm.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.modules.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d, _NormBase
from lamina.nn.modules.conv import Conv1d, Conv2d, Conv3d, Size
from lamina.nn.modules.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from lamina.nn.modules.instancenorm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from lamina.nn.modules.linear import Linear
from lamina.nn.modules.module import Module
from lamina.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

Self = TypeVar("Self", bound="LazyModuleMixin")


class LazyModuleMixin(Module):
    """Base of modules with parameters of unknown shape: the first call gives them one, by
    ``initialize_parameters``, and turns the module into ``cls_to_become`` unless that is None.

    Raises:
        RuntimeError: ``initialize_parameters`` left a parameter without a shape.
    """

    cls_to_become: type[Module] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.__dict__.get("_sizes_known", False):
            with lamina.no_grad():
                self.initialize_parameters(*args, **kwargs)
            if self.has_uninitialized_params():
                raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
            if self.cls_to_become is not None:
                self.__class__ = self.cls_to_become  # type: ignore[assignment]
                return self(*args, **kwargs)
            self.__dict__["_sizes_known"] = True
        return super().__call__(*args, **kwargs)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give every parameter and buffer its shape, from what the module is called with."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {self._get_name()}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no shape yet."""
        return any(is_lazy(value) for table in (self._parameters, self._buffers) for value in table.values())

    def _apply(self: Self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        waiting = [name for name, buffer in self._buffers.items() if is_lazy(buffer)]
        super()._apply(fn, recurse)
        for name in waiting:
            self.__dict__[name] = UninitializedBuffer(dtype=self.__dict__[name].dtype)
        return self

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, value in self._own_state():
            destination[prefix + name] = value if keep_vars or is_lazy(value) else value.detach()

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        for name, own in self._own_state():
            value = state_dict.get(prefix + name)
            if isinstance(own, (UninitializedParameter, UninitializedBuffer)) and isinstance(value, Tensor):
                if not is_lazy(value):
                    own.materialize(value.shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _shape(self, name: str, *shape: int) -> None:
        """Give a parameter or buffer its shape, if there is one that has none."""
        value = self.__dict__[name]
        if is_lazy(value):
            value.materialize(shape)


class LazyLinear(LazyModuleMixin, Linear):
    """``Linear`` whose ``in_features`` are those of the first input.

    >>> layer = lamina.nn.LazyLinear(3)
    >>> layer(lamina.ones(2, 5)).shape[1], layer
    (3, Linear(in_features=5, out_features=3, bias=True))
    """

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw new starting values, once there is something to draw."""
        if not self.has_uninitialized_params() and self.in_features:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Take ``in_features`` from the last dimension of ``input``."""
        fresh = self.has_uninitialized_params()
        self.in_features = input.shape[-1]
        self._shape("weight", self.out_features, self.in_features)
        if self.bias is not None:
            self._shape("bias", self.out_features)
        if fresh:
            self.reset_parameters()


class _LazyConv(LazyModuleMixin):
    """What lazy convolutions do beside being convolutions; ``args`` are theirs behind ``out_channels``."""

    _dims: int

    def _wait(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw new starting values, once there is something to draw."""
        if not self.has_uninitialized_params() and self.in_channels:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Take ``in_channels`` from ``input``."""
        fresh, dims = self.has_uninitialized_params(), self._dims
        if input.ndim not in (dims + 1, dims + 2):
            raise _core.ShapeError(
                f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {self._get_name()}, "
                f"but got input of size: {tuple(input.shape)}"
            )
        self.in_channels: int = input.shape[-dims - 1]
        layer: Any = self
        if self.in_channels % layer.groups:
            raise _core.ShapeError("in_channels must be divisible by groups")
        self._shape("weight", *layer._weight_shape())
        if layer.bias is not None:
            self._shape("bias", self.out_channels)
        if fresh:
            self.reset_parameters()


class _LazyConvNd(_LazyConv):
    def __init__(
        self,
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
        args: Any = (0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        super().__init__(*args)
        self._wait(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConvNd, Conv1d):
    """``Conv1d`` whose ``in_channels`` are those of the first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConvNd, Conv2d):
    """``Conv2d`` whose ``in_channels`` are those of the first input."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConvNd, Conv3d):
    """``Conv3d`` whose ``in_channels`` are those of the first input."""

    cls_to_become = Conv3d


class _LazyConvTransposeNd(_LazyConv):
    def __init__(
        self,
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
        args: Any = (
            0,
            0,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            False,
            dilation,
            padding_mode,
        )
        super().__init__(*args)
        self._wait(out_channels, bias, device, dtype)


class LazyConvTranspose1d(_LazyConvTransposeNd, ConvTranspose1d):
    """``ConvTranspose1d`` whose ``in_channels`` are those of the first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTransposeNd, ConvTranspose2d):
    """``ConvTranspose2d`` whose ``in_channels`` are those of the first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTransposeNd, ConvTranspose3d):
    """``ConvTranspose3d`` whose ``in_channels`` are those of the first input."""

    cls_to_become = ConvTranspose3d


class _LazyNorm(LazyModuleMixin, _NormBase):
    """A norm whose ``num_features`` are the channels of the first input."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        rest: Any = (momentum, False, False)
        super().__init__(0, eps, *rest)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = lamina.tensor(0, dtype=lamina.int64, device=device)

    def reset_parameters(self) -> None:
        """Set the starting values, once there is something to set."""
        if not self.has_uninitialized_params() and self.num_features:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Take ``num_features`` from the channels of ``input``."""
        fresh = self.has_uninitialized_params()
        self.num_features = self._channels(input)
        for name in ("weight", "bias", "running_mean", "running_var"):
            if self.__dict__[name] is not None:
                self._shape(name, self.num_features)
        if fresh:
            self.reset_parameters()

    def _channels(self, input: Tensor) -> int:
        return input.shape[1]


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """``BatchNorm1d`` whose ``num_features`` are the channels of the first input."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """``BatchNorm2d`` whose ``num_features`` are the channels of the first input."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """``BatchNorm3d`` whose ``num_features`` are the channels of the first input."""

    cls_to_become = BatchNorm3d


class _LazyInstanceNorm(_LazyNorm):
    _dims: int

    def _channels(self, input: Tensor) -> int:
        return input.shape[-self._dims - 1]


class LazyInstanceNorm1d(_LazyInstanceNorm, InstanceNorm1d):
    """``InstanceNorm1d`` whose ``num_features`` are the channels of the first input."""

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, InstanceNorm2d):
    """``InstanceNorm2d`` whose ``num_features`` are the channels of the first input."""

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, InstanceNorm3d):
    """``InstanceNorm3d`` whose ``num_features`` are the channels of the first input."""

    cls_to_become = InstanceNorm3d
