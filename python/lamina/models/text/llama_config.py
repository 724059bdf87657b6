"""Configurations of the Llama family: what Llama, Mistral, Qwen and Gemma share, and where they differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from lamina.models.config import Config
from lamina.models.text.activation import activation
from lamina.models.text.rotary import inverse_frequencies

FULL, SLIDING = "full_attention", "sliding_attention"


@dataclass
class LlamaConfig(Config):
    """Sizes and options; SmolLM is a Llama too. Where the kinds differ is in the properties below."""

    model_type: ClassVar[str] = "llama"
    ALIASES: ClassVar[dict[str, str]] = {"hidden_activation": "hidden_act", "rope_parameters": "rope_scaling"}
    QKV_BIAS: ClassVar[bool] = False  # of queries, keys and values alone
    QK_NORM: ClassVar[str] = ""  # queries and keys are normalised: "head" by head, or "all" heads at once
    NORM_OFFSET: ClassVar[float] = 0.0  # what is added to the scales of normalisations
    PARTIAL: ClassVar[bool] = False  # the rotary embedding may turn a part of each head
    PACKED: ClassVar[bool] = False  # one layer for queries, keys and values, one for gate and up
    # The normalisations before and behind attention, before and behind the MLP; empty: there is none.
    NORMS: ClassVar[tuple[str, str, str, str]] = ("input_layernorm", "", "post_attention_layernorm", "")

    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    hidden_act: str = "silu"
    max_position_embeddings: int = 2048
    initializer_range: float = 0.02
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    rope_scaling: dict[str, Any] | None = None
    partial_rotary_factor: float = 1.0
    original_max_position_embeddings: int | None = None
    attention_bias: bool = False
    mlp_bias: bool = False
    attention_dropout: float = 0.0
    sliding_window: int | None = None
    layer_types: list[str] | None = None
    tie_word_embeddings: bool = False
    bos_token_id: Any = None
    eos_token_id: Any = None
    pad_token_id: Any = None

    def validate(self) -> None:
        activation(self.hidden_act)
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads
        self.demand(
            isinstance(self.num_key_value_heads, int)
            and self.num_key_value_heads > 0
            and self.num_attention_heads % self.num_key_value_heads == 0,
            f"num_attention_heads={self.num_attention_heads} is no multiple of "
            f"num_key_value_heads={self.num_key_value_heads}",
        )
        if self.head_dim is None:
            self.demand(
                self.hidden_size % self.num_attention_heads == 0,
                f"hidden_size={self.hidden_size} is no multiple of "
                f"num_attention_heads={self.num_attention_heads}",
            )
            self.head_dim = self.hidden_size // self.num_attention_heads
        self.demand(
            isinstance(self.head_dim, int) and self.head_dim > 0, f"head_dim={self.head_dim!r} is no size"
        )
        window = self.sliding_window
        self.demand(
            window is None or (isinstance(window, int) and window > 0),
            f"sliding_window={window!r} is no length",
        )
        kinds = self.layer_types
        if kinds is not None:
            good = isinstance(kinds, list) and len(kinds) == self.num_hidden_layers
            self.demand(
                good and all(kind in (FULL, SLIDING) for kind in kinds or ()),
                f"layer_types must name {FULL} or {SLIDING} for each of {self.num_hidden_layers} layers",
            )
        self.demand(
            self.rope_scaling is None or isinstance(self.rope_scaling, Mapping), "rope_scaling is no object"
        )
        for kind in (FULL, SLIDING):
            inverse_frequencies(*self.rope(kind))

    def rope(self, kind: str) -> tuple[int, float, dict[str, Any]]:
        """How many numbers of a head are turned in layers of this kind, by which base and scaling."""
        scaling = dict(self.rope_scaling or {})
        if isinstance(scaling.get(kind), Mapping):
            scaling = dict(scaling[kind])
        elif any(isinstance(scaling.get(other), Mapping) for other in (FULL, SLIDING)):
            scaling = {}
        theta = scaling.pop("rope_theta", None)
        part = scaling.pop("partial_rotary_factor", None)
        part = self.partial_rotary_factor if part is None else part
        good = isinstance(part, (int, float)) and not isinstance(part, bool) and 0 < part <= 1
        self.demand(
            good and (part == 1 or self.PARTIAL),
            f"partial_rotary_factor must be 1{', or less but over 0' if self.PARTIAL else ''}, got {part!r}",
        )
        before = self.original_max_position_embeddings or self.max_position_embeddings
        scaling.setdefault("original_max_position_embeddings", before)
        scaling.setdefault("max_position_embeddings", self.max_position_embeddings)
        theta = self.rope_theta if theta is None else theta
        good = isinstance(theta, (int, float)) and not isinstance(theta, bool) and theta > 1
        self.demand(good, f"rope_theta must be a number over 1, got {theta!r}")
        return int((self.head_dim or 0) * part), float(theta), scaling

    def turns(self, layer: int) -> bool:
        """Whether a layer knows positions, by its rotary embedding."""
        return True

    @property
    def reread_after(self) -> int | None:
        """The length beyond which all tokens are turned otherwise; None: never."""
        kinds = {kind: self.rope(kind)[2] for kind in {self.kind(i) for i in range(self.num_hidden_layers)}}
        long = [s for s in kinds.values() if s.get("rope_type", s.get("type")) == "longrope"]
        return int(long[0]["original_max_position_embeddings"]) if long else None

    def kind(self, layer: int) -> str:
        """Whether a layer sees all tokens or a window of them."""
        if self.layer_types is not None:
            return self.layer_types[layer]
        return FULL if self.sliding_window is None else SLIDING

    def window(self, layer: int) -> int | None:
        """How many tokens, itself included, a token sees in a layer; None: all before it."""
        return self.sliding_window if self.kind(layer) == SLIDING else None

    @property
    def scale(self) -> float | None:
        """The factor on scores; None: ``1 / sqrt(head_dim)``."""
        return None

    @property
    def embedding_scale(self) -> float | None:
        """The factor on embeddings, if any."""
        return None

    @property
    def residual_scale(self) -> float | None:
        """The factor on what attention and MLP add, if any."""
        return None

    @property
    def logit_scale(self) -> float | None:
        """The factor on logits, if any."""
        return None

    @property
    def score_cap(self) -> float | None:
        """The bound of scores, if any."""
        return None

    @property
    def logit_cap(self) -> float | None:
        """The bound of logits, if any."""
        return None


@dataclass
class MistralConfig(LlamaConfig):
    """A Llama with a sliding window."""

    model_type: ClassVar[str] = "mistral"
    intermediate_size: int = 14336
    num_key_value_heads: int | None = 8
    max_position_embeddings: int = 131072
    sliding_window: int | None = 4096


@dataclass
class Phi3Config(LlamaConfig):
    """Phi-3 and Phi-4: a Llama whose layers of one input are one layer."""

    model_type: ClassVar[str] = "phi3"
    PARTIAL: ClassVar[bool] = True
    PACKED: ClassVar[bool] = True
    vocab_size: int = 32064
    hidden_size: int = 3072
    intermediate_size: int = 8192
    max_position_embeddings: int = 4096
    rms_norm_eps: float = 1e-5


@dataclass
class Qwen2Config(LlamaConfig):
    """A Llama with biases on queries, keys and values; a window only from layer ``max_window_layers`` on."""

    model_type: ClassVar[str] = "qwen2"
    QKV_BIAS: ClassVar[bool] = True
    ZERO: ClassVar[frozenset[str]] = frozenset({"max_window_layers"})

    vocab_size: int = 151936
    intermediate_size: int = 22016
    num_key_value_heads: int | None = 32
    max_position_embeddings: int = 32768
    use_sliding_window: bool = False
    sliding_window: int | None = 4096
    max_window_layers: int = 28

    def kind(self, layer: int) -> str:
        if not self.use_sliding_window or self.sliding_window is None:
            return FULL
        if self.layer_types is not None:
            return self.layer_types[layer]
        return SLIDING if layer >= self.max_window_layers else FULL


@dataclass
class Qwen3Config(Qwen2Config):
    """A Qwen2 without biases whose queries and keys are normalised per head."""

    model_type: ClassVar[str] = "qwen3"
    QKV_BIAS: ClassVar[bool] = False
    QK_NORM: ClassVar[str] = "head"
    head_dim: int | None = 128


@dataclass
class GemmaConfig(LlamaConfig):
    """Gemma: scales count from 1, embeddings are multiplied by the root of their size, GEGLU, tied."""

    model_type: ClassVar[str] = "gemma"
    NORM_OFFSET: ClassVar[float] = 1.0

    vocab_size: int = 256000
    hidden_size: int = 3072
    intermediate_size: int = 24576
    num_hidden_layers: int = 28
    num_attention_heads: int = 16
    num_key_value_heads: int | None = 16
    head_dim: int | None = 256
    hidden_act: str = "gelu_pytorch_tanh"
    max_position_embeddings: int = 8192
    tie_word_embeddings: bool = True

    @property
    def embedding_scale(self) -> float | None:
        return math.sqrt(self.hidden_size)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Any:
        """As of every configuration. Gemma's first files say "gelu" where the tanh form is meant."""
        if data.get("hidden_act") == "gelu":
            data = {**data, "hidden_act": "gelu_pytorch_tanh"}
        return super().from_dict(data)


