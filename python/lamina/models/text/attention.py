"""What the attention of all text models shares: masks, heads, and the product of queries and keys."""

from __future__ import annotations

import math

import lamina
from lamina._core import ShapeError, Tensor
from lamina.nn import functional as F


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(n, l, heads * e) -> (n, heads, l, e)."""
    n, length, width = x.shape
    return x.view(n, length, heads, width // heads).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """(n, heads, l, e) -> (n, l, heads * e)."""
    return x.transpose(1, 2).flatten(2)


def padding_mask(op: str, attention_mask: Tensor | None, batch: int, keys: int) -> Tensor | None:
    """``attention_mask`` (n, keys), or (n, l, keys), where 0 hides, as bool (n, 1, 1 or l, keys).

    Raises:
        ShapeError: another shape, or a sequence of which every token is hidden.
    """
    if attention_mask is None:
        return None
    shape = tuple(attention_mask.shape)
    if len(shape) not in (2, 3) or shape[0] != batch or shape[-1] != keys:
        raise ShapeError(f"{op}: attention_mask must be ({batch}, {keys}), got {shape}")
    seen = attention_mask != 0
    full = seen.any(-1)
    if not bool(full.all()):
        row = int((~full).flatten().nonzero()[0, 0])
        raise ShapeError(f"{op}: attention_mask hides every token of row {row}")
    return seen[:, None, None] if len(shape) == 2 else seen[:, None]


def causal_mask(
    length: int, keys: int, padding: Tensor | None = None, window: int | None = None
) -> tuple[Tensor | None, bool]:
    """The mask by which the last ``length`` of ``keys`` tokens see themselves and the ``window - 1`` before.

    Returns what sdpa takes: a bool mask, true where a query may look, or None; and ``is_causal``.
    """
    windowed = window is not None and keys > window
    if not windowed and padding is None:
        if length == 1:
            return None, False
        if length == keys:
            return None, True
    if length == 1 and not windowed:
        return padding, False
    places = lamina.arange(keys)
    behind = lamina.arange(keys - length, keys)[:, None] - places
    mask = behind >= 0
    if windowed and window is not None:
        mask = mask & (behind < window)
    return (mask if padding is None else mask & padding), False


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    dropout: float = 0.0,
    need_weights: bool = False,
    softcap: float | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Attention of (n, heads, l, e) to (n, kv_heads, s, e), and its weights (n, heads, l, s) if needed.

    With ``softcap`` scores are kept below it by ``softcap * tanh(score / softcap)`` (Gemma 2). ``mask`` is
    bool, true where a query may look, or floating and added. Queries that see nothing get zeros.
    """
    grouped = query.shape[1] != key.shape[1]
    if not need_weights and softcap is None:
        output = F.scaled_dot_product_attention(
            query, key, value, mask, dropout, is_causal, scale, enable_gqa=grouped
        )
        return output, None
    if grouped:
        times = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(times, 1), value.repeat_interleave(times, 1)
    scale = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * scale).matmul(key.transpose(-2, -1))
    if softcap is not None:
        scores = (scores / softcap).tanh() * softcap
    if is_causal:
        mask = lamina.ones(query.shape[2], key.shape[2], dtype=lamina.bool).tril()
    if mask is not None and mask.dtype != lamina.bool:
        scores, mask = scores + mask, None
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
        blind = ~mask.any(-1, keepdim=True)
        scores = scores.masked_fill(blind, 0.0)
    weights = scores.softmax(-1)
    if mask is not None:
        weights = weights.masked_fill(blind, 0.0)
    dropped = F.dropout(weights, dropout) if dropout else weights
    return dropped.matmul(value), weights
