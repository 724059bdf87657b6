"""The Llama family under Hugging Face's names: Llama, SmolLM, Mistral, Phi-3, Qwen2, Qwen3, Gemma.

Source: Touvron et al., LLaMA, 2023. Where the kinds differ: llama_config.py."""

from __future__ import annotations

from typing import Any

import lamina
from lamina._core import Tensor
from lamina.models.output import ModelOutput
from lamina.models.pretrained import PretrainedModel, check_ids
from lamina.models.text.activation import GatedMLP
from lamina.models.text.attention import attend, causal_mask, join_heads, padding_mask, split_heads
from lamina.models.text.cache import KVCache
from lamina.models.text.generation import Generator
from lamina.models.text.head import next_token_loss
from lamina.models.text.llama_config import (
    Gemma2Config,
    Gemma3Config,
    GemmaConfig,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
)
from lamina.models.text.plan import plan_of, run_plan, views_of
from lamina.models.text.rotary import RotaryEmbedding
from lamina.nn import Embedding, Linear, Module, ModuleList, Parameter
from lamina.nn import functional as F

Turns = dict[str, tuple[Tensor, Tensor]]
Masks = dict[Any, tuple[Tensor | None, bool]]


class LlamaRMSNorm(Module):
    """RMSNorm whose scale is ``weight + offset``; a Gemma's counts from 1."""

    def __init__(self, size: int, config: LlamaConfig) -> None:
        super().__init__()
        self.eps, self.offset = config.rms_norm_eps, config.NORM_OFFSET
        self.weight = Parameter(lamina.ones(size) - self.offset)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight + self.offset if self.offset else self.weight
        return F.rms_norm(x, scale.shape, scale, self.eps)


class LlamaAttention(Module):
    """Causal self-attention with rotary positions and shared keys and values."""

    def __init__(self, config: LlamaConfig, layer: int) -> None:
        super().__init__()
        self.layer, self.kind, self.window = layer, config.kind(layer), config.window(layer)
        self.turned = config.turns(layer)
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads or 1
        self.scale, self.cap, self.dropout = config.scale, config.score_cap, config.attention_dropout
        size, bias = config.head_dim or 1, config.attention_bias
        wide, narrow = self.heads * size, self.kv_heads * size
        self.widths = [wide, narrow, narrow]
        names = ("q_proj", "k_proj", "v_proj")
        outs = {"qkv_proj": sum(self.widths)} if config.PACKED else dict(zip(names, self.widths, strict=True))
        self.inputs = tuple(outs)
        for name, out in outs.items():
            self.add_module(name, Linear(config.hidden_size, out, bias=bias or config.QKV_BIAS))
        self.o_proj = Linear(wide, config.hidden_size, bias=bias)
        sizes = {"": None, "head": (size, size), "all": (wide, narrow)}[config.QK_NORM]
        self.norm_all = config.QK_NORM == "all"
        self.q_norm = LlamaRMSNorm(sizes[0], config) if sizes else None
        self.k_norm = LlamaRMSNorm(sizes[1], config) if sizes else None

    def forward(
        self,
        x: Tensor,
        rotary: RotaryEmbedding,
        turns: Turns,
        masks: Masks,
        cache: KVCache | None,
        maps: bool,
    ) -> tuple[Tensor, Tensor | None]:
        parts = [getattr(self, name)(x) for name in self.inputs]
        parts = parts if len(parts) == 3 else parts[0].split(self.widths, -1)
        query, key, value = parts
        if self.q_norm is not None and self.k_norm is not None and self.norm_all:
            query, key = self.q_norm(query), self.k_norm(key)
        query, key = split_heads(query, self.heads), split_heads(key, self.kv_heads)
        value = split_heads(value, self.kv_heads)
        if self.q_norm is not None and self.k_norm is not None and not self.norm_all:
            query, key = self.q_norm(query), self.k_norm(key)
        if self.turned:
            query, key = rotary(query, *turns[self.kind]), rotary(key, *turns[self.kind])
        if cache is not None:
            key, value = cache.update(self.layer, key, value)
        mixed, weights = attend(
            query,
            key,
            value,
            *masks[self.window],
            scale=self.scale,
            dropout=self.dropout if self.training else 0.0,
            need_weights=maps,
            softcap=self.cap,
        )
        return self.o_proj(join_heads(mixed)), weights


