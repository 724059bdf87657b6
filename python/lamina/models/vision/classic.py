"""The two that began it: LeNet-5, which read the digits of cheques, and AlexNet, which won ImageNet.

Sources: LeCun et al., 1998; Krizhevsky, One Weird Trick for Parallelizing CNNs, 2014."""

from __future__ import annotations

from typing import Any

from lamina import nn
from lamina._core import Tensor
from lamina.models.network import Network

from .block import Weights, with_weights


class LeNet5(Network):
    """Grey images (n, 1, 28, 28) -> (n, num_classes): two convolutions, three dense layers."""

    def __init__(self, num_classes: int = 10, activation: Any = nn.Tanh) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2),
            activation(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            activation(),
            nn.AvgPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            activation(),
            nn.Linear(120, 84),
            activation(),
            nn.Linear(84, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


def lenet5(*, weights: Weights = None, **options: Any) -> LeNet5:
    """LeNet-5 for 28 x 28 pixels; 61,706 parameters.

    >>> lenet5()(lamina.zeros(1, 1, 28, 28)).shape[1]
    10
    """
    return with_weights(LeNet5(**options), weights)


class AlexNet(Network):
    """Images (n, 3, h, w), at least 63 pixels a side -> (n, num_classes)."""

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, 4, 2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def alexnet(*, weights: Weights = None, **options: Any) -> AlexNet:
    """AlexNet; 61,100,840 parameters."""
    return with_weights(AlexNet(**options), weights)
