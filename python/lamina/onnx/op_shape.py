"""Operators that give elements another place: shapes, parts, joins, borders."""

from __future__ import annotations

import math
from typing import Any

import lamina
from lamina._core import ShapeError, Tensor
from lamina.nn import functional as F

from .registry import Node, ints, op

MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
FAR = 2**31  # bounds of slices beyond this mean the end


@op("Shape")
def shape(node: Node, x: Tensor) -> Tensor:
    return lamina.tensor(list(x.shape)[node.get("start", 0) : node.get("end")], dtype=lamina.int64)


@op("Size")
def size(node: Node, x: Tensor) -> Tensor:
    return lamina.tensor(x.numel())


@op("Reshape")
def reshape(node: Node, x: Tensor, target: Tensor | None = None) -> Tensor:
    wanted = ints(node.get("shape") if target is None else target)
    if not node.get("allowzero", 0):
        wanted = [x.shape[at] if n == 0 else n for at, n in enumerate(wanted)]
    return x.reshape(wanted)


@op("Flatten")
def flatten(node: Node, x: Tensor) -> Tensor:
    axis = node.get("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@op("Transpose")
def transpose(node: Node, x: Tensor) -> Tensor:
    return x.permute(tuple(node.get("perm", range(x.ndim)[::-1])))


@op("Squeeze")
def squeeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = node.get("axes") if axes is None else ints(axes)
    if chosen is None:
        return x.squeeze()
    chosen = [axis % x.ndim for axis in chosen]
    if any(x.shape[axis] != 1 for axis in chosen):
        raise ShapeError(f"{node}: dimensions {chosen} of shape {tuple(x.shape)} are not all 1")
    return x.reshape([n for at, n in enumerate(x.shape) if at not in chosen])


@op("Unsqueeze")
def unsqueeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = ints(node.get("axes") if axes is None else axes)
    rank = x.ndim + len(chosen)
    for axis in sorted(axis % rank for axis in chosen):
        x = x.unsqueeze(axis)
    return x


@op("Concat")
def concat(node: Node, *values: Tensor) -> Tensor:
    return lamina.cat(values, node.get("axis", 1 if node.version < 4 else None))


@op("Split")
def split(node: Node, x: Tensor, sizes: Tensor | None = None) -> Any:
    axis = node.get("axis", 0)
    parts = node.get("split") if sizes is None else ints(sizes)
    if parts is None:
        count = node.get("num_outputs", len(node.outputs))
        each = -(-x.shape[axis] // count)
        parts = [each] * (count - 1) + [x.shape[axis] - each * (count - 1)]
    return tuple(lamina.split(x, list(parts), axis))


@op("Slice")
def slice_(
    node: Node,
    x: Tensor,
    starts: Any = None,
    ends: Any = None,
    axes: Any = None,
    steps: Any = None,
) -> Tensor:
    begins = ints(node.get("starts") if starts is None else starts)
    limits = ints(node.get("ends") if ends is None else ends)
    given = node.get("axes") if axes is None else ints(axes)
    chosen = list(range(len(begins))) if given is None else list(given)
    strides = [1] * len(begins) if steps is None else ints(steps)
    for begin, limit, axis, step in zip(begins, limits, chosen, strides, strict=True):
        places = range(x.shape[axis])[slice(begin, limit if limit > -FAR else None, step)]
        if step > 0:
            key = [slice(None)] * x.ndim
            key[axis] = slice(places.start, places.stop, step)
            x = x[tuple(key)]
        else:
            x = x.index_select(axis, lamina.tensor(list(places), dtype=lamina.int64))
    return x


@op("Expand")
def expand(node: Node, x: Tensor, target: Tensor) -> Tensor:
    wanted = ints(target)
    own = [1] * (len(wanted) - x.ndim) + list(x.shape)
    wanted = [1] * (len(own) - len(wanted)) + wanted
    return x.expand([n if w == 1 else w for n, w in zip(own, wanted, strict=True)])


@op("Tile")
def tile(node: Node, x: Tensor, repeats: Tensor) -> Tensor:
    return lamina.tile(x, tuple(ints(repeats)))


@op("Pad")
def pad(
    node: Node, x: Tensor, pads: Any = None, value: Tensor | None = None, axes: Tensor | None = None
) -> Tensor:
    given = ints(node.get("pads", node.get("paddings")) if pads is None else pads)
    fill = node.get("value", 0.0) if value is None or not value.numel() else value.item()
    chosen = list(range(x.ndim)) if axes is None else [axis % x.ndim for axis in ints(axes)]
    sides = [(0, 0)] * x.ndim
    for at, axis in enumerate(chosen):
        sides[axis] = (given[at], given[len(chosen) + at])
    while len(sides) > 1 and sides[0] == (0, 0):
        del sides[0]
    flat = [side for pair in reversed(sides) for side in pair]
    mode = MODES.get(node.get("mode", "constant"))
    if mode is None:
        raise node.refuse(f"padding by {node.get('mode')!r}")
    if not any(flat):
        return x
    if mode == "constant":
        return F.pad(x, flat, value=fill)
    # These modes want two dimensions in front of those that grow.
    missing = max(len(sides) + 2 - x.ndim, 0)
    return F.pad(x[(None,) * missing], flat, mode=mode)[(0,) * missing]


@op("DepthToSpace")
def depth_to_space(node: Node, x: Tensor) -> Tensor:
    block = node.get("blocksize")
    if node.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(x, block)
    n, c, h, w = x.shape
    x = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, c // block**2, h * block, w * block)


@op("SpaceToDepth")
def space_to_depth(node: Node, x: Tensor) -> Tensor:
    block = node.get("blocksize")
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, c * block**2, h // block, w // block)


@op("Trilu")
def triangle(node: Node, x: Tensor, k: Tensor | None = None) -> Tensor:
    diagonal = 0 if k is None else ints(k)[0]
    return x.triu(diagonal) if node.get("upper", 1) else x.tril(diagonal)


@op("ReverseSequence")
def reverse_sequence(node: Node, x: Tensor, lengths: Tensor) -> Tensor:
    batch, time = node.get("batch_axis", 1), node.get("time_axis", 0)
    x = x.movedim((batch, time), (0, 1))
    rows = [lamina.cat([row[:n].flip(0), row[n:]]) for row, n in zip(x, ints(lengths), strict=True)]
    return lamina.stack(rows).movedim((0, 1), (batch, time))
