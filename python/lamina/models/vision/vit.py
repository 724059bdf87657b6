"""Vision transformers: patches of an image as words. Source: Dosovitskiy et al., 2021."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import lamina
from lamina import nn
from lamina._core import Tensor
from lamina.models.network import Network

from .block import Layer, Weights, with_weights, zeros_

_NORM = partial(nn.LayerNorm, eps=1e-6)


class MLPBlock(nn.Sequential):
    """Two dense layers with a GELU between: (..., in_dim) -> (..., in_dim)."""

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        first, second = nn.Linear(in_dim, mlp_dim), nn.Linear(mlp_dim, in_dim)
        super().__init__(first, nn.GELU(), nn.Dropout(dropout), second, nn.Dropout(dropout))
        for layer in (first, second):
            nn.init.xavier_uniform_(layer.weight)
            bias: Any = layer.bias
            nn.init.normal_(bias, std=1e-6)


class EncoderBlock(nn.Module):
    """Attention and two dense layers, each normalised before and added to its input: (n, length, dim)."""

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Layer,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(
            hidden_dim, num_heads, dropout=attention_dropout, batch_first=True
        )
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        x = self.ln_1(input)
        x = self.dropout(self.self_attention(x, x, x, need_weights=False)[0]) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Places added, then the blocks and a last normalisation: (n, seq_length, hidden_dim) -> the same."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        hidden_dim: int,
        dropout: float,
        block: Callable[[], Any],
        norm: Layer,
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(lamina.empty(1, seq_length, hidden_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential()
        for i in range(num_layers):
            self.layers.add_module(f"encoder_layer_{i}", block())
        self.ln = norm(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(Network):
    """Images (n, 3, image_size, image_size) -> (n, num_classes).

    Raises:
        ShapeError: the image has another size, or the size is no multiple of the patch.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Layer = _NORM,
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            raise lamina.ShapeError(
                f"VisionTransformer: image size {image_size} is no multiple of the patch's {patch_size}"
            )
        self.image_size, self.patch_size, self.hidden_dim = image_size, patch_size, hidden_dim
        self.num_classes, self.representation_size = num_classes, representation_size
        self.conv_proj = nn.Conv2d(3, hidden_dim, patch_size, patch_size)
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.class_token = nn.Parameter(lamina.zeros(1, 1, hidden_dim))
        block = partial(EncoderBlock, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer)
        self.encoder = Encoder(self.seq_length, num_layers, hidden_dim, dropout, block, norm_layer)
        self.heads = nn.Sequential()
        if representation_size is not None:
            pre_logits = nn.Linear(hidden_dim, representation_size)
            nn.init.trunc_normal_(pre_logits.weight, std=math.sqrt(1 / hidden_dim))
            zeros_(pre_logits.bias)
            self.heads.add_module("pre_logits", pre_logits)
            self.heads.add_module("act", nn.Tanh())
        head = nn.Linear(representation_size or hidden_dim, num_classes)
        self.heads.add_module("head", head)
        nn.init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / (3 * patch_size**2)))
        zeros_(self.conv_proj.bias, head.weight, head.bias)

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[1:]) != (3, self.image_size, self.image_size):
            raise lamina.ShapeError(
                f"VisionTransformer: expected images (n, 3, {self.image_size}, {self.image_size}), "
                f"got {tuple(x.shape)}"
            )
        x = self.conv_proj(x).flatten(2).permute(0, 2, 1)
        x = lamina.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1)
        return self.heads(self.encoder(x)[:, 0])


def _vit(
    patch: int, layers: int, heads: int, dim: int, mlp: int, weights: Weights, options: Any
) -> VisionTransformer:
    size = options.pop("image_size", 224)
    return with_weights(VisionTransformer(size, patch, layers, heads, dim, mlp, **options), weights)


def vit_b_16(*, weights: Weights = None, **options: Any) -> VisionTransformer:
    """ViT-B/16; 86,567,656 parameters at 224 pixels a side (``image_size``)."""
    return _vit(16, 12, 12, 768, 3072, weights, options)


def vit_b_32(*, weights: Weights = None, **options: Any) -> VisionTransformer:
    """ViT-B/32; 88,224,232 parameters at 224 pixels a side (``image_size``)."""
    return _vit(32, 12, 12, 768, 3072, weights, options)


def vit_l_16(*, weights: Weights = None, **options: Any) -> VisionTransformer:
    """ViT-L/16; 304,326,632 parameters at 224 pixels a side (``image_size``)."""
    return _vit(16, 24, 16, 1024, 4096, weights, options)


def vit_l_32(*, weights: Weights = None, **options: Any) -> VisionTransformer:
    """ViT-L/32; 306,535,400 parameters at 224 pixels a side (``image_size``)."""
    return _vit(32, 24, 16, 1024, 4096, weights, options)
