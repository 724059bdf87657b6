"""Low-rank adapters: a frozen linear layer plus a small product that learns. Hu et al., "LoRA", 2021.

The names of the weights stay; an adapter adds ``lora_A`` (rank, in) and ``lora_B`` (out, rank) to them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import lamina
from lamina import nn
from lamina._core import Tensor
from lamina.nn import functional as F
from lamina.nn import init


class LoRALinear(nn.Linear):
    """``y = x W^T + b + (alpha / rank) dropout(x) A^T B^T``; W and b are frozen, B starts as zero."""

    def __init__(self, linear: nn.Linear, rank: int, alpha: float, dropout: float) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.rank, self.scale = rank, alpha / rank
        self.weight, self.bias = linear.weight, linear.bias
        self.dropout = nn.Dropout(dropout)
        self.lora_A = nn.Parameter(linear.weight.new_empty(rank, self.in_features))
        self.lora_B = nn.Parameter(linear.weight.new_zeros(self.out_features, rank))
        init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        self.train(linear.training)

    def forward(self, input: Tensor) -> Tensor:
        small = F.linear(F.linear(self.dropout(input), self.lora_A), self.lora_B)
        return super().forward(input) + small * self.scale

    def merged(self) -> nn.Linear:
        """A plain layer that computes the same."""
        linear = nn.Linear.__new__(nn.Linear)
        nn.Module.__init__(linear)
        linear.in_features, linear.out_features = self.in_features, self.out_features
        with lamina.no_grad():
            weight = self.weight + (self.lora_B @ self.lora_A) * self.scale
        linear.weight, linear.bias = nn.Parameter(weight), self.bias
        return linear.train(self.training)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, rank={self.rank}"


def attach(
    model: nn.Module, *patterns: str, rank: int = 8, alpha: float = 16.0, dropout: float = 0.0
) -> nn.Module:
    """Freeze the model and give every linear layer of these names an adapter; returns the model.

    Args:
        patterns: of the shell, over the names of ``named_modules``, such as ``"*.query"``; all if none.
        rank, alpha: size and weight of the adapters.
        dropout: on what goes into them.

    Raises:
        ValueError: no linear layer has such a name, or the rank is not positive.

    >>> model = attach(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 2)), "0", rank=4)
    """
    if rank < 1:
        raise ValueError(f"lora.attach: rank must be positive, got {rank}")
    names = [
        name
        for name, one in model.named_modules()
        if name
        and isinstance(one, nn.Linear)
        and not isinstance(one, LoRALinear)
        and (not patterns or any(fnmatchcase(name, pattern) for pattern in patterns))
    ]
    if not names:
        raise ValueError(f"lora.attach: no linear layer of the model is called {' or '.join(patterns)}")
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for name in names:
        linear = model.get_submodule(name)
        assert isinstance(linear, nn.Linear)
        _replace(model, name, LoRALinear(linear, rank, alpha, dropout))
    return model


def merge(model: nn.Module) -> nn.Module:
    """Work the adapters into the weights, which leaves plain layers; everything may learn again."""
    for name, adapter in adapters(model).items():
        _replace(model, name, adapter.merged())
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return model


def adapters(model: nn.Module) -> dict[str, LoRALinear]:
    """The layers with adapters, by name."""
    return {name: one for name, one in model.named_modules() if isinstance(one, LoRALinear)}


def state_dict(model: nn.Module) -> dict[str, Tensor]:
    """The adapters' parameters alone, to be saved apart from the model."""
    return {name: value for name, value in model.state_dict().items() if ".lora_" in name}


def load_state_dict(model: nn.Module, state: Mapping[str, Any]) -> None:
    """Put saved adapters into a model that has them attached.

    Raises:
        ValueError: the model's adapters have other names.
        RuntimeError: or other shapes.
    """
    own = state_dict(model)
    if sorted(own) != sorted(state):
        odd = sorted(set(own) ^ set(state))
        raise ValueError(f"lora.load_state_dict: the adapters differ, first in {odd[0]}")
    model.load_state_dict(dict(state), strict=False)


def _replace(model: nn.Module, name: str, new: nn.Module) -> None:
    owner, _, last = name.rpartition(".")
    setattr(model.get_submodule(owner), last, new)
