"""The original Transformer with encoder and decoder as Marian has it, with sinusoids; BART learns positions.

Under Hugging Face's names. Sources: Vaswani et al., 2017; Junczys-Dowmunt et al., Marian, 2018; Lewis et al.,
BART, 2020."""

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
from lamina.models.text.position import sinusoidal_positions
from lamina.models.text.seq2seq import CrossCache, SourceGenerator, decoder_mask, shift_right
from lamina.nn import Dropout, Embedding, LayerNorm, Linear, Module, ModuleList


@dataclass
class BartConfig(Config):
    """Sizes and options; the defaults are those of bart-large."""

    model_type: ClassVar[str] = "bart"
    ONLY: ClassVar[dict[str, tuple[Any, ...]]] = {
        "normalize_before": (False, None),
        "add_final_layer_norm": (False, None),
        "normalize_embedding": (True, None),
        "share_encoder_decoder_embeddings": (True, None),
    }
    LEARNT: ClassVar[bool] = True  # positions, and embeddings normalised
    OFFSET: ClassVar[int] = 2  # rows of the table of positions that are never used

    vocab_size: int = 50265
    d_model: int = 1024
    encoder_layers: int = 12
    decoder_layers: int = 12
    encoder_attention_heads: int = 16
    decoder_attention_heads: int = 16
    encoder_ffn_dim: int = 4096
    decoder_ffn_dim: int = 4096
    activation_function: str = "gelu"
    dropout: float = 0.1
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    max_position_embeddings: int = 1024
    init_std: float = 0.02
    scale_embedding: bool = False
    pad_token_id: int = 1
    eos_token_id: int = 2
    decoder_start_token_id: int = 2
    forced_bos_token_id: int | None = None
    forced_eos_token_id: int | None = 2
    bad_words_ids: list[list[int]] | None = None

    def validate(self) -> None:
        activation(self.activation_function)
        for side in ("encoder", "decoder"):
            heads = getattr(self, f"{side}_attention_heads")
            self.demand(
                self.d_model % heads == 0,
                f"d_model={self.d_model} is no multiple of {side}_attention_heads={heads}",
            )

    @property
    def initializer_range(self) -> float:
        """The spread of starting values."""
        return self.init_std


@dataclass
class MarianConfig(BartConfig):
    """Marian: sinusoids, scaled embeddings, padding starts a text; the defaults are opus-mt's."""

    model_type: ClassVar[str] = "marian"
    ONLY: ClassVar[dict[str, tuple[Any, ...]]] = {
        **BartConfig.ONLY,
        "normalize_embedding": (False, None),
        "static_position_embeddings": (True, None),
    }
    LEARNT: ClassVar[bool] = False
    OFFSET: ClassVar[int] = 0

    vocab_size: int = 58101
    d_model: int = 512
    encoder_layers: int = 6
    decoder_layers: int = 6
    encoder_attention_heads: int = 8
    decoder_attention_heads: int = 8
    encoder_ffn_dim: int = 2048
    decoder_ffn_dim: int = 2048
    activation_function: str = "swish"
    max_position_embeddings: int = 512
    scale_embedding: bool = True
    pad_token_id: int = 58100
    eos_token_id: int = 0
    decoder_start_token_id: int = 58100
    forced_eos_token_id: int | None = 0


class BartAttention(Module):
    """Attention of a sequence to itself, or to the encoder's states."""

    def __init__(self, config: BartConfig, heads: int, layer: int) -> None:
        super().__init__()
        size = config.d_model
        self.heads, self.layer, self.rate = heads, layer, config.attention_dropout
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (Linear(size, size) for _ in range(4))

    def forward(
        self,
        x: Tensor,
        states: Tensor | None,
        seen: tuple[Tensor | None, bool],
        cache: CrossCache | None = None,
    ) -> Tensor:
        query = split_heads(self.q_proj(x), self.heads)
        known = cache.cross[self.layer] if cache is not None and states is not None else None
        if known is None:
            source = x if states is None else states
            key, value = (split_heads(f(source), self.heads) for f in (self.k_proj, self.v_proj))
            if cache is not None and states is None:
                key, value = cache.update(self.layer, key, value)
            elif cache is not None:
                cache.cross[self.layer] = key, value
        else:
            key, value = known
        dropout = self.rate if self.training else 0.0
        return self.out_proj(join_heads(attend(query, key, value, *seen, dropout=dropout)[0]))


