"""The Vision Transformer under Hugging Face's names; under torchvision's: vit.py.

Source: Dosovitskiy et al., An Image is Worth 16x16 Words, 2021."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import lamina
from lamina._core import ShapeError, Tensor
from lamina.models.output import ModelOutput
from lamina.models.pretrained import PretrainedModel
from lamina.models.text.activation import activation
from lamina.models.text.attention import attend, join_heads, split_heads
from lamina.models.text.bert import run_layers
from lamina.models.text.head import LabelledConfig, classification_loss
from lamina.nn import Conv2d, Dropout, LayerNorm, Linear, Module, ModuleList, Parameter, init


@dataclass
class ViTConfig(LabelledConfig):
    """Sizes and options; the defaults are those of vit-base-patch16-224."""

    model_type: ClassVar[str] = "vit"
    ONLY: ClassVar[dict[str, tuple[Any, ...]]] = {"pooler_act": ("tanh", None)}

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    image_size: int = 224
    patch_size: int = 16
    num_channels: int = 3
    qkv_bias: bool = True

    def validate(self) -> None:
        activation(self.hidden_act)
        self.demand(
            self.hidden_size % self.num_attention_heads == 0,
            f"hidden_size={self.hidden_size} is no multiple of "
            f"num_attention_heads={self.num_attention_heads}",
        )
        self.demand(
            self.image_size % self.patch_size == 0,
            f"image_size={self.image_size} is no multiple of patch_size={self.patch_size}",
        )


class _Patches(Module):
    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        size = config.patch_size
        self.projection = Conv2d(config.num_channels, config.hidden_size, size, stride=size)


class _Embeddings(Module):
    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        patches = (config.image_size // config.patch_size) ** 2
        self.cls_token = Parameter(lamina.zeros(1, 1, config.hidden_size))
        self.position_embeddings = Parameter(lamina.zeros(1, patches + 1, config.hidden_size))
        self.patch_embeddings = _Patches(config)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embeddings.projection(pixels).flatten(2).transpose(1, 2)
        first = self.cls_token.expand(pixels.shape[0], -1, -1)
        return self.dropout(lamina.cat([first, patches], 1) + self.position_embeddings)


class _SelfAttention(Module):
    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.heads, self.rate = config.num_attention_heads, config.attention_probs_dropout_prob
        self.query, self.key, self.value = (Linear(size, size, bias=config.qkv_bias) for _ in range(3))

    def forward(self, x: Tensor, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        query, key, value = (split_heads(f(x), self.heads) for f in (self.query, self.key, self.value))
        dropout = self.rate if self.training else 0.0
        mixed, weights = attend(query, key, value, dropout=dropout, need_weights=need_weights)
        return join_heads(mixed), weights


class _Dense(Module):
    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.dense = Linear(inner, outer)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(x)


class _Attention(Module):
    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.attention = _SelfAttention(config)
        self.output = _Dense(config.hidden_size, config.hidden_size)


class ViTLayer(Module):
    """One layer, normalised before attention and before the two products."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.attention = _Attention(config)
        self.intermediate = _Dense(config.hidden_size, config.intermediate_size)
        self.output = _Dense(config.intermediate_size, config.hidden_size)
        self.layernorm_before = LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.layernorm_after = LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.act, self.dropout = activation(config.hidden_act), Dropout(config.hidden_dropout_prob)

    def forward(self, x: Tensor, mask: None, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        mixed, weights = self.attention.attention(self.layernorm_before(x), need_weights)
        x = x + self.dropout(self.attention.output(mixed))
        inner = self.act(self.intermediate(self.layernorm_after(x)))
        return x + self.dropout(self.output(inner)), weights


class _Encoder(Module):
    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.layer = ModuleList(ViTLayer(config) for _ in range(config.num_hidden_layers))


class ViTModel(PretrainedModel):
    """Images (n, channels, size, size) -> ``last_hidden_state`` (n, 1 + patches, hidden), ``pooler_output``.

    Raises:
        ShapeError: images of another size or number of channels.

    >>> config = ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=4, image_size=32)
    >>> tuple(ViTModel(config)(lamina.zeros(2, 3, 32, 32)).last_hidden_state.shape)
    (2, 5, 32)
    """

    config_class = ViTConfig
    base_model_prefix = "vit"
    OPTIONAL = r"(^|\.)pooler\."

    def __init__(self, config: ViTConfig, add_pooling_layer: bool = True) -> None:
        super().__init__(config)
        self.embeddings = _Embeddings(config)
        self.encoder = _Encoder(config)
        self.layernorm = LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.pooler = _Dense(config.hidden_size, config.hidden_size) if add_pooling_layer else None
        self.initialise()
        for parameter in (self.embeddings.cls_token, self.embeddings.position_embeddings):
            init.trunc_normal_(parameter, std=config.initializer_range)

    def forward(
        self, pixel_values: Tensor, output_hidden_states: bool = False, output_attentions: bool = False
    ) -> ModelOutput:
        size, channels = self.config.image_size, self.config.num_channels
        if pixel_values.ndim != 4 or tuple(pixel_values.shape[1:]) != (channels, size, size):
            raise ShapeError(
                f"{type(self).__name__}: expected images (n, {channels}, {size}, {size}), got "
                f"{tuple(pixel_values.shape)}"
            )
        x, states, maps = run_layers(
            self.encoder.layer, self.embeddings(pixel_values), None, output_hidden_states, output_attentions
        )
        x = self.layernorm(x)
        pooled = None if self.pooler is None else self.pooler(x[:, 0]).tanh()
        return ModelOutput(last_hidden_state=x, pooler_output=pooled, hidden_states=states, attentions=maps)


class ViTForImageClassification(PretrainedModel):
    """Images (n, channels, size, size) -> ``logits`` (n, num_labels); ``labels`` (n) give ``loss``."""

    config_class = ViTConfig
    base_model_prefix = "vit"
    OPTIONAL = ViTModel.OPTIONAL

    def __init__(self, config: ViTConfig) -> None:
        super().__init__(config)
        self.vit = ViTModel(config, add_pooling_layer=False)
        self.classifier = Linear(config.hidden_size, config.num_labels)
        init.normal_(self.classifier.weight, std=config.initializer_range)

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None, **outputs: bool) -> ModelOutput:
        out = self.vit(pixel_values, **outputs)
        logits = self.classifier(out.last_hidden_state[:, 0])
        return ModelOutput(
            loss=classification_loss(logits, labels, self.config),
            logits=logits,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )
