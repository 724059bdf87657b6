"""Multi-head attention. Its law: lamina.nn.functional.multi_head_attention."""

from __future__ import annotations

from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn import functional as F
from lamina.nn import init
from lamina.nn.modules.linear import NonDynamicallyQuantizableLinear
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter


class MultiheadAttention(Module):
    """Attention in ``num_heads`` heads of ``embed_dim / num_heads``, projected before and after.

    Query (l, n, embed_dim), key (s, n, kdim), value (s, n, vdim) -> (l, n, embed_dim) and weights (n, l, s);
    with ``batch_first`` n comes first; without n for a single sequence. The weights are averaged over heads,
    or (n, heads, l, s) with ``average_attn_weights=False``, or None with ``need_weights=False``.
    ``attn_mask`` (l, s) or (n * heads, l, s) and ``key_padding_mask`` (n, s) are bool, where true hides, or
    floating and added. ``is_causal`` says that ``attn_mask`` is the causal one.

    ``add_bias_kv`` adds a learnt key and value to each sequence, ``add_zero_attn`` one of zeros. ``dropout``
    acts on the weights, in training. Source: Vaswani et al., Attention Is All You Need, 2017.

    Raises:
        ShapeError: sizes that are not positive or do not fit.
        TypeError: a mask that is neither bool nor floating.

    >>> x = lamina.ones(5, 2, 8)
    >>> output, weights = lamina.nn.MultiheadAttention(8, 4)(x, x, x)
    >>> tuple(output.shape), tuple(weights.shape)
    ((5, 2, 8), (2, 5, 5))
    """

    in_proj_weight: Tensor | None
    in_proj_bias: Tensor | None
    q_proj_weight: Tensor | None
    k_proj_weight: Tensor | None
    v_proj_weight: Tensor | None
    bias_k: Tensor | None
    bias_v: Tensor | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise _core.ShapeError(
                "embed_dim and num_heads must be greater than 0, "
                f"got embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        if embed_dim % num_heads:
            raise _core.ShapeError("embed_dim must be divisible by num_heads")
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        self.add_zero_attn = add_zero_attn

        same, columns = self._qkv_same_embed_dim, (embed_dim, self.kdim, self.vdim)
        shapes: dict[str, tuple[int, ...] | None] = {
            f"{letter}_proj_weight": None if same else (embed_dim, size)
            for letter, size in zip("qkv", columns, strict=True)
        }
        shapes["in_proj_weight"] = (3 * embed_dim, embed_dim) if same else None
        shapes["in_proj_bias"] = (3 * embed_dim,) if bias else None
        shapes["bias_k"] = shapes["bias_v"] = (1, 1, embed_dim) if add_bias_kv else None
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        for name, shape in shapes.items():
            value = None if shape is None else Parameter(lamina.empty(shape, **factory))
            self.register_parameter(name, value)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, **factory)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Products from Glorot's uniform law, biases from 0; ``bias_k`` and ``bias_v`` from the normal."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None and self.out_proj.bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        turned = self.batch_first and query.ndim == 3
        if turned:
            # The same tensor stays the same tensor, so that it goes through one product.
            turns = {id(x): x.transpose(0, 1) for x in (query, key, value)}
            query, key, value = (turns[id(x)] for x in (query, key, value))
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return output.transpose(0, 1) if turned else output, weights
