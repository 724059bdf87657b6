"""What several networks are built of: convolution with normalisation, squeeze and excitation, random depth.

Also how a constructor takes the weights of a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import lamina
from lamina import nn
from lamina._core import Tensor

Weights = str | os.PathLike | Mapping[str, Tensor] | None
Layer = Callable[..., nn.Module]
Model = TypeVar("Model", bound=nn.Module)


def with_weights(model: Model, weights: Weights) -> Model:
    """``model`` with the tensors of ``weights``: a state dict, or the path of a file that holds one.

    Raises:
        FileNotFoundError: no such file; nothing is downloaded.
        ShapeError: names or shapes that do not fit.
    """
    if weights is None:
        return model
    if isinstance(weights, Mapping):
        state = weights
    else:
        if not Path(weights).is_file():
            raise FileNotFoundError(
                f"{type(model).__name__}: weights={os.fspath(weights)!r} is no file; pass the path of a "
                "checkpoint or a state dict, for lamina downloads nothing"
            )
        state = lamina.io.weights_in(lamina.load(weights), os.fspath(weights))
    model.load_state_dict(state)
    return model


def make_divisible(value: float, divisor: int = 8) -> int:
    """The multiple of ``divisor`` nearest to ``value``, but not below nine tenths of it.

    >>> make_divisible(37.0), make_divisible(11.0)
    (40, 16)
    """
    nearest = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * value else nearest


class Conv2dNormActivation(nn.Sequential):
    """A convolution that keeps the size up to its stride, then normalisation and an activation (None: not).

    There is a bias where there is no normalisation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        norm_layer: Layer | None = nn.BatchNorm2d,
        activation_layer: Layer | None = nn.ReLU,
        dilation: int = 1,
        bias: bool | None = None,
    ) -> None:
        padding = (kernel_size - 1) // 2 * dilation if padding is None else padding
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                stride,
                padding,
                dilation=dilation,
                groups=groups,
                bias=norm_layer is None if bias is None else bias,
            )
        ]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer(inplace=True))
        super().__init__(*layers)
        self.out_channels = out_channels


class SqueezeExcitation(nn.Module):
    """Channels of (n, c, h, w) scaled by a gate that sees their means. Source: Hu et al., 2018."""

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Layer = nn.ReLU,
        scale_activation: Layer = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Tensor) -> Tensor:
        gate = self.fc2(self.activation(self.fc1(self.avgpool(input))))
        return self.scale_activation(gate) * input


class StochasticDepth(nn.Module):
    """In training each sample becomes zeros with probability ``p``; the others are scaled by ``1 / (1 - p)``.

    Source: Huang et al., Deep Networks with Stochastic Depth, 2016.
    """

    def __init__(self, p: float, mode: str = "row") -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
        if mode not in ("batch", "row"):
            raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
        self.p = p
        self.mode = mode

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return input
        samples = input.shape[0] if self.mode == "row" else 1
        kept = input.new_ones([samples] + [1] * (input.ndim - 1))
        return input * nn.functional.dropout(kept, self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode}"


def zeros_(*parameters: Tensor | None) -> None:
    """Fill what is there with zeros."""
    for parameter in parameters:
        if parameter is not None:
            nn.init.zeros_(parameter)


def init_convolutions(model: nn.Module, spread: float | None = None) -> None:
    """Starting values of He et al., 2015, for convolutions; norms become the identity, biases 0.

    Weights of linear layers are drawn from N(0, ``spread``); they and their biases are left alone if that is
    None.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            zeros_(module.bias)
        elif isinstance(module, nn.Linear) and spread is not None:
            nn.init.normal_(module.weight, 0.0, spread)
            zeros_(module.bias)