class _Layer(Module):
    """Attention to itself, in a decoder attention to the source, two products; a norm behind each sum."""

    def __init__(self, config: BartConfig, layer: int, decoder: bool) -> None:
        super().__init__()
        size = config.d_model
        heads = config.decoder_attention_heads if decoder else config.encoder_attention_heads
        inner = config.decoder_ffn_dim if decoder else config.encoder_ffn_dim
        self.decoder = decoder
        self.self_attn = BartAttention(config, heads, layer)
        self.self_attn_layer_norm = LayerNorm(size)
        if decoder:
            self.encoder_attn = BartAttention(config, heads, layer)
            self.encoder_attn_layer_norm = LayerNorm(size)
        self.fc1, self.fc2 = Linear(size, inner), Linear(inner, size)
        self.final_layer_norm = LayerNorm(size)
        self.act = activation(config.activation_function)
        self.dropout, self.inner_dropout = Dropout(config.dropout), Dropout(config.activation_dropout)

    def forward(
        self,
        x: Tensor,
        seen: tuple[Tensor | None, bool],
        states: Tensor | None,
        states_mask: Tensor | None,
        cache: CrossCache | None,
    ) -> Tensor:
        x = self.self_attn_layer_norm(x + self.dropout(self.self_attn(x, None, seen, cache)))
        if self.decoder:
            mixed = self.encoder_attn(x, states, (states_mask, False), cache)
            x = self.encoder_attn_layer_norm(x + self.dropout(mixed))
        inner = self.inner_dropout(self.act(self.fc1(x)))
        return self.final_layer_norm(x + self.dropout(self.fc2(inner)))


class _Stack(Module):
    """The encoder or the decoder: tokens and positions through the layers."""

    def __init__(self, config: BartConfig, embed_tokens: Embedding, decoder: bool) -> None:
        super().__init__()
        size = config.d_model
        self.embed_tokens, self.decoder, self.offset = embed_tokens, decoder, config.OFFSET
        self.scale = math.sqrt(size) if config.scale_embedding else 1.0
        self.embed_positions = Embedding(config.max_position_embeddings + config.OFFSET, size)
        if not config.LEARNT:
            table = sinusoidal_positions(config.max_position_embeddings, size, split=True)
            self.embed_positions.weight.data.copy_(table)
            self.embed_positions.weight.requires_grad_(False)
        layers = config.decoder_layers if decoder else config.encoder_layers
        self.layers = ModuleList(_Layer(config, layer, decoder) for layer in range(layers))
        if config.LEARNT:
            self.layernorm_embedding = LayerNorm(size)
        self.learnt, self.dropout = config.LEARNT, Dropout(config.dropout)

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
            seen, start = decoder_mask("decoder", attention_mask, input_ids, cache)
        else:
            seen = padding_mask("encoder", attention_mask, n, length), False
        places = lamina.arange(start + self.offset, start + length + self.offset)
        x = self.embed_tokens(input_ids) * self.scale + self.embed_positions(places)
        x = self.dropout(self.layernorm_embedding(x) if self.learnt else x)
        for layer in self.layers:
            x = layer(x, seen, states, states_mask, cache)
        if cache is not None:
            cache.advance(length)
        return x


