"""Scaled dot-product attention, composed of two matrix products and a softmax."""

from __future__ import annotations

import math

import lamina
from lamina import _core
from lamina._core import Tensor


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(q @ k.T * scale + mask) @ v``: q (..., l, e), k (..., s, e), v (..., s, d) -> (..., l, d).

    ``attn_mask`` (..., l, s) is bool, true where a query may look, or floating and added. ``is_causal`` lets
    query i see keys 0 to i. ``scale`` is ``1 / sqrt(e)`` unless given. A query that may look nowhere gets
    zeros. ``enable_gqa`` repeats the heads (dimension -3) of key and value to match those of query.

    Source: Vaswani et al., Attention Is All You Need, 2017.

    Raises:
        ShapeError: sizes do not fit, both ``attn_mask`` and ``is_causal`` are given, or ``dropout_p`` is no
            probability.
        TypeError: ``attn_mask`` is neither bool nor floating.

    >>> x = lamina.ones(1, 2, 4)
    >>> lamina.nn.functional.scaled_dot_product_attention(x, x, x).shape[2]
    4
    """
    if is_causal and attn_mask is not None:
        raise _core.ShapeError("scaled_dot_product_attention: give attn_mask or is_causal, not both")
    if attn_mask is not None and attn_mask.dtype != lamina.bool and not attn_mask.is_floating_point():
        raise _core.DtypeError(
            "scaled_dot_product_attention: Expected attn_mask dtype to be bool or float, "
            f"but got {attn_mask.dtype}"
        )
    if enable_gqa:
        key, value = _repeat_heads(query, key), _repeat_heads(query, value)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * scale).matmul(key.transpose(-2, -1))
    if is_causal:
        attn_mask = lamina.ones(query.shape[-2], key.shape[-2], dtype=lamina.bool).tril(0)
    seeing = None
    if attn_mask is not None:
        allowed = attn_mask if attn_mask.dtype == lamina.bool else attn_mask != -math.inf
        if not is_causal:
            seeing = allowed.any(-1, True)
            # Blind queries look everywhere here and get zeros below: a softmax of nothing would give NaN.
            allowed = allowed | ~seeing
        if attn_mask.dtype != lamina.bool:
            scores = scores + attn_mask.masked_fill(attn_mask == -math.inf, 0.0)
        scores = scores.masked_fill(~allowed, -math.inf)
    weights = _core.softmax(scores, -1)
    if seeing is not None:
        weights = weights.masked_fill(~seeing, 0.0)
    if dropout_p != 0.0:
        weights = _core.dropout(weights, dropout_p)
    return weights.matmul(value)


def _repeat_heads(query: Tensor, other: Tensor) -> Tensor:
    heads, own = query.shape[-3], other.shape[-3]
    if heads % own:
        raise _core.ShapeError(
            f"scaled_dot_product_attention: {heads} heads of query are no multiple of {own} of key or value"
        )
    return other.repeat_interleave(heads // own, -3)
