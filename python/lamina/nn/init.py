"""Starting values of parameters, written in place without being recorded; each function returns its tensor.

Random numbers come from the default generator, or from the one given as ``generator``."""

from __future__ import annotations

import functools
import math
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import lamina
from lamina import _core
from lamina._core import Tensor

_GAINS = {
    "linear": 1.0,
    "identity": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which a nonlinearity shrinks the standard deviation, to be made up for by the weights.

    ``param`` is the slope of ``"leaky_relu"``, 0.01 by default.

    Raises:
        ShapeError: the nonlinearity is unknown, or its parameter is no number.

    >>> lamina.nn.init.calculate_gain("relu") ** 2 - 2 < 1e-9
    True
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise _core.ShapeError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise _core.ShapeError(f"Unsupported nonlinearity {nonlinearity}")
    return _GAINS[nonlinearity]


_waiting = threading.local()


@contextmanager
def values_to_come() -> Iterator[None]:
    """Spare the drawing of random numbers while modules are made whose parameters are then loaded."""
    _waiting.on = True
    try:
        yield
    finally:
        _waiting.on = False


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with numbers from U(a, b)."""
    if getattr(_waiting, "on", False):
        return tensor
    with lamina.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with numbers from N(mean, std^2)."""
    if getattr(_waiting, "on", False):
        return tensor
    with lamina.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Fill with numbers from N(mean, std^2) given that they lie in [a, b].

    Uniform numbers go through the inverse of the distribution function, so none is thrown away.
    """

    if getattr(_waiting, "on", False):
        return tensor

    def below(x: float) -> float:
        return (1.0 + math.erf((x - mean) / std / math.sqrt(2.0))) / 2.0

    low, high = below(a), below(b)
    with lamina.no_grad():
        tensor.uniform_(2 * low - 1, 2 * high - 1, generator=generator)
        return tensor.erfinv_().mul_(std * math.sqrt(2.0)).add_(mean).clamp_(a, b)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with ``val``."""
    with lamina.no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity: a linear layer that keeps its input.

    Raises:
        ShapeError: ``tensor`` is no matrix.
    """
    if tensor.ndim != 2:
        raise _core.ShapeError("Only tensors with 2 dimensions are supported")
    with lamina.no_grad():
        return tensor.copy_(lamina.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill the weight of a convolution (out, in, ...) so that it keeps as many input channels as it can.

    Raises:
        ShapeError: ``tensor`` has not 3 to 5 dimensions, or ``groups`` does not divide dimension 0.
    """
    if tensor.ndim not in (3, 4, 5):
        raise _core.ShapeError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups:
        raise _core.ShapeError("dim 0 must be divisible by groups")
    out = tensor.shape[0] // groups
    centre = tuple(size // 2 for size in tensor.shape[2:])
    with lamina.no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(out, tensor.shape[1])):
                place = (group * out + channel, channel, *centre)
                tensor[place] = 1.0
    return tensor


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise _core.ShapeError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise _core.ShapeError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill from U(-a, a), ``a = gain * sqrt(6 / (fan_in + fan_out))``. Source: Glorot & Bengio, 2010.

    >>> weight = lamina.nn.init.xavier_uniform_(lamina.empty(3, 3))
    >>> weight.abs().max().item() <= 1.0
    True
    """
    bound = gain * math.sqrt(6.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill from N(0, s^2), ``s = gain * sqrt(2 / (fan_in + fan_out))``. Source: Glorot & Bengio, 2010."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    return calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fill from U(-b, b), ``b = gain * sqrt(3 / fan)``; ``a`` is the slope of leaky_relu.

    Source: He et al., Delving Deep into Rectifiers, 2015.
    """
    if 0 in tensor.shape:
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fill from N(0, s^2), ``s = gain / sqrt(fan)``; an empty tensor stays. ``a`` is the slope of leaky_relu.

    Source: He et al., Delving Deep into Rectifiers, 2015.
    """
    if 0 in tensor.shape:
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Fill, seen as a matrix of dimension 0 against the others, with orthonormal rows or columns.

    Source: Saxe et al., Exact solutions to the nonlinear dynamics of learning in deep linear networks, 2013.

    Raises:
        ShapeError: ``tensor`` has less than 2 dimensions.
    """
    if tensor.ndim < 2:
        raise _core.ShapeError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    with lamina.no_grad():
        drawn = (
            lamina.empty(rows, columns, dtype=lamina.float64).normal_(0.0, 1.0, generator=generator).numpy()
        )
        q, r = np.linalg.qr(drawn if rows >= columns else drawn.T)
        # QR leaves the signs open; a positive diagonal of R makes the result uniform.
        q = q * np.sign(np.diagonal(r))
        q = np.ascontiguousarray((q if rows >= columns else q.T) * gain)
        return tensor.copy_(lamina.from_numpy(q).reshape(tensor.shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Fill a matrix from N(0, std^2), with the share ``sparsity`` of each column, rounded up, set to 0.

    Source: Martens, Deep learning via Hessian-free optimization, 2010.

    Raises:
        ShapeError: ``tensor`` is no matrix.
    """
    if tensor.ndim != 2:
        raise _core.ShapeError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with lamina.no_grad():
        tensor.normal_(0.0, std, generator=generator)
        for column in range(columns):
            tensor[lamina.randperm(rows, generator=generator)[:zeros], column] = 0.0
    return tensor


def _old_name(function: Any) -> Callable[..., Tensor]:
    """The name without underscore that PyTorch had first, and still takes with a warning."""
    word = function.__name__

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Tensor:
        text = f"nn.init.{word[:-1]} is deprecated in favor of nn.init.{word}"
        warnings.warn(text, FutureWarning, stacklevel=2)
        return function(*args, **options)

    call.__name__ = word[:-1]
    return call


uniform, normal, constant = map(_old_name, (uniform_, normal_, constant_))
eye, dirac, sparse, orthogonal = map(_old_name, (eye_, dirac_, sparse_, orthogonal_))
xavier_uniform, xavier_normal = map(_old_name, (xavier_uniform_, xavier_normal_))
kaiming_uniform, kaiming_normal = map(_old_name, (kaiming_uniform_, kaiming_normal_))
