"""DenseNet: every layer of a block sees the outputs of all before it. Source: Huang et al., 2017."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import lamina
from lamina import nn
from lamina._core import Tensor
from lamina.models.network import Network

from .block import Weights, with_weights, zeros_


class _DenseLayer(nn.Module):
    def __init__(self, inputs: int, growth_rate: int, bn_size: int, drop_rate: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(inputs, bn_size * growth_rate, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(bn_size * growth_rate)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(bn_size * growth_rate, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = float(drop_rate)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        x = self.conv1(self.relu1(self.norm1(lamina.cat(list(features), 1))))
        x = self.conv2(self.relu2(self.norm2(x)))
        return nn.functional.dropout(x, self.drop_rate, self.training) if self.drop_rate > 0 else x


class _DenseBlock(nn.ModuleDict):
    def __init__(self, layers: int, inputs: int, bn_size: int, growth_rate: int, drop_rate: float) -> None:
        super().__init__()
        for i in range(layers):
            layer = _DenseLayer(inputs + i * growth_rate, growth_rate, bn_size, drop_rate)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return lamina.cat(features, 1)


class _Transition(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.pool = nn.AvgPool2d(2, 2)


class DenseNet(Network):
    """Images (n, 3, h, w), at least 29 pixels a side -> (n, num_classes).

    Every layer adds ``growth_rate`` channels, through ``bn_size`` times as many.
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(3, num_init_features, 7, 2, 3, bias=False))
        self.features.add_module("norm0", nn.BatchNorm2d(num_init_features))
        self.features.add_module("relu0", nn.ReLU(inplace=True))
        self.features.add_module("pool0", nn.MaxPool2d(3, 2, 1))
        channels = num_init_features
        for i, layers in enumerate(block_config, 1):
            block = _DenseBlock(layers, channels, bn_size, growth_rate, drop_rate)
            self.features.add_module(f"denseblock{i}", block)
            channels += layers * growth_rate
            if i < len(block_config):
                self.features.add_module(f"transition{i}", _Transition(channels, channels // 2))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.relu(self.features(x))
        return self.classifier(nn.functional.adaptive_avg_pool2d(x, (1, 1)).flatten(1))

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **options: Any) -> Any:
        """As for every module; ``norm.1`` for ``norm1``, as the first published files say, is read too."""
        old = re.compile(r"(\.denselayer\d+\.(?:norm|conv))\.([12])\.")
        named = {old.sub(r"\1\2.", name): value for name, value in state_dict.items()}
        return super().load_state_dict(named, *args, **options)


def densenet121(*, weights: Weights = None, **options: Any) -> DenseNet:
    """DenseNet-121; 7,978,856 parameters."""
    return with_weights(DenseNet(32, (6, 12, 24, 16), 64, **options), weights)


def densenet161(*, weights: Weights = None, **options: Any) -> DenseNet:
    """DenseNet-161; 28,681,000 parameters."""
    return with_weights(DenseNet(48, (6, 12, 36, 24), 96, **options), weights)


def densenet169(*, weights: Weights = None, **options: Any) -> DenseNet:
    """DenseNet-169; 14,149,480 parameters."""
    return with_weights(DenseNet(32, (6, 12, 32, 32), 64, **options), weights)


def densenet201(*, weights: Weights = None, **options: Any) -> DenseNet:
    """DenseNet-201; 20,013,928 parameters."""
    return with_weights(DenseNet(32, (6, 12, 48, 32), 64, **options), weights)
