"""BERT and RoBERTa with a head: masked words, classes of texts, classes of tokens, spans of answers."""

from __future__ import annotations

from typing import Any, ClassVar

from lamina._core import Tensor
from lamina.models.output import ModelOutput
from lamina.models.pretrained import PretrainedModel
from lamina.models.text.activation import activation
from lamina.models.text.bert import BertConfig, BertModel, RobertaConfig, RobertaModel
from lamina.models.text.head import answer_span, classification_loss, token_loss
from lamina.nn import Dropout, LayerNorm, Linear, Module
from lamina.nn import functional as F


class _Headed(PretrainedModel):
    """What the models below share: the trunk and its options."""

    config_class = BertConfig
    base_model_prefix = "bert"
    trunk_class: ClassVar[type[BertModel]] = BertModel
    IGNORED = BertModel.IGNORED
    OPTIONAL = BertModel.OPTIONAL
    pooled: ClassVar[bool] = False

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        setattr(self, self.base_model_prefix, self.trunk_class(config, add_pooling_layer=self.pooled))

    def trunk(self, *inputs: Any, **options: Any) -> ModelOutput:
        return self.trunk_module(*inputs, **options)

    @property
    def trunk_module(self) -> Any:
        """The encoder, under whatever name."""
        return getattr(self, self.base_model_prefix)


class _PredictionTransform(Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.act = activation(config.hidden_act)

    def forward(self, x: Tensor) -> Tensor:
        return self.LayerNorm(self.act(self.dense(x)))


class _Predictions(Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.transform = _PredictionTransform(config)
        self.decoder = Linear(config.hidden_size, config.vocab_size)
        self.bias = self.decoder.bias

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.transform(x))


class _MaskedHead(Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.predictions = _Predictions(config)


class BertForMaskedLM(_Headed):
    """Token ids (n, l) -> ``logits`` (n, l, vocabulary); ``labels`` (n, l) give ``loss``, -100 not counted.

    >>> config = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64)
    >>> BertForMaskedLM(config)(lamina.tensor([[101, 103, 102]])).logits.shape[2]
    30522
    """

    IGNORED = BertModel.IGNORED + r"|^cls\.seq_relationship\."

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.cls = _MaskedHead(config)
        self.initialise()
        if config.tie_word_embeddings:
            self.cls.predictions.decoder.weight = self.trunk_module.embeddings.word_embeddings.weight

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        **outputs: bool,
    ) -> ModelOutput:
        out = self.trunk(input_ids, attention_mask, token_type_ids, position_ids, **outputs)
        logits = self.cls.predictions(out.last_hidden_state)
        return _headed(out, logits, token_loss(logits, labels))


class _RobertaMaskedHead(Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = Linear(config.hidden_size, config.hidden_size)
        self.layer_norm = LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.decoder = Linear(config.hidden_size, config.vocab_size)
        self.bias = self.decoder.bias

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.layer_norm(F.gelu(self.dense(x))))


class RobertaForMaskedLM(_Headed):
    """RoBERTa with the head for masked words; as :class:`BertForMaskedLM`."""

    config_class = RobertaConfig
    base_model_prefix = "roberta"
    trunk_class = RobertaModel

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__(config)
        self.lm_head = _RobertaMaskedHead(config)
        self.initialise()
        if config.tie_word_embeddings:
            self.lm_head.decoder.weight = self.trunk_module.embeddings.word_embeddings.weight

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        **outputs: bool,
    ) -> ModelOutput:
        out = self.trunk(input_ids, attention_mask, token_type_ids, position_ids, **outputs)
        logits = self.lm_head(out.last_hidden_state)
        return _headed(out, logits, token_loss(logits, labels))


class BertForSequenceClassification(_Headed):
    """Token ids (n, l) -> ``logits`` (n, num_labels), from the pooled first token."""

    pooled = True

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.dropout = Dropout(config.head_dropout)
        self.classifier = self.make_classifier(config)
        self.initialise()

    def make_classifier(self, config: BertConfig) -> Module:
        """The layer between the trunk and the logits."""
        return Linear(config.hidden_size, config.num_labels)

    def summary(self, out: ModelOutput) -> Tensor:
        """What the classifier reads."""
        return self.dropout(out.pooler_output)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        **outputs: bool,
    ) -> ModelOutput:
        out = self.trunk(input_ids, attention_mask, token_type_ids, position_ids, **outputs)
        logits = self.classifier(self.summary(out))
        return _headed(out, logits, classification_loss(logits, labels, self.config))


class _RobertaClassifier(Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = Linear(config.hidden_size, config.hidden_size)
        self.dropout = Dropout(config.head_dropout)
        self.out_proj = Linear(config.hidden_size, config.num_labels)

    def forward(self, x: Tensor) -> Tensor:
        return self.out_proj(self.dropout(self.dense(self.dropout(x)).tanh()))


class RobertaForSequenceClassification(BertForSequenceClassification):
    """RoBERTa's classifier of texts, from the first token."""

    config_class = RobertaConfig
    base_model_prefix = "roberta"
    trunk_class = RobertaModel
    pooled = False

    def make_classifier(self, config: BertConfig) -> Module:
        return _RobertaClassifier(config)

    def summary(self, out: ModelOutput) -> Tensor:
        return out.last_hidden_state[:, 0]


class BertForTokenClassification(BertForSequenceClassification):
    """Token ids (n, l) -> ``logits`` (n, l, num_labels); ``labels`` (n, l), -100 not counted."""

    pooled = False

    def summary(self, out: ModelOutput) -> Tensor:
        return self.dropout(out.last_hidden_state)


class RobertaForTokenClassification(BertForTokenClassification):
    """RoBERTa's classifier of tokens."""

    config_class = RobertaConfig
    base_model_prefix = "roberta"
    trunk_class = RobertaModel


class BertForQuestionAnswering(_Headed):
    """Token ids (n, l) -> ``start_logits`` and ``end_logits`` (n, l); labels are two positions each."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.qa_outputs = Linear(config.hidden_size, 2)
        self.initialise()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        **outputs: bool,
    ) -> ModelOutput:
        out = self.trunk(input_ids, attention_mask, token_type_ids, position_ids, **outputs)
        return answer_span(out, self.qa_outputs(out.last_hidden_state), start_positions, end_positions)


class RobertaForQuestionAnswering(BertForQuestionAnswering):
    """RoBERTa's finder of answers."""

    config_class = RobertaConfig
    base_model_prefix = "roberta"
    trunk_class = RobertaModel


def _headed(out: ModelOutput, logits: Tensor, loss: Tensor | None) -> ModelOutput:
    return ModelOutput(loss=loss, logits=logits, hidden_states=out.hidden_states, attentions=out.attentions)
