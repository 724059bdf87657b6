"""Activations by the words of ``config.json``, and the gated products of modern models."""

from __future__ import annotations

from collections.abc import Callable

from lamina._core import ShapeError, Tensor
from lamina.nn import Linear, Module
from lamina.nn import functional as F


def _tanh_gelu(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def _quick_gelu(x: Tensor) -> Tensor:
    return x * (1.702 * x).sigmoid()


def _squared_relu(x: Tensor) -> Tensor:
    return F.relu(x).square()


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_python": F.gelu,
    "gelu_new": _tanh_gelu,
    "gelu_fast": _tanh_gelu,
    "gelu_pytorch_tanh": _tanh_gelu,
    "quick_gelu": _quick_gelu,
    "relu": F.relu,
    "relu2": _squared_relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "mish": F.mish,
    "sigmoid": F.sigmoid,
    "silu": F.silu,
    "swish": F.silu,
    "tanh": F.tanh,
}


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """The function that ``config.json`` calls ``name``.

    Raises:
        ShapeError: there is none.

    >>> activation("relu") is lamina.nn.functional.relu
    True
    """
    if name not in ACTIVATIONS:
        raise ShapeError(f"activation: expected one of {', '.join(ACTIVATIONS)}, got {name!r}")
    return ACTIVATIONS[name]


class GatedMLP(Module):
    """``down(act(gate(x)) * up(x))``: SwiGLU with silu, GEGLU with gelu. (..., size) -> (..., size).

    ``packed`` makes gate and up one layer, ``gate_up_proj``.

    Source: Shazeer, GLU Variants Improve Transformer, 2020.

    >>> tuple(GatedMLP(8, 16)(lamina.ones(2, 8)).shape)
    (2, 8)
    """

    def __init__(
        self, size: int, inner: int, act: str = "silu", bias: bool = False, packed: bool = False
    ) -> None:
        super().__init__()
        self.inputs = ("gate_up_proj",) if packed else ("gate_proj", "up_proj")
        for name in self.inputs:
            self.add_module(name, Linear(size, inner * 2 // len(self.inputs), bias=bias))
        self.down_proj = Linear(inner, size, bias=bias)
        self.act_fn = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        parts = [getattr(self, name)(x) for name in self.inputs]
        gate, up = parts if len(parts) == 2 else parts[0].chunk(2, -1)
        return self.down_proj(self.act_fn(gate) * up)
