"""MobileNetV3: squeeze and excitation, hard activations. Source: Howard et al., 2019."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from lamina import nn
from lamina._core import Tensor
from lamina.models.network import Network

from .block import (
    Conv2dNormActivation,
    Layer,
    SqueezeExcitation,
    Weights,
    init_convolutions,
    make_divisible,
    with_weights,
)

# Kernel, channels inside, channels out, squeeze and excitation, hardswish, stride.
_LARGE = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)
_SMALL = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
)


class InvertedResidual(nn.Module):
    """1 x 1 to more channels, depthwise, squeeze and excitation, 1 x 1 to few, and the identity."""

    def __init__(
        self, inputs: int, plan: Sequence[int], width: float, norm_layer: Layer = nn.BatchNorm2d
    ) -> None:
        super().__init__()
        kernel, inside, outputs, squeezed, hard, stride = plan
        inside, self.out_channels = make_divisible(inside * width), make_divisible(outputs * width)
        self.use_res_connect = stride == 1 and inputs == self.out_channels
        common: dict[str, Any] = {
            "norm_layer": norm_layer,
            "activation_layer": nn.Hardswish if hard else nn.ReLU,
        }
        layers: list[nn.Module] = []
        if inside != inputs:
            layers.append(Conv2dNormActivation(inputs, inside, 1, **common))
        layers.append(Conv2dNormActivation(inside, inside, kernel, stride, groups=inside, **common))
        if squeezed:
            layers.append(
                SqueezeExcitation(inside, make_divisible(inside // 4), scale_activation=nn.Hardsigmoid)
            )
        common["activation_layer"] = None
        layers.append(Conv2dNormActivation(inside, self.out_channels, 1, **common))
        self.block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x) + x if self.use_res_connect else self.block(x)


class MobileNetV3(Network):
    """Images (n, 3, h, w) -> (n, num_classes), after ``setting``: a row for each block."""

    def __init__(
        self,
        setting: Sequence[Sequence[int]],
        last_channel: int,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
        dropout: float = 0.2,
        width_mult: float = 1.0,
    ) -> None:
        super().__init__()
        norm_layer = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01) if norm_layer is None else norm_layer
        common: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.Hardswish}
        channels = make_divisible(16 * width_mult)
        layers: list[nn.Module] = [Conv2dNormActivation(3, channels, 3, 2, **common)]
        for plan in setting:
            block = InvertedResidual(channels, plan, width_mult, norm_layer)
            layers.append(block)
            channels = block.out_channels
        layers.append(Conv2dNormActivation(channels, 6 * channels, 1, **common))
        last_channel = make_divisible(last_channel * width_mult)
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * channels, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(p=dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        init_convolutions(self, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def mobilenet_v3_large(*, weights: Weights = None, **options: Any) -> MobileNetV3:
    """MobileNetV3 Large; 5,483,032 parameters."""
    return with_weights(MobileNetV3(_LARGE, 1280, **options), weights)


def mobilenet_v3_small(*, weights: Weights = None, **options: Any) -> MobileNetV3:
    """MobileNetV3 Small; 2,542,856 parameters."""
    return with_weights(MobileNetV3(_SMALL, 1024, **options), weights)
