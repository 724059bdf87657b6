"""BatchNorm1d/2d/3d and what they share with instance norm: running statistics. Law: lamina.nn.functional."""

from __future__ import annotations

from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn import functional as F
from lamina.nn import init
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter


class _NormBase(Module):
    """Weight, bias and running statistics of ``num_features`` channels."""

    _version = 2  # since then there is num_batches_tracked
    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            value = Parameter(lamina.empty(num_features, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, value)
        tracked: list[Tensor | None] = [None, None, None]
        if track_running_stats:
            tracked = [
                lamina.zeros(num_features, device=device, dtype=dtype),
                lamina.ones(num_features, device=device, dtype=dtype),
                lamina.tensor(0, dtype=lamina.int64, device=device),
            ]
        for name, buffer in zip(("running_mean", "running_var", "num_batches_tracked"), tracked, strict=True):
            self.register_buffer(name, buffer)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Set the running mean to 0, the running variance to 1 and the count of batches to 0."""
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Set the running statistics back, the weight to 1 and the bias to 0."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        version = local_metadata.get("version")
        key = prefix + "num_batches_tracked"
        if (version is None or version < 2) and self.num_batches_tracked is not None:
            state_dict.setdefault(key, self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _BatchNorm(_NormBase):
    _ranks: tuple[int, ...]  # how many dimensions an input may have

    def _check_input_dim(self, input: Tensor) -> None:
        if not isinstance(input, Tensor):
            raise TypeError(f"batch_norm: expected a Tensor as input, got {type(input).__name__}")
        if input.ndim not in self._ranks:
            wanted = " or ".join(f"{rank}D" for rank in self._ranks)
            raise _core.ShapeError(f"batch_norm: expected {wanted} input (got {input.ndim}D input)")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        mean, var = self.running_mean, self.running_var
        if not self.training and mean is not None and var is not None:
            return _core.batch_norm(input, self.weight, self.bias, mean, var, False, 0.0, self.eps)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1.0 / self.num_batches_tracked.item()  # the mean of all batches so far
        # Without running statistics, the batch's own are all there is.
        own = self.training or (self.running_mean is None and self.running_var is None)
        tracked = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if tracked else None,
            self.running_var if tracked else None,
            self.weight,
            self.bias,
            own,
            momentum,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Each channel of (n, c) or (n, c, l) to mean 0 and variance 1 over the batch, then ``* weight + bias``.

    In training the batch's statistics are used and move the running ones by ``momentum`` (None: their plain
    mean); otherwise the running ones are used.

    >>> lamina.nn.BatchNorm1d(3)(lamina.ones(4, 3)).abs().sum().item()
    0.0
    """

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """``BatchNorm1d`` for images: (n, c, h, w)."""

    _ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """``BatchNorm1d`` for volumes: (n, c, d, h, w)."""

    _ranks = (5,)


class SyncBatchNorm(_BatchNorm):
    """``BatchNorm1d`` for (n, c, ...) of any number of dimensions. One process has nothing to share its
    statistics with, so this is what PyTorch's does outside of a group.

    Raises:
        ShapeError: fewer than two dimensions.
        NotImplementedError: a ``process_group``, for there are none.

    >>> lamina.nn.SyncBatchNorm(3)(lamina.ones(4, 3, 2, 2, 2)).abs().sum().item()
    0.0
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: None = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        if process_group is not None:
            raise NotImplementedError(
                "SyncBatchNorm: lamina has no process groups, process_group must be None"
            )
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _check_input_dim(self, input: Tensor) -> None:
        if not isinstance(input, Tensor):
            raise TypeError(f"batch_norm: expected a Tensor as input, got {type(input).__name__}")
        if input.ndim < 2:
            raise _core.ShapeError(f"batch_norm: expected at least 2D input (got {input.ndim}D input)")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: None = None) -> Module:
        """``module`` whose batch norms have become SyncBatchNorm, with the same parameters and statistics."""
        converted = module
        if isinstance(module, _BatchNorm):
            old = module
            converted = cls(
                old.num_features, old.eps, old.momentum, old.affine, old.track_running_stats, process_group
            )
            for name in ("weight", "bias"):
                setattr(converted, name, getattr(old, name))
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                setattr(converted, name, getattr(old, name))
            converted.training = old.training
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted
