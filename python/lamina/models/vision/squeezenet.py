"""SqueezeNet: AlexNet's accuracy in a fiftieth of its weights. Source: Iandola et al., 2016."""

from __future__ import annotations

from typing import Any

import lamina
from lamina import nn
from lamina._core import Tensor
from lamina.models.network import Network

from .block import Weights, with_weights, zeros_


class Fire(nn.Module):
    """A 1 x 1 convolution to few channels, then 1 x 1 and 3 x 3 convolutions side by side."""

    def __init__(
        self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int
    ) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        narrow = self.expand1x1_activation(self.expand1x1(x))
        wide = self.expand3x3_activation(self.expand3x3(x))
        return lamina.cat([narrow, wide], 1)


# Stem (channels, kernel); then the outputs of each half of a fire (squeezed to a quarter), 0 for a pool.
_VERSIONS = {
    "1_0": ((96, 7), (0, 64, 64, 128, 0, 128, 192, 192, 256, 0, 256)),
    "1_1": ((64, 3), (0, 64, 64, 0, 128, 128, 0, 192, 192, 256, 256)),
}


class SqueezeNet(Network):
    """Images (n, 3, h, w), at least 21 pixels a side (version 1_1: 17) -> (n, num_classes)."""

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        if version not in _VERSIONS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        (channels, kernel), plan = _VERSIONS[version]
        layers: list[nn.Module] = [nn.Conv2d(3, channels, kernel, 2), nn.ReLU(inplace=True)]
        for half in plan:
            if half:
                layers.append(Fire(channels, half // 4, half, half))
                channels = 2 * half
            else:
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        self.num_classes = num_classes
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is last:
                    nn.init.normal_(module.weight, 0.0, 0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


def squeezenet1_0(*, weights: Weights = None, **options: Any) -> SqueezeNet:
    """SqueezeNet 1.0; 1,248,424 parameters."""
    return with_weights(SqueezeNet("1_0", **options), weights)


def squeezenet1_1(*, weights: Weights = None, **options: Any) -> SqueezeNet:
    """SqueezeNet 1.1, which computes less than half as much; 1,235,496 parameters."""
    return with_weights(SqueezeNet("1_1", **options), weights)
