"""Scaled dot-product attention: softmax(q k^T) v, computed in blocks without the matrix of scores."""

from __future__ import annotations

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
    return _core.scaled_dot_product_attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa
    )
