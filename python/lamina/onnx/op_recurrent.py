"""LSTM, GRU and RNN over whole sequences. ONNX orders the gates its own way; the rows are put in lamina's."""

from __future__ import annotations

from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor

from .registry import Node, ints, op

# lamina's gates by their places in ONNX: input, forget, cell, output of iofc; reset, update, new of zrh.
GATES = {"LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2], "RNN": [0]}
DEFAULTS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}


def _ordered(node: Node, rows: Tensor, hidden: int) -> Tensor:
    order = GATES[node.kind]
    return rows if order == [0] else lamina.cat([rows[gate * hidden : (gate + 1) * hidden] for gate in order])


def _check(node: Node, lengths: Tensor | None, steps: int) -> str:
    if lengths is not None and any(n != steps for n in ints(lengths)):
        raise node.refuse("sequences of different lengths")
    if node.get("clip") is not None or node.get("input_forget", 0) or node.get("layout", 0):
        raise node.refuse("clip, input_forget or the layout with the batch first")
    if node.kind == "GRU" and not node.get("linear_before_reset", 0):
        raise node.refuse("the reset gate before the product (linear_before_reset=0)")
    directions = 2 if node.get("direction", "forward") == "bidirectional" else 1
    functions = node.get("activations", DEFAULTS[node.kind] * directions)
    if node.kind == "RNN" and functions == ["Relu"] * directions:
        return "RNN_RELU"
    if functions != DEFAULTS[node.kind] * directions:
        raise node.refuse(f"the activations {functions}")
    return "RNN_TANH" if node.kind == "RNN" else node.kind


@op("LSTM", "GRU", "RNN")
def sequence(
    node: Node,
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    lengths: Tensor | None = None,
    hidden: Tensor | None = None,
    cell: Tensor | None = None,
    peepholes: Tensor | None = None,
) -> Any:
    """x (steps, batch, features) -> (steps, directions, batch, hidden) and the last states."""
    steps, batch, _ = x.shape
    directions, size = r.shape[0], r.shape[2]
    mode = _check(node, lengths, steps)
    if peepholes is not None and bool((peepholes != 0).any()):
        raise node.refuse("peepholes")
    weights: list[Tensor | None] = []
    for way in range(directions):
        biases: list[Tensor | None] = [None, None]
        if b is not None:
            half = b.shape[1] // 2
            biases = [_ordered(node, part, size) for part in (b[way, :half], b[way, half:])]
        weights += [_ordered(node, w[way], size), _ordered(node, r[way], size), *biases, None]
    back = node.get("direction", "forward") == "reverse"
    x = x.flip(0) if back else x
    rows = x.reshape(steps * batch, -1)
    data, *last = _core.recurrent(mode, rows, [batch] * steps, hidden, cell, weights, directions == 2)
    y = data.reshape(steps, batch, directions, size).transpose(1, 2)
    return (y.flip(0) if back else y), *last
