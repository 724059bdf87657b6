"""Normalisation over a batch, over features, over groups of channels, over vectors.

The core has the fused laws; this file chooses and checks. Layers: lamina.nn.modules."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.pooling import avg_pool2d
from lamina.result import takes_out


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over the last dimensions, ``normalized_shape``.

    Source: Ba et al., Layer Normalization, 2016.

    >>> lamina.nn.functional.layer_norm(lamina.tensor([[-1.0, 1.0]]), [2], eps=0.0).tolist()
    [[-1.0, 1.0]]
    """
    return _core.layer_norm(input, normalized_shape, weight, bias, eps)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """``x / sqrt(mean(x^2) + eps) * weight`` over the last dimensions, whose sizes are ``normalized_shape``.

    ``eps=None`` is the spacing of the input's dtype at 1. Source: Zhang & Sennrich, RMSNorm, 2019.
    """
    return _core.rms_norm(
        input, normalized_shape, weight, lamina.finfo(input.dtype).eps if eps is None else eps
    )


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of (n, c, ...) to mean 0 and variance 1, then ``* weight + bias``, each of shape (c).

    In training the batch's own statistics are used, and move the running ones by ``momentum``.
    Source: Ioffe & Szegedy, Batch Normalization, 2015.

    Raises:
        ShapeError: in training, a channel has only one value, or ``eps`` is not positive.
    """
    if training:
        if eps <= 0:
            raise _core.ShapeError(f"batch_norm eps must be positive during training, but got {eps}")
        _check_values("batch_norm", input)
        if input.numel() == 0:  # no batch: nothing to normalise, nothing to learn from
            factor = 1.0 if weight is None else weight.sum()
            return input * factor + (0.0 if bias is None else bias.sum())
    return _core.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


def _check_values(word: str, input: Tensor) -> None:
    if input.ndim >= 2 and input.numel() == input.shape[1]:
        raise _core.ShapeError(
            f"{word}: expected more than 1 value per channel when training, got shape {tuple(input.shape)}"
        )


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample of (n, c, ...) to mean 0 and variance 1, then ``* weight + bias`` (c).

    Source: Ulyanov et al., Instance Normalization, 2016.

    Raises:
        ShapeError: a channel has only one value, or the running statistics are to be used and are not given.
    """
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise _core.ShapeError(
                "instance_norm: expected running_mean and running_var where the input's own are not used"
            )
        return _core.batch_norm(input, weight, bias, running_mean, running_var, False, momentum, eps)
    batch, channels = input.shape[0], input.shape[1]
    if math.prod(input.shape[2:]) == 1:
        raise _core.ShapeError(
            f"instance_norm: expected more than 1 spatial element per channel, got shape {tuple(input.shape)}"
        )
    if running_mean is None or running_var is None:
        return _core.group_norm(input, channels, weight, bias, eps)
    # One batch norm over n * c channels; each sample moves its own copy of the running statistics.
    means, variances = running_mean.repeat(batch), running_var.repeat(batch)
    rows = input.reshape(1, batch * channels, *input.shape[2:])
    weights = None if weight is None else weight.repeat(batch)
    biases = None if bias is None else bias.repeat(batch)
    output = _core.batch_norm(rows, weights, biases, means, variances, True, momentum, eps)
    with lamina.no_grad():
        running_mean.copy_(means.view(batch, channels).mean(0))
        running_var.copy_(variances.view(batch, channels).mean(0))
    return output.reshape(*input.shape)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each of ``num_groups`` groups of channels of each sample of (n, c, ...) to mean 0 and variance 1.

    Then ``* weight + bias``, each (c).

    Source: Wu & He, Group Normalization, 2018.

    Raises:
        ShapeError: the channels cannot be divided into so many groups of the same size.
    """
    if num_groups > 0 and input.ndim > 1 and input.numel() == num_groups:
        raise _core.ShapeError(
            f"group_norm: expected more than 1 value per group, got shape {tuple(input.shape)}"
        )
    return _core.group_norm(input, num_groups, weight, bias, eps)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """``x / (k + alpha * mean of x^2 over size neighbouring channels)^beta`` for (n, c, ...).

    Source: Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012.
    """
    if input.ndim < 3:
        raise _core.ShapeError(
            f"local_response_norm: expected 3 or more dimensions, got {tuple(input.shape)}"
        )
    channels = input.shape[1]
    rows = (input * input).reshape(input.shape[0], 1, channels, math.prod(input.shape[2:]))
    before, after = size // 2, (size - 1) // 2
    zeros = [lamina.zeros(rows.shape[0], 1, n, rows.shape[3], dtype=input.dtype) for n in (before, after)]
    padded = lamina.cat([zeros[0], rows, zeros[1]], 2)
    means = avg_pool2d(padded, (size, 1), 1)
    return input / (means.reshape(*input.shape) * alpha + k).pow(beta)


@takes_out
def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """``x / max(norm(x, p), eps)`` along ``dim``; the shape stays.

    >>> lamina.nn.functional.normalize(lamina.tensor([[3.0, 4.0]])).tolist()[0][0] < 0.61
    True
    """
    return input / input.norm(p, dim, True).clamp(min=eps)