class LlamaDecoderLayer(Module):
    """One layer. Which normalisations there are, before and behind attention and MLP, the kind says."""

    def __init__(self, config: LlamaConfig, layer: int) -> None:
        super().__init__()
        size = config.hidden_size
        self.self_attn = LlamaAttention(config, layer)
        act, bias = config.hidden_act, config.mlp_bias
        self.mlp = GatedMLP(size, config.intermediate_size, act, bias, config.PACKED)
        self.norms, self.added = config.NORMS, config.residual_scale
        for name in filter(None, self.norms):
            self.add_module(name, LlamaRMSNorm(size, config))

    def norm(self, place: int, x: Tensor) -> Tensor:
        """``x`` normalised as at one of the four places, if it is there."""
        return getattr(self, self.norms[place])(x) if self.norms[place] else x

    def forward(self, x: Tensor, *context: Any) -> tuple[Tensor, Tensor | None]:
        mixed, weights = self.self_attn(self.norm(0, x), *context)
        x = self._add(x, self.norm(1, mixed))
        return self._add(x, self.norm(3, self.mlp(self.norm(2, x)))), weights

    def _add(self, x: Tensor, more: Tensor) -> Tensor:
        return x + (more if self.added is None else more * self.added)


class LlamaModel(PretrainedModel):
    """Token ids (n, l) -> ``last_hidden_state`` (n, l, hidden).

    ``attention_mask`` (n, tokens so far) is 0 for padding. With ``past_key_values``, a :class:`KVCache`, only
    the tokens that are new are given.

    Raises:
        ShapeError: a row without any token, or more tokens than the cache has room for.
        IndexError: a token that the vocabulary does not have.
    """

    config_class = LlamaConfig
    base_model_prefix = "model"
    IGNORED = r"rotary_emb\.inv_freq$"

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config)
        self.embed_tokens = Embedding(config.vocab_size, config.hidden_size)
        self.layers = ModuleList(LlamaDecoderLayer(config, i) for i in range(config.num_hidden_layers))
        self.norm = LlamaRMSNorm(config.hidden_size, config)
        kinds = dict.fromkeys(config.kind(i) for i in range(config.num_hidden_layers))
        self._rotary = {kind: RotaryEmbedding(*config.rope(kind)) for kind in kinds}
        self.initialise()
        if config.NORM_OFFSET:
            for module in self.modules():
                if isinstance(module, LlamaRMSNorm):
                    module.weight.data.fill_(0.0)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: KVCache | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> ModelOutput:
        name, config = type(self).__name__, self.config
        check_ids(name, input_ids, config.vocab_size)
        n, length = input_ids.shape
        start = past_key_values.used if past_key_values is not None else 0
        end = start + length
        padding = padding_mask(name, attention_mask, n, end)
        windows = {layer.self_attn.window for layer in self.layers}
        masks: Masks = {window: causal_mask(length, end, padding, window) for window in windows}
        turns = {kind: _turns(rotary, start, end, position_ids) for kind, rotary in self._rotary.items()}
        rotary = next(iter(self._rotary.values()))
        x = self.embed_tokens(input_ids)
        if config.embedding_scale is not None:
            x = x * config.embedding_scale
        states, maps = [x], []
        plan = None if output_hidden_states or output_attentions else self._plan(past_key_values)
        if plan is not None and past_key_values is not None:
            views = [(turns[kind], masks[window]) for kind, window in views_of(self)]
            x = run_plan(plan, x, past_key_values, views)
            states.append(x)
        else:
            for layer in self.layers:
                x, weights = layer(x, rotary, turns, masks, past_key_values, output_attentions)
                states.append(x)
                maps.append(weights)
        if past_key_values is not None:
            past_key_values.advance(length)
        states[-1] = x = self.norm(x)
        return ModelOutput(
            last_hidden_state=x,
            hidden_states=tuple(states) if output_hidden_states else None,
            attentions=tuple(maps) if output_attentions else None,
        )

    def _plan(self, cache: KVCache | None) -> Any | None:
        """The core's form of the layers, where it has one and no gradient is asked for."""
        if cache is None or self.training or lamina.is_grad_enabled():
            return None
        if cache.plan is False:
            cache.plan = plan_of(self)
        return cache.plan


