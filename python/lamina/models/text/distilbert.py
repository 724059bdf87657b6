"""DistilBERT under Hugging Face's names: BERT of half the depth, without kinds of sentence and pooler.

Source: Sanh et al., DistilBERT, 2019."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import lamina
from lamina._core import Tensor
from lamina.models.output import ModelOutput
from lamina.models.pretrained import PretrainedModel, check_ids
from lamina.models.text.activation import activation
from lamina.models.text.attention import attend, join_heads, padding_mask, split_heads
from lamina.models.text.bert import run_layers
from lamina.models.text.head import LabelledConfig, answer_span, classification_loss, token_loss
from lamina.nn import Dropout, Embedding, LayerNorm, Linear, Module, ModuleList
from lamina.nn import functional as F


@dataclass
class DistilBertConfig(LabelledConfig):
    """Sizes and options; the defaults are those of distilbert-base-uncased."""

    model_type: ClassVar[str] = "distilbert"
    ALIASES: ClassVar[dict[str, str]] = {
        "hidden_size": "dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
    }

    vocab_size: int = 30522
    dim: int = 768
    n_layers: int = 6
    n_heads: int = 12
    hidden_dim: int = 3072
    activation: str = "gelu"
    dropout: float = 0.1
    attention_dropout: float = 0.1
    seq_classif_dropout: float = 0.2
    qa_dropout: float = 0.1
    max_position_embeddings: int = 512
    initializer_range: float = 0.02
    pad_token_id: int = 0
    tie_word_embeddings: bool = True

    def validate(self) -> None:
        activation(self.activation)
        self.demand(self.dim % self.n_heads == 0, f"dim={self.dim} is no multiple of n_heads={self.n_heads}")


class _Embeddings(Module):
    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.word_embeddings = Embedding(config.vocab_size, config.dim, padding_idx=config.pad_token_id)
        self.position_embeddings = Embedding(config.max_position_embeddings, config.dim)
        self.LayerNorm = LayerNorm(config.dim, eps=1e-12)
        self.dropout = Dropout(config.dropout)

    def forward(self, input_ids: Tensor) -> Tensor:
        places = self.position_embeddings(lamina.arange(input_ids.shape[1]).unsqueeze(0))
        return self.dropout(self.LayerNorm(self.word_embeddings(input_ids) + places))


class _Attention(Module):
    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.heads, self.dropout = config.n_heads, config.attention_dropout
        self.q_lin, self.k_lin, self.v_lin, self.out_lin = (Linear(config.dim, config.dim) for _ in range(4))

    def forward(self, x: Tensor, mask: Tensor | None, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        query, key, value = (split_heads(f(x), self.heads) for f in (self.q_lin, self.k_lin, self.v_lin))
        dropout = self.dropout if self.training else 0.0
        mixed, weights = attend(query, key, value, mask, dropout=dropout, need_weights=need_weights)
        return self.out_lin(join_heads(mixed)), weights


class _FeedForward(Module):
    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.lin1 = Linear(config.dim, config.hidden_dim)
        self.lin2 = Linear(config.hidden_dim, config.dim)
        self.act, self.dropout = activation(config.activation), Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.lin2(self.act(self.lin1(x))))


class _Layer(Module):
    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.attention = _Attention(config)
        self.sa_layer_norm = LayerNorm(config.dim, eps=1e-12)
        self.ffn = _FeedForward(config)
        self.output_layer_norm = LayerNorm(config.dim, eps=1e-12)

    def forward(self, x: Tensor, mask: Tensor | None, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        mixed, weights = self.attention(x, mask, need_weights)
        x = self.sa_layer_norm(mixed + x)
        return self.output_layer_norm(self.ffn(x) + x), weights


class _Transformer(Module):
    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.layer = ModuleList(_Layer(config) for _ in range(config.n_layers))


class DistilBertModel(PretrainedModel):
    """Token ids (n, l) -> ``last_hidden_state`` (n, l, dim); masks and requests as in ``BertModel``.

    >>> config = DistilBertConfig(dim=32, n_layers=1, n_heads=4, hidden_dim=64)
    >>> tuple(DistilBertModel(config)(lamina.tensor([[101, 2023, 102]])).last_hidden_state.shape)
    (1, 3, 32)
    """

    config_class = DistilBertConfig
    base_model_prefix = "distilbert"

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__(config)
        self.embeddings = _Embeddings(config)
        self.transformer = _Transformer(config)
        self.initialise()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> ModelOutput:
        name = type(self).__name__
        check_ids(name, input_ids, self.config.vocab_size, self.config.max_position_embeddings)
        mask = padding_mask(name, attention_mask, *input_ids.shape)
        x, states, maps = run_layers(
            self.transformer.layer, self.embeddings(input_ids), mask, output_hidden_states, output_attentions
        )
        return ModelOutput(last_hidden_state=x, hidden_states=states, attentions=maps)


class _Headed(PretrainedModel):
    config_class = DistilBertConfig
    base_model_prefix = "distilbert"

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__(config)
        self.distilbert = DistilBertModel(config)


class DistilBertForMaskedLM(_Headed):
    """Token ids (n, l) -> ``logits`` (n, l, vocabulary); ``labels`` (n, l) give ``loss``, without -100."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__(config)
        self.vocab_transform = Linear(config.dim, config.dim)
        self.vocab_layer_norm = LayerNorm(config.dim, eps=1e-12)
        self.vocab_projector = Linear(config.dim, config.vocab_size)
        self.initialise()
        if config.tie_word_embeddings:
            self.vocab_projector.weight = self.distilbert.embeddings.word_embeddings.weight

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **outputs: bool,
    ) -> ModelOutput:
        out = self.distilbert(input_ids, attention_mask, **outputs)
        x = activation(self.config.activation)(self.vocab_transform(out.last_hidden_state))
        logits = self.vocab_projector(self.vocab_layer_norm(x))
        return ModelOutput(
            loss=token_loss(logits, labels),
            logits=logits,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )


