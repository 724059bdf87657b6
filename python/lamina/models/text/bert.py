"""BERT, RoBERTa and MiniLM: the encoder under Hugging Face's names. Its heads: bert_head.py.

Sources: Devlin et al., 2019; Liu et al., 2019; Wang et al., 2020."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import lamina
from lamina._core import Tensor
from lamina.models.output import ModelOutput
from lamina.models.pretrained import PretrainedModel, check_ids
from lamina.models.text.activation import activation
from lamina.models.text.attention import attend, join_heads, padding_mask, split_heads
from lamina.models.text.head import LabelledConfig
from lamina.nn import Dropout, Embedding, LayerNorm, Linear, Module, ModuleList
from lamina.nn import functional as F


@dataclass
class BertConfig(LabelledConfig):
    """Sizes and options of a BERT; the defaults are those of bert-base-uncased."""

    model_type: ClassVar[str] = "bert"
    ONLY: ClassVar[dict[str, tuple[Any, ...]]] = {
        "position_embedding_type": ("absolute", None),
        "is_decoder": (False, None),
        "add_cross_attention": (False, None),
    }

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0
    classifier_dropout: float | None = None
    tie_word_embeddings: bool = True

    def validate(self) -> None:
        activation(self.hidden_act)
        self.demand(
            self.hidden_size % self.num_attention_heads == 0,
            f"hidden_size={self.hidden_size} is no multiple of "
            f"num_attention_heads={self.num_attention_heads}",
        )

    @property
    def head_dropout(self) -> float:
        """The dropout before a classifier."""
        return self.hidden_dropout_prob if self.classifier_dropout is None else self.classifier_dropout


@dataclass
class RobertaConfig(BertConfig):
    """As :class:`BertConfig`; positions count from ``pad_token_id + 1`` and skip padding."""

    model_type: ClassVar[str] = "roberta"
    vocab_size: int = 50265
    max_position_embeddings: int = 514
    type_vocab_size: int = 1
    layer_norm_eps: float = 1e-5
    pad_token_id: int = 1


class BertEmbeddings(Module):
    """Tokens, positions and kinds of sentence, added and normalised."""

    first_position = 0

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.word_embeddings = Embedding(config.vocab_size, size, padding_idx=config.pad_token_id)
        self.position_embeddings = Embedding(config.max_position_embeddings, size)
        self.token_type_embeddings = Embedding(config.type_vocab_size, size)
        self.LayerNorm = LayerNorm(size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(
        self, input_ids: Tensor, token_type_ids: Tensor | None, position_ids: Tensor | None
    ) -> Tensor:
        if position_ids is None:
            position_ids = self.positions(input_ids)
        x = self.word_embeddings(input_ids) + self.position_embeddings(position_ids)
        kinds = self.token_type_embeddings
        x = x + (kinds.weight[0] if token_type_ids is None else kinds(token_type_ids))
        return self.dropout(self.LayerNorm(x))

    def positions(self, input_ids: Tensor) -> Tensor:
        """(1, l) or (n, l): the position of each token."""
        return lamina.arange(input_ids.shape[1]).unsqueeze(0)


class RobertaEmbeddings(BertEmbeddings):
    """The same with RoBERTa's positions."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.first_position = config.pad_token_id + 1
        self.padding_idx = config.pad_token_id

    def positions(self, input_ids: Tensor) -> Tensor:
        real = (input_ids != self.padding_idx).long()
        return real.cumsum(1) * real + self.padding_idx


