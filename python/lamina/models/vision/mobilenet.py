"""MobileNetV2: depthwise convolutions between thin layers. Source: Sandler et al., 2018."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import nn
from lamina._core import Tensor
from lamina.models.network import Network

from .block import Conv2dNormActivation, Layer, Weights, init_convolutions, make_divisible, with_weights

# Factor inside, channels out, repeats, first stride.
_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """A block of MobileNetV2: 1 x 1 to more channels, 3 x 3 depthwise, 1 x 1 to few, and the identity."""

    def __init__(
        self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Layer = nn.BatchNorm2d
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        inside = round(inp * expand_ratio)
        common: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.ReLU6}
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, inside, 1, **common))
        layers.append(Conv2dNormActivation(inside, inside, 3, stride, groups=inside, **common))
        layers += [nn.Conv2d(inside, oup, 1, bias=False), norm_layer(oup)]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(Network):
    """Images (n, 3, h, w) -> (n, num_classes); ``width_mult`` scales all channels."""

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        norm_layer: Layer = nn.BatchNorm2d,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        plan = _V2 if inverted_residual_setting is None else inverted_residual_setting
        common: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.ReLU6}
        channels = make_divisible(32 * width_mult, round_nearest)
        layers: list[nn.Module] = [Conv2dNormActivation(3, channels, 3, 2, **common)]
        for factor, wanted, repeats, first in plan:
            outputs = make_divisible(wanted * width_mult, round_nearest)
            for i in range(repeats):
                layers.append(InvertedResidual(channels, outputs, 1 if i else first, factor, norm_layer))
                channels = outputs
        self.last_channel = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        layers.append(Conv2dNormActivation(channels, self.last_channel, 1, **common))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes))
        init_convolutions(self, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(x.flatten(1))


def mobilenet_v2(*, weights: Weights = None, **options: Any) -> MobileNetV2:
    """MobileNetV2; 3,504,872 parameters."""
    return with_weights(MobileNetV2(**options), weights)
