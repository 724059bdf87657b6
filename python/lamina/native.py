"""The normalisations under their ``native_...`` names: with the statistics they used."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamina import _core
from lamina._core import Tensor
from lamina.result import takes_out

__all__ = ["native_batch_norm", "native_group_norm", "native_layer_norm"]

Result = tuple[Tensor, Tensor, Tensor]


def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Result:
    """``(layer_norm, mean, 1 / sqrt(var + eps))``; the statistics keep their dimensions."""
    output = _core.layer_norm(input, normalized_shape, weight, bias, eps)
    dims = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    return output, input.mean(dims, True), (input.var(dims, correction=0, keepdim=True) + eps).rsqrt()


def native_group_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> Result:
    """``(group_norm, mean, 1 / sqrt(var + eps))`` of N samples; the statistics are (N, group)."""
    output = _core.group_norm(input, group, weight, bias, eps)
    rows = input.reshape(N, group, (C // group if group else 0) * HxW)
    return output, rows.mean(-1), (rows.var(-1, correction=0) + eps).rsqrt()


@takes_out
def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Result:
    """``(batch_norm, mean, 1 / sqrt(var + eps))`` of the batch; outside of training the two are empty."""
    output = _core.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)
    if not training:
        return output, _core.empty((0,), input.dtype), _core.empty((0,), input.dtype)
    rows = input.movedim(1, 0).reshape(input.shape[1], input.numel() // max(math.prod(input.shape[1:2]), 1))
    return output, rows.mean(1), (rows.var(1, correction=0) + eps).rsqrt()
