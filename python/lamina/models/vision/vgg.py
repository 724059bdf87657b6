"""VGG: many small convolutions. Source: Simonyan and Zisserman, 2015."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import nn
from lamina._core import Tensor
from lamina.models.network import Network

from .block import Weights, init_convolutions, with_weights

# Convolutions before each of the five poolings, whose channels are 64, 128, 256, 512 and 512.
_COUNTS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class VGG(Network):
    """Images (n, 3, h, w), at least 32 pixels a side -> (n, num_classes): ``features``, then dense layers."""

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            init_convolutions(self, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def make_layers(cfg: Sequence[int | str], batch_norm: bool = False) -> nn.Sequential:
    """A convolution to as many channels for each number of ``cfg``, and a pooling for each ``"M"``."""
    layers: list[nn.Module] = []
    before = 3
    for step in cfg:
        if isinstance(step, str):
            layers.append(nn.MaxPool2d(2, 2))
            continue
        layers.append(nn.Conv2d(before, step, 3, padding=1))
        layers += [nn.BatchNorm2d(step)] if batch_norm else []
        layers.append(nn.ReLU(inplace=True))
        before = step
    return nn.Sequential(*layers)


def _vgg(depth: int, norm: bool, weights: Weights, options: dict[str, Any]) -> VGG:
    if weights is not None:
        options.setdefault("init_weights", False)
    channels = zip(_COUNTS[depth], (64, 128, 256, 512, 512), strict=True)
    steps: list[int | str] = []
    for count, wide in channels:
        steps += [*[wide] * count, "M"]
    return with_weights(VGG(make_layers(steps, norm), **options), weights)


def vgg11(*, weights: Weights = None, **options: Any) -> VGG:
    """VGG-11; 132,863,336 parameters."""
    return _vgg(11, False, weights, options)


def vgg11_bn(*, weights: Weights = None, **options: Any) -> VGG:
    """VGG-11 with batch norm; 132,868,840 parameters."""
    return _vgg(11, True, weights, options)


def vgg13(*, weights: Weights = None, **options: Any) -> VGG:
    """VGG-13; 133,047,848 parameters."""
    return _vgg(13, False, weights, options)


def vgg13_bn(*, weights: Weights = None, **options: Any) -> VGG:
    """VGG-13 with batch norm; 133,053,736 parameters."""
    return _vgg(13, True, weights, options)


def vgg16(*, weights: Weights = None, **options: Any) -> VGG:
    """VGG-16; 138,357,544 parameters."""
    return _vgg(16, False, weights, options)


def vgg16_bn(*, weights: Weights = None, **options: Any) -> VGG:
    """VGG-16 with batch norm; 138,365,992 parameters."""
    return _vgg(16, True, weights, options)


def vgg19(*, weights: Weights = None, **options: Any) -> VGG:
    """VGG-19; 143,667,240 parameters."""
    return _vgg(19, False, weights, options)


def vgg19_bn(*, weights: Weights = None, **options: Any) -> VGG:
    """VGG-19 with batch norm; 143,678,248 parameters."""
    return _vgg(19, True, weights, options)
