"""ONNX files to graphs. The ``onnx`` package takes the bytes apart; everything it says is checked here."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.io.file import MAX_DIMS, open_regular

from .graph import Graph, GraphModule, Port
from .registry import DTYPES, Node, operators

MAX_NESTING = 16  # graphs in attributes of nodes of graphs
DOMAINS = ("", "ai.onnx")


def load(f: Any) -> GraphModule:
    """An ONNX file as a module that runs, and whose weights can be trained.

    Args:
        f: a path, or a file open for reading in binary. Weights in files of their own are read where these
            lie beside the path.

    Raises:
        ImportError: the onnx package is missing: ``pip install lamina[onnx]``.
        OSError: the file, or one beside it with weights, cannot be read.
        FileFormatError: the file is not what it claims to be.
        NotImplementedError: the graph has operators that lamina lacks; all are named.

    >>> model = lamina.onnx.load("silero_vad_16k_sequence.onnx")
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError("lamina.onnx needs the onnx package: pip install 'lamina[onnx]'") from error
    if hasattr(f, "read"):
        name, folder, data = str(getattr(f, "name", type(f).__name__)), None, f.read()
    else:
        name, folder = os.fspath(f), os.path.dirname(os.path.abspath(f))
        with open_regular(f) as file:
            data = file.read()
    try:
        model = onnx.ModelProto.FromString(data)
    except Exception as error:  # protobuf's DecodeError, whose module depends on its version
        raise lamina.FileFormatError(f"{name}: this is no ONNX model: {error}") from error
    if not model.HasField("graph") or not model.opset_import:
        raise lamina.FileFormatError(f"{name}: this is no ONNX model: it has no graph, or no opset")
    return _Reader(name, folder, model).module()


