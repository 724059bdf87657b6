"""EfficientNet-Lite0 to 2: without squeeze and excitation, ReLU6 in place of SiLU, a fixed stem and head.

The names and TensorFlow's padding are those of the published weights. Source: Tan and Le, 2019."""

from __future__ import annotations

import math
from typing import Any

from lamina import nn
from lamina._core import Tensor
from lamina.models.network import Network

from .block import StochasticDepth, Weights, init_convolutions, make_divisible, with_weights
from .efficientnet import STAGES

F = nn.functional


class Conv2dStaticSamePadding(nn.Conv2d):
    """A convolution to ceil(size / stride), padded as TensorFlow does: what is odd goes right and below."""

    def forward(self, input: Tensor) -> Tensor:
        borders = []
        for size, kernel, step in zip(input.shape[-2:], self.kernel_size, self.stride, strict=True):
            total = max((-(-size // step) - 1) * step + kernel - size, 0)
            borders.append((total // 2, total - total // 2))
        (top, bottom), (left, right) = borders
        if (top, left) != (bottom, right):
            input = F.pad(input, (left, right, top, bottom))
            top = left = 0
        return F.conv2d(input, self.weight, self.bias, self.stride, (top, left), self.dilation, self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return Conv2dStaticSamePadding(inputs, outputs, kernel, stride, groups=groups, bias=False)


class MBConvBlock(nn.Module):
    """1 x 1 to more channels, depthwise, 1 x 1 to few, and the identity."""

    def __init__(
        self, inputs: int, outputs: int, factor: int, kernel: int, stride: int, chance: float
    ) -> None:
        super().__init__()
        inside = inputs * factor
        self.has_expansion = factor != 1
        self.use_res_connect = stride == 1 and inputs == outputs
        if self.has_expansion:
            self._expand_conv = _conv(inputs, inside, 1)
            self._bn0 = _norm(inside)
        self._depthwise_conv = _conv(inside, inside, kernel, stride, inside)
        self._bn1 = _norm(inside)
        self._project_conv = _conv(inside, outputs, 1)
        self._bn2 = _norm(outputs)
        self._relu = nn.ReLU6(inplace=True)
        self._drop = StochasticDepth(chance, "row")

    def forward(self, x: Tensor) -> Tensor:
        kept = x
        if self.has_expansion:
            x = self._relu(self._bn0(self._expand_conv(x)))
        x = self._relu(self._bn1(self._depthwise_conv(x)))
        x = self._bn2(self._project_conv(x))
        return self._drop(x) + kept if self.use_res_connect else x


class EfficientNetLite(Network):
    """Images (n, 3, h, w) of values ``(x - 127) / 128`` -> (n, num_classes)."""

    def __init__(
        self,
        width_mult: float,
        depth_mult: float,
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        # The first and the last stage keep their number of blocks, the stem and the head their channels.
        counts = [math.ceil(repeats * depth_mult) for *_, repeats in STAGES]
        counts[0], counts[-1] = STAGES[0][-1], STAGES[-1][-1]
        channels = 32
        self._conv_stem = _conv(3, channels, 3, 2)
        self._bn0 = _norm(channels)
        blocks: list[nn.Module] = []
        for (factor, kernel, first, _, wanted, _), count in zip(STAGES, counts, strict=True):
            outputs = make_divisible(wanted * width_mult)
            for i in range(count):
                chance = stochastic_depth_prob * len(blocks) / sum(counts)
                blocks.append(MBConvBlock(channels, outputs, factor, kernel, 1 if i else first, chance))
                channels = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _conv(channels, 1280, 1)
        self._bn1 = _norm(1280)
        self._avg_pooling = nn.AdaptiveAvgPool2d(1)
        self._dropout = nn.Dropout(dropout)
        self._fc = nn.Linear(1280, num_classes)
        self._relu = nn.ReLU6(inplace=True)
        init_convolutions(self)

    def extract_features(self, x: Tensor) -> Tensor:
        """The 1280 channels before the mean: (n, 3, h, w) -> (n, 1280, ceil(h / 32), ceil(w / 32))."""
        x = self._relu(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return self._relu(self._bn1(self._conv_head(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self._fc(self._dropout(self._avg_pooling(self.extract_features(x)).flatten(1)))


def _lite(width: float, depth: float, dropout: float, weights: Weights, options: Any) -> EfficientNetLite:
    return with_weights(EfficientNetLite(width, depth, **{"dropout": dropout, **options}), weights)


def efficientnet_lite0(*, weights: Weights = None, **options: Any) -> EfficientNetLite:
    """EfficientNet-Lite0, for 224 pixels a side; 4,652,008 parameters."""
    return _lite(1.0, 1.0, 0.2, weights, options)


def efficientnet_lite1(*, weights: Weights = None, **options: Any) -> EfficientNetLite:
    """EfficientNet-Lite1, for 240 pixels a side; 5,416,680 parameters."""
    return _lite(1.0, 1.1, 0.2, weights, options)


def efficientnet_lite2(*, weights: Weights = None, **options: Any) -> EfficientNetLite:
    """EfficientNet-Lite2, for 260 pixels a side; 6,092,072 parameters."""
    return _lite(1.1, 1.2, 0.3, weights, options)
