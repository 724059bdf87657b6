"""Activation functions. Each is one call of the core; those that the core lacks are composed.

Layers with the same laws: lamina.nn.modules.activation."""

from __future__ import annotations

import warnings
from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(0, x)`` for each element; any shape.

    >>> lamina.nn.functional.relu(lamina.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return _core.relu_(input) if inplace else _core.relu(input)


def relu_(input: Tensor) -> Tensor:
    """``relu`` written over its input."""
    return _core.relu_(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(0, x), 6)`` for each element; any shape.

    Source: Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10, 2010.
    """
    if not input.is_floating_point():
        return input.clamp_(0, 6) if inplace else input.clamp(0, 6)
    return _core.relu6_(input) if inplace else _core.relu6(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``x`` where positive, ``negative_slope * x`` elsewhere; any shape. Source: Maas et al., 2013.

    >>> lamina.nn.functional.leaky_relu(lamina.tensor([-2.0, 2.0]), 0.5).tolist()
    [-1.0, 2.0]
    """
    if inplace:
        return _core.leaky_relu_(input, negative_slope)
    return _core.leaky_relu(input, negative_slope)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``leaky_relu`` written over its input."""
    return _core.leaky_relu_(input, negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``leaky_relu`` with a learnt slope: ``weight`` has 1 element, or one per channel (dimension 1).

    Source: He et al., Delving Deep into Rectifiers, 2015.
    """
    return _core.prelu(input, weight)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """``leaky_relu`` whose slope is drawn from U(lower, upper) per element in training, else their mean.

    Source: Xu et al., Empirical Evaluation of Rectified Activations in Convolutional Network, 2015.

    Raises:
        ShapeError: ``lower`` is greater than ``upper``.
    """
    if lower > upper:
        raise _core.ShapeError(f"rrelu: lower bound should be at most the upper one, got {lower} and {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    with lamina.no_grad():
        slope = lamina.empty_like(input).uniform_(lower, upper)
        slope = lamina.where(input > 0, lamina.ones_like(slope), slope)
    return input.mul_(slope) if inplace else input * slope


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """``rrelu`` written over its input."""
    return rrelu(input, lower, upper, training, inplace=True)


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))`` for each element; any shape."""
    return _core.sigmoid(input)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``relu6(x + 3) / 6`` for each element; any shape. Source: Courbariaux et al., BinaryConnect, 2015."""
    return _core.hardsigmoid_(input) if inplace else _core.hardsigmoid(input)


def logsigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``log(sigmoid(x))`` for each element, exact for large negative values too; any shape."""
    return _core.logsigmoid(input, out=out)


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent of each element; any shape."""
    return _core.tanh(input)