class BartModel(PretrainedModel):
    """Source ids (n, s) and decoder ids (n, l) -> ``last_hidden_state`` (n, l, d_model).

    Raises:
        ShapeError: more tokens than positions, or a row without any token.
        IndexError: a token that the vocabulary does not have.
    """

    config_class = BartConfig
    base_model_prefix = "model"
    IGNORED = r"\.version$"

    def __init__(self, config: BartConfig) -> None:
        super().__init__(config)
        self.shared = Embedding(config.vocab_size, config.d_model, padding_idx=config.pad_token_id)
        self.encoder = _Stack(config, self.shared, decoder=False)
        self.decoder = _Stack(config, self.shared, decoder=True)

    def encode(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """The encoder's states (n, s, d_model)."""
        check_ids(type(self).__name__, input_ids, self.config.vocab_size, self.config.max_position_embeddings)
        return self.encoder(input_ids, attention_mask)

    def forward(
        self,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        decoder_input_ids: Tensor,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: Tensor | None = None,
        past_key_values: CrossCache | None = None,
    ) -> ModelOutput:
        name, c = type(self).__name__, self.config
        states = encoder_outputs
        if states is None:
            c.demand(input_ids is not None, "give input_ids or encoder_outputs")
            states = self.encode(input_ids, attention_mask)  # type: ignore[arg-type]
        check_ids(name, decoder_input_ids, c.vocab_size)
        end = decoder_input_ids.shape[1] + (0 if past_key_values is None else past_key_values.used)
        most = c.max_position_embeddings
        c.demand(end <= most, f"a sequence of {end} tokens, but there are {most} positions")
        seen = padding_mask(name, attention_mask, *states.shape[:2])
        x = self.decoder(decoder_input_ids, decoder_attention_mask, states, seen, past_key_values)
        return ModelOutput(last_hidden_state=x, encoder_last_hidden_state=states)


class BartForConditionalGeneration(SourceGenerator, PretrainedModel):
    """Source ids (n, s) and ``decoder_input_ids`` (n, l), or ``labels`` -> ``logits`` (n, l, vocabulary).

    ``generate`` writes from a source. ``encoder_outputs`` takes the place of the source when it was read
    before; ``labels`` give ``loss``, -100 not counted.

    >>> config = BartConfig(50, 16, 1, 1, 4, 4, 32, 32, max_position_embeddings=20)
    >>> model = BartForConditionalGeneration(config).eval()
    >>> model.generate(lamina.tensor([[5, 6, 2]]), max_new_tokens=4, num_beams=2).shape[0]
    1
    """

    config_class = BartConfig
    base_model_prefix = "model"
    IGNORED = BartModel.IGNORED
    final_logits_bias: Tensor

    def __init__(self, config: BartConfig) -> None:
        super().__init__(config)
        self.model = BartModel(config)
        self.register_buffer("final_logits_bias", lamina.zeros(1, config.vocab_size))
        self.lm_head = Linear(config.d_model, config.vocab_size, bias=False)
        self.lm_head.weight = self.model.shared.weight
        self.initialise()

    def initialise(self) -> None:
        """As all models; sinusoids stay."""
        tables = [stack.embed_positions.weight for stack in (self.model.encoder, self.model.decoder)]
        kept = [table.detach().clone() for table in tables]
        super().initialise()
        for table, old in zip(tables, kept, strict=True):
            if not table.requires_grad:
                table.data.copy_(old)

    def encode(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        return self.model.encode(input_ids, attention_mask)

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
        if decoder_input_ids is None:
            c.demand(labels is not None, "give decoder_input_ids or labels")
            decoder_input_ids = shift_right(labels, c.decoder_start_token_id, c.pad_token_id)  # type: ignore
        out = self.model(
            input_ids,
            attention_mask,
            decoder_input_ids,
            decoder_attention_mask,
            encoder_outputs,
            past_key_values,
        )
        logits = self.lm_head(out.last_hidden_state[:, -logits_to_keep:]) + self.final_logits_bias
        return ModelOutput(
            loss=token_loss(logits, labels),
            logits=logits,
            past_key_values=past_key_values,
            encoder_last_hidden_state=out.encoder_last_hidden_state,
        )

    def make_cache(self, batch: int, length: int) -> CrossCache:
        """Room for ``length`` tokens of ``batch`` sequences."""
        c = self.config
        heads, dtype = c.decoder_attention_heads, self.lm_head.weight.dtype
        return CrossCache(c.decoder_layers, batch, heads, length, c.d_model // heads, dtype)

    def most_tokens(self) -> int:
        """How long a text may be."""
        return self.config.max_position_embeddings


class MarianMTModel(BartForConditionalGeneration):
    """A translator of Marian's; as :class:`BartForConditionalGeneration`."""

    config_class = MarianConfig
    FIXED = r"embed_positions\.weight$"
