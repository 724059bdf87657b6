"""T5 and Flan-T5 under Hugging Face's names. Source: Raffel et al., Exploring the Limits of Transfer
Learning with a Unified Text-to-Text Transformer, 2020."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import lamina
from lamina._core import Tensor
from lamina.models.config import Config
from lamina.models.output import ModelOutput
from lamina.models.pretrained import PretrainedModel, check_ids
from lamina.models.text.activation import activation
from lamina.models.text.attention import attend, join_heads, padding_mask, split_heads
from lamina.models.text.head import token_loss
from lamina.models.text.position import bucket_bias
from lamina.models.text.seq2seq import CrossCache, SourceGenerator, decoder_mask, shift_right
from lamina.nn import Dropout, Embedding, Linear, Module, ModuleList, RMSNorm, init


@dataclass
class T5Config(Config):
    """Sizes and options; the defaults are those of t5-small."""

    model_type: ClassVar[str] = "t5"

    vocab_size: int = 32128
    d_model: int = 512
    d_kv: int = 64
    d_ff: int = 2048
    num_layers: int = 6
    num_decoder_layers: int | None = None
    num_heads: int = 8
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    dropout_rate: float = 0.1
    layer_norm_epsilon: float = 1e-6
    initializer_factor: float = 1.0
    feed_forward_proj: str = "relu"
    tie_word_embeddings: bool = True
    scale_decoder_outputs: bool | None = None  # None: where embeddings are tied
    pad_token_id: int = 0
    eos_token_id: int = 1
    decoder_start_token_id: int = 0
    forced_bos_token_id: int | None = None
    forced_eos_token_id: int | None = None

    def validate(self) -> None:
        self.demand(
            self.relative_attention_num_buckets >= 4
            and self.relative_attention_max_distance > self.relative_attention_num_buckets // 2,
            f"{self.relative_attention_num_buckets} buckets up to a distance of "
            f"{self.relative_attention_max_distance} cannot be",
        )
        activation(self.act)
        if self.num_decoder_layers is None:
            self.num_decoder_layers = self.num_layers
        if self.scale_decoder_outputs is None:
            self.scale_decoder_outputs = self.tie_word_embeddings

    @property
    def gated(self) -> bool:
        """Whether the MLP has a gate."""
        return self.feed_forward_proj.startswith("gated-")

    @property
    def act(self) -> str:
        """The word for the activation; T5's "gelu" is the tanh form."""
        name = self.feed_forward_proj.removeprefix("gated-")
        return "gelu_new" if self.gated and name == "gelu" else name


@dataclass
class _Buckets:
    """How a stack counts distances; see ``bucket_bias``."""

    bidirectional: bool
    buckets: int
    max_distance: int


class T5Attention(Module):
    """Attention without scale and biases; the first layer of a stack holds the weights of distances."""

    def __init__(self, config: T5Config, layer: int, distances: bool = False) -> None:
        super().__init__()
        inner = config.num_heads * config.d_kv
        self.heads, self.layer, self.rate = config.num_heads, layer, config.dropout_rate
        self.q, self.k, self.v = (Linear(config.d_model, inner, bias=False) for _ in range(3))
        self.o = Linear(inner, config.d_model, bias=False)
        if distances:
            self.relative_attention_bias = Embedding(config.relative_attention_num_buckets, config.num_heads)

    def forward(
        self, x: Tensor, states: Tensor | None, mask: Tensor | None, cache: CrossCache | None
    ) -> Tensor:
        query = split_heads(self.q(x), self.heads)
        known = cache.cross[self.layer] if cache is not None and states is not None else None
        if known is None:
            source = x if states is None else states
            key, value = (split_heads(f(source), self.heads) for f in (self.k, self.v))
            if cache is not None and states is None:
                key, value = cache.update(self.layer, key, value)
            elif cache is not None:
                cache.cross[self.layer] = key, value
        else:
            key, value = known
        dropout = self.rate if self.training else 0.0
        return self.o(join_heads(attend(query, key, value, mask, scale=1.0, dropout=dropout)[0]))


class _Dense(Module):
    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.gated, self.act = config.gated, activation(config.act)
        if config.gated:
            self.wi_0 = Linear(config.d_model, config.d_ff, bias=False)
            self.wi_1 = Linear(config.d_model, config.d_ff, bias=False)
        else:
            self.wi = Linear(config.d_model, config.d_ff, bias=False)
        self.wo = Linear(config.d_ff, config.d_model, bias=False)
        self.dropout = Dropout(config.dropout_rate)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.wi_0(x)) * self.wi_1(x) if self.gated else self.act(self.wi(x))
        return self.wo(self.dropout(x))


class _Part(Module):
    """A third of a block under the name that its files give to its inside."""

    def __init__(self, config: T5Config, name: str, inside: Module) -> None:
        super().__init__()
        setattr(self, name, inside)
        self.inside_name = name
        self.layer_norm = RMSNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.dropout = Dropout(config.dropout_rate)

    def forward(self, x: Tensor, *context: Any) -> Tensor:
        return x + self.dropout(getattr(self, self.inside_name)(self.layer_norm(x), *context))


