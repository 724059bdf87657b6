"""Operators that reduce dimensions, search them, or run along them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lamina
from lamina._core import Tensor

from .registry import Node, ints, op


def _product(x: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = x.prod(axis, keepdim=keepdim)
    return x


REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "ReduceL1": lambda x, axes, keep: x.abs().sum(axes, keepdim=keep),
    "ReduceL2": lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt(),
    "ReduceLogSum": lambda x, axes, keep: x.sum(axes, keepdim=keep).log(),
    "ReduceLogSumExp": lambda x, axes, keep: x.logsumexp(axes, keepdim=keep),
    "ReduceMax": lambda x, axes, keep: x.amax(axes, keepdim=keep),
    "ReduceMean": lambda x, axes, keep: x.mean(axes, keepdim=keep),
    "ReduceMin": lambda x, axes, keep: x.amin(axes, keepdim=keep),
    "ReduceProd": _product,
    "ReduceSum": lambda x, axes, keep: x.sum(axes, keepdim=keep).to(x.dtype),
    "ReduceSumSquare": lambda x, axes, keep: x.square().sum(axes, keepdim=keep).to(x.dtype),
}


def _reduction(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def apply(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = node.get("axes") if axes is None else ints(axes)
        if not chosen:
            if node.get("noop_with_empty_axes", 0):
                return x
            chosen = range(x.ndim)
        return function(x, tuple(chosen), bool(node.get("keepdims", 1))) if x.ndim else x

    return apply


for _kind, _function in REDUCTIONS.items():
    op(_kind)(_reduction(_function))


def _search(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def apply(node: Node, x: Tensor) -> Tensor:
        axis, keep = node.get("axis", 0), bool(node.get("keepdims", 1))
        if node.get("select_last_index", 0):
            return x.shape[axis] - 1 - function(x.flip(axis), axis, keepdim=keep)
        return function(x, axis, keepdim=keep)

    return apply


op("ArgMax")(_search(lamina.argmax))
op("ArgMin")(_search(lamina.argmin))


@op("TopK")
def top_k(node: Node, x: Tensor, k: Tensor | None = None) -> Any:
    count = node.get("k") if k is None else ints(k)[0]
    values, places = x.topk(
        count, node.get("axis", -1), bool(node.get("largest", 1)), bool(node.get("sorted", 1))
    )
    return values, places


@op("CumSum")
def cumulative_sum(node: Node, x: Tensor, axis: Tensor) -> Tensor:
    [dim] = ints(axis)
    x = x.flip(dim) if node.get("reverse", 0) else x
    y = x.cumsum(dim).to(x.dtype)
    y = y - x if node.get("exclusive", 0) else y
    return y.flip(dim) if node.get("reverse", 0) else y