@dataclass
class Gemma2Config(GemmaConfig):
    """Gemma 2: every second layer slides, four normalisations a layer, scores and logits are bounded."""

    model_type: ClassVar[str] = "gemma2"
    NORMS: ClassVar[tuple[str, str, str, str]] = (
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    )
    EVERY: ClassVar[int] = 2  # which layer sees everything

    query_pre_attn_scalar: float = 256.0
    sliding_window: int | None = 4096
    attn_logit_softcapping: float | None = 50.0
    final_logit_softcapping: float | None = 30.0

    def kind(self, layer: int) -> str:
        if self.layer_types is not None:
            return self.layer_types[layer]
        return FULL if (layer + 1) % self.EVERY == 0 else SLIDING

    @property
    def scale(self) -> float | None:
        return self.query_pre_attn_scalar**-0.5

    @property
    def residual_scale(self) -> float | None:
        """The factor on what attention and MLP add, if any."""
        return None

    @property
    def logit_scale(self) -> float | None:
        """The factor on logits, if any."""
        return None

    @property
    def score_cap(self) -> float | None:
        return self.attn_logit_softcapping

    @property
    def logit_cap(self) -> float | None:
        return self.final_logit_softcapping


@dataclass
class Gemma3Config(Gemma2Config):
    """Gemma 3 (text): every sixth layer sees everything, its positions turn slower; no bounds."""

    model_type: ClassVar[str] = "gemma3_text"
    QK_NORM: ClassVar[str] = "head"
    EVERY: ClassVar[int] = 6

    rope_theta: float = 1000000.0
    rope_local_base_freq: float = 10000.0
    attn_logit_softcapping: float | None = None
    final_logit_softcapping: float | None = None

    def rope(self, kind: str) -> tuple[int, float, dict[str, Any]]:
        nested = isinstance((self.rope_scaling or {}).get(kind), Mapping)
        if kind == SLIDING and not nested:
            return self.head_dim or 0, self.rope_local_base_freq, {}
        return super().rope(kind)