class _Block(Module):
    def __init__(self, config: T5Config, layer: int, decoder: bool) -> None:
        super().__init__()
        self.layer = ModuleList([_Part(config, "SelfAttention", T5Attention(config, layer, layer == 0))])
        if decoder:
            self.layer.append(_Part(config, "EncDecAttention", T5Attention(config, layer)))
        self.layer.append(_Part(config, "DenseReluDense", _Dense(config)))

    def forward(
        self,
        x: Tensor,
        mask: Tensor,
        states: Tensor | None,
        states_mask: Tensor | None,
        cache: CrossCache | None,
    ) -> Tensor:
        x = self.layer[0](x, None, mask, cache)
        if states is not None:
            x = self.layer[1](x, states, states_mask, cache)
        return self.layer[-1](x)


class T5Stack(Module):
    """The encoder or the decoder."""

    def __init__(self, config: T5Config, embed_tokens: Embedding, decoder: bool) -> None:
        super().__init__()
        self.embed_tokens = embed_tokens
        layers = (config.num_decoder_layers if decoder else config.num_layers) or 1
        self.block = ModuleList(_Block(config, layer, decoder) for layer in range(layers))
        self.final_layer_norm = RMSNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.dropout = Dropout(config.dropout_rate)
        self.decoder = decoder
        self.rule = _Buckets(
            not decoder, config.relative_attention_num_buckets, config.relative_attention_max_distance
        )

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        states: Tensor | None = None,
        states_mask: Tensor | None = None,
        cache: CrossCache | None = None,
    ) -> Tensor:
        (n, length), start = input_ids.shape, 0
        if self.decoder:
            (seen, causal), start = decoder_mask("T5", attention_mask, input_ids, cache)
            if causal:
                seen = lamina.ones(length, length, dtype=lamina.bool).tril()
        else:
            seen = padding_mask("T5", attention_mask, n, length)
        weights = self.block[0].layer[0].SelfAttention.relative_attention_bias
        mask = bucket_bias(weights, self.rule, length, start + length, start)
        if seen is not None:
            mask = mask.masked_fill(~seen, -math.inf)
        x = self.dropout(self.embed_tokens(input_ids))
        for block in self.block:
            x = block(x, mask, states, states_mask, cache)
        if cache is not None:
            cache.advance(length)
        return self.dropout(self.final_layer_norm(x))


class T5ForConditionalGeneration(SourceGenerator, PretrainedModel):
    """Source ids (n, s) and ``decoder_input_ids`` (n, l), or ``labels`` -> ``logits`` (n, l, vocabulary).

    ``generate`` writes from a source. ``encoder_outputs`` takes the place of the source when it was read
    before; ``labels`` give ``loss``, -100 not counted.

    Raises:
        ShapeError: neither source nor states, neither decoder ids nor labels, or a row without any token.
        IndexError: a token that the vocabulary does not have.

    >>> config = T5Config(50, 16, 4, 32, 1, num_heads=4)
    >>> model = T5ForConditionalGeneration(config).eval()
    >>> model.generate(lamina.tensor([[5, 6, 1]]), max_new_tokens=2, eos_token_id=[]).shape[1]
    3
    """

    config_class = T5Config
    IGNORED = r"^decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\."

    def __init__(self, config: T5Config) -> None:
        super().__init__(config)
        self.shared = Embedding(config.vocab_size, config.d_model)
        self.encoder = T5Stack(config, self.shared, decoder=False)
        self.decoder = T5Stack(config, self.shared, decoder=True)
        self.lm_head = Linear(config.d_model, config.vocab_size, bias=False)
        self.initialise()
        if config.tie_word_embeddings:
            self.lm_head.weight = self.shared.weight

    def initialise(self) -> None:
        """Starting values by the sizes of what comes in, as the paper's code draws them."""
        c = self.config
        sizes = {"q": c.d_model * c.d_kv, "o": c.num_heads * c.d_kv, "wo": c.d_ff, "shared": 1}
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                size = sizes.get(name.split(".")[-2], c.d_model)
                init.normal_(parameter, 0.0, c.initializer_factor * size**-0.5)

    def encode(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        check_ids("T5", input_ids, self.config.vocab_size)
        return self.encoder(input_ids, attention_mask)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        encoder_outputs: Tensor | None = None,
        past_key_values: CrossCache | None = None,
        logits_to_keep: int = 0,
    ) -> ModelOutput:
        c = self.config
        states = encoder_outputs
        if states is None:
            c.demand(input_ids is not None, "give input_ids or encoder_outputs")
            states = self.encode(input_ids, attention_mask)  # type: ignore[arg-type]
        if decoder_input_ids is None:
            c.demand(labels is not None, "give decoder_input_ids or labels")
            decoder_input_ids = shift_right(labels, c.decoder_start_token_id, c.pad_token_id)  # type: ignore
        check_ids("T5", decoder_input_ids, c.vocab_size)
        seen = padding_mask("T5", attention_mask, *states.shape[:2])
        x = self.decoder(decoder_input_ids, decoder_attention_mask, states, seen, past_key_values)
        x = x[:, -logits_to_keep:]
        logits = self.lm_head(x * c.d_model**-0.5 if c.scale_decoder_outputs else x)
        return ModelOutput(
            loss=token_loss(logits, labels),
            logits=logits,
            past_key_values=past_key_values,
            encoder_last_hidden_state=states,
        )

    def make_cache(self, batch: int, length: int) -> CrossCache:
        """Room for ``length`` tokens of ``batch`` sequences."""
        c = self.config
        layers, dtype = c.num_decoder_layers, self.shared.weight.dtype
        return CrossCache(layers, batch, c.num_heads, length, c.d_kv, dtype)

    def most_tokens(self) -> int | None:
        """How long a text may be: as long as memory lasts."""
        return None