def tanhshrink(input: Tensor) -> Tensor:
    """``x - tanh(x)`` for each element; any shape."""
    return _core.tanhshrink(input) if input.is_floating_point() else input - input.tanh()


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Each element limited to ``[min_val, max_val]``; any shape.

    Raises:
        ShapeError: ``min_val`` is greater than ``max_val``.
    """
    if min_val > max_val:
        raise _core.ShapeError(f"hardtanh: min_val should be at most max_val, got {min_val} and {max_val}")
    if inplace:
        return _core.hardtanh_(input, min_val, max_val)
    return _core.hardtanh(input, min_val, max_val)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """``hardtanh`` written over its input."""
    return hardtanh(input, min_val, max_val, inplace=True)


def gelu(input: Tensor, approximate: str = "none", *, out: Tensor | None = None) -> Tensor:
    """``x * Phi(x)``, Phi the normal distribution function, or with ``"tanh"`` its approximation; any shape.

    Source: Hendrycks & Gimpel, Gaussian Error Linear Units, 2016.

    Raises:
        ShapeError: ``approximate`` is neither ``"none"`` nor ``"tanh"``.

    >>> round(lamina.nn.functional.gelu(lamina.tensor([1.0])).item(), 4)
    0.8413
    """
    return _core.gelu(input, approximate, out=out)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * sigmoid(x)`` for each element; any shape.

    Sources: Elfwing et al., 2017; Ramachandran et al., Searching for Activation Functions, 2017.
    """
    return _core.silu_(input) if inplace else _core.silu(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * tanh(softplus(x))`` for each element; any shape. Source: Misra, Mish, 2019."""
    return _core.mish_(input) if inplace else _core.mish(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * relu6(x + 3) / 6`` for each element; any shape.

    Source: Howard et al., Searching for MobileNetV3, 2019.
    """
    return _core.hardswish_(input) if inplace else _core.hardswish(input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``x`` where positive, ``alpha * (exp(x) - 1)`` elsewhere; any shape. Source: Clevert et al., 2015."""
    return _core.elu_(input, alpha) if inplace else _core.elu(input, alpha)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``elu`` written over its input."""
    return _core.elu_(input, alpha)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``x`` where positive, ``alpha * (exp(x / alpha) - 1)`` elsewhere; any shape. Source: Barron, 2017.

    Raises:
        ShapeError: ``alpha`` is 0.
    """
    if alpha == 0:
        raise _core.ShapeError("celu: alpha must not be 0")
    return _core.celu_(input, alpha) if inplace else _core.celu(input, alpha)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``celu`` written over its input."""
    return celu(input, alpha, inplace=True)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The scaled ``elu`` that keeps mean 0 and variance 1; any shape. Source: Klambauer et al., 2017."""
    return _core.selu_(input) if inplace else _core.selu(input)


def selu_(input: Tensor) -> Tensor:
    """``selu`` written over its input."""
    return _core.selu_(input)


def softplus(
    input: Tensor, beta: float = 1.0, threshold: float = 20.0, *, out: Tensor | None = None
) -> Tensor:
    """``log(1 + exp(beta * x)) / beta``, and ``x`` where ``beta * x`` exceeds ``threshold``; any shape."""
    return _core.softplus(input, beta, threshold, out=out)


def softsign(input: Tensor) -> Tensor:
    """``x / (1 + |x|)`` for each element; any shape."""
    return _core.softsign(input) if input.is_floating_point() else input / (1 + input.abs())


def hardshrink(input: Tensor, lambd: float = 0.5, *, out: Tensor | None = None) -> Tensor:
    """``x`` where ``|x| > lambd``, 0 elsewhere; any shape."""
    return _core.hardshrink(input, lambd, out=out)


def softshrink(input: Tensor, lambd: float = 0.5, *, out: Tensor | None = None) -> Tensor:
    """``x`` moved towards 0 by ``lambd``, stopping there; any shape.

    Raises:
        ShapeError: ``lambd`` is negative.
    """
    if lambd < 0:
        raise _core.ShapeError(f"softshrink: lambd must be 0 or more, got {lambd}")
    return _core.softshrink(input, lambd, out=out)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``x`` where it exceeds ``threshold``, ``value`` elsewhere; any shape."""
    if not input.is_floating_point():
        kept = lamina.where(input > threshold, input, lamina.full_like(input, value))
        return input.copy_(kept) if inplace else kept
    if inplace:
        return _core.threshold_(input, threshold, value)
    return _core.threshold(input, threshold, value)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """``threshold`` written over its input."""
    return _threshold(input, threshold, value, True)


_threshold = threshold  # which is the name of an argument above


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """``a * sigmoid(b)``, where a and b are the halves of ``input`` along ``dim``; that size is halved.

    Source: Dauphin et al., Language Modeling with Gated Convolutional Networks, 2016.

    Raises:
        ShapeError: the size along ``dim`` is odd.
    """
    if input.ndim == 0 or input.shape[dim] % 2:
        raise _core.ShapeError(f"glu: dimension {dim} must have an even size, got shape {tuple(input.shape)}")
    value, gate = input.chunk(2, dim)
    return value * _core.sigmoid(gate)


def _softmax_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"{name}: the implicit choice of a dimension is deprecated, name one with dim=...",
        stacklevel=stacklevel + 1,  # past the guard of arguments (lamina.argument)
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """``exp(x) / sum(exp(x))`` along ``dim``; the shape stays. ``dtype`` converts the input first.

    >>> lamina.nn.functional.softmax(lamina.zeros(2), dim=0).tolist()
    [0.5, 0.5]
    """
    if dim is None:
        dim = _softmax_dim("softmax", input.ndim, _stacklevel)
    return _core.softmax(input if dtype is None else input.to(dtype), dim)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """``softmax`` of ``-input`` along ``dim``; the shape stays."""
    if dim is None:
        dim = _softmax_dim("softmin", input.ndim, _stacklevel)
    return _core.softmax(-input if dtype is None else (-input).to(dtype), dim)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """``log(softmax(x))`` along ``dim``, without the loss of digits of the two steps; the shape stays."""
    if dim is None:
        dim = _softmax_dim("log_softmax", input.ndim, _stacklevel)
    return _core.log_softmax(input if dtype is None else input.to(dtype), dim)


def gumbel_softmax(
    logits: Tensor, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A sample from the Gumbel-softmax distribution along ``dim``: ``softmax((logits + g) / tau)``.

    With ``hard`` it is one-hot, with the gradient of the soft sample. ``eps`` keeps the noise g finite.
    Sources: Jang et al., 2016; Maddison et al., 2016.
    """
    with lamina.no_grad():
        uniform = lamina.empty_like(logits).uniform_(0.0, 1.0).clamp(min=eps)
        noise = -(-uniform.log()).log()
    soft = _core.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    with lamina.no_grad():
        index = soft.argmax(dim, keepdim=True)
        one_hot = lamina.zeros_like(soft).scatter_(dim, index, 1.0)
        difference = one_hot - soft
    return soft + difference