class BertSelfAttention(Module):
    """Queries, keys and values."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.query, self.key, self.value = (Linear(size, size) for _ in range(3))

    def forward(self, x: Tensor, mask: Tensor | None, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        query, key, value = (split_heads(f(x), self.heads) for f in (self.query, self.key, self.value))
        dropout = self.dropout if self.training else 0.0
        output, weights = attend(query, key, value, mask, dropout=dropout, need_weights=need_weights)
        return join_heads(output), weights


class BertSum(Module):
    """A product, added to what went around it, and normalised."""

    def __init__(self, inner: int, config: BertConfig) -> None:
        super().__init__()
        self.dense = Linear(inner, config.hidden_size)
        self.LayerNorm = LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, x: Tensor, around: Tensor) -> Tensor:
        return self.LayerNorm(self.dropout(self.dense(x)) + around)


class BertAttention(Module):
    """Self-attention and the sum behind it."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.self = BertSelfAttention(config)
        self.output = BertSum(config.hidden_size, config)

    def forward(self, x: Tensor, mask: Tensor | None, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        mixed, weights = self.self(x, mask, need_weights)
        return self.output(mixed, x), weights


class BertIntermediate(Module):
    """The wide product and its activation."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = Linear(config.hidden_size, config.intermediate_size)
        self.act = activation(config.hidden_act)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.dense(x))


class BertLayer(Module):
    """One layer: attention, then two products."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = BertAttention(config)
        self.intermediate = BertIntermediate(config)
        self.output = BertSum(config.intermediate_size, config)

    def forward(self, x: Tensor, mask: Tensor | None, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        x, weights = self.attention(x, mask, need_weights)
        return self.output(self.intermediate(x), x), weights


class BertEncoder(Module):
    """The layers, one after the other."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = ModuleList(BertLayer(config) for _ in range(config.num_hidden_layers))


class BertPooler(Module):
    """The first token's vector through a product and tanh."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(x[:, 0]).tanh()


def run_layers(
    layers: Any, x: Tensor, mask: Tensor | None, hidden: bool, weights: bool
) -> tuple[Tensor, tuple[Tensor, ...] | None, tuple[Any, ...] | None]:
    """``x`` through layers that return it and their weights; on request all states and all weights."""
    states, maps = [x], []
    for layer in layers:
        x, seen = layer(x, mask, weights)
        if hidden:
            states.append(x)
        maps.append(seen)
    return x, tuple(states) if hidden else None, tuple(maps) if weights else None


class BertModel(PretrainedModel):
    """Token ids (n, l) -> ``last_hidden_state`` (n, l, hidden) and ``pooler_output`` (n, hidden).

    ``attention_mask`` (n, l) is 1 for tokens and 0 for padding. ``hidden_states`` and ``attentions`` (one
    (n, heads, l, l) per layer) come on request.

    Raises:
        ShapeError: more tokens than positions, or a row without any token.
        IndexError: a token that the vocabulary does not have.

    >>> config = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64)
    >>> tuple(BertModel(config)(lamina.tensor([[101, 2023, 102]])).last_hidden_state.shape)
    (1, 3, 32)
    """

    config_class = BertConfig
    base_model_prefix = "bert"
    embeddings_class: ClassVar[type[BertEmbeddings]] = BertEmbeddings
    IGNORED = r"(^|\.)position_ids$"
    OPTIONAL = r"(^|\.)pooler\."

    def __init__(self, config: BertConfig, add_pooling_layer: bool = True) -> None:
        super().__init__(config)
        self.embeddings = self.embeddings_class(config)
        self.encoder = BertEncoder(config)
        self.pooler = BertPooler(config) if add_pooling_layer else None
        self.initialise()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> ModelOutput:
        name, config = type(self).__name__, self.config
        room = config.max_position_embeddings - self.embeddings.first_position
        check_ids(name, input_ids, config.vocab_size, room)
        mask = padding_mask(name, attention_mask, *input_ids.shape)
        x = self.embeddings(input_ids, token_type_ids, position_ids)
        x, states, maps = run_layers(self.encoder.layer, x, mask, output_hidden_states, output_attentions)
        return ModelOutput(
            last_hidden_state=x,
            pooler_output=None if self.pooler is None else self.pooler(x),
            hidden_states=states,
            attentions=maps,
        )


class RobertaModel(BertModel):
    """RoBERTa's encoder; as :class:`BertModel`."""

    config_class = RobertaConfig
    base_model_prefix = "roberta"
    embeddings_class = RobertaEmbeddings


def mean_pool(states: Tensor, attention_mask: Tensor | None = None, normalise: bool = True) -> Tensor:
    """The mean of the vectors of a sentence's tokens (n, l, hidden) -> (n, hidden), of length 1 unless told.

    Source: Reimers & Gurevych, Sentence-BERT, 2019.

    >>> mean_pool(lamina.tensor([[[3.0, 0.0], [0.0, 9.0]]]), lamina.tensor([[1, 0]])).tolist()
    [[1.0, 0.0]]
    """
    if attention_mask is None:
        pooled = states.mean(1)
    else:
        weight = attention_mask.to(states.dtype).unsqueeze(-1)
        pooled = (states * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
    return F.normalize(pooled, dim=-1) if normalise else pooled
