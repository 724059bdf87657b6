"""Kin of the Llama that differ by a few settings: SmolLM3, Granite, OLMo 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lamina.models.text.llama import LlamaForCausalLM
from lamina.models.text.llama_config import FULL, LlamaConfig


@dataclass
class SmolLM3Config(LlamaConfig):
    """A Llama of which every fourth layer, or each marked 0 in ``no_rope_layers``, knows no positions."""

    model_type: ClassVar[str] = "smollm3"

    vocab_size: int = 128256
    hidden_size: int = 2048
    num_hidden_layers: int = 36
    num_attention_heads: int = 16
    num_key_value_heads: int | None = 4
    max_position_embeddings: int = 32768
    rope_theta: float = 2000000.0
    use_sliding_window: bool = False
    no_rope_layers: list[int] | None = None
    no_rope_layer_interval: int = 4
    tie_word_embeddings: bool = True

    def validate(self) -> None:
        super().validate()
        marks = self.no_rope_layers
        good = marks is None or (isinstance(marks, list) and len(marks) == self.num_hidden_layers)
        self.demand(good, f"no_rope_layers must hold a 0 or 1 for each of {self.num_hidden_layers} layers")

    def kind(self, layer: int) -> str:
        return super().kind(layer) if self.use_sliding_window else FULL

    def turns(self, layer: int) -> bool:
        if self.no_rope_layers is not None:
            return bool(self.no_rope_layers[layer])
        return (layer + 1) % self.no_rope_layer_interval != 0


@dataclass
class GraniteConfig(LlamaConfig):
    """A Llama with factors on embeddings, scores, what is added, and logits."""

    model_type: ClassVar[str] = "granite"

    embedding_multiplier: float = 1.0
    attention_multiplier: float = 1.0
    residual_multiplier: float = 1.0
    logits_scaling: float = 1.0

    def validate(self) -> None:
        super().validate()
        self.demand(self.logits_scaling != 0, "logits_scaling must not be 0")

    @property
    def scale(self) -> float | None:
        return self.attention_multiplier

    @property
    def embedding_scale(self) -> float | None:
        return self.embedding_multiplier

    @property
    def residual_scale(self) -> float | None:
        return self.residual_multiplier

    @property
    def logit_scale(self) -> float | None:
        return 1.0 / self.logits_scaling


@dataclass
class Olmo2Config(LlamaConfig):
    """OLMo 2: what attention and MLP give is normalised, not what they are given; and queries and keys."""

    model_type: ClassVar[str] = "olmo2"
    QK_NORM: ClassVar[str] = "all"
    NORMS: ClassVar[tuple[str, str, str, str]] = (
        "",
        "post_attention_layernorm",
        "",
        "post_feedforward_layernorm",
    )
    vocab_size: int = 50304
    rms_norm_eps: float = 1e-5


class SmolLM3ForCausalLM(LlamaForCausalLM):
    """SmolLM3; as :class:`LlamaForCausalLM`."""

    config_class = SmolLM3Config


class GraniteForCausalLM(LlamaForCausalLM):
    """Granite; as :class:`LlamaForCausalLM`."""

    config_class = GraniteConfig


class Olmo2ForCausalLM(LlamaForCausalLM):
    """OLMo 2; as :class:`LlamaForCausalLM`."""

    config_class = Olmo2Config
