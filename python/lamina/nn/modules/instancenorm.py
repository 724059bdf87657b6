"""InstanceNorm1d/2d/3d: each channel of each sample by itself. Running statistics: batchnorm.py."""

from __future__ import annotations

import warnings
from typing import Any

from lamina import _core
from lamina._core import Tensor
from lamina.nn import functional as F
from lamina.nn.modules.batchnorm import _NormBase


class _InstanceNorm(_NormBase):
    _dims: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        batched = self._dims + 2
        if input.ndim not in (batched - 1, batched):
            raise _core.ShapeError(f"expected {batched - 1}D or {batched}D input (got {input.ndim}D input)")
        channels = input.shape[-self._dims - 1]
        if channels != self.num_features:
            if self.affine:
                raise _core.ShapeError(
                    f"expected input's size at dim={input.ndim - self._dims - 1} to match num_features "
                    f"({self.num_features}), but got: {channels}."
                )
            warnings.warn(
                f"{self._get_name()}: {channels} channels instead of num_features ({self.num_features}), "
                "which is not used because affine=False",
                stacklevel=3,
            )
        output = F.instance_norm(
            input if input.ndim == batched else input.unsqueeze(0),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return output if input.ndim == batched else output.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each sample of (n, c, l) or (c, l) to mean 0 and variance 1; affine if asked for."""

    _dims = 1


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each sample of (n, c, h, w) or (c, h, w) to mean 0, variance 1; affine if asked for."""

    _dims = 2


class InstanceNorm3d(_InstanceNorm):
    """Each channel of each sample of (n, c, d, h, w) or (c, d, h, w) to mean 0, variance 1."""

    _dims = 3
