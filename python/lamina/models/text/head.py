"""The losses of heads: language modelling and classification, as Hugging Face's models compute them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lamina._core import ShapeError, Tensor
from lamina.models.config import Config
from lamina.models.output import ModelOutput
from lamina.nn import functional as F


@dataclass
class LabelledConfig(Config):
    """A configuration with labels for a classifier; ``id2label`` says how many there are."""

    num_labels: int = 2
    id2label: dict[Any, str] | None = None
    problem_type: str | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Any:
        """As of every configuration; the number of labels is that of ``id2label``."""
        labels = data.get("id2label") if isinstance(data, Mapping) else None
        if isinstance(labels, Mapping) and labels and "num_labels" not in data:
            data = {**data, "num_labels": len(labels)}
        return super().from_dict(data)


def classification_loss(logits: Tensor, labels: Tensor | None, config: Any) -> Tensor | None:
    """Cross-entropy for whole labels, squares for one number, binary cross-entropy for several at once."""
    if labels is None:
        return None
    kind = config.problem_type
    if kind is None:
        kind = "multi_label_classification" if labels.is_floating_point() else "single_label_classification"
        kind = "regression" if config.num_labels == 1 else kind
    if kind == "regression":
        return F.mse_loss(logits.squeeze(), labels.squeeze().to(logits.dtype))
    if kind == "single_label_classification":
        return F.cross_entropy(logits.view(-1, config.num_labels), labels.view(-1))
    if kind == "multi_label_classification":
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    raise ShapeError(f"problem_type: unknown {kind!r}")


def token_loss(logits: Tensor, labels: Tensor | None) -> Tensor | None:
    """Cross-entropy of each token against ``labels`` (n, l), where -100 does not count."""
    return None if labels is None else F.cross_entropy(logits.flatten(0, -2), labels.flatten())


def answer_span(
    out: ModelOutput, logits: Tensor, start_positions: Tensor | None, end_positions: Tensor | None
) -> ModelOutput:
    """What a finder of answers gives for ``logits`` (n, l, 2): how likely each token begins and ends one."""
    start, end = logits.unbind(-1)
    loss = None
    if start_positions is not None and end_positions is not None:
        loss = (F.cross_entropy(start, start_positions) + F.cross_entropy(end, end_positions)) / 2
    return ModelOutput(
        loss=loss,
        start_logits=start,
        end_logits=end,
        hidden_states=out.hidden_states,
        attentions=out.attentions,
    )


def next_token_loss(logits: Tensor, labels: Tensor | None) -> Tensor | None:
    """Cross-entropy of each token's prediction against the label of the next; -100 does not count."""
    return None if labels is None else token_loss(logits[:, :-1], labels[:, 1:])
