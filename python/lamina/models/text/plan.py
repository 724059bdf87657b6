"""A model of the Llama family as one object of the core, which writes a token with one call.

Where the core cannot do what the model asks for, there is no plan and the layers run one by one."""

from __future__ import annotations

from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.models.text.llama_config import FULL
from lamina.nn import Linear, Module, quantized

TANH_GELU = ("gelu_new", "gelu_fast", "gelu_pytorch_tanh")
ALIGNMENT = 64  # bytes, a cache line
Product = tuple[Tensor, Tensor | None, str, int]


def plan_of(model: Any) -> Any | None:
    """The core's decoder for the layers of a :class:`LlamaModel`, or None.

    It shares the model's weights. Changes within a weight are seen (but for a Gemma's scales, which are
    copied), another layer in the place of one is not; so a plan lives as long as the cache of one text.
    """
    config = model.config
    act = {"silu": "silu", "swish": "silu", **dict.fromkeys(TANH_GELU, "gelu")}.get(config.hidden_act)
    plain = config.QK_NORM != "all" and config.residual_scale is None and config.score_cap is None
    plain = plain and config.rope(FULL)[0] == config.head_dim and not model.training
    if not plain or act is None or not all(layer.self_attn.turned for layer in model.layers):
        return None
    decoder = _core.Decoder(
        config.num_attention_heads,
        config.num_key_value_heads,
        config.head_dim,
        config.rms_norm_eps,
        config.scale,
        act,
    )
    kinds = views_of(model)
    for layer in model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        qkv = products(attention, *attention.inputs)
        gate_up = products(mlp, *mlp.inputs)
        output, down = products(attention, "o_proj"), products(mlp, "down_proj")
        if qkv is None or gate_up is None or output is None or down is None:
            return None
        norms = [_scale(getattr(layer, name) if name else None) for name in layer.norms]
        heads = _scale(attention.q_norm), _scale(attention.k_norm)
        kind = kinds.index((attention.kind, attention.window))
        decoder.add(norms, *heads, qkv, output[0], gate_up, down[0], kind)
    return decoder


def views_of(model: Any) -> list[tuple[str, int | None]]:
    """What the layers of a model may know of the tokens: each kind and window, in the plan's order."""
    return list(dict.fromkeys((layer.self_attn.kind, layer.self_attn.window) for layer in model.layers))


def _scale(norm: Any) -> Tensor | None:
    if norm is None:
        return None
    return norm.weight.detach() + norm.offset if norm.offset else norm.weight.detach()


def products(owner: Module, *names: str) -> list[Product] | None:
    """What the core multiplies by, for layers of one input; None where one is neither plain nor quantised."""
    layers = [getattr(owner, name) for name in names]
    joined = joined_blocks(owner, layers)
    if joined is not None:
        return [(joined, None, layers[0].block_type, sum(layer.out_features for layer in layers))]
    found: list[Product] = []
    for layer in layers:
        bias = None if layer.bias is None else layer.bias.detach()
        if type(layer) is quantized.Linear:
            found.append((layer.blocks, bias, layer.block_type, layer.out_features))
        elif type(layer) is Linear:
            found.append((layer.weight.detach(), bias, "", layer.out_features))
        else:
            return None
    return found


def lay_out(model: Module) -> None:
    """Lay the blocks of all quantised layers behind each other in one piece of memory, in the order of use.

    It is read as a stream then, through large pages, and layers of one input are read as one. The layers keep
    views of it.
    """
    layers = [layer for layer in model.modules() if type(layer) is quantized.Linear]
    places, end = [], 0
    for layer in layers:
        places.append(end)
        end += -(-layer.blocks.numel() // ALIGNMENT) * ALIGNMENT
    whole = lamina.empty(end, dtype=lamina.uint8)
    for layer, place in zip(layers, places, strict=True):
        part = whole[place : place + layer.blocks.numel()].view(layer.blocks.shape)
        part.copy_(layer.blocks)
        layer.blocks = part


def joined_blocks(owner: Module, layers: list[Any]) -> Tensor | None:
    """The blocks of all layers as one tensor, where ``lay_out`` has laid them so."""
    if len(layers) < 2 or not all(type(layer) is quantized.Linear for layer in layers):
        return None
    first = layers[0].blocks
    rows = 0
    for layer in layers:
        whole = layer.out_features % quantized.ROWS == 0
        same = layer.block_type == layers[0].block_type and layer.bias is None and whole
        behind = layer.blocks.storage_offset() == first.storage_offset() + rows * first.shape[1]
        if not (same and behind and first._shares_storage(layer.blocks)):
            return None
        rows += layer.blocks.shape[0]
    return first.as_strided((rows, first.shape[1]), (first.shape[1], 1))


def run_plan(plan: Any, x: Tensor, cache: Any, views: list[Any]) -> Tensor:
    """``x`` (n, l, hidden) through all layers; ``cache`` gets its keys and values, and has to advance.

    ``views``: cosine, sine, mask and whether it is causal, of each of ``views_of``.
    """
    return plan.run(
        x, cache.keys, cache.values, cache.used, [(*_whole(*turns), *mask) for turns, mask in views]
    )


def _whole(cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    """Tables (l, half), or (n, 1, l, half) with each row its own, as (n or 1, l, 1, 2 * half)."""
    if cosine.ndim == 4:
        cosine, sine = cosine.transpose(1, 2), sine.transpose(1, 2)
    else:
        cosine, sine = cosine[None, :, None], sine[None, :, None]
    return lamina.cat([cosine, cosine], -1), lamina.cat([-sine, sine], -1)
