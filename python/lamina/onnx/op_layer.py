"""Operators with weights: convolutions, products of matrices, embeddings by way of Gather, attention."""

from __future__ import annotations

from typing import Any

import lamina
from lamina._core import Tensor
from lamina.nn import functional as F

from .registry import Node, ints, op

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def borders(
    node: Node, sizes: list[int], kernel: list[int], stride: list[int], dilation: list[int]
) -> list[int]:
    """``pads`` as ONNX writes it, all begins and then all ends; computed where ``auto_pad`` asks for it."""
    dims = len(sizes)
    way = node.get("auto_pad", "NOTSET")
    if way in ("NOTSET", ""):
        return ints(node.get("pads", [0] * 2 * dims))
    if way == "VALID":
        return [0] * 2 * dims
    begins, ends = [], []
    for size, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        less, more = total // 2, total - total // 2
        begins.append(less if way == "SAME_UPPER" else more)
        ends.append(more if way == "SAME_UPPER" else less)
    return begins + ends


def padded(x: Tensor, pads: list[int], value: float = 0.0) -> tuple[Tensor, list[int]]:
    """The image and the padding left to do: what differs between the two sides is put around it here."""
    dims = len(pads) // 2
    begins, ends = pads[:dims], pads[dims:]
    if begins == ends and min(begins) >= 0:
        return x, begins
    sides: list[int] = []
    for begin, end in reversed(list(zip(begins, ends, strict=True))):
        sides += [begin, end]
    return F.pad(x, sides, value=value), [0] * dims


@op("Conv")
def conv(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    dims = x.ndim - 2
    stride, dilation = ints(node.get("strides", [1] * dims)), ints(node.get("dilations", [1] * dims))
    if dims not in CONV:
        raise node.refuse(f"a convolution over {dims} dimensions")
    pads = borders(node, list(x.shape[2:]), list(weight.shape[2:]), stride, dilation)
    x, padding = padded(x, pads)
    return CONV[dims](x, weight, bias, stride, padding, dilation, node.get("group", 1))


@op("ConvTranspose")
def conv_transpose(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    dims = x.ndim - 2
    stride, dilation = ints(node.get("strides", [1] * dims)), ints(node.get("dilations", [1] * dims))
    extra = ints(node.get("output_padding", [0] * dims))
    full = [
        (size - 1) * s + (k - 1) * d + 1 + more
        for size, s, k, d, more in zip(x.shape[2:], stride, weight.shape[2:], dilation, extra, strict=True)
    ]
    way, wanted = node.get("auto_pad", "NOTSET"), node.get("output_shape")
    pads = ints(node.get("pads", [0] * 2 * dims))
    if wanted is None and way.startswith("SAME"):
        wanted = [size * s for size, s in zip(x.shape[2:], stride, strict=True)]
    if wanted is not None:
        total = [max(f - w, 0) for f, w in zip(full, ints(wanted)[-dims:], strict=True)]
        less, more_ = [t // 2 for t in total], [t - t // 2 for t in total]
        pads = less + more_ if way == "SAME_UPPER" else more_ + less
    function: Any = getattr(F, f"conv_transpose{dims}d", None)
    if function is None:
        raise node.refuse(f"lamina has no transposed convolution over {dims} dimensions")
    y = function(x, weight, bias, stride, 0, extra, node.get("group", 1), dilation)
    for d in range(dims):
        y = y.narrow(d + 2, pads[d], y.shape[d + 2] - pads[d] - pads[dims + d])
    return y


@op("MatMul")
def matmul(node: Node, a: Tensor, b: Tensor) -> Tensor:
    return lamina.matmul(a, b)


@op("Gemm")
def gemm(node: Node, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    a = a.t() if node.get("transA", 0) else a
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    plain = c is None or (alpha == 1 and beta == 1 and c.ndim == 1)
    if node.get("transB", 0) and plain and alpha == 1:
        return F.linear(a, b, c)
    y = a @ (b.t() if node.get("transB", 0) else b)
    y = y if alpha == 1 else y * alpha
    return y if c is None else y + (c if beta == 1 else c * beta)


@op("Einsum")
def einsum(node: Node, *values: Tensor) -> Tensor:
    return lamina.einsum(node.get("equation"), *values)
