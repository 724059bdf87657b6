"""Pooling over any number of dimensions, and resizing."""

from __future__ import annotations

import math
from typing import Any

import lamina
from lamina._core import Tensor
from lamina.nn import functional as F

from .op_layer import borders, padded
from .registry import Node, ints, op

MAX = {1: F.max_pool1d, 2: F.max_pool2d}


def _windows(node: Node, x: Tensor, fill: float) -> tuple[Tensor, list[int]]:
    """Every window's elements as the last dimensions, (n, c, *out, *kernel), and the pads of the image."""
    kernel = ints(node.get("kernel_shape"))
    dims = len(kernel)
    stride, dilation = ints(node.get("strides", [1] * dims)), ints(node.get("dilations", [1] * dims))
    pads = borders(node, list(x.shape[2:]), kernel, stride, dilation)
    if node.get("ceil_mode", 0):
        for d in range(dims):
            reach = (kernel[d] - 1) * dilation[d] + 1
            size = x.shape[d + 2] + pads[d] + pads[dims + d]
            count = -(-(size - reach) // stride[d]) + 1
            if (count - 1) * stride[d] >= x.shape[d + 2] + pads[d]:  # a window of padding alone
                count -= 1
            pads[dims + d] += max((count - 1) * stride[d] + reach - size, 0)
    sides: list[int] = []
    for d in reversed(range(dims)):
        sides += [pads[d], pads[dims + d]]
    x = F.pad(x, sides, value=fill) if any(sides) else x
    for d in range(dims):
        x = x.unfold(d + 2, (kernel[d] - 1) * dilation[d] + 1, stride[d])
        x = x[..., :: dilation[d]]
    return x, pads


@op("MaxPool")
def max_pool(node: Node, x: Tensor) -> Any:
    kernel = ints(node.get("kernel_shape"))
    dims = len(kernel)
    if len([name for name in node.outputs if name]) > 1:
        raise node.refuse("the indices of max pooling")
    stride, dilation = ints(node.get("strides", [1] * dims)), ints(node.get("dilations", [1] * dims))
    pads = borders(node, list(x.shape[2:]), kernel, stride, dilation)
    even = pads[:dims] == pads[dims:] and all(2 * p <= k for p, k in zip(pads, kernel, strict=False))
    if dims in MAX and even and x.is_floating_point():
        return MAX[dims](x, kernel, stride, pads[:dims], dilation, bool(node.get("ceil_mode", 0)))
    low = -math.inf if x.is_floating_point() else lamina.iinfo(x.dtype).min
    windows, _ = _windows(node, x, low)
    return windows.amax(tuple(range(-dims, 0)))


@op("AveragePool")
def average_pool(node: Node, x: Tensor) -> Tensor:
    kernel = ints(node.get("kernel_shape"))
    dims = len(kernel)
    over = tuple(range(-dims, 0))
    windows, pads = _windows(node, x, 0.0)
    if not any(pads):
        return windows.mean(over)
    inside = lamina.ones((1, 1, *x.shape[2:]), dtype=x.dtype)
    if node.get("count_include_pad", 0):
        stated = borders(node, list(x.shape[2:]), kernel, ints(node.get("strides", [1] * dims)), [1] * dims)
        inside, left = padded(inside, stated, 1.0)
        if any(left):
            inside = F.pad(inside, [side for p in reversed(left) for side in (p, p)], value=1.0)
        # What ceil_mode adds beyond the stated pads does not count.
        rest = [pads[dims + d] - stated[dims + d] for d in reversed(range(dims))]
        inside = F.pad(inside, [side for p in rest for side in (0, p)])
        for d, (k, s) in enumerate(zip(kernel, ints(node.get("strides", [1] * dims)), strict=True)):
            inside = inside.unfold(d + 2, k, s)
    else:
        inside, _ = _windows(node, inside, 0.0)
    return windows.sum(over) / inside.sum(over)


@op("LpPool")
def lp_pool(node: Node, x: Tensor) -> Tensor:
    p = node.get("p", 2)
    windows, _ = _windows(node, x, 0.0)
    power = windows.abs().pow(p).sum(tuple(range(-len(ints(node.get("kernel_shape"))), 0)))
    return power.pow(1 / p)


@op("GlobalAveragePool")
def global_average_pool(node: Node, x: Tensor) -> Tensor:
    return x.mean(tuple(range(2, x.ndim)), keepdim=True)


@op("GlobalMaxPool")
def global_max_pool(node: Node, x: Tensor) -> Tensor:
    return x.amax(tuple(range(2, x.ndim)), keepdim=True)


@op("Resize", "Upsample")
def resize(
    node: Node,
    x: Tensor,
    region: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor:
    if node.kind == "Upsample" or node.version < 11:
        scales = scales if region is None else region
    mode, how = node.get("mode", "nearest"), node.get("coordinate_transformation_mode", "half_pixel")
    factors = node.get("scales") if scales is None or not scales.numel() else scales.tolist()
    if sizes is not None and sizes.numel():
        target = ints(sizes)
    elif factors:
        target = [int(n * f) for n, f in zip(x.shape, factors, strict=True)]
    else:
        raise node.refuse("neither scales nor sizes")
    if node.get("axes") is not None or target[:2] != list(x.shape[:2]):
        raise node.refuse("other dimensions than those of the image")
    size = tuple(target[2:])
    if mode == "nearest":
        whole = all(b % a == 0 for a, b in zip(x.shape[2:], size, strict=True))
        rounding = node.get("nearest_mode", "round_prefer_floor")
        if not whole and (how != "asymmetric" or rounding != "floor"):
            raise node.refuse(f"nearest with {how} and {rounding} to sizes that are no multiples")
        return F.interpolate(x, size, mode="nearest")
    names = {1: "linear", 2: "bilinear", 3: "trilinear"}
    word = names.get(len(size)) if mode == "linear" else "bicubic"
    if how not in ("half_pixel", "pytorch_half_pixel", "align_corners") or word is None:
        raise node.refuse(f"{mode} with {how}")
    if mode == "cubic" and node.get("cubic_coeff_a", -0.75) != -0.75:
        raise node.refuse("cubic with another coefficient than -0.75")
    return F.interpolate(x, size, mode=word, align_corners=how == "align_corners")
