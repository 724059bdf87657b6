"""Batch norm in evaluation folded into the layer before it, once and for all.

Under ``no_grad`` in evaluation lamina does this by itself, for each call."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import lamina
from lamina._core import ShapeError, Tensor
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter

Layer = TypeVar("Layer", bound=Module)


def fuse_conv_bn_eval(conv: Layer, bn: Any, transpose: bool = False) -> Layer:
    """A copy of a convolution that does the work of the batch norm behind it, too; both in evaluation.

    ``transpose`` is for transposed convolutions, whose outputs are the second dimension of the weight.

    Raises:
        ShapeError: one is in training, or ``bn`` has no running statistics.

    >>> conv, bn = lamina.nn.Conv2d(1, 2, 1).eval(), lamina.nn.BatchNorm2d(2).eval()
    >>> fuse_conv_bn_eval(conv, bn).bias.shape
    lamina.Size([2])
    """
    return _fused("fuse_conv_bn_eval", conv, bn, transpose)


def fuse_linear_bn_eval(linear: Layer, bn: Any) -> Layer:
    """The same for a linear layer, of as many outputs as ``bn`` has channels, or of any number if it has one.

    Raises:
        ShapeError: one is in training, ``bn`` has no running statistics, or other channels.
    """
    outputs = getattr(linear, "out_features", None)
    if bn.num_features not in (1, outputs):
        raise ShapeError(
            f"fuse_linear_bn_eval: expected out_features == num_features or num_features == 1, got {outputs} "
            f"and {bn.num_features}"
        )
    return _fused("fuse_linear_bn_eval", linear, bn, False)


def _fused(word: str, layer: Layer, bn: Any, transpose: bool) -> Layer:
    if layer.training or bn.training:
        raise ShapeError(f"{word}: fusion is for evaluation, call eval() on both first")
    if bn.running_mean is None or bn.running_var is None:
        raise ShapeError(f"{word}: batch norm has no running statistics")
    fused: Any = copy.deepcopy(layer)
    statistics = bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    fused.weight, fused.bias = fuse_conv_bn_weights(fused.weight, fused.bias, *statistics, transpose)
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight (out, ...) and bias (out) of a layer, scaled and moved as batch norm would do it.

    With ``transpose`` the weight is (in, out, ...).
    """
    learns = conv_w.requires_grad, conv_b is not None and conv_b.requires_grad
    with lamina.no_grad():
        scale = (bn_rv + bn_eps).rsqrt()
        scale = scale if bn_w is None else scale * bn_w
        moved = -bn_rm if conv_b is None else conv_b - bn_rm
        bias = moved * scale if bn_b is None else moved * scale + bn_b
        shape = [1] * conv_w.ndim
        shape[1 if transpose else 0] = -1
        weight = (conv_w * scale.reshape(shape)).to(conv_w.dtype)
        bias = bias.to(conv_w.dtype if conv_b is None else conv_b.dtype)
    return Parameter(weight, learns[0]), Parameter(bias, learns[1])


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """The same for the weight (out, in) and bias of a linear layer."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
