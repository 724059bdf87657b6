"""U-Net: down to a coarse picture and up again, with bridges at each size. Source: Ronneberger et al., 2015.

Names as in the PyTorch form whose weights are most shared: ``inc``, ``down1`` ... ``up4``, ``outc``."""

from __future__ import annotations

from typing import Any

import lamina
from lamina import nn
from lamina._core import Tensor
from lamina.models.network import Network

from .block import Weights, with_weights


class DoubleConv(nn.Module):
    """Twice a 3 x 3 convolution, batch norm and ReLU: (n, in_channels, h, w) -> (n, out_channels, h, w)."""

    def __init__(self, in_channels: int, out_channels: int, mid_channels: int | None = None) -> None:
        super().__init__()
        middle = out_channels if mid_channels is None else mid_channels
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, middle, 3, padding=1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.double_conv(x)


class Down(nn.Module):
    """Half the size by a maximum, then ``DoubleConv``."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.maxpool_conv(x)


class Up(nn.Module):
    """Twice the size, joined with what was kept on the way down, then ``DoubleConv``."""

    def __init__(self, in_channels: int, out_channels: int, bilinear: bool) -> None:
        super().__init__()
        half = in_channels // 2
        if bilinear:
            self.up: nn.Module = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        else:
            self.up = nn.ConvTranspose2d(in_channels, half, 2, 2)
        self.conv = DoubleConv(in_channels, out_channels, half if bilinear else None)

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        x = self.up(x)
        below, beside = (kept.shape[-2] - x.shape[-2], kept.shape[-1] - x.shape[-1])
        if below or beside:  # an odd size was cut on the way down
            x = nn.functional.pad(x, (beside // 2, beside - beside // 2, below // 2, below - below // 2))
        return self.conv(lamina.cat([kept, x], 1))


class OutConv(nn.Module):
    """A 1 x 1 convolution to the classes."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class UNet(Network):
    """Images (n, n_channels, h, w), at least 16 pixels a side -> scores (n, n_classes, h, w)."""

    def __init__(self, n_channels: int = 3, n_classes: int = 2, bilinear: bool = False) -> None:
        super().__init__()
        self.n_channels, self.n_classes, self.bilinear = n_channels, n_classes, bilinear
        factor = 2 if bilinear else 1
        self.inc = DoubleConv(n_channels, 64)
        self.down1 = Down(64, 128)
        self.down2 = Down(128, 256)
        self.down3 = Down(256, 512)
        self.down4 = Down(512, 1024 // factor)
        self.up1 = Up(1024, 512 // factor, bilinear)
        self.up2 = Up(512, 256 // factor, bilinear)
        self.up3 = Up(256, 128 // factor, bilinear)
        self.up4 = Up(128, 64, bilinear)
        self.outc = OutConv(64, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        kept = [self.inc(x)]
        for down in (self.down1, self.down2, self.down3, self.down4):
            kept.append(down(kept[-1]))
        x = kept.pop()
        for up in (self.up1, self.up2, self.up3, self.up4):
            x = up(x, kept.pop())
        return self.outc(x)


def unet(*, weights: Weights = None, **options: Any) -> UNet:
    """U-Net for ``n_channels=3`` and ``n_classes=2``; 31,037,698 parameters.

    >>> unet(n_classes=1)(lamina.zeros(1, 3, 32, 32)).shape[1]
    1
    """
    return with_weights(UNet(**options), weights)
