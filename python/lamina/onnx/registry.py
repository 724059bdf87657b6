"""The table of ONNX's operators, which op_*.py fill, and what those need to know of a node."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import lamina
from lamina._core import Tensor

FAMILIES = (
    "op_elementwise",
    "op_layer",
    "op_norm",
    "op_pool",
    "op_recurrent",
    "op_reduce",
    "op_shape",
    "op_select",
)
OPS: dict[str, Callable[..., Any]] = {}
# ONNX's number of a dtype, and lamina's name.
DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
}


class Node:
    """One operator of a graph: its kind, the names it reads and writes, its attributes."""

    __slots__ = ("attributes", "graphs", "inputs", "kind", "name", "outputs", "version")

    def __init__(
        self,
        kind: str,
        name: str,
        inputs: list[str],
        outputs: list[str],
        attributes: dict[str, Any],
        version: int,
    ) -> None:
        self.kind, self.name, self.inputs, self.outputs = kind, name, inputs, outputs
        self.attributes, self.version = attributes, version
        self.graphs: dict[str, Any] = {}

    def get(self, name: str, default: Any = None) -> Any:
        """The attribute of that name."""
        return self.attributes.get(name, default)

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}" if self.name else f"{self.kind} -> {', '.join(self.outputs)}"

    def refuse(self, text: str) -> NotImplementedError:
        """The error for what this node asks and lamina lacks."""
        return NotImplementedError(f"lamina.onnx: {self}: {text}")


def op(*kinds: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function ``(node, *values) -> value or tuple of values`` for operators of these names."""

    def keep(function: Callable[..., Any]) -> Callable[..., Any]:
        for kind in kinds:
            OPS[kind] = function
        return function

    return keep


def operators() -> list[str]:
    """The names of all operators that lamina runs.

    >>> "Conv" in lamina.onnx.operators()
    True
    """
    for family in FAMILIES:
        import_module(f"lamina.onnx.{family}")
    return sorted([*OPS, "If", "Loop"])


def ints(value: Any) -> list[int]:
    """The whole numbers of an attribute or of a tensor."""
    if isinstance(value, Tensor):
        return [int(n) for n in value.reshape(-1).tolist()]
    return [int(n) for n in (value if isinstance(value, Iterable) else [value])]


def dtype_of(node: Node, number: int) -> Any:
    """lamina's dtype for ONNX's number."""
    found = getattr(lamina, DTYPES.get(number, ""), None)
    if found is None:
        raise node.refuse(f"lamina has no dtype {DTYPES.get(number, number)}")
    return found