class DistilBertForSequenceClassification(_Headed):
    """Token ids (n, l) -> ``logits`` (n, num_labels), from the first token."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__(config)
        self.pre_classifier = Linear(config.dim, config.dim)
        self.classifier = Linear(config.dim, config.num_labels)
        self.dropout = Dropout(config.seq_classif_dropout)
        self.initialise()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **outputs: bool,
    ) -> ModelOutput:
        out = self.distilbert(input_ids, attention_mask, **outputs)
        x = F.relu(self.pre_classifier(out.last_hidden_state[:, 0]))
        logits = self.classifier(self.dropout(x))
        return ModelOutput(
            loss=classification_loss(logits, labels, self.config),
            logits=logits,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )


class DistilBertForTokenClassification(_Headed):
    """Token ids (n, l) -> ``logits`` (n, l, num_labels); ``labels`` (n, l), -100 not counted."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__(config)
        self.dropout = Dropout(config.dropout)
        self.classifier = Linear(config.dim, config.num_labels)
        self.initialise()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **outputs: bool,
    ) -> ModelOutput:
        out = self.distilbert(input_ids, attention_mask, **outputs)
        logits = self.classifier(self.dropout(out.last_hidden_state))
        return ModelOutput(
            loss=token_loss(logits, labels),
            logits=logits,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )


class DistilBertForQuestionAnswering(_Headed):
    """Token ids (n, l) -> ``start_logits`` and ``end_logits`` (n, l); labels are two positions each."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__(config)
        self.qa_outputs = Linear(config.dim, 2)
        self.dropout = Dropout(config.qa_dropout)
        self.initialise()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        **outputs: bool,
    ) -> ModelOutput:
        out = self.distilbert(input_ids, attention_mask, **outputs)
        logits = self.qa_outputs(self.dropout(out.last_hidden_state))
        return answer_span(out, logits, start_positions, end_positions)
