"""The computational graph of a tensor as a picture: ``graph_of`` gives it as DOT and as SVG, with shapes.

The SVG is laid out here, in layers from the leaves down to the result; Graphviz is not needed.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from lamina._core import ShapeError, Tensor

LEAF, OPERATION, RESULT = "leaf", "operation", "result"
COLOURS = {LEAF: "#cfe8fc", OPERATION: "#f2f2f2", RESULT: "#d8f0d0"}
FONT, LINE, GAP_X, GAP_Y, PAD = 7.0, 16.0, 24.0, 34.0, 8.0  # pixels: a letter's width, a line's height, gaps


class _Box:
    """One node of the picture."""

    def __init__(self, kind: str, lines: list[str]) -> None:
        self.kind, self.lines = kind, lines
        self.x = self.y = 0.0
        self.width = FONT * max(map(len, lines)) + 2 * PAD
        self.height = LINE * len(lines) + PAD

    def svg(self) -> str:
        left = self.x - self.width / 2
        rows = "".join(
            f'<text x="{self.x:.1f}" y="{self.y + PAD / 2 + LINE * (i + 0.75):.1f}" '
            f'text-anchor="middle">{html.escape(line)}</text>'
            for i, line in enumerate(self.lines)
        )
        return (
            f'<rect x="{left:.1f}" y="{self.y:.1f}" width="{self.width:.1f}" height="{self.height:.1f}" '
            f'rx="5" fill="{COLOURS[self.kind]}" stroke="#999999"/>{rows}'
        )


class Graph:
    """A computational graph: ``nodes``, a label each, and ``edges``, pairs of numbers of nodes, from an
    operand to what was made of it; ``dot()`` and ``svg()`` draw it. In a notebook it shows itself.
    """

    def __init__(self, boxes: list[_Box], edges: list[tuple[int, int]]) -> None:
        self._boxes = boxes
        self.edges = edges

    @property
    def nodes(self) -> list[str]:
        """The labels: leaves and results with their shapes, operations with their names and shapes."""
        return [" ".join(box.lines) for box in self._boxes]

    def dot(self) -> str:
        """The graph in the language of Graphviz."""
        lines = ["digraph {", '  node [shape=box, style="rounded,filled", fontname="monospace"];']
        for i, box in enumerate(self._boxes):
            label = "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in box.lines)
            lines.append(f'  n{i} [label="{label}", fillcolor="{COLOURS[box.kind]}"];')
        lines += [f"  n{a} -> n{b};" for a, b in self.edges]
        return "\n".join([*lines, "}", ""])

    def svg(self) -> str:
        """The graph as a picture for a browser."""
        width, height = _place(self._boxes, self.edges)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="monospace" font-size="11.5">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#666666"/></marker></defs>',
        ]
        for a, b in self.edges:
            above, below = self._boxes[a], self._boxes[b]
            top, end = above.y + above.height, below.y
            middle = (top + end) / 2
            parts.append(
                f'<path d="M{above.x:.1f},{top:.1f} C{above.x:.1f},{middle:.1f} '
                f'{below.x:.1f},{middle:.1f} {below.x:.1f},{end:.1f}" fill="none" stroke="#666666" '
                'marker-end="url(#tip)"/>'
            )
        return "\n".join([*parts, *(box.svg() for box in self._boxes), "</svg>", ""])

    def save(self, path: Any) -> None:
        """Write a file: ``.dot`` or ``.gv`` as DOT, ``.svg`` as SVG.

        Raises:
            ShapeError: another ending.
        """
        ending = str(path).rsplit(".", 1)[-1].lower()
        if ending not in ("svg", "dot", "gv"):
            raise ShapeError(f"Graph.save: expected a path ending in .svg, .dot or .gv, got {path}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.svg() if ending == "svg" else self.dot())

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        return f"<Graph of {len(self._boxes)} nodes and {len(self.edges)} edges>"


def graph_of(tensor: Tensor | Sequence[Tensor], params: Any = None) -> Graph:
    """The operations that made ``tensor`` (or several tensors), and the leaves they began with.

    ``params`` gives leaves their names: a module, or a mapping from names to tensors. What requires no
    gradient is not recorded, and so not shown.

    Raises:
        RuntimeError: nothing was recorded for a tensor.

    >>> x = lamina.ones(2, 3, requires_grad=True)
    >>> lamina.autograd.graph_of((x * 2).sum(), {"x": x}).nodes
    ['result ()', 'Sum ()', 'Mul (2, 3)', 'x (2, 3)']
    """
    names = _names(params)
    boxes: list[_Box] = []
    edges: list[tuple[int, int]] = []
    seen: dict[Any, int] = {}
    todo: list[Any] = []

    def place_of(node: Any) -> int:
        if node not in seen:
            seen[node] = len(boxes)
            boxes.append(_box_of(node, names))
            todo.append(node)
        return seen[node]

    for x in [tensor] if isinstance(tensor, Tensor) else tensor:
        if x.grad_fn is None:
            raise RuntimeError("graph_of: nothing was recorded for this tensor, it has no grad_fn")
        result = len(boxes)
        boxes.append(_Box(RESULT, [names.get(id(x), "result"), str(tuple(x.shape))]))
        edges.append((place_of(x.grad_fn), result))
    for node in todo:  # grows while it is read
        edges += [(place_of(to), seen[node]) for to, _ in node.next_functions if to is not None]
    return Graph(boxes, edges)


def _names(params: Any) -> dict[int, str]:
    if params is None:
        return {}
    pairs: Mapping[str, Tensor] = params if isinstance(params, Mapping) else dict(params.named_parameters())
    return {id(x): name for name, x in pairs.items()}


def _box_of(node: Any, names: dict[int, str]) -> _Box:
    leaf = node.variable
    if leaf is not None:
        return _Box(LEAF, [names.get(id(leaf), "leaf"), str(tuple(leaf.shape))])
    if node.name() == "AccumulateGrad":
        return _Box(LEAF, ["leaf that is gone"])
    word = node.name().split("Backward")[0]
    shape = node._output_shape
    return _Box(OPERATION, [word] if shape is None else [word, str(tuple(shape))])


def _layers(count: int, edges: list[tuple[int, int]]) -> list[int]:
    """For each node the length of the longest way to it; leaves stand right above where they are used."""
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges:
        before[b].append(a)
        after[a].append(b)
    waiting = [len(group) for group in before]
    ready = [i for i in range(count) if not waiting[i]]
    layer = [0] * count
    for i in ready:  # grows while it is read
        for j in after[i]:
            layer[j] = max(layer[j], layer[i] + 1)
            waiting[j] -= 1
            if not waiting[j]:
                ready.append(j)
    for i in range(count):
        if not before[i] and after[i]:
            layer[i] = min(layer[j] for j in after[i]) - 1
    return layer


def _place(boxes: list[_Box], edges: list[tuple[int, int]]) -> tuple[float, float]:
    """Positions for all boxes: rows by layer, in a row by where the neighbours above are; the size of all."""
    layer = _layers(len(boxes), edges)
    rows: list[list[int]] = [[] for _ in range(max(layer) + 1)]
    for i in range(len(boxes) - 1, -1, -1):
        rows[layer[i]].append(i)
    above: dict[int, list[int]] = {}
    for a, b in edges:
        above.setdefault(b, []).append(a)
    widths = [sum(boxes[i].width for i in row) + GAP_X * (len(row) - 1) for row in rows]
    total, y = max(widths) + 2 * GAP_X, GAP_X
    for row, width in zip(rows, widths, strict=True):
        known = {i: [boxes[j].x for j in above.get(i, ())] for i in row}
        row.sort(key=lambda i: sum(known[i]) / len(known[i]) if known[i] else total / 2)
        x = (total - width) / 2
        for i in row:
            boxes[i].x, boxes[i].y = x + boxes[i].width / 2, y
            x += boxes[i].width + GAP_X
        y += max((boxes[i].height for i in row), default=0.0) + GAP_Y
    return total, y - GAP_Y + GAP_X
