"""The layers Rearrange, Reduce and EinMix of einops as modules of lamina: ``einops.layers.lamina``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import lamina
from lamina import nn

# Loaded by einops alone, which is an extra and so no import of this package.
_layers: Any = import_module("einops.layers")
_einmix: Any = import_module("einops.layers._einmix")


class Rearrange(_layers.RearrangeMixin, nn.Module):
    """``einops.rearrange`` with this pattern, as a layer."""

    def forward(self, input: Any) -> Any:
        return self._apply_recipe(input)


class Reduce(_layers.ReduceMixin, nn.Module):
    """``einops.reduce`` with this pattern and reduction, as a layer."""

    def forward(self, input: Any) -> Any:
        return self._apply_recipe(input)


_rearrange: Any = Rearrange


class EinMix(_einmix._EinmixMixin, nn.Module):
    """A linear layer over the dimensions that its pattern names."""

    def _create_parameters(
        self, weight_shape: Any, weight_bound: float, bias_shape: Any, bias_bound: float
    ) -> None:
        weight = lamina.empty(tuple(weight_shape)).uniform_(-weight_bound, weight_bound)
        self.weight = nn.Parameter(weight)
        bias = None
        if bias_shape is not None:
            bias = nn.Parameter(lamina.empty(tuple(bias_shape)).uniform_(-bias_bound, bias_bound))
        self.register_parameter("bias", bias)

    def _create_rearrange_layers(
        self, pre_pattern: Any, pre_lengths: Any, post_pattern: Any, post_lengths: Any
    ) -> None:
        self.pre_rearrange = None if pre_pattern is None else _rearrange(pre_pattern, **pre_lengths)
        self.post_rearrange = None if post_pattern is None else _rearrange(post_pattern, **post_lengths)

    def forward(self, input: Any) -> Any:
        if self.pre_rearrange is not None:
            input = self.pre_rearrange(input)
        result = lamina.einsum(self.einsum_pattern, input, self.weight)
        if self.bias is not None:
            result = result + self.bias
        return result if self.post_rearrange is None else self.post_rearrange(result)
