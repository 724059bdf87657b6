"""A model of the Llama family as one object of the core, which writes a token with one call.

Where the core cannot do what the model asks for, there is no plan and the layers run one by one."""

from __future__ import annotations

from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.models.text.llama_config import FULL, LlamaConfig
from lamina.nn import Linear, Module, quantized

ALIGNMENT = 64  # bytes, a cache line
Product = tuple[Tensor, Tensor | None, str, int]


def plan_of(model: Any) -> Any | None:
    """The core's decoder for the layers of a :class:`LlamaModel`, or None.

    It shares the model's weights. Changes within a weight are seen, another layer in the place of one is not;
    so a plan lives as long as the cache of one text.
    """
    config = model.config
    plain = not (config.QK_NORM or config.NORM_OFFSET) and config.NORMS == LlamaConfig.NORMS
    plain = plain and config.residual_scale is None and config.score_cap is None
    plain = plain and config.rope(FULL)[0] == config.head_dim
    plain = plain and all(layer.self_attn.turned for layer in model.layers)
    if not plain or config.scale is not None or config.hidden_act not in ("silu", "swish"):
        return None
    if any(layer.self_attn.window is not None for layer in model.layers) or model.training:
        return None
    decoder = _core.Decoder(
        config.num_attention_heads, config.num_key_value_heads, config.head_dim, config.rms_norm_eps
    )
    for layer in model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        qkv = products(attention, *attention.inputs)
        gate_up = products(mlp, *mlp.inputs)
        output, down = products(attention, "o_proj"), products(mlp, "down_proj")
        if qkv is None or gate_up is None or output is None or down is None:
            return None
        norms = layer.input_layernorm.weight, layer.post_attention_layernorm.weight
        decoder.add(norms[0].detach(), qkv, output[0], norms[1].detach(), gate_up, down[0])
    return decoder


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


def run_plan(
    plan: Any, x: Tensor, cache: Any, turns: tuple[Tensor, Tensor], mask: tuple[Tensor | None, bool]
) -> Tensor:
    """``x`` (n, l, hidden) through all layers; ``cache`` gets its keys and values, and has to advance."""
    cosine, sine = turns
    if cosine.ndim == 4:  # (n, 1, l, half), for each row its own
        cosine, sine = cosine.transpose(1, 2), sine.transpose(1, 2)
    else:
        cosine, sine = cosine[None, :, None], sine[None, :, None]
    cosine, sine = lamina.cat([cosine, cosine], -1), lamina.cat([-sine, sine], -1)
    return plan.run(x, cache.keys, cache.values, cache.used, cosine, sine, *mask)
