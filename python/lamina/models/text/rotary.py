"""Rotary position embedding: frequencies with the scalings in use, and the turning of queries and keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

import lamina
from lamina._core import ShapeError, Tensor
from lamina.nn import Module

Settings = Mapping[str, Any]
KINDS = ("default", "linear", "dynamic", "yarn", "llama3", "longrope")


def inverse_frequencies(
    dim: int, theta: float = 10000.0, scaling: Settings | None = None, length: int | None = None
) -> tuple[Any, float]:
    """The turn per position of each of the ``dim / 2`` planes, in float64, and a factor on cosine and sine.

    ``scaling`` is ``rope_scaling`` (or ``rope_parameters``) of a ``config.json``; its ``rope_type`` is

    - ``default``: ``theta ** (-2 i / dim)``. Source: Su et al., RoFormer, 2021.
    - ``linear``: divided by ``factor``. Source: Chen et al., Extending Context Window, 2023.
    - ``dynamic``: theta grows with ``length`` beyond ``original_max_position_embeddings`` ("NTK-aware").
    - ``yarn``: slow planes divided by ``factor``, fast ones kept, a ramp between. Source: Peng et al., 2023.
    - ``llama3``: the same by wavelength. Source: the Llama 3.1 release, 2024.
    - ``longrope``: each plane divided by a factor of its own, of ``long_factor`` where ``length`` exceeds
      ``original_max_position_embeddings``, else of ``short_factor``. Source: Ding et al., LongRoPE, 2024.

    Raises:
        ShapeError: ``dim`` is odd, or the scaling is unknown or lacks a setting.

    >>> inverse_frequencies(4, 100.0)[0].tolist()
    [1.0, 0.1]
    """
    if dim <= 0 or dim % 2:
        raise ShapeError(f"rotary embedding: the rotated size must be even and positive, got {dim}")
    scaling = {} if scaling is None else scaling
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind not in KINDS:
        raise ShapeError(f"rotary embedding: rope_type must be one of {', '.join(KINDS)}, got {kind!r}")
    places = np.arange(0, dim, 2, dtype=np.float64) / dim
    if kind == "dynamic":
        theta = _dynamic_theta(dim, theta, scaling, length)
    frequencies = theta**-places
    if kind == "linear":
        return frequencies / _setting(scaling, "factor"), 1.0
    if kind == "yarn":
        return _yarn(frequencies, dim, theta, scaling)
    if kind == "llama3":
        return _llama3(frequencies, scaling), 1.0
    if kind == "longrope":
        return _longrope(frequencies, scaling, length)
    return frequencies, 1.0


def _setting(scaling: Settings, name: str, default: float | None = None) -> float:
    value = scaling.get(name)
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e12:
        raise ShapeError(f"rotary embedding: {name} must be a positive number, got {value!r}")
    return float(value)


def _dynamic_theta(dim: int, theta: float, scaling: Settings, length: int | None) -> float:
    factor, limit = _setting(scaling, "factor"), _setting(scaling, "original_max_position_embeddings")
    length = int(limit) if length is None else max(length, int(limit))
    return theta * (factor * length / limit - (factor - 1)) ** (dim / max(dim - 2, 1))


def _yarn(frequencies: Any, dim: int, theta: float, scaling: Settings) -> tuple[Any, float]:
    factor = _setting(scaling, "factor")
    limit = _setting(scaling, "original_max_position_embeddings")

    def plane(turns: float) -> float:
        """Which plane turns that often over the length of training."""
        return dim * math.log(limit / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low, high = plane(_setting(scaling, "beta_fast", 32.0)), plane(_setting(scaling, "beta_slow", 1.0))
    if scaling.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    ramp = np.clip((np.arange(dim // 2) - low) / max(high - low, 0.001), 0.0, 1.0)

    def magnitude(weight: float) -> float:
        return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0

    attention = scaling.get("attention_factor")
    if attention is None:
        some, all_ = scaling.get("mscale"), scaling.get("mscale_all_dim")
        attention = magnitude(some) / magnitude(all_) if some and all_ else magnitude(1.0)
    return frequencies * (1 - ramp) + frequencies / factor * ramp, float(attention)


def _longrope(frequencies: Any, scaling: Settings, length: int | None) -> tuple[Any, float]:
    limit = _setting(scaling, "original_max_position_embeddings")
    long = length is not None and length > limit
    divisors = {}
    for name in ("short_factor", "long_factor"):
        given = scaling.get(name)
        given = given if isinstance(given, list) else []
        if len(given) != len(frequencies) or not all(
            isinstance(one, (int, float)) and not isinstance(one, bool) and 0 < one < 1e12 for one in given
        ):
            raise ShapeError(f"rotary embedding: {name} must hold {len(frequencies)} positive numbers")
        divisors[name] = np.array(given, np.float64)
    attention = scaling.get("attention_factor")
    if attention is None:
        factor = _setting(scaling, "factor", _setting(scaling, "max_position_embeddings", limit) / limit)
        attention = math.sqrt(1 + math.log(factor) / math.log(limit)) if factor > 1 and limit > 1 else 1.0
    return frequencies / divisors["long_factor" if long else "short_factor"], float(attention)


def _llama3(frequencies: Any, scaling: Settings) -> Any:
    factor = _setting(scaling, "factor")
    limit = _setting(scaling, "original_max_position_embeddings")
    low, high = _setting(scaling, "low_freq_factor", 1.0), _setting(scaling, "high_freq_factor", 4.0)
    if high <= low:
        raise ShapeError("rotary embedding: high_freq_factor must exceed low_freq_factor")
    turns = limit * frequencies / (2 * math.pi)
    kept = np.clip((turns - low) / (high - low), 0.0, 1.0)
    return frequencies * kept + frequencies / factor * (1 - kept)


class RotaryEmbedding(Module):
    """Turns pairs of numbers of queries and keys by angles that grow with the position.

    Position p turns plane i by ``p * f_i``, so that a product of query and key depends on their distance
    alone. ``dim`` numbers of each head are turned. With ``interleaved`` the planes are numbers 0 and 1, 2
    and 3, ... (GPT-J, GGUF files of Llama), else i and ``i + dim / 2`` (GPT-NeoX, Hugging Face's Llama).
    Angles are computed in float64. Scalings: :func:`inverse_frequencies`.

    Raises:
        ShapeError: ``dim`` is odd, or the scaling is unknown.

    >>> rotary = RotaryEmbedding(4)
    >>> x = lamina.ones(1, 2, 3, 4)
    >>> bool((rotary(x, *rotary.tables(lamina.arange(3)))[:, :, 0] == 1).all())
    True
    """

    def __init__(
        self,
        dim: int,
        theta: float = 10000.0,
        scaling: Settings | None = None,
        interleaved: bool = False,
    ) -> None:
        super().__init__()
        self.dim, self.theta, self.scaling, self.interleaved = dim, theta, dict(scaling or {}), interleaved
        self.kind = self.scaling.get("rope_type", self.scaling.get("type"))
        self._frequencies, self._factor = inverse_frequencies(dim, theta, scaling)
        self._length: int | None = None  # for which a scaling that depends on it was computed
        self._cosine = self._sine = lamina.empty(0, dim // 2)

    def divide(self, factors: Tensor) -> None:
        """Divide the frequencies by factors (dim / 2), which some GGUF files hold instead of a scaling.

        Raises:
            ShapeError: another number of factors, or one that is not positive.
        """
        if tuple(factors.shape) != (self.dim // 2,) or not bool((factors > 0).all()):
            raise ShapeError(f"rotary embedding: expected {self.dim // 2} positive factors")
        self._frequencies = self._frequencies / factors.double().numpy()
        self._cosine = self._cosine[:0]

    def tables(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines for whole numbers ``positions`` (...) -> (..., dim / 2) each."""
        cosine, sine = self.span(0, int(positions.max()) + 1)
        return cosine[positions], sine[positions]

    def span(self, start: int, end: int) -> tuple[Tensor, Tensor]:
        """The same for positions ``start`` to ``end - 1``: (end - start, dim / 2) each, as views."""
        if self.kind in ("dynamic", "longrope"):
            limit = self.scaling["original_max_position_embeddings"]
            length = max(end, limit) if self.kind == "dynamic" else limit + (end > limit)
            if length != self._length:
                self._length = length
                self._frequencies, _ = inverse_frequencies(self.dim, self.theta, self.scaling, length)
                self._cosine = self._cosine[:0]
        if end > self._cosine.shape[0]:
            angles = np.arange(max(end, 2 * self._cosine.shape[0], 64))[:, None] * self._frequencies
            self._cosine = _rounded(np.cos(angles) * self._factor)
            self._sine = _rounded(np.sin(angles) * self._factor)
        return self._cosine[start:end], self._sine[start:end]

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """x (n, heads, l, e) turned by tables (l, dim / 2) or (n, 1, l, dim / 2); numbers after dim stay."""
        return apply_rotary(x, cosine, sine, self.interleaved)

    def extra_repr(self) -> str:
        return f"{self.dim}, theta={self.theta}, scaling={self.scaling}, interleaved={self.interleaved}"


def _rounded(table: Any) -> Tensor:
    return lamina.from_numpy(np.ascontiguousarray(table, np.float32))


def apply_rotary(x: Tensor, cosine: Tensor, sine: Tensor, interleaved: bool = False) -> Tensor:
    """``x`` (..., l, e) with its first ``2 * cosine.shape[-1]`` numbers turned in pairs.

    >>> apply_rotary(lamina.tensor([[1.0, 0.0]]), lamina.tensor([[0.0]]), lamina.tensor([[1.0]])).tolist()
    [[0.0, 1.0]]
    """
    half = cosine.shape[-1]
    cosine, sine = cosine.to(x.dtype), sine.to(x.dtype)
    if 2 * half > x.shape[-1]:
        raise ShapeError(f"rotary embedding: {2 * half} numbers to turn, but heads of {x.shape[-1]}")
    turned, rest = (x, None) if 2 * half == x.shape[-1] else (x[..., : 2 * half], x[..., 2 * half :])
    if interleaved:
        first, second = turned[..., 0::2], turned[..., 1::2]
    else:
        first, second = turned[..., :half], turned[..., half:]
    pair = [first * cosine - second * sine, second * cosine + first * sine]
    y = lamina.stack(pair, -1).flatten(-2) if interleaved else lamina.cat(pair, -1)
    return y if rest is None else lamina.cat([y, rest], -1)
