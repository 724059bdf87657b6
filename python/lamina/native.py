"""Layers' functions in the form that ``torch`` itself has: positional arguments, numbers for words, and what
they found besides the result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.nn import functional as F
from lamina.result import takes_out

__all__ = [
    "adaptive_max_pool1d",
    "affine_grid_generator",
    "alpha_dropout",
    "alpha_dropout_",
    "dropout_",
    "feature_alpha_dropout",
    "feature_alpha_dropout_",
    "feature_dropout",
    "feature_dropout_",
    "grid_sampler",
    "grid_sampler_2d",
    "grid_sampler_3d",
    "max_pool1d_with_indices",
    "native_batch_norm",
    "native_dropout",
    "native_group_norm",
    "native_layer_norm",
    "norm_except_dim",
]

Result = tuple[Tensor, Tensor, Tensor]


def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Result:
    """``(layer_norm, mean, 1 / sqrt(var + eps))``; the statistics keep their dimensions."""
    output = _core.layer_norm(input, normalized_shape, weight, bias, eps)
    dims = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    return output, input.mean(dims, True), (input.var(dims, correction=0, keepdim=True) + eps).rsqrt()


def native_group_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> Result:
    """``(group_norm, mean, 1 / sqrt(var + eps))`` of N samples; the statistics are (N, group)."""
    output = _core.group_norm(input, group, weight, bias, eps)
    rows = input.reshape(N, group, (C // group if group else 0) * HxW)
    return output, rows.mean(-1), (rows.var(-1, correction=0) + eps).rsqrt()


@takes_out
def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Result:
    """``(batch_norm, mean, 1 / sqrt(var + eps))`` of the batch; outside of training the two are empty."""
    output = _core.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)
    if not training:
        return output, _core.empty((0,), input.dtype), _core.empty((0,), input.dtype)
    rows = input.movedim(1, 0).reshape(input.shape[1], input.numel() // max(math.prod(input.shape[1:2]), 1))
    return output, rows.mean(1), (rows.var(1, correction=0) + eps).rsqrt()


def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """``dropout``, and the mask of what it kept."""
    if train is False or p == 0:
        return input.clone(), _core.full(input.shape, True, _core.bool)
    noise = F.dropout(_core.full(input.shape, 1, input.dtype), p)
    return input * noise, noise != 0


def dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """``nn.functional.dropout`` written over its input."""
    return F.dropout(input, p, train, inplace=True)


def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """``nn.functional.alpha_dropout``."""
    return F.alpha_dropout(input, p, train)


def alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """``nn.functional.alpha_dropout`` written over its input."""
    return F.alpha_dropout(input, p, train, inplace=True)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """``nn.functional.feature_alpha_dropout``."""
    return F.feature_alpha_dropout(input, p, train)


def feature_alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """``nn.functional.feature_alpha_dropout`` written over its input."""
    return F.feature_alpha_dropout(input, p, train, inplace=True)


def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """``dropout`` of whole channels: (n, c, ...)."""
    return input.clone().mul_(_channels(input, p)) if train else input


def feature_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """``feature_dropout`` written over its input."""
    return input.mul_(_channels(input, p)) if train else input


def _channels(input: Tensor, p: float) -> Tensor:
    if input.ndim < 2:
        raise ShapeError(f"feature_dropout: expected (n, c, ...), got shape {tuple(input.shape)}")
    shape = (*input.shape[:2], *(1 for _ in input.shape[2:]))
    return F.dropout(_core.full(shape, 1, input.dtype), p)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:
    """``nn.functional.max_pool1d`` and the places of the values."""
    return F.max_pool1d(input, kernel_size, stride or None, padding, dilation, ceil_mode, return_indices=True)


def adaptive_max_pool1d(input: Tensor, output_size: Any) -> Any:
    """``nn.functional.adaptive_max_pool1d`` and the places of the values."""
    return F.adaptive_max_pool1d(input, output_size, return_indices=True)


def affine_grid_generator(theta: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """``nn.functional.affine_grid``."""
    return F.affine_grid(theta, size, align_corners)


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """``nn.functional.grid_sample`` with its words as numbers: 0, 1, 2 for bilinear, nearest, bicubic and
    for zeros, border, reflection.
    """
    if interpolation_mode not in (0, 1, 2) or padding_mode not in (0, 1, 2):
        raise ShapeError(f"grid_sampler: modes are 0, 1 and 2, got {interpolation_mode} and {padding_mode}")
    mode = ("bilinear", "nearest", "bicubic")[interpolation_mode]
    padding = ("zeros", "border", "reflection")[padding_mode]
    return F.grid_sample(input, grid, mode, padding, align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norms of the slices along ``dim``, which keep their dimensions; -1 is the norm of all."""
    if dim == -1:
        return v.norm(pow)
    return v.norm(pow, [d for d in range(v.ndim) if d != dim % v.ndim], True)
