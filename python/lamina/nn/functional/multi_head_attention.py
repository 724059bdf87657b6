"""Multi-head attention: projections into heads, masks of both kinds, and attention in each head.

Attention itself: lamina.nn.functional.attention. Layer: lamina.nn.modules.attention."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.attention import scaled_dot_product_attention
from lamina.nn.functional.noise import dropout
from lamina.nn.functional.padding import pad

Three = tuple[Tensor, Tensor, Tensor]


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """The law of ``nn.MultiheadAttention``: query (l, n, e), key (s, n, ek), value (s, n, ev) -> (l, n, e).

    With ``need_weights`` also the weights (n, l, s), (n, heads, l, s) without ``average_attn_weights``.

    All without n for a single sequence. ``in_proj_weight`` is (3 e, e), or with ``use_separate_proj_weight``
    there are three; ``static_k`` and ``static_v`` (n * heads, s, e / heads) replace what is projected.
    ``attn_mask`` (l, s) or (n * heads, l, s) and ``key_padding_mask`` (n, s) are bool, where true hides, or
    floating and added. ``is_causal`` says that ``attn_mask`` is the causal one, which is then not read where
    there is no other mask and no weights are wanted.

    Raises:
        ShapeError: sizes do not fit, or ``is_causal`` without ``attn_mask``.
        TypeError: a mask that is neither bool nor floating.
    """
    batched = _is_batched(query, key, value, key_padding_mask, attn_mask, num_heads)
    padding = additive(key_padding_mask, "key_padding_mask", query, attn_mask, "attn_mask")
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        padding = None if padding is None else padding.unsqueeze(0)
    if is_causal and attn_mask is None:
        raise _core.ShapeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    is_causal = is_causal and padding is None and not need_weights
    mask = None if is_causal else additive(attn_mask, "attn_mask", query)
    _check_sizes(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    own = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    projected = _project(query, key, value, in_proj_weight, own, in_proj_bias)
    heads = _into_heads(projected, num_heads, (bias_k, bias_v), (static_k, static_v))
    if add_zero_attn:
        heads[1:] = [pad(part, (0, 0, 0, 1)) for part in heads[1:]]
    added = int(bias_k is not None) + int(add_zero_attn)
    mask = _merge(mask, padding, heads[0].shape, heads[1].shape[2], added)
    output, weights = _attend(heads, mask, dropout_p if training else 0.0, is_causal, need_weights)
    output = _core.linear(output.permute(2, 0, 1, 3).reshape(query.shape), out_proj_weight, out_proj_bias)
    if weights is not None and average_attn_weights:
        weights = weights.mean(1)
    if not batched:
        return output.squeeze(1), None if weights is None else weights.squeeze(0)
    return output, weights


def additive(
    mask: Tensor | None, name: str, like: Tensor, other: Tensor | None = None, other_name: str = ""
) -> Tensor | None:
    """A bool mask as numbers to add, minus infinity where it is true; a floating one as it is.

    ``other``, if given, is a mask that should be of the same dtype.
    """
    if mask is None:
        return None
    if mask.dtype != lamina.bool and not mask.is_floating_point():
        raise _core.DtypeError(f"only bool and floating types of {name} are supported, got {mask.dtype}")
    if other is not None and mask.dtype != other.dtype:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=3,
        )
    if mask.dtype != lamina.bool:
        return mask
    return lamina.zeros(mask.shape, dtype=like.dtype).masked_fill(mask, -math.inf)


def _is_batched(
    query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None, heads: int
) -> bool:
    if query.ndim not in (2, 3):
        raise _core.ShapeError(
            f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor"
        )
    ndim = query.ndim
    case = f"For {'batched' if ndim == 3 else 'unbatched'} ({ndim}-D) `query`, expected"
    if key.ndim != ndim or value.ndim != ndim:
        raise _core.ShapeError(
            f"{case} `key` and `value` to be {ndim}-D "
            f"but found {key.ndim}-D and {value.ndim}-D tensors respectively"
        )
    if padding is not None and padding.ndim != ndim - 1:
        raise _core.ShapeError(
            f"{case} `key_padding_mask` to be `None` or {ndim - 1}-D "
            f"but found {padding.ndim}-D tensor instead"
        )
    if mask is not None and mask.ndim not in (2, 3):
        raise _core.ShapeError(
            f"{case} `attn_mask` to be `None`, 2-D or 3-D but found {mask.ndim}-D tensor instead"
        )
    if mask is not None and ndim == 2 and mask.ndim == 3:
        wanted = (heads, query.shape[0], key.shape[0])
        if tuple(mask.shape) != wanted:
            raise _core.ShapeError(f"Expected `attn_mask` shape to be {wanted} but got {tuple(mask.shape)}")
    return ndim == 3


def _check_sizes(
    query: Tensor, key: Tensor, value: Tensor, embed_dim: int, heads: int, separate: bool
) -> None:
    if query.shape[2] != embed_dim:
        raise _core.ShapeError(f"was expecting embedding dimension of {embed_dim}, but got {query.shape[2]}")
    if embed_dim % heads:
        raise _core.ShapeError(f"embed_dim {embed_dim} not divisible by num_heads {heads}")
    if separate and key.shape[:2] != value.shape[:2]:
        raise _core.ShapeError(
            f"key's sequence and batch dims {tuple(key.shape[:2])} "
            f"do not match value's {tuple(value.shape[:2])}"
        )
    if not separate and key.shape != value.shape:
        raise _core.ShapeError(
            f"key shape {tuple(key.shape)} does not match value shape {tuple(value.shape)}"
        )


def _project(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    packed: Tensor | None,
    own: tuple[Tensor | None, ...] | None,
    bias: Tensor | None,
) -> Three:
    """What the heads see; inputs that are the same tensor go through one product."""
    e = query.shape[2]
    if own is not None:
        weights = [weight for weight in own if weight is not None]
        if len(weights) < 3:
            raise _core.ShapeError("use_separate_proj_weight is True but q, k or v_proj_weight is None")
        biases = (None,) * 3 if bias is None else _core.split_with_sizes(bias, [e] * 3, 0)
        triples = zip((query, key, value), weights, biases, strict=True)
        q, k, v = (_core.linear(x, weight, b) for x, weight, b in triples)
        return q, k, v
    if packed is None:
        raise _core.ShapeError("use_separate_proj_weight is False but in_proj_weight is None")
    if query is key and key is value:
        q, k, v = _core.split_with_sizes(_core.linear(query, packed, bias), [e] * 3, 2)
        return q, k, v
    sizes = [e, 2 * e] if key is value else [e] * 3
    biases = (None,) * 3 if bias is None else _core.split_with_sizes(bias, sizes, 0)
    # With two weights zip leaves ``value`` out, which is the key.
    triples = zip((query, key, value), _core.split_with_sizes(packed, sizes, 0), biases, strict=False)
    parts = [_core.linear(x, weight, b) for x, weight, b in triples]
    q, k, v = (parts[0], *_core.split_with_sizes(parts[1], [e] * 2, 2)) if key is value else parts
    return q, k, v


def _into_heads(
    projected: Three,
    count: int,
    biases: tuple[Tensor | None, Tensor | None],
    static: tuple[Tensor | None, Tensor | None],
) -> list[Tensor]:
    """q, k, v (s, n, e) -> (n, heads, s, e / heads); k and v with a learnt row behind them, or replaced."""
    _, n, e = projected[0].shape
    if (biases[0] is None) != (biases[1] is None):
        raise _core.ShapeError("bias_k is set but bias_v is not, or the other way round")
    heads = []
    for x, bias, given in zip(projected, (None, *biases), (None, *static), strict=True):
        if given is None:
            x = x if bias is None else lamina.cat([x, bias.expand(1, n, e)])
            heads.append(x.reshape(x.shape[0], n, count, e // count).permute(1, 2, 0, 3))
            continue
        if bias is not None:
            raise _core.ShapeError("bias cannot be added to static key or value.")
        if given.ndim != 3 or given.shape[0] != n * count or given.shape[2] != e // count:
            raise _core.ShapeError(
                f"expecting static_k and static_v ({n * count}, s, {e // count}), "
                f"but got {tuple(given.shape)}"
            )
        heads.append(given.reshape(n, count, given.shape[1], given.shape[2]))
    return heads


def _merge(
    mask: Tensor | None, padding: Tensor | None, queries: Sequence[int], keys: int, added: int
) -> Tensor | None:
    """The sum of both masks, to be added to scores (n, heads, l, keys).

    The ``added`` last keys (a learnt one, one of zeros) are open to all. ``queries`` is (n, heads, l, ...).
    """
    n, heads, length, _ = queries
    given = keys - added
    if mask is not None:
        wanted = (length, given) if mask.ndim == 2 else (n * heads, length, given)
        if tuple(mask.shape) != wanted:
            raise _core.ShapeError(
                f"The shape of the {mask.ndim}D attn_mask is {tuple(mask.shape)}, but should be {wanted}."
            )
        mask = mask if mask.ndim == 2 else mask.reshape(n, heads, length, given)
    if padding is not None:
        if tuple(padding.shape) != (n, given):
            raise _core.ShapeError(
                f"Expected key_padded_mask.shape to be {(n, given)}, but got {tuple(padding.shape)}"
            )
        padding = padding.reshape(n, 1, 1, given)
        mask = padding if mask is None else mask + padding
    return mask if mask is None or not added else pad(mask, (0, added))


def _attend(
    heads: list[Tensor], mask: Tensor | None, dropout_p: float, is_causal: bool, need_weights: bool
) -> tuple[Tensor, Tensor | None]:
    q, k, v = heads
    if not need_weights:
        return scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal), None
    scores = (q * (1 / math.sqrt(q.shape[-1]))).matmul(k.transpose(-2, -1))
    weights = _core.softmax(scores if mask is None else scores + mask, -1)
    weights = dropout(weights, dropout_p, dropout_p != 0.0)
    return weights.matmul(v), weights
