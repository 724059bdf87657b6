"""Operators that pick elements by indices, write to them, or make tensors from nothing."""

from __future__ import annotations

from typing import Any

import lamina
from lamina._core import Tensor
from lamina.nn import functional as F

from .registry import Node, dtype_of, ints, op

MAX_ELEMENTS = 2**31  # of a tensor that is made from a shape alone


@op("Constant")
def constant(node: Node) -> Tensor:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        value = node.get(name)
        if value is not None:
            if isinstance(value, Tensor):
                return value
            return lamina.tensor(value, dtype=lamina.float32 if "float" in name else lamina.int64)
    raise node.refuse("a constant that is no dense tensor of numbers")


@op("ConstantOfShape")
def constant_of_shape(node: Node, target: Tensor) -> Tensor:
    value = node.get("value")
    shape = ints(target)
    count = 1
    for n in shape:
        count *= n
    if count > MAX_ELEMENTS:
        raise MemoryError(f"lamina.onnx: {node}: {count} elements of a constant")
    if value is None:
        return lamina.zeros(shape)
    return lamina.full(shape, value.reshape(()).item(), dtype=value.dtype)


@op("Range")
def range_(node: Node, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    return lamina.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


@op("EyeLike")
def eye_like(node: Node, x: Tensor) -> Tensor:
    dtype = x.dtype if node.get("dtype") is None else dtype_of(node, node.get("dtype"))
    ones = lamina.ones(x.shape, dtype=dtype)
    k = node.get("k", 0)
    return ones.triu(k).tril(k)


def _wrapped(places: Tensor, size: int) -> Tensor:
    """Indices from 0 on; negative ones count from the end."""
    return lamina.where(places < 0, places + size, places).to(lamina.int64)


@op("Gather")
def gather(node: Node, x: Tensor, places: Tensor) -> Tensor:
    axis = node.get("axis", 0) % x.ndim
    index = _wrapped(places, x.shape[axis])
    if axis == 0 and x.ndim == 2 and x.is_floating_point():
        return F.embedding(index, x)
    shape = (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])
    return x.index_select(axis, index.reshape(-1)).reshape(shape)


@op("GatherElements")
def gather_elements(node: Node, x: Tensor, places: Tensor) -> Tensor:
    axis = node.get("axis", 0)
    return x.gather(axis, _wrapped(places, x.shape[axis]))


@op("GatherND")
def gather_nd(node: Node, x: Tensor, places: Tensor) -> Tensor:
    if node.get("batch_dims", 0):
        raise node.refuse("batch dimensions")
    return x[_keys(x, places)]


def _keys(x: Tensor, places: Tensor) -> tuple[Tensor, ...]:
    return tuple(_wrapped(part, size) for part, size in zip(places.unbind(-1), x.shape, strict=False))


def _how(node: Node, *allowed: str) -> str:
    how = node.get("reduction", "none")
    if how not in allowed:
        raise node.refuse(f"reduction {how!r}")
    return how


@op("ScatterElements", "Scatter")
def scatter_elements(node: Node, x: Tensor, places: Tensor, updates: Tensor) -> Tensor:
    axis = node.get("axis", 0)
    how = _how(node, "none", "add", "mul", "max", "min")
    index = _wrapped(places, x.shape[axis])
    if how == "none":
        return x.scatter(axis, index, updates)
    names = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}
    return x.scatter_reduce(axis, index, updates, names[how])


@op("ScatterND")
def scatter_nd(node: Node, x: Tensor, places: Tensor, updates: Tensor) -> Tensor:
    add = _how(node, "none", "add") == "add"
    return x.index_put(_keys(x, places), updates, accumulate=add)


@op("OneHot")
def one_hot(node: Node, places: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    [count] = ints(depth)
    axis = node.get("axis", -1)
    axis = axis + places.ndim + 1 if axis < 0 else axis
    if places.numel() * count > MAX_ELEMENTS:
        raise MemoryError(f"lamina.onnx: {node}: {count} classes")
    index = _wrapped(places.to(lamina.int64), count).unsqueeze(axis)
    steps = lamina.arange(count).reshape([-1 if at == axis else 1 for at in range(places.ndim + 1)])
    off, on = values.reshape(-1)
    return lamina.where(index == steps, on, off)


@op("NonZero")
def non_zero(node: Node, x: Tensor) -> Tensor:
    return lamina.nonzero(x).t()


@op("Compress")
def compress(node: Node, x: Tensor, condition: Tensor) -> Tensor:
    axis = node.get("axis")
    kept = lamina.nonzero(condition).reshape(-1)
    return x.reshape(-1)[kept] if axis is None else x.index_select(axis, kept)


@op("RandomNormalLike", "RandomUniformLike")
def random_like(node: Node, x: Tensor) -> Any:
    if node.kind == "RandomNormalLike":
        return lamina.randn(x.shape) * node.get("scale", 1.0) + node.get("mean", 0.0)
    low, high = node.get("low", 0.0), node.get("high", 1.0)
    return lamina.rand(x.shape) * (high - low) + low
