"""The block types of GGUF files: how many bytes hold how many numbers, and the numbers themselves.

A block is a few scales and small integers. Each function takes blocks as rows of bytes and gives rows of
float32; the layouts are those of llama.cpp's ggml-common.h. Multiplying by blocks is left to others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = Any  # np.ndarray, whose own type would say nothing of shapes either
CHUNK = 1 << 16  # numbers made at a time, so that what is between stays in cache

# The sixteen values of IQ4_NL and IQ4_XS, and twice those of MXFP4 (FP4 as E2M1).
NONLINEAR = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)
E2M1_TWICE = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.float32)


class Block(NamedTuple):
    """One type: its name, the numbers and the bytes of a block, and how to read rows of blocks."""

    name: str
    numbers: int
    bytes: int
    values: Callable[[Array], Array]


def _half(b: Array, at: int) -> Array:
    """The float16 at byte ``at`` of every block, as a column of float32."""
    return b[:, at : at + 2].copy().view("<f2").astype(np.float32)


def _nibbles(b: Array) -> Array:
    """The low halves of all bytes, then the high ones."""
    return np.concatenate([b & 15, b >> 4], axis=1)


def _fifth_bits(b: Array) -> Array:
    """Bit i of four bytes as 0 or 16, for i = 0 .. 31."""
    return np.unpackbits(b, axis=1, bitorder="little") << 4


def _q4_0(b: Array) -> Array:
    return (_nibbles(b[:, 2:]).astype(np.float32) - 8) * _half(b, 0)


def _q4_1(b: Array) -> Array:
    return _nibbles(b[:, 4:]) * _half(b, 0) + _half(b, 2)


def _q5_0(b: Array) -> Array:
    q = _nibbles(b[:, 6:]) | _fifth_bits(b[:, 2:6])
    return (q.astype(np.float32) - 16) * _half(b, 0)


def _q5_1(b: Array) -> Array:
    return (_nibbles(b[:, 8:]) | _fifth_bits(b[:, 4:8])) * _half(b, 0) + _half(b, 2)


def _q8_0(b: Array) -> Array:
    return b[:, 2:].view(np.int8) * _half(b, 0)


def _q8_1(b: Array) -> Array:
    return b[:, 4:].view(np.int8) * _half(b, 0)


def _q8_k(b: Array) -> Array:
    return b[:, 4:260].view(np.int8) * b[:, :4].copy().view("<f4")


def _planes(b: Array, bits: int) -> Array:
    """Bytes in runs of 32, cut into numbers of ``bits``: all lowest ones of a run, then the next."""
    runs = b.reshape(len(b), -1, 1, 32)
    shifts = np.arange(0, 8, bits, dtype=np.uint8).reshape(1, 1, -1, 1)
    return ((runs >> shifts) & ((1 << bits) - 1)).reshape(len(b), -1, 32)


def _scaled(q: Array, scale: Array, minimum: Array | None = None) -> Array:
    """Numbers in as many groups as there are scales, times their scale, less their minimum."""
    x = q.reshape(len(scale), scale.shape[1], -1) * scale[:, :, None]
    if minimum is not None:
        x -= minimum[:, :, None]
    return x.reshape(len(x), -1)


def _q2_k(b: Array) -> Array:
    scale = (b[:, :16] & 15) * _half(b, 80)
    return _scaled(_planes(b[:, 16:80], 2), scale, (b[:, :16] >> 4) * _half(b, 82))


def _q3_k(b: Array) -> Array:
    low, high = _nibbles(b[:, 96:104]), b[:, 104:108]
    top = np.concatenate([(high >> shift) & 3 for shift in (0, 2, 4, 6)], axis=1)
    scale = ((low | top << 4).astype(np.float32) - 32) * _half(b, 108)
    # The high bit says that nothing is taken off; where it is missing the number is four less.
    high_bits = _planes(b[:, :32], 1)
    q = _planes(b[:, 32:96], 2).astype(np.int8) - ((high_bits ^ 1) << 2).astype(np.int8)
    return _scaled(q, scale)


def _six_bit_pairs(b: Array) -> tuple[Array, Array]:
    """Eight scales and eight minima of six bits each, packed in twelve bytes."""
    scale, minimum, rest = b[:, :4], b[:, 4:8], b[:, 8:]
    return (
        np.concatenate([scale & 63, (rest & 15) | (scale >> 6 << 4)], axis=1),
        np.concatenate([minimum & 63, (rest >> 4) | (minimum >> 6 << 4)], axis=1),
    )


def _q4_k(b: Array) -> Array:
    scale, minimum = _six_bit_pairs(b[:, 4:16])
    return _scaled(_planes(b[:, 16:], 4), scale * _half(b, 0), minimum * _half(b, 2))


def _q5_k(b: Array) -> Array:
    scale, minimum = _six_bit_pairs(b[:, 4:16])
    q = _planes(b[:, 48:], 4) | _planes(b[:, 16:48], 1) << 4
    return _scaled(q, scale * _half(b, 0), minimum * _half(b, 2))


def _q6_k(b: Array) -> Array:
    # Two halves of 128 numbers: 64 bytes of low nibbles each, 32 bytes of upper pairs of bits each.
    low = b[:, :128].reshape(-1, 2, 64)
    low = np.concatenate([low & 15, low >> 4], axis=2).reshape(len(b), 8, 32)
    q = (low | _planes(b[:, 128:192], 2) << 4).astype(np.int8) - 32
    return _scaled(q, b[:, 192:208].view(np.int8) * _half(b, 208))


def _iq4_nl(b: Array) -> Array:
    return NONLINEAR[_nibbles(b[:, 2:])] * _half(b, 0)


def _iq4_xs(b: Array) -> Array:
    high = b[:, 2:4].copy().view("<u2") >> np.arange(0, 16, 2, dtype=np.uint16)
    low = np.stack([b[:, 4:8] & 15, b[:, 4:8] >> 4], axis=2).reshape(-1, 8)
    scale = (low | (high & 3) << 4).astype(np.float32) - 32
    q = b[:, 8:].reshape(-1, 8, 16)
    return _scaled(NONLINEAR[np.concatenate([q & 15, q >> 4], axis=2)], scale * _half(b, 0))


def _mxfp4(b: Array) -> Array:
    half = np.ldexp(np.float32(1), b[:, :1].astype(np.int32) - 128)  # of a scale that may be 2^128
    return E2M1_TWICE[_nibbles(b[:, 1:])] * half


# By the number that stands for the type in a file.
BLOCKS = {
    2: Block("Q4_0", 32, 18, _q4_0),
    3: Block("Q4_1", 32, 20, _q4_1),
    6: Block("Q5_0", 32, 22, _q5_0),
    7: Block("Q5_1", 32, 24, _q5_1),
    8: Block("Q8_0", 32, 34, _q8_0),
    9: Block("Q8_1", 32, 36, _q8_1),
    10: Block("Q2_K", 256, 84, _q2_k),
    11: Block("Q3_K", 256, 110, _q3_k),
    12: Block("Q4_K", 256, 144, _q4_k),
    13: Block("Q5_K", 256, 176, _q5_k),
    14: Block("Q6_K", 256, 210, _q6_k),
    15: Block("Q8_K", 256, 292, _q8_k),
    20: Block("IQ4_NL", 32, 18, _iq4_nl),
    23: Block("IQ4_XS", 256, 136, _iq4_xs),
    39: Block("MXFP4", 32, 17, _mxfp4),
}
BY_NAME = {block.name: block for block in BLOCKS.values()}


def dequantize(block: Block, data: Array) -> Array:
    """The float32 numbers of bytes that hold whole blocks, in a row."""
    rows = data.reshape(-1, block.bytes)
    out = np.empty((len(rows), block.numbers), np.float32)
    step = CHUNK // block.numbers
    with np.errstate(all="ignore"):  # scales may be infinite or NaN, and then so are the numbers
        for start in range(0, len(rows), step):
            out[start : start + step] = block.values(rows[start : start + step])
    return out.reshape(-1)
