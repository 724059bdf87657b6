"""Dropout in its forms: single elements, whole channels, and the one that keeps SELU's statistics.

Layers: lamina.nn.modules.dropout."""

from __future__ import annotations

import math

import lamina
from lamina import _core
from lamina._core import Tensor


def _check(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise _core.ShapeError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability ``p`` and scale the others by ``1 / (1 - p)``, in training only.

    Source: Srivastava et al., Dropout, 2014.

    Raises:
        ShapeError: ``p`` is not a probability.

    >>> lamina.nn.functional.dropout(lamina.ones(3), training=False).tolist()
    [1.0, 1.0, 1.0]
    """
    _check(p)
    if not training or p == 0:
        return input
    return input.mul_(_noise(input, tuple(input.shape), p)) if inplace else _core.dropout(input, p)


def _noise(input: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    """Zeros with probability ``p`` and ``1 / (1 - p)`` elsewhere."""
    with lamina.no_grad():
        return _core.dropout(lamina.ones(shape, dtype=input.dtype), p)


def _drop_channels(input: Tensor, p: float, training: bool, inplace: bool, batched: bool) -> Tensor:
    _check(p)
    if not training:
        return input
    kept = 2 if batched else 1
    noise = _noise(input, tuple(input.shape[:kept]) + (1,) * (input.ndim - kept), p)
    return input.mul_(noise) if inplace else input * noise


def _is_batched(word: str, input: Tensor, ndim: int) -> bool:
    if input.ndim not in (ndim - 1, ndim):
        raise _core.ShapeError(
            f"{word}: expected {ndim - 1} or {ndim} dimensions, got shape {tuple(input.shape)}"
        )
    return input.ndim == ndim


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """``dropout`` of whole channels: (n, c, l) or (c, l). Source: Tompson et al., 2014."""
    return _drop_channels(input, p, training, inplace, _is_batched("dropout1d", input, 3))


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """``dropout`` of whole channels: (n, c, h, w), and (n, c) or (n, c, l) as if those had a batch too.

    Source: Tompson et al., Efficient Object Localization Using Convolutional Networks, 2014.

    Raises:
        ShapeError: ``p`` is not a probability, or ``input`` has less than 2 or more than 4 dimensions.
    """
    if not 2 <= input.ndim <= 4:
        raise _core.ShapeError(f"dropout2d: expected 2 to 4 dimensions, got shape {tuple(input.shape)}")
    return _drop_channels(input, p, training, inplace, batched=True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """``dropout`` of whole channels: (n, c, d, h, w) or (c, d, h, w). Source: Tompson et al., 2014."""
    return _drop_channels(input, p, training, inplace, _is_batched("dropout3d", input, 5))


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Set elements to SELU's lower limit with probability ``p``, then restore mean 0 and variance 1.

    Source: Klambauer et al., Self-Normalizing Neural Networks, 2017.
    """
    return _alpha_dropout(input, p, training, inplace, tuple(input.shape))


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """``alpha_dropout`` of whole channels: (n, c, ...)."""
    if input.ndim < 2 and training:
        raise _core.ShapeError(f"feature_alpha_dropout: expected (n, c, ...), got shape {tuple(input.shape)}")
    return _alpha_dropout(input, p, training, inplace, tuple(input.shape[:2]) + (1,) * (input.ndim - 2))


def _alpha_dropout(input: Tensor, p: float, training: bool, inplace: bool, shape: tuple[int, ...]) -> Tensor:
    _check(p)
    if not training or p == 0:
        return input
    if p == 1:
        return input.mul_(0.0) if inplace else input * 0.0
    limit = -1.7580993408473766  # -scale * alpha of SELU
    # y = a * (x or limit) + b keeps mean 0 and variance 1: a^-2 = (1 - p) (1 + p limit^2), b = -a p limit.
    a = 1 / math.sqrt((1 - p) * (1 + p * limit * limit))
    with lamina.no_grad():
        kept = _noise(input, shape, p) * (1 - p)
        offset = (1 - kept) * (a * limit) - a * p * limit
        scale = kept * a
    return input.mul_(scale).add_(offset) if inplace else input * scale + offset
