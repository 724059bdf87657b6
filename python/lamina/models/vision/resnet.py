"""ResNet, ResNeXt and wide ResNets: sums of a block's input and what it makes of it.

Sources: He et al., 2016; Xie et al., 2017; Zagoruyko and Komodakis, 2016."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import nn
from lamina._core import Tensor
from lamina.models.network import Network

from .block import Layer, Weights, init_convolutions, with_weights


def conv3x3(inputs: int, outputs: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, groups, bias=False)


def conv1x1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside the identity: (n, inplanes, h, w) -> (n, planes, h', w')."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Layer = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        if groups != 1 or base_width != 64 or dilation > 1:
            raise ValueError("BasicBlock only supports groups=1, base_width=64 and dilation=1")
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + kept)


class Bottleneck(nn.Module):
    """Convolutions 1 x 1, 3 x 3 with the stride, 1 x 1: (n, inplanes, h, w) -> (n, 4 * planes, h', w')."""

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Layer = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm_layer(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm_layer(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm_layer(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + kept)


class ResNet(Network):
    """Images (n, 3, h, w) -> (n, num_classes): a stem, four stages of blocks, a mean and a linear layer.

    ``zero_init_residual`` starts each block as the identity; ``replace_stride_with_dilation`` keeps the
    size in any of the last three stages.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Layer | None = None,
    ) -> None:
        super().__init__()
        self._norm_layer = norm_layer = nn.BatchNorm2d if norm_layer is None else norm_layer
        self.inplanes, self.dilation = 64, 1
        self.groups, self.base_width = groups, width_per_group
        dilated = [False] * 3 if replace_stride_with_dilation is None else replace_stride_with_dilation
        if len(dilated) != 3:
            raise ValueError(
                "replace_stride_with_dilation should be None or a 3-element tuple, "
                f"got {replace_stride_with_dilation}"
            )
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], 2, dilated[0])
        self.layer3 = self._make_layer(block, 256, layers[2], 2, dilated[1])
        self.layer4 = self._make_layer(block, 512, layers[3], 2, dilated[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        init_convolutions(self)
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, (BasicBlock, Bottleneck)):
                    last: Any = module.bn3 if isinstance(module, Bottleneck) else module.bn2
                    nn.init.zeros_(last.weight)

    def _make_layer(
        self, block: Any, planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        first_dilation = self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        downsample = None
        if stride != 1 or self.inplanes != planes * block.expansion:
            downsample = nn.Sequential(
                conv1x1(self.inplanes, planes * block.expansion, stride),
                self._norm_layer(planes * block.expansion),
            )
        made = []
        for i in range(blocks):
            dilation = self.dilation if i else first_dilation
            shape = (self.groups, self.base_width, dilation, self._norm_layer)
            made.append(block(self.inplanes, planes, 1 if i else stride, None if i else downsample, *shape))
            self.inplanes = planes * block.expansion
        return nn.Sequential(*made)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def resnet18(*, weights: Weights = None, **options: Any) -> ResNet:
    """ResNet-18; 11,689,512 parameters.

    >>> resnet18(num_classes=10)(lamina.zeros(2, 3, 32, 32)).shape[1]
    10
    """
    return with_weights(ResNet(BasicBlock, (2, 2, 2, 2), **options), weights)


def resnet34(*, weights: Weights = None, **options: Any) -> ResNet:
    """ResNet-34; 21,797,672 parameters."""
    return with_weights(ResNet(BasicBlock, (3, 4, 6, 3), **options), weights)


def resnet50(*, weights: Weights = None, **options: Any) -> ResNet:
    """ResNet-50, its stride in the 3 x 3 convolution; 25,557,032 parameters."""
    return with_weights(ResNet(Bottleneck, (3, 4, 6, 3), **options), weights)


def resnet101(*, weights: Weights = None, **options: Any) -> ResNet:
    """ResNet-101; 44,549,160 parameters."""
    return with_weights(ResNet(Bottleneck, (3, 4, 23, 3), **options), weights)


def resnet152(*, weights: Weights = None, **options: Any) -> ResNet:
    """ResNet-152; 60,192,808 parameters."""
    return with_weights(ResNet(Bottleneck, (3, 8, 36, 3), **options), weights)


def resnext50_32x4d(*, weights: Weights = None, **options: Any) -> ResNet:
    """ResNeXt-50 of 32 groups of 4 channels; 25,028,904 parameters."""
    options = {"groups": 32, "width_per_group": 4, **options}
    return with_weights(ResNet(Bottleneck, (3, 4, 6, 3), **options), weights)


def resnext101_32x8d(*, weights: Weights = None, **options: Any) -> ResNet:
    """ResNeXt-101 of 32 groups of 8 channels; 88,791,336 parameters."""
    options = {"groups": 32, "width_per_group": 8, **options}
    return with_weights(ResNet(Bottleneck, (3, 4, 23, 3), **options), weights)


def wide_resnet50_2(*, weights: Weights = None, **options: Any) -> ResNet:
    """ResNet-50 with twice the channels inside of its blocks; 68,883,240 parameters."""
    return with_weights(ResNet(Bottleneck, (3, 4, 6, 3), **{"width_per_group": 128, **options}), weights)


def wide_resnet101_2(*, weights: Weights = None, **options: Any) -> ResNet:
    """ResNet-101 with twice the channels inside of its blocks; 126,886,696 parameters."""
    return with_weights(ResNet(Bottleneck, (3, 4, 23, 3), **{"width_per_group": 128, **options}), weights)
