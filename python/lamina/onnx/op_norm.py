"""Normalisations."""

from __future__ import annotations

from typing import Any

import lamina
from lamina._core import Tensor
from lamina.nn import functional as F

from .registry import Node, op


@op("BatchNormalization")
def batch_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    """By the stored mean and variance, which stay as they are: a loaded graph is trained with them frozen."""
    if node.get("training_mode", 0) or not node.get("spatial", 1):
        raise node.refuse("batch norm in training mode, or of every position by itself")
    return F.batch_norm(x, mean, var, scale, bias, False, 0.0, node.get("epsilon", 1e-5))


@op("InstanceNormalization")
def instance_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return F.instance_norm(x, weight=scale, bias=bias, eps=node.get("epsilon", 1e-5))


@op("GroupNormalization")
def group_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    groups, eps = node.get("num_groups"), node.get("epsilon", 1e-5)
    if scale.numel() == groups != x.shape[1]:  # opset 18 has one scale for each group
        each = x.shape[1] // groups
        scale, bias = scale.repeat_interleave(each), bias.repeat_interleave(each)
    return F.group_norm(x, groups, scale, bias, eps)


@op("LayerNormalization")
def layer_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Any:
    axis = node.get("axis", -1) % x.ndim
    eps = node.get("epsilon", 1e-5)
    y = F.layer_norm(x, tuple(x.shape[axis:]), scale, bias, eps)
    if len([name for name in node.outputs if name]) < 2:
        return y
    dims = tuple(range(axis, x.ndim))
    mean = x.mean(dims, keepdim=True)
    return y, mean, ((x - mean).square().mean(dims, keepdim=True) + eps).rsqrt()


@op("RMSNormalization", "SimplifiedLayerNormalization")
def rms_norm(node: Node, x: Tensor, scale: Tensor) -> Tensor:
    axis = node.get("axis", -1) % x.ndim
    power = x.square().mean(tuple(range(axis, x.ndim)), keepdim=True)
    return x * (power + node.get("epsilon", 1e-5)).rsqrt() * scale


@op("LpNormalization")
def lp_normalization(node: Node, x: Tensor) -> Tensor:
    axis, p = node.get("axis", -1), node.get("p", 2)
    size = x.abs().sum(axis, keepdim=True) if p == 1 else x.square().sum(axis, keepdim=True).sqrt()
    return x / size


@op("MeanVarianceNormalization")
def mean_variance(node: Node, x: Tensor) -> Tensor:
    axes = tuple(node.get("axes", [0, 2, 3]))
    centred = x - x.mean(axes, keepdim=True)
    return centred / (centred.square().mean(axes, keepdim=True).sqrt() + 1e-9)


@op("LRN")
def local_response(node: Node, x: Tensor) -> Tensor:
    size = node.get("size")
    squares = F.pad(x.square().transpose(1, -1), ((size - 1) // 2, size // 2))
    power = squares.unfold(-1, size, 1).sum(-1).transpose(1, -1)
    scale = node.get("bias", 1.0) + node.get("alpha", 1e-4) / size * power
    return x / lamina.pow(scale, node.get("beta", 0.75))
