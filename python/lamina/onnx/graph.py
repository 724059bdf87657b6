"""A graph as a module: weights are parameters under their own names, nodes run in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import lamina
from lamina import nn
from lamina._core import ShapeError, Tensor

from .registry import OPS, Node

MAX_LOOP = 1_000_000  # turns of a Loop
MAX_DEPTH = 64  # modules in modules that the dots of a name make
# Operators whose inputs but the first are weights and biases.
LAYERS = {"Conv", "ConvTranspose", "Gemm", "LayerNormalization", "InstanceNormalization", "PRelu"}


class Port(NamedTuple):
    """An input or an output: its name, its dtype, its sizes; None where the graph leaves one open."""

    name: str
    dtype: Any
    shape: tuple[int | None, ...] | None


class Graph:
    """Nodes in order, inputs, outputs and constants: of a file, or what a node holds in its attributes."""

    def __init__(
        self, nodes: list[Node], inputs: list[Port], outputs: list[Port], constants: dict[str, Tensor]
    ) -> None:
        self.nodes, self.inputs, self.outputs, self.constants = nodes, inputs, outputs, constants
        last: dict[str, int] = {}
        for at, node in enumerate(nodes):
            for name in reads(node):
                last[name] = at
        kept = {port.name for port in outputs}
        self.dropped: list[list[str]] = [[] for _ in nodes]
        written = {name for node in nodes for name in node.outputs}
        for name, at in last.items():
            if name in written and name not in kept:
                self.dropped[at].append(name)

    def run(self, values: dict[str, Any]) -> list[Any]:
        """The outputs, from ``values`` by name, which grow and shrink on the way."""
        found: Any
        for node, dropped in zip(self.nodes, self.dropped, strict=True):
            given = [values[name] if name else None for name in node.inputs]
            try:
                if node.kind == "If":
                    found = _branch(node, given[0], values)
                elif node.kind == "Loop":
                    found = _loop(node, given, values)
                else:
                    found = OPS[node.kind](node, *given)
            except (ShapeError, TypeError, IndexError) as error:
                raise type(error)(f"lamina.onnx: {node}: {error}") from error
            if isinstance(found, tuple):
                values.update((name, x) for name, x in zip(node.outputs, found, strict=False) if name)
            else:
                values[node.outputs[0]] = found
            for name in dropped:
                values.pop(name, None)
        return [values[port.name] for port in self.outputs]


def reads(node: Node) -> set[str]:
    """The names that a node reads, those of the graphs in it included."""
    names = {name for name in node.inputs if name}
    for graph in node.graphs.values():
        own = set(graph.constants) | {port.name for port in graph.inputs}
        for inner in graph.nodes:
            names |= reads(inner) - own
            own.update(inner.outputs)
        names |= {port.name for port in graph.outputs} - own
    return names


def _branch(node: Node, condition: Any, values: dict[str, Any]) -> tuple[Any, ...]:
    graph = node.graphs["then_branch" if bool(condition.reshape(()).item()) else "else_branch"]
    return tuple(graph.run({**values, **graph.constants}))


def _loop(node: Node, given: list[Any], values: dict[str, Any]) -> tuple[Any, ...]:
    """Turns of the body: counter, condition and what is carried go in; condition, that and a row come out."""
    graph = node.graphs["body"]
    limit = MAX_LOOP if given[0] is None else int(given[0].item())
    go = given[1] is None or bool(given[1].item())
    carried = given[2:]
    rows: list[list[Any]] = [[] for _ in graph.outputs[1 + len(carried) :]]
    turn = 0
    while go and turn < limit:
        if turn >= MAX_LOOP:
            raise node.refuse(f"more than {MAX_LOOP} turns")
        state = [lamina.tensor(turn), lamina.tensor(True), *carried]
        inner = {port.name: value for port, value in zip(graph.inputs, state, strict=True)}
        condition, *out = graph.run({**values, **graph.constants, **inner})
        carried = out[: len(carried)]
        for row, value in zip(rows, out[len(carried) :], strict=True):
            row.append(value)
        go = bool(condition.item())
        turn += 1
    return (*carried, *(lamina.stack(row) if row else lamina.zeros(0) for row in rows))


class GraphModule(nn.Module):
    """An ONNX graph that runs, saves its state and can be trained like any module.

    Weights are parameters under the names that they have in the file: floating initialisers and constants of
    more than one element, or of one where it is the weight or bias of a layer. Means and variances of batch
    norms, shapes and single numbers are buffers.

    Attributes:
        inputs, outputs: the graph's ports: name, dtype, shape (None where a size is open).

    >>> model = lamina.onnx.load("model.onnx")
    >>> model(lamina.randn(1, 3, 224, 224)).shape
    lamina.Size([1, 1000])
    """

    def __init__(self, graph: Graph, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.inputs, self.outputs = tuple(graph.inputs), tuple(graph.outputs)
        self._graph = graph
        self._places: dict[str, tuple[nn.Module, str]] = {}
        frozen, layers = _frozen(graph), _of_layers(graph)
        for number, (name, value) in enumerate(values.items()):
            holder, attribute = self._place(name, number)
            weighs = value.numel() > 1 or name in layers
            if value.is_floating_point() and weighs and name not in frozen:
                holder.register_parameter(attribute, nn.Parameter(value))
            else:
                holder.register_buffer(attribute, value)
            self._places[name] = (holder, attribute)

    def _place(self, name: str, number: int) -> tuple[nn.Module, str]:
        """Where a value goes: into modules as the dots of its name say, else under a number."""
        *parts, last = name.split(".")
        if len(parts) > MAX_DEPTH:
            return self, f"value_{number}"
        holder: nn.Module = self
        for part in parts:
            inner = holder._modules.get(part)
            if inner is None:
                if not part or hasattr(holder, part):
                    return self, f"value_{number}"
                inner = nn.Module()
                holder.add_module(part, inner)
            holder = inner
        if not last or hasattr(holder, last):
            return self, f"value_{number}"
        return holder, last

    def forward(self, *inputs: Tensor, **named: Tensor) -> Any:
        """The graph's output, or a tuple of all of them; inputs by order or by name.

        Raises:
            TypeError: an input is missing, too many, or no tensor of the graph's dtype.
            ShapeError: a size differs from the graph's.
        """
        if len(inputs) > len(self.inputs):
            raise TypeError(f"lamina.onnx: the graph has {len(self.inputs)} inputs, got {len(inputs)}")
        given = dict(zip([port.name for port in self.inputs], inputs, strict=False))
        both = [name for name in named if name in given]
        if both:
            raise TypeError(f"lamina.onnx: {', '.join(both)} given twice, by order and by name")
        given.update(named)
        known = [port.name for port in self.inputs]
        missing = [name for name in known if name not in given]
        unknown = [name for name in given if name not in known]
        if missing or unknown:
            words = (("missing", missing), ("unknown", unknown))
            said = "; ".join(f"{word}: {', '.join(names)}" for word, names in words if names)
            raise TypeError(f"lamina.onnx: inputs are {', '.join(known)}; {said}")
        for port in self.inputs:
            _check(port, given[port.name])
        values: dict[str, Any] = {
            name: getattr(holder, attribute) for name, (holder, attribute) in self._places.items()
        }
        found = self._graph.run({**values, **given})
        return found[0] if len(found) == 1 else tuple(found)

    def extra_repr(self) -> str:
        """Inputs, outputs, and how many nodes there are."""

        def listed(ports: tuple[Port, ...]) -> str:
            return ", ".join(port.name for port in ports)

        return f"({listed(self.inputs)}) -> ({listed(self.outputs)}), {len(self._graph.nodes)} nodes"


def _check(port: Port, value: Any) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"lamina.onnx: input {port.name}: expected a Tensor, got {type(value).__name__}")
    if port.dtype is not None and value.dtype != port.dtype:
        raise TypeError(f"lamina.onnx: input {port.name}: expected {port.dtype}, got {value.dtype}")
    if port.shape is None:
        return
    fits = value.ndim == len(port.shape)
    if not fits or any(n is not None and n != m for n, m in zip(port.shape, value.shape, strict=True)):
        wanted = ", ".join("any" if n is None else str(n) for n in port.shape)
        raise ShapeError(f"lamina.onnx: input {port.name}: expected ({wanted}), got {tuple(value.shape)}")


def _of_layers(graph: Graph) -> set[str]:
    """Names of the weights and biases of layers, however few their elements are."""
    names: set[str] = set()
    for node in graph.nodes:
        if node.kind in LAYERS:
            names.update(node.inputs[1:])
        for inner in node.graphs.values():
            names |= _of_layers(inner)
    return names


def _frozen(graph: Graph) -> set[str]:
    """Names of values that describe rather than weigh: statistics, and the scales of a Resize."""
    names: set[str] = set()
    for node in graph.nodes:
        if node.kind == "BatchNormalization":
            names.update(node.inputs[3:5])
        elif node.kind in ("Resize", "Upsample"):
            names.update(node.inputs[1:])
        for inner in node.graphs.values():
            names |= _frozen(inner)
    return names
