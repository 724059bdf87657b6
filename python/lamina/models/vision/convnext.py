"""ConvNeXt: a convolutional network with the manners of a transformer. Source: Liu et al., 2022."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import lamina
from lamina import nn
from lamina._core import Tensor
from lamina.models.network import Network

from .block import Conv2dNormActivation, Layer, StochasticDepth, Weights, with_weights, zeros_


class Permute(nn.Module):
    """The dimensions in another order."""

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(*self.dims)


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of (n, c, h, w)."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    """A depthwise 7 x 7 convolution, a dense layer to four times the channels, one back, and the identity."""

    def __init__(self, dim: int, layer_scale: float, stochastic_depth_prob: float) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, 7, padding=3, groups=dim),
            Permute([0, 2, 3, 1]),
            nn.LayerNorm(dim, eps=1e-6),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Linear(4 * dim, dim),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(lamina.full((dim, 1, 1), layer_scale))
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, x: Tensor) -> Tensor:
        return self.stochastic_depth(self.layer_scale * self.block(x)) + x


class ConvNeXt(Network):
    """Images (n, 3, h, w), at least 32 pixels a side -> (n, num_classes).

    ``channels`` and ``layers`` hold those of the four stages.
    """

    def __init__(
        self,
        channels: Sequence[int],
        layers: Sequence[int],
        stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
    ) -> None:
        super().__init__()
        norm_layer = partial(LayerNorm2d, eps=1e-6) if norm_layer is None else norm_layer
        features: list[nn.Module] = [
            Conv2dNormActivation(
                3, channels[0], 4, 4, padding=0, norm_layer=norm_layer, activation_layer=None, bias=True
            )
        ]
        done = 0
        for i, (width, count) in enumerate(zip(channels, layers, strict=True)):
            if i:
                before = channels[i - 1]
                features.append(nn.Sequential(norm_layer(before), nn.Conv2d(before, width, 2, 2)))
            chances = [stochastic_depth_prob * (done + j) / (sum(layers) - 1.0) for j in range(count)]
            features.append(nn.Sequential(*(CNBlock(width, layer_scale, chance) for chance in chances)))
            done += count
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            norm_layer(channels[-1]), nn.Flatten(1), nn.Linear(channels[-1], num_classes)
        )
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, std=0.02)
                zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))


def convnext_tiny(*, weights: Weights = None, **options: Any) -> ConvNeXt:
    """ConvNeXt-Tiny; 28,589,128 parameters."""
    options = {"stochastic_depth_prob": 0.1, **options}
    return with_weights(ConvNeXt((96, 192, 384, 768), (3, 3, 9, 3), **options), weights)


def convnext_small(*, weights: Weights = None, **options: Any) -> ConvNeXt:
    """ConvNeXt-Small; 50,223,688 parameters."""
    options = {"stochastic_depth_prob": 0.4, **options}
    return with_weights(ConvNeXt((96, 192, 384, 768), (3, 3, 27, 3), **options), weights)


def convnext_base(*, weights: Weights = None, **options: Any) -> ConvNeXt:
    """ConvNeXt-Base; 88,591,464 parameters."""
    options = {"stochastic_depth_prob": 0.5, **options}
    return with_weights(ConvNeXt((128, 256, 512, 1024), (3, 3, 27, 3), **options), weights)
