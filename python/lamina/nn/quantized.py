"""Layers whose weights are blocks of few bits, for inference: GGUF's types, multiplied as they are.

Quantised weights take a quarter (Q8_0) to an eighth (Q4_0) of the memory, and a product of one row, which is
bound by reading them, as little of the time. The input is quantised on the way, 32 numbers to a scale, each
to two bytes, so that what is lost is 1/64516 of the largest of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.io.gguf_block import BY_NAME, dequantize
from lamina.nn.modules.linear import Linear as FloatLinear
from lamina.nn.modules.module import Module

ROWS = 16  # that lie side by side, as the kernel reads them
# What a block of each type consists of: (bytes of a unit, units), in order.
FIELDS = {
    "Q4_0": ((2, 1), (4, 4)),
    "Q4_1": ((2, 2), (4, 4)),
    "Q8_0": ((2, 1), (4, 8)),
    "Q4_K": ((2, 2), (1, 12), (4, 32)),
    "Q6_K": ((4, 32), (4, 16), (1, 16), (2, 1)),
}
WORDS = {"int8": "Q8_0", "q8_0": "Q8_0", "q4_0": "Q4_0", "q4_1": "Q4_1"}


class Linear(Module):
    """``x @ weight.T + bias``, the weight in blocks: (..., in_features) -> (..., out_features).

    ``type`` is one of Q4_0, Q4_1, Q8_0, Q4_K and Q6_K; ``blocks`` holds the bytes, ``bias`` floats. Both are
    buffers: there is no derivative. ``from_float`` and ``from_blocks`` fill a layer.

    Raises:
        ShapeError: an unknown type, or (of forward) an input that does not fit.
        RuntimeError: (of forward) the input wants a gradient.

    >>> layer = lamina.nn.quantized.Linear.from_float(lamina.nn.Linear(64, 5))
    >>> layer(lamina.ones(2, 64)).shape
    lamina.Size([2, 5])
    """

    blocks: Tensor
    bias: Tensor | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True, type: str = "Q8_0") -> None:
        super().__init__()
        block = _block(type)
        self.in_features, self.out_features, self.block_type = in_features, out_features, type
        shape = (-(-out_features // ROWS) * ROWS, -(-in_features // block.numbers) * block.bytes)
        self.register_buffer("blocks", lamina.zeros(shape, dtype=lamina.uint8))
        self.register_buffer("bias", lamina.zeros(out_features) if bias else None)

    @classmethod
    def from_float(cls, layer: FloatLinear, type: str = "Q8_0") -> Linear:
        """The layer with its weight rounded to blocks of this type: Q8_0, Q4_0 or Q4_1."""
        blocks = quantize(layer.weight.detach().float().numpy(), type)
        return cls.from_blocks(type, lamina.from_numpy(blocks), layer.in_features, layer.bias)

    @classmethod
    def from_blocks(cls, type: str, blocks: Tensor, in_features: int, bias: Tensor | None = None) -> Linear:
        """A layer of blocks as a GGUF file has them: uint8 (out_features, bytes of a row).

        >>> blocks = lamina.zeros(5, 34, dtype=lamina.uint8)
        >>> lamina.nn.quantized.Linear.from_blocks("Q8_0", blocks, 32).out_features
        5
        """
        layer = cls(in_features, blocks.shape[0], bias is not None, type)
        if blocks.dtype != lamina.uint8 or blocks.shape[1:] != layer.blocks.shape[1:]:
            raise _core.ShapeError(
                f"quantized.Linear: {in_features} inputs in {type} are uint8 rows of "
                f"{layer.blocks.shape[1]} bytes, got {blocks.dtype} {tuple(blocks.shape)}"
            )
        layer.blocks = lamina.from_numpy(interleave(blocks.numpy(), type))
        if bias is not None:
            layer.bias = bias.detach().float()
        return layer

    def dequantize(self) -> Tensor:
        """The weight in float32, (out_features, in_features)."""
        rows = separate(self.blocks.numpy(), self.block_type)[: self.out_features]
        values = dequantize(BY_NAME[self.block_type], np.ascontiguousarray(rows))
        return lamina.from_numpy(values.reshape(self.out_features, -1)[:, : self.in_features].copy())

    def forward(self, input: Tensor) -> Tensor:
        return _core.quantized_linear(input, self.blocks, self.block_type, self.out_features, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, type={self.block_type}"
        )


class Embedding(Module):
    """Rows of a table in blocks, as a GGUF file has it: int (...) -> (..., embedding_dim) in float32.

    Raises:
        IndexError: an index that is not in the table.

    >>> table = lamina.zeros(7, 34, dtype=lamina.uint8)
    >>> lamina.nn.quantized.Embedding("Q8_0", table, 32)(lamina.tensor([1, 2])).shape
    lamina.Size([2, 32])
    """

    blocks: Tensor

    def __init__(self, type: str, blocks: Tensor, embedding_dim: int) -> None:
        super().__init__()
        block = _block(type)
        if blocks.dtype != lamina.uint8 or blocks.shape[1] * block.numbers != embedding_dim * block.bytes:
            raise _core.ShapeError(
                f"quantized.Embedding: {embedding_dim} numbers in {type} are uint8 rows of "
                f"{embedding_dim * block.bytes // block.numbers} bytes, got {tuple(blocks.shape)}"
            )
        self.num_embeddings, self.embedding_dim, self.block_type = blocks.shape[0], embedding_dim, type
        self.register_buffer("blocks", blocks)

    def forward(self, input: Tensor) -> Tensor:
        rows = _core.embedding(self.blocks, input).numpy()
        values = dequantize(BY_NAME[self.block_type], np.ascontiguousarray(rows).reshape(-1, rows.shape[-1]))
        return lamina.from_numpy(values).reshape(*input.shape, self.embedding_dim)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, type={self.block_type}"


def quantize_(model: Module, type: str = "int8") -> Module:
    """Puts a quantised layer in the place of every ``nn.Linear`` inside of ``model``, and returns the model.

    ``type`` is int8 (Q8_0), q4_0 or q4_1. What derives from ``nn.Linear`` stays as it is, as does what has
    parameters of its own, such as ``nn.MultiheadAttention``. The result has no derivative.

    >>> model = lamina.nn.Sequential(lamina.nn.Linear(64, 8), lamina.nn.ReLU())
    >>> lamina.nn.quantized.quantize_(model, "q4_0")[0].block_type
    'Q4_0'
    """
    if type not in WORDS:
        raise _core.ShapeError(f"quantize_: expected one of {', '.join(WORDS)}, got {type!r}")
    made: dict[int, Linear] = {}
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if child.__class__ is FloatLinear:
                made.setdefault(id(child), Linear.from_float(child, WORDS[type]))
                setattr(module, name, made[id(child)])
    return model


def _block(type: str) -> Any:
    if type not in FIELDS:
        raise _core.ShapeError(f"quantized: expected a type of {', '.join(FIELDS)}, got {type!r}")
    return BY_NAME[type]


def interleave(blocks: np.ndarray, type: str) -> np.ndarray:
    """Rows of blocks, padded to whole ``ROWS``, with each field of as many rows side by side."""
    size = _block(type).bytes
    blocks = np.pad(blocks, ((0, -len(blocks) % ROWS), (0, 0)))
    tiles = blocks.reshape(-1, ROWS, blocks.shape[1] // size, size)
    parts, at = [], 0
    for unit, count in FIELDS[type]:
        field = tiles[..., at : at + unit * count].reshape(*tiles.shape[:3], count, unit)
        parts.append(field.transpose(0, 2, 3, 1, 4).reshape(len(tiles), tiles.shape[2], -1))
        at += unit * count
    return np.concatenate(parts, -1).reshape(blocks.shape)


def separate(blocks: np.ndarray, type: str) -> np.ndarray:
    """The opposite of ``interleave``, the padding included."""
    size = _block(type).bytes
    tiles = blocks.reshape(len(blocks) // ROWS, -1, size * ROWS)
    parts, at = [], 0
    for unit, count in FIELDS[type]:
        field = tiles[..., at : at + unit * count * ROWS].reshape(*tiles.shape[:2], count, ROWS, unit)
        parts.append(field.transpose(0, 3, 1, 2, 4).reshape(len(tiles), ROWS, tiles.shape[1], -1))
        at += unit * count * ROWS
    return np.concatenate(parts, -1).reshape(blocks.shape)


def quantize(weight: np.ndarray, type: str) -> np.ndarray:
    """Rows of float32 rounded to blocks of Q8_0, Q4_0 or Q4_1; the last block is filled with zeros."""
    if type not in WORDS.values():
        raise _core.ShapeError(f"quantized: weights are rounded to Q8_0, Q4_0 or Q4_1, not to {type}")
    if not np.isfinite(weight).all():
        raise _core.ShapeError("quantized: a weight is infinite or not a number")
    x = np.pad(weight, ((0, 0), (0, -weight.shape[1] % 32))).reshape(len(weight), -1, 32)
    low = x.min(-1, keepdims=True) if type == "Q4_1" else None
    if low is not None:
        scales = [(x.max(-1, keepdims=True) - low) / 15, low]
    elif type == "Q8_0":
        scales = [np.abs(x).max(-1, keepdims=True) / 127]
    else:  # of the largest number, whichever its sign, the byte is 0
        scales = [-np.take_along_axis(x, np.abs(x).argmax(-1)[..., None], -1) / 8]
    halves = [scale.astype(np.float16) for scale in scales]
    unit = halves[0].astype(np.float32)
    base = x if low is None else x - halves[1].astype(np.float32)
    q = np.rint(np.divide(base, unit, out=np.zeros_like(x), where=unit != 0))
    if type == "Q8_0":
        bytes_of = np.clip(q, -127, 127).astype(np.int8).view(np.uint8)
    else:
        nibbles = np.clip(q + (8 if low is None else 0), 0, 15).astype(np.uint8)
        bytes_of = nibbles[..., :16] | nibbles[..., 16:] << 4
    return np.concatenate([*(half.view(np.uint8) for half in halves), bytes_of], -1).reshape(len(weight), -1)
