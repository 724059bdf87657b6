"""Operators that act on each element: arithmetic with broadcasting, comparison, activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import lamina
from lamina._core import Tensor
from lamina.nn import functional as F

from .registry import Node, dtype_of, op

UNARY: dict[str, Callable[..., Any]] = {
    "Abs": lamina.abs,
    "Acos": lamina.acos,
    "Acosh": lamina.acosh,
    "Asin": lamina.asin,
    "Asinh": lamina.asinh,
    "Atan": lamina.atan,
    "Atanh": lamina.atanh,
    "BitwiseNot": lamina.bitwise_not,
    "Ceil": lamina.ceil,
    "Cos": lamina.cos,
    "Cosh": lamina.cosh,
    "Erf": lamina.erf,
    "Exp": lamina.exp,
    "Floor": lamina.floor,
    "HardSwish": F.hardswish,
    "Identity": lambda x: x,
    "IsNaN": lamina.isnan,
    "Log": lamina.log,
    "Mish": F.mish,
    "Neg": lamina.neg,
    "Not": lamina.logical_not,
    "Reciprocal": lamina.reciprocal,
    "Relu": lamina.relu,
    "Round": lamina.round,
    "Sigmoid": lamina.sigmoid,
    "Sign": lamina.sign,
    "Sin": lamina.sin,
    "Sinh": lamina.sinh,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "Sqrt": lamina.sqrt,
    "Tan": lamina.tan,
    "Tanh": lamina.tanh,
}


def _div(a: Tensor, b: Tensor) -> Tensor:
    return a / b if a.is_floating_point() else lamina.div(a, b, rounding_mode="trunc")


BINARY: dict[str, Callable[..., Any]] = {
    "Add": lamina.add,
    "And": lamina.logical_and,
    "BitwiseAnd": lamina.bitwise_and,
    "BitwiseOr": lamina.bitwise_or,
    "BitwiseXor": lamina.bitwise_xor,
    "Div": _div,
    "Equal": lamina.eq,
    "Greater": lamina.gt,
    "GreaterOrEqual": lamina.ge,
    "Less": lamina.lt,
    "LessOrEqual": lamina.le,
    "Mul": lamina.mul,
    "Or": lamina.logical_or,
    "Pow": lambda a, b: lamina.pow(a, b).to(a.dtype),
    "Sub": lamina.sub,
    "Xor": lamina.logical_xor,
}


def _unary(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda node, x: function(x)


def _binary(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda node, a, b: function(a, _aligned(node, a, b))


def _aligned(node: Node, a: Tensor, b: Tensor) -> Tensor:
    """``b`` where opset 6 and before put it: its first dimension lies on ``axis`` of ``a``."""
    axis = node.get("axis")
    if node.version >= 7 or axis is None:
        return b
    behind = a.ndim - axis % max(a.ndim, 1) - b.ndim
    return b.reshape((*b.shape, *[1] * behind))


for _kind, _function in UNARY.items():
    op(_kind)(_unary(_function))
for _kind, _function in BINARY.items():
    op(_kind)(_binary(_function))


@op("Max")
def maximum(node: Node, *values: Tensor) -> Tensor:
    return reduce(lamina.maximum, values)


@op("Min")
def minimum(node: Node, *values: Tensor) -> Tensor:
    return reduce(lamina.minimum, values)


@op("Sum")
def total(node: Node, *values: Tensor) -> Tensor:
    return reduce(lamina.add, values)


@op("Mean")
def mean(node: Node, *values: Tensor) -> Tensor:
    return reduce(lamina.add, values) / len(values)


@op("Mod")
def mod(node: Node, a: Tensor, b: Tensor) -> Tensor:
    return lamina.fmod(a, b) if node.get("fmod", 0) else lamina.remainder(a, b)


@op("Clip")
def clip(node: Node, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    bounds = [
        value.item() if isinstance(value, Tensor) else value
        for value in (node.get("min") if low is None else low, node.get("max") if high is None else high)
    ]
    return x if bounds == [None, None] else x.clamp(*bounds)


@op("Elu")
def elu(node: Node, x: Tensor) -> Tensor:
    return F.elu(x, node.get("alpha", 1.0))


@op("Celu")
def celu(node: Node, x: Tensor) -> Tensor:
    return F.celu(x, node.get("alpha", 1.0))


@op("Selu")
def selu(node: Node, x: Tensor) -> Tensor:
    alpha, gamma = node.get("alpha", 1.6732632423543772), node.get("gamma", 1.0507009873554805)
    return gamma * F.elu(x, alpha)


@op("PRelu")
def prelu(node: Node, x: Tensor, slope: Tensor) -> Tensor:
    if node.version < 7 and slope.ndim == 1:  # one for each channel
        return F.prelu(x, slope)
    return lamina.where(x < 0, x * slope, x)


@op("LeakyRelu")
def leaky_relu(node: Node, x: Tensor) -> Tensor:
    return F.leaky_relu(x, node.get("alpha", 0.01))


@op("ThresholdedRelu")
def thresholded_relu(node: Node, x: Tensor) -> Tensor:
    return lamina.where(x > node.get("alpha", 1.0), x, lamina.zeros_like(x))


@op("HardSigmoid")
def hard_sigmoid(node: Node, x: Tensor) -> Tensor:
    return (x * node.get("alpha", 0.2) + node.get("beta", 0.5)).clamp(0, 1)


@op("Shrink")
def shrink(node: Node, x: Tensor) -> Tensor:
    bias, edge = node.get("bias", 0.0), node.get("lambd", 0.5)
    zero = lamina.zeros_like(x)
    return lamina.where(x < -edge, x + bias, lamina.where(x > edge, x - bias, zero))


@op("Gelu")
def gelu(node: Node, x: Tensor) -> Tensor:
    return F.gelu(x, approximate=node.get("approximate", "none"))


@op("Swish")
def swish(node: Node, x: Tensor) -> Tensor:
    return x * lamina.sigmoid(node.get("alpha", 1.0) * x)


def _over_classes(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def apply(node: Node, x: Tensor) -> Tensor:
        if node.version >= 13:
            return function(x, node.get("axis", -1))
        axis = node.get("axis", 1) % x.ndim  # over all dimensions from this one on, taken together
        flat = x.reshape(math.prod(x.shape[:axis]), -1)
        return function(flat, 1).reshape(x.shape)

    return apply


op("Softmax")(_over_classes(F.softmax))
op("LogSoftmax")(_over_classes(F.log_softmax))


@op("Hardmax")
def hardmax(node: Node, x: Tensor) -> Tensor:
    axis = node.get("axis", -1 if node.version >= 13 else 1)
    best = x.argmax(axis, keepdim=True)
    return lamina.zeros_like(x).scatter(axis, best, 1.0)


@op("IsInf")
def is_inf(node: Node, x: Tensor) -> Tensor:
    both = lamina.isinf(x)
    if not node.get("detect_negative", 1):
        both = lamina.logical_and(both, x > 0)
    return both if node.get("detect_positive", 1) else lamina.logical_and(both, x < 0)


@op("Where")
def where(node: Node, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return lamina.where(condition, a, b)


@op("Cast")
def cast(node: Node, x: Tensor) -> Tensor:
    return x.to(dtype_of(node, node.get("to")))


@op("CastLike")
def cast_like(node: Node, x: Tensor, like: Tensor) -> Tensor:
    return x.to(like.dtype)


@op("Dropout")
def dropout(node: Node, x: Tensor, ratio: Tensor | None = None, training: Tensor | None = None) -> Any:
    """As for inference; the mask, where it is asked for, keeps everything."""
    return (x, lamina.ones(x.shape, dtype=lamina.bool))[: max(len(node.outputs), 1)]
