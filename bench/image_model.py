"""Convolutional networks that are timed, written once for every library that has PyTorch's names: `torch` is
PyTorch or lamina. Their shapes are those of the papers; nobody loads weights into them."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def resnet(torch: ModuleType, depths: tuple[int, ...], bottleneck: bool) -> Any:
    """ResNet-18 is (2, 2, 2, 2) without bottlenecks, ResNet-50 (3, 4, 6, 3) with them (He et al. 2015)."""
    nn = torch.nn

    def unit(c_in: int, c_out: int, kernel: int, stride: int = 1) -> list[Any]:
        conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
        return [conv, nn.BatchNorm2d(c_out)]

    class Block(nn.Module):
        def __init__(self, c_in: int, width: int, c_out: int, stride: int) -> None:
            super().__init__()
            relu = nn.ReLU(inplace=True)
            if bottleneck:
                middle = unit(width, width, 3, stride)
                layers = [*unit(c_in, width, 1), relu, *middle, relu, *unit(width, c_out, 1)]
            else:
                layers = [*unit(c_in, width, 3, stride), relu, *unit(width, c_out, 3)]
            self.body = nn.Sequential(*layers)
            same = stride == 1 and c_in == c_out
            self.skip = nn.Identity() if same else nn.Sequential(*unit(c_in, c_out, 1, stride))
            self.relu = relu

        def forward(self, x: Any) -> Any:
            return self.relu(self.body(x) + self.skip(x))

    layers = [*unit(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    c_in = 64
    for stage, depth in enumerate(depths):
        width = 64 << stage
        c_out = width * (4 if bottleneck else 1)
        for block in range(depth):
            layers.append(Block(c_in, width, c_out, 2 if stage and not block else 1))
            c_in = c_out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, 1000))


def resnet18(torch: ModuleType) -> Any:
    return resnet(torch, (2, 2, 2, 2), False)


def resnet50(torch: ModuleType) -> Any:
    return resnet(torch, (3, 4, 6, 3), True)


def vgg11(torch: ModuleType) -> Any:
    """Simonyan and Zisserman 2014, configuration A."""
    nn = torch.nn
    layers: list[Any] = []
    c_in = 3
    for c in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):
        if c:
            layers += [nn.Conv2d(c_in, c, 3, padding=1), nn.ReLU(inplace=True)]
            c_in = c
        else:
            layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Linear(512 * 49, 4096), nn.ReLU(inplace=True), nn.Dropout()]
    layers += [nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers)


def efficient_net(torch: ModuleType, lite: bool = False) -> Any:
    """The widths and depths of EfficientNet-B0 (Tan and Le 2019).

    ``lite``: EfficientNet-Lite0, the same without gates and with ReLU6.
    """
    nn = torch.nn
    act = nn.ReLU6 if lite else nn.SiLU

    def unit(c_in: int, c_out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[Any]:
        conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        return [conv, nn.BatchNorm2d(c_out)]

    class Block(nn.Module):
        def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expand: int) -> None:
            super().__init__()
            middle, squeezed = c_in * expand, max(1, c_in // 4)
            bend = act(inplace=True)
            widen = [*unit(c_in, middle), bend] if expand > 1 else []
            self.body = nn.Sequential(*widen, *unit(middle, middle, kernel, stride, middle), bend)
            self.gate = None if lite else nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Conv2d(middle, squeezed, 1), bend,
                nn.Conv2d(squeezed, middle, 1), nn.Sigmoid(),
            )  # fmt: skip
            self.project = nn.Sequential(*unit(middle, c_out))
            self.adds = stride == 1 and c_in == c_out

        def forward(self, x: Any) -> Any:
            y = self.body(x)
            y = self.project(y if self.gate is None else y * self.gate(y))
            return x + y if self.adds else y

    layers: list[Any] = [*unit(3, 32, 3, 2), act(inplace=True)]
    c_in = 32
    stages = [(1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3)]
    stages += [(6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)]
    for expand, c_out, depth, stride, kernel in stages:
        for block in range(depth):
            layers.append(Block(c_in, c_out, kernel, 1 if block else stride, expand))
            c_in = c_out
    layers += [*unit(c_in, 1280), act(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(1280, 1000))


def efficient_net_lite(torch: ModuleType) -> Any:
    """EfficientNet-Lite0."""
    return efficient_net(torch, lite=True)


def lenet(torch: ModuleType) -> Any:
    """LeCun et al. 1998, with rectifiers and maxima as it is written today; images of 28x28."""
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
