"""EfficientNet-B0 to B7: one network, scaled in width, depth and image size. Source: Tan and Le, 2019."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from lamina import nn
from lamina._core import Tensor
from lamina.models.network import Network

from .block import (
    Conv2dNormActivation,
    Layer,
    SqueezeExcitation,
    StochasticDepth,
    Weights,
    init_convolutions,
    make_divisible,
    with_weights,
    zeros_,
)

# Factor inside, kernel, first stride, channels in, channels out, repeats; the Lite networks share it.
STAGES = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)


class MBConv(nn.Module):
    """1 x 1 to more channels, depthwise, squeeze and excitation, 1 x 1 to few, and the identity."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        factor: int,
        kernel: int,
        stride: int,
        stochastic_depth_prob: float,
        norm_layer: Layer,
    ) -> None:
        super().__init__()
        self.use_res_connect = stride == 1 and inputs == outputs
        inside = make_divisible(inputs * factor)
        common: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        layers: list[nn.Module] = []
        if inside != inputs:
            layers.append(Conv2dNormActivation(inputs, inside, 1, **common))
        layers.append(Conv2dNormActivation(inside, inside, kernel, stride, groups=inside, **common))
        silu = partial(nn.SiLU, inplace=True)
        layers.append(SqueezeExcitation(inside, max(1, inputs // 4), activation=silu))
        layers.append(Conv2dNormActivation(inside, outputs, 1, norm_layer=norm_layer, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = outputs

    def forward(self, x: Tensor) -> Tensor:
        return self.stochastic_depth(self.block(x)) + x if self.use_res_connect else self.block(x)


class EfficientNet(Network):
    """Images (n, 3, h, w) -> (n, num_classes), with the channels and repeats of B0 scaled."""

    def __init__(
        self,
        width_mult: float,
        depth_mult: float,
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
    ) -> None:
        super().__init__()
        norm_layer = nn.BatchNorm2d if norm_layer is None else norm_layer
        common: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        counts = [math.ceil(repeats * depth_mult) for *_, repeats in STAGES]
        channels = make_divisible(32 * width_mult)
        layers: list[nn.Module] = [Conv2dNormActivation(3, channels, 3, 2, **common)]
        done = 0
        for (factor, kernel, first, _, wanted, _), count in zip(STAGES, counts, strict=True):
            outputs = make_divisible(wanted * width_mult)
            stage = []
            for i in range(count):
                chance = stochastic_depth_prob * done / sum(counts)
                stride = 1 if i else first
                stage.append(MBConv(channels, outputs, factor, kernel, stride, chance, norm_layer))
                channels = outputs
                done += 1
            layers.append(nn.Sequential(*stage))
        layers.append(Conv2dNormActivation(channels, 4 * channels, 1, **common))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = nn.Linear(4 * channels, num_classes)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), last)
        init_convolutions(self)
        bound = 1.0 / math.sqrt(num_classes)
        nn.init.uniform_(last.weight, -bound, bound)
        zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _scaled(width: float, depth: float, dropout: float, weights: Weights, options: Any) -> EfficientNet:
    return with_weights(EfficientNet(width, depth, **{"dropout": dropout, **options}), weights)


def efficientnet_b0(*, weights: Weights = None, **options: Any) -> EfficientNet:
    """EfficientNet-B0, for 224 pixels a side; 5,288,548 parameters."""
    return _scaled(1.0, 1.0, 0.2, weights, options)


def efficientnet_b1(*, weights: Weights = None, **options: Any) -> EfficientNet:
    """EfficientNet-B1, for 240 pixels a side; 7,794,184 parameters."""
    return _scaled(1.0, 1.1, 0.2, weights, options)


def efficientnet_b2(*, weights: Weights = None, **options: Any) -> EfficientNet:
    """EfficientNet-B2, for 288 pixels a side; 9,109,994 parameters."""
    return _scaled(1.1, 1.2, 0.3, weights, options)


def efficientnet_b3(*, weights: Weights = None, **options: Any) -> EfficientNet:
    """EfficientNet-B3, for 300 pixels a side; 12,233,232 parameters."""
    return _scaled(1.2, 1.4, 0.3, weights, options)


def efficientnet_b4(*, weights: Weights = None, **options: Any) -> EfficientNet:
    """EfficientNet-B4, for 380 pixels a side; 19,341,616 parameters."""
    return _scaled(1.4, 1.8, 0.4, weights, options)


# The three largest have another batch norm.
_NORM = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)


def efficientnet_b5(*, weights: Weights = None, **options: Any) -> EfficientNet:
    """EfficientNet-B5, for 456 pixels a side; 30,389,784 parameters."""
    return _scaled(1.6, 2.2, 0.4, weights, {"norm_layer": _NORM, **options})


def efficientnet_b6(*, weights: Weights = None, **options: Any) -> EfficientNet:
    """EfficientNet-B6, for 528 pixels a side; 43,040,704 parameters."""
    return _scaled(1.8, 2.6, 0.5, weights, {"norm_layer": _NORM, **options})


def efficientnet_b7(*, weights: Weights = None, **options: Any) -> EfficientNet:
    """EfficientNet-B7, for 600 pixels a side; 66,347,960 parameters."""
    return _scaled(2.0, 3.1, 0.5, weights, {"norm_layer": _NORM, **options})
