"""Positions other than rotary ones: sinusoids, ALiBi's slopes, T5's buckets of distances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import lamina
from lamina._core import ShapeError, Tensor
from lamina.nn import Embedding, Module


def sinusoidal_positions(length: int, dim: int, split: bool = False) -> Tensor:
    """``sin`` and ``cos`` of ``p / 10000 ** (2 i / dim)``: (length, dim), alternating, or the sines first
    with ``split`` (Marian, Pegasus). Source: Vaswani et al., Attention Is All You Need, 2017.

    >>> sinusoidal_positions(2, 4)[0].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    angles = np.arange(length)[:, None] / 10000.0 ** (2 * (np.arange(dim) // 2) / dim)
    table = np.empty((length, dim))
    half = (dim + 1) // 2
    sines, cosines = (slice(0, half), slice(half, None)) if split else (slice(0, None, 2), slice(1, None, 2))
    table[:, sines] = np.sin(angles[:, 0::2])
    table[:, cosines] = np.cos(angles[:, 1::2])
    return lamina.from_numpy(table.astype(np.float32))


def alibi_slopes(heads: int) -> Tensor:
    """How fast each head forgets: ``2 ** (-8 h / heads)``, h from 1.

    Where ``heads`` is no power of two: those of the power below, and every second one of the power above.
    Source: Press et al., Train Short, Test Long, 2021.

    >>> alibi_slopes(4).tolist()
    [0.25, 0.0625, 0.015625, 0.00390625]
    """
    if heads < 1:
        raise ShapeError(f"alibi_slopes: the number of heads must be positive, got {heads}")
    power = 1 << (heads.bit_length() - 1)
    slopes = [2.0 ** (-8.0 * h / power) for h in range(1, power + 1)]
    slopes += [2.0 ** (-4.0 * h / power) for h in range(1, 2 * (heads - power), 2)]
    return lamina.tensor(slopes)


def alibi_bias(heads: int, length: int, keys: int | None = None) -> Tensor:
    """(heads, length, keys): minus slope times distance, for queries that are the last of ``keys``.

    >>> alibi_bias(1, 1, 3).tolist()[0] == [[-2 / 256, -1 / 256, 0.0]]
    True
    """
    keys = length if keys is None else keys
    distance = (lamina.arange(keys - length, keys)[:, None] - lamina.arange(keys)).abs()
    return -alibi_slopes(heads)[:, None, None] * distance


def relative_buckets(distance: Any, bidirectional: bool, buckets: int, max_distance: int) -> Any:
    """T5's bucket of each distance (key minus query): near ones each their own, far ones by logarithm.

    >>> relative_buckets(np.array([0, -1, -200]), False, 32, 128).tolist()
    [0, 1, 31]
    """
    result = np.zeros_like(distance)
    if bidirectional:
        buckets //= 2
        result += (distance > 0) * buckets
        distance = np.abs(distance)
    else:
        distance = np.maximum(-distance, 0)
    exact = buckets // 2
    # Rounded as in float32, where the published models' training placed the borders.
    far = np.log(np.maximum(distance, 1).astype(np.float32) / np.float32(exact))
    far = far / np.float32(math.log(max_distance / exact)) * np.float32(buckets - exact)
    far = np.minimum(exact + far.astype(np.int64), buckets - 1)
    return result + np.where(distance < exact, distance, far)


class RelativePositionBias(Module):
    """A learnt number per head and bucket of distances, added to the scores: (1, heads, length, keys).

    Source: Raffel et al., Exploring the Limits of Transfer Learning (T5), 2020.

    >>> bias = RelativePositionBias(4, bidirectional=True)
    >>> tuple(bias(3, 5).shape)
    (1, 4, 3, 5)
    """

    def __init__(self, heads: int, bidirectional: bool, buckets: int = 32, max_distance: int = 128) -> None:
        super().__init__()
        if buckets < 4 or max_distance <= buckets // 2:
            raise ShapeError(
                f"RelativePositionBias: {buckets} buckets up to a distance of {max_distance} cannot be"
            )
        self.bidirectional, self.buckets, self.max_distance = bidirectional, buckets, max_distance
        self.relative_attention_bias = Embedding(buckets, heads)

    def forward(self, length: int, keys: int, start: int = 0) -> Tensor:
        """For queries at positions ``start`` to ``start + length`` and keys from 0."""
        return bucket_bias(self.relative_attention_bias, self, length, keys, start)


def bucket_bias(weights: Module, rule: Any, length: int, keys: int, start: int) -> Tensor:
    """The rows of ``weights`` that ``rule`` (with bidirectional, buckets, max_distance) picks."""
    distance = np.arange(keys)[None, :] - np.arange(start, start + length)[:, None]
    places = relative_buckets(distance, rule.bidirectional, rule.buckets, rule.max_distance)
    return weights(lamina.from_numpy(places)).permute(2, 0, 1).unsqueeze(0)
