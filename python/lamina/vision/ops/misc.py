"""Small layers and a loss of networks that look at images; three of them are lamina.models.vision.block's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lamina
from lamina import nn
from lamina._core import ShapeError, Tensor
from lamina.models.vision.block import Conv2dNormActivation, SqueezeExcitation, StochasticDepth
from lamina.nn import functional as F

__all__ = [
    "MLP",
    "Conv2dNormActivation",
    "DropBlock2d",
    "FrozenBatchNorm2d",
    "Permute",
    "SqueezeExcitation",
    "StochasticDepth",
    "drop_block2d",
    "sigmoid_focal_loss",
    "stochastic_depth",
]


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """``StochasticDepth`` as a function: whole samples (``"row"``) or the whole ``"batch"`` become zeros."""
    return StochasticDepth(p, mode).train(training)(input)


def drop_block2d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06, training: bool = True
) -> Tensor:
    """Squares of ``block_size`` of images (n, c, h, w) become zeros, a share ``p`` on average.

    What is left is scaled so that as much remains.

    Source: Ghiasi et al., DropBlock, 2018.

    Raises:
        ShapeError: ``p`` is no probability, ``block_size`` is even, or ``input`` has not four dimensions.
    """
    if not 0.0 <= p <= 1.0:
        raise ShapeError(f"drop_block2d: drop probability has to be between 0 and 1, but got {p}")
    if block_size < 1 or block_size % 2 == 0:
        raise ShapeError(f"drop_block2d: block size should be odd, got {block_size}")
    if input.ndim != 4:
        raise ShapeError(f"drop_block2d: expected (n, c, h, w), got {tuple(input.shape)}")
    if not training or p == 0.0:
        return input
    n, c, height, width = input.shape
    block = min(block_size, width, height)
    middles = (height - block + 1) * (width - block + 1)
    rate = p * height * width / (block**2 * middles)
    centres = (lamina.rand(n, c, height - block + 1, width - block + 1) < rate).to(input.dtype)
    # Where the image is smaller, squares may be even: then one row and column too much come out.
    before, after = block // 2, block - 1 - block // 2
    centres = F.pad(centres, (before, after, before, after))
    kept = 1 - F.max_pool2d(centres, block, 1, block // 2)[..., :height, :width]
    factor = kept * (kept.numel() / (kept.sum() + eps))
    return input.mul_(factor) if inplace else input * factor


class DropBlock2d(nn.Module):
    """``drop_block2d`` as a layer: (n, c, h, w) keeps its shape; without effect in evaluation."""

    def __init__(self, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06) -> None:
        super().__init__()
        self.p, self.block_size, self.inplace, self.eps = p, block_size, inplace, eps

    def forward(self, input: Tensor) -> Tensor:
        return drop_block2d(input, self.p, self.block_size, self.inplace, self.eps, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, block_size={self.block_size}, inplace={self.inplace}"


class FrozenBatchNorm2d(nn.Module):
    """Batch norm of (n, c, h, w) whose statistics, weight and bias are buffers and never change."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", lamina.ones(num_features))
        self.register_buffer("bias", lamina.zeros(num_features))
        self.register_buffer("running_mean", lamina.zeros(num_features))
        self.register_buffer("running_var", lamina.ones(num_features))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        state_dict.pop(prefix + "num_batches_tracked", None)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
        )

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, eps={self.eps}"


class MLP(nn.Sequential):
    """Linear layers (..., in_channels) -> (..., hidden_channels[-1]) with norm and activation between.

    Dropout comes after each of them.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Sequence[int],
        norm_layer: Callable[..., nn.Module] | None = None,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU,
        inplace: bool | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        options = {} if inplace is None else {"inplace": inplace}
        layers: list[nn.Module] = []
        for size in hidden_channels[:-1]:
            layers.append(nn.Linear(in_channels, size, bias=bias))
            if norm_layer is not None:
                layers.append(norm_layer(size))
            if activation_layer is not None:
                layers.append(activation_layer(**options))
            layers.append(nn.Dropout(dropout, **options))
            in_channels = size
        layers.append(nn.Linear(in_channels, hidden_channels[-1], bias=bias))
        layers.append(nn.Dropout(dropout, **options))
        super().__init__(*layers)


class Permute(nn.Module):
    """``x.permute(dims)`` as a layer."""

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(*self.dims)


def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Tensor:
    """Binary cross entropy of logits, weighted by how wrong they are: ``(1 - p of the truth)^gamma``.

    ``alpha`` weighs the ones and ``1 - alpha`` the zeros, unless negative.
    Source: Lin et al., Focal Loss for Dense Object Detection, 2017.

    Raises:
        ShapeError: another reduction, or ``alpha`` over 1.
    """
    if reduction not in ("none", "mean", "sum"):
        raise ShapeError(f"sigmoid_focal_loss: expected reduction none, mean or sum, got {reduction!r}")
    if alpha != -1 and not 0 <= alpha <= 1:
        raise ShapeError(f"sigmoid_focal_loss: alpha must be in [0, 1] or -1, got {alpha}")
    p = inputs.sigmoid()
    loss = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    loss = loss * (1 - (p * targets + (1 - p) * (1 - targets))) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return loss if reduction == "none" else getattr(loss, reduction)()