class _Reader:
    def __init__(self, name: str, folder: str | None, model: Any) -> None:
        self.name, self.folder, self.model = name, folder, model
        self.versions = {part.domain or "": part.version for part in model.opset_import}
        self.known = set(operators())
        self.lacking: Counter[str] = Counter()
        self.values: dict[str, Tensor] = {}

    def fail(self, text: str) -> lamina.FileFormatError:
        return lamina.FileFormatError(f"{self.name}: {text}")

    def text(self, value: Any) -> str:
        """A name of the file; protobuf hands over bytes where they are no UTF-8."""
        if not isinstance(value, str):
            raise self.fail(f"the name {value[:80]!r} is not UTF-8")
        return value

    def module(self) -> GraphModule:
        if self.model.functions:
            raise NotImplementedError(f"{self.name}: functions of the file's own are not read")
        values = self.values
        for tensor in self.model.graph.initializer:
            if self.text(tensor.name) in values:
                raise self.fail(f"two initialisers have the name {tensor.name!r}")
            values[tensor.name] = self.tensor(tensor)
        graph = self.graph(self.model.graph, (), 0)
        if self.lacking:
            listed = ", ".join(f"{kind} ({count})" for kind, count in sorted(self.lacking.items()))
            raise NotImplementedError(
                f"{self.name}: lamina has no {listed}; lamina.onnx.operators() lists what it runs"
            )
        graph.constants = {}
        return GraphModule(graph, values).eval()

    def graph(self, proto: Any, outside: tuple[set[str], ...], depth: int) -> Graph:
        """The graph of a message; ``outside`` has the names of the graphs around it, which it may read."""
        if depth > MAX_NESTING:
            raise self.fail(f"graphs are nested more than {MAX_NESTING} deep")
        if proto.sparse_initializer:
            raise NotImplementedError(f"{self.name}: sparse initialisers are not read")
        weights = {self.text(tensor.name) for tensor in proto.initializer}
        inputs = [self.port(port) for port in proto.input if port.name not in weights]
        constants = {t.name: self.tensor(t) for t in proto.initializer} if depth else {}
        own = weights | {port.name for port in inputs}
        known = (*outside, own)
        nodes = []
        for message in proto.node:
            node = self.node(message, known, depth)
            for name in node.outputs:
                if name in own:
                    raise self.fail(f"{node} writes {name!r}, which is there already")
            own.update(name for name in node.outputs if name)
            if not self.is_weight(node):
                nodes.append(node)
        outputs = [self.port(port) for port in proto.output]
        for port in outputs:
            if not any(port.name in names for names in known):
                raise self.fail(f"the graph's output {port.name!r} is computed by no node")
        if not outputs:
            raise self.fail("the graph has no outputs")
        return Graph(nodes, inputs, outputs, constants)

    def is_weight(self, node: Node) -> bool:
        """Whether a node is a constant that has been put among the weights."""
        value = node.get("value")
        if node.kind != "Constant" or not isinstance(value, Tensor) or node.outputs[0] in self.values:
            return False
        if not value.is_floating_point() or value.numel() < 2:
            return False
        self.values[node.outputs[0]] = value
        return True

    def node(self, message: Any, known: tuple[set[str], ...], depth: int) -> Node:
        for name in (message.op_type, message.name, message.domain, *message.input, *message.output):
            self.text(name)
        version = self.versions.get(message.domain or "", self.versions.get("ai.onnx", 0))
        attributes: dict[str, Any] = {}
        node = Node(
            message.op_type, message.name, list(message.input), list(message.output), attributes, version
        )
        if message.domain not in DOMAINS or message.op_type not in self.known:
            domain = "" if message.domain in DOMAINS else f"{message.domain}."
            self.lacking[f"{domain}{message.op_type}"] += 1
        if not node.outputs:
            raise self.fail(f"{node} has no outputs")
        for name in node.inputs:
            if name and not any(name in names for names in known):
                raise self.fail(f"{node} reads {name!r}, which is not there before it")
        for attribute in message.attribute:
            self.text(attribute.name)
            if attribute.type == attribute.GRAPH:
                node.graphs[attribute.name] = self.graph(attribute.g, known, depth + 1)
            else:
                attributes[attribute.name] = self.attribute(node, attribute)
        needed = {"If": ("then_branch", "else_branch"), "Loop": ("body",)}.get(node.kind, ())
        if not all(name in node.graphs for name in needed):
            raise self.fail(f"{node} lacks one of {', '.join(needed)}")
        return node

    def attribute(self, node: Node, message: Any) -> Any:
        kinds = {
            message.FLOAT: lambda: message.f,
            message.INT: lambda: message.i,
            message.STRING: lambda: message.s.decode("utf-8", "replace"),
            message.TENSOR: lambda: self.tensor(message.t),
            message.FLOATS: lambda: list(message.floats),
            message.INTS: lambda: list(message.ints),
            message.STRINGS: lambda: [text.decode("utf-8", "replace") for text in message.strings],
        }
        if message.type not in kinds or message.ref_attr_name:
            raise self.fail(f"{node}: attribute {message.name!r} is of a kind that is not read")
        return kinds[message.type]()

    def port(self, message: Any) -> Port:
        self.text(message.name)
        kind = message.type.tensor_type
        if not message.type.HasField("tensor_type") or not kind.elem_type:
            return Port(message.name, None, None)
        shape = None
        if kind.HasField("shape"):
            shape = tuple(
                dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None
                for dim in kind.shape.dim
            )
        return Port(message.name, getattr(lamina, DTYPES.get(kind.elem_type, ""), None), shape)

    def tensor(self, message: Any) -> Tensor:
        """The numbers of a tensor; its size must be what its shape says."""
        from onnx import numpy_helper

        shape = tuple(message.dims)
        dtype = getattr(lamina, DTYPES.get(message.data_type, ""), None)
        what = f"tensor {message.name!r}"
        if dtype is None:
            raise self.fail(f"{what} has ONNX's dtype {message.data_type}, which lamina lacks")
        if len(shape) > MAX_DIMS or any(n < 0 for n in shape):
            raise self.fail(f"{what} has the shape {list(shape[:MAX_DIMS])}")
        data = self.external(message, what) if message.data_location == message.EXTERNAL else message.raw_data
        try:
            if data or message.HasField("raw_data"):
                size = lamina.empty(0, dtype=dtype).element_size()
                count = 1
                for n in shape:
                    count *= n
                if count * size != len(data):
                    raise ValueError(f"{list(shape)} of {dtype} takes {count * size} bytes, got {len(data)}")
                return _core.from_buffer(bytearray(data), dtype, shape, 0)
            array = numpy_helper.to_array(message)
            return (
                lamina.tensor(array.astype("float32").tolist(), dtype=dtype).reshape(shape)
                if (dtype is lamina.bfloat16)
                else lamina.from_numpy(array.copy()).reshape(shape)
            )
        except (ValueError, TypeError) as error:
            raise self.fail(f"{what}: {error}") from error

    def external(self, message: Any, what: str) -> bytes:
        """The bytes that lie in a file beside the model."""
        entries = {self.text(entry.key): self.text(entry.value) for entry in message.external_data}
        place = entries.get("location", "")
        if self.folder is None or not place or place != os.path.basename(place) or place in (".", ".."):
            raise self.fail(f"{what} lies in {place!r}, which is no file beside the model")
        try:
            offset, length = int(entries.get("offset", 0)), entries.get("length")
            path = os.path.join(self.folder, place)
            with open_regular(path) as file:
                size = os.fstat(file.fileno()).st_size
                count = size - offset if length is None else int(length)
                if offset < 0 or count < 0 or offset + count > size:
                    raise ValueError(f"it takes bytes {offset} to {offset + count} of {size} in {place!r}")
                file.seek(offset)
                return file.read(count)
        except ValueError as error:
            raise self.fail(f"{what}: {error}") from error