def _turns(rotary: RotaryEmbedding, start: int, end: int, places: Tensor | None) -> tuple[Tensor, Tensor]:
    if places is None:
        return rotary.span(start, end)
    cosine, sine = rotary.tables(places)
    return cosine.unsqueeze(1), sine.unsqueeze(1)


class LlamaForCausalLM(Generator, PretrainedModel):
    """Token ids (n, l) -> ``logits`` (n, l, vocabulary) of the next token; writes with ``generate``.

    ``labels`` (n, l), usually the ids themselves, give ``loss``. ``logits_to_keep`` computes only the last
    logits.

    >>> config = LlamaConfig(50, 32, 64, 1, 4, num_key_value_heads=2)
    >>> LlamaForCausalLM(config).eval().generate(lamina.tensor([[1, 2]]), max_new_tokens=3).shape[1]
    5
    """

    config_class = LlamaConfig
    base_model_prefix = "model"
    IGNORED = LlamaModel.IGNORED

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config)
        self.model = LlamaModel(config)
        self.lm_head = Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: KVCache | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int = 0,
        **outputs: bool,
    ) -> ModelOutput:
        out = self.model(input_ids, attention_mask, position_ids, past_key_values, **outputs)
        logits = self.lm_head(out.last_hidden_state[:, -logits_to_keep:])
        scale, cap = self.config.logit_scale, self.config.logit_cap
        if scale is not None:
            logits = logits * scale
        if cap is not None:
            logits = (logits / cap).tanh() * cap
        return ModelOutput(
            loss=next_token_loss(logits, labels),
            logits=logits,
            past_key_values=past_key_values,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )

    def make_cache(self, batch: int, length: int) -> KVCache:
        """Room for ``length`` tokens of ``batch`` sequences."""
        c, dtype = self.config, self.model.norm.weight.dtype
        return KVCache(c.num_hidden_layers, batch, c.num_key_value_heads, length, c.head_dim, dtype)

    def most_tokens(self) -> int | None:
        """How long a sequence may be: as long as memory lasts."""
        return None

    def reread_after(self) -> int | None:
        """The length at which keys that are kept become wrong."""
        return self.config.reread_after


class MistralForCausalLM(LlamaForCausalLM):
    """Mistral; as :class:`LlamaForCausalLM`."""

    config_class = MistralConfig


class Phi3ForCausalLM(LlamaForCausalLM):
    """Phi-3; as :class:`LlamaForCausalLM`."""

    config_class = Phi3Config


class Qwen2ForCausalLM(LlamaForCausalLM):
    """Qwen2; as :class:`LlamaForCausalLM`."""

    config_class = Qwen2Config


class Qwen3ForCausalLM(LlamaForCausalLM):
    """Qwen3; as :class:`LlamaForCausalLM`."""

    config_class = Qwen3Config


class GemmaForCausalLM(LlamaForCausalLM):
    """Gemma; as :class:`LlamaForCausalLM`."""

    config_class = GemmaConfig


class Gemma2ForCausalLM(LlamaForCausalLM):
    """Gemma 2; as :class:`LlamaForCausalLM`."""

    config_class = Gemma2Config


class Gemma3ForCausalLM(LlamaForCausalLM):
    """Gemma 3, text alone; as :class:`LlamaForCausalLM`."""

    config_class = Gemma3Config
