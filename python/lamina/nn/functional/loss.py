"""Losses of a prediction against class numbers, probabilities or values.

Losses over margins and pairs: margin_loss.py. Layers: lamina.nn.modules.loss."""

from __future__ import annotations

import math
import warnings

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.precision import in_float32
from lamina.nn.functional.reduction import chosen, reduced, warn_if_broadcast


@in_float32
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """``-log softmax(input)`` at the target's class: logits (c), (n, c) or (n, c, d1, ...), int64 without c.

    A floating target of the shape of ``input`` holds a probability per class. ``weight`` (c) weighs the
    classes, and the mean is the weighted one. Class ``ignore_index`` counts for nothing. ``label_smoothing``
    in [0, 1] mixes the target with the uniform distribution (Szegedy et al., Rethinking Inception, 2015).

    Raises:
        IndexError: a class outside of [0, c).
        ShapeError: shapes do not fit.

    >>> round(lamina.nn.functional.cross_entropy(lamina.zeros(1, 2), lamina.tensor([0])).item(), 4)
    0.6931
    """
    if size_average is not None or reduce is not None:
        reduction = chosen(reduction, size_average, reduce)
    if target.is_floating_point():
        return _soft_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    return _core.cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)


def _soft_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    if input.shape != target.shape:
        raise _core.ShapeError(
            f"cross_entropy: expected int64 classes, or probabilities of shape {tuple(input.shape)}, "
            f"got {target.dtype} of shape {tuple(target.shape)}"
        )
    if ignore_index >= 0:
        raise _core.ShapeError("cross_entropy: ignore_index is not supported for probabilities as target")
    if not 0.0 <= label_smoothing <= 1.0:
        raise _core.ShapeError(
            f"cross_entropy: label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}"
        )
    dim = 0 if input.ndim == 1 else 1
    classes = input.shape[dim]
    if label_smoothing > 0.0:
        target = target * (1 - label_smoothing) + label_smoothing / max(classes, 1)
    logp = _core.log_softmax(input, dim)
    if weight is not None:
        logp = logp * weight.reshape([-1] + [1] * (input.ndim - 1 - dim))
    loss = -(logp * target).sum(dim)
    return reduced(loss, reduction)


@in_float32
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``-input`` at the target's class: log-probabilities (c), (n, c) or (n, c, d1, ...), int64 without c.

    ``weight`` and ``ignore_index`` as in ``cross_entropy``.

    Raises:
        IndexError: a class outside of [0, c).
        ShapeError: shapes do not fit.
    """
    return _core.nll_loss(input, target, weight, ignore_index, chosen(reduction, size_average, reduce))


@in_float32
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``(input - target)^2``, of the same shape; ``weight`` of that shape makes the mean a weighted one.

    >>> lamina.nn.functional.mse_loss(lamina.zeros(2), lamina.tensor([0.0, 2.0])).item()
    2.0
    """
    reduction = chosen(reduction, size_average, reduce)
    warn_if_broadcast(input, target)
    return _weighted((input - target).square(), weight, reduction)


@in_float32
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``|input - target|``, of the same shape; ``weight`` of that shape makes the mean a weighted one."""
    reduction = chosen(reduction, size_average, reduce)
    warn_if_broadcast(input, target)
    return _weighted((input - target).abs(), weight, reduction)


def _weighted(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    if weight is None:
        return reduced(loss, reduction)
    if weight.shape != loss.shape:
        raise _core.ShapeError(f"expected weights of shape {tuple(loss.shape)}, got {tuple(weight.shape)}")
    loss = loss * weight
    return loss.sum() / weight.sum() if reduction == "mean" else reduced(loss, reduction)


@in_float32
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """``0.5 d^2 / beta`` where ``d = |input - target|`` is below ``beta``, ``d - 0.5 beta`` elsewhere.

    Source: Girshick, Fast R-CNN, 2015.

    Raises:
        ShapeError: ``beta`` is negative.
    """
    reduction = chosen(reduction, size_average, reduce)
    warn_if_broadcast(input, target)
    if beta < 0:
        raise _core.ShapeError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    distance = input - target
    loss = distance.abs() if beta == 0 else _core._smooth_l1(distance, beta)
    return reduced(loss, reduction)


@in_float32
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """``0.5 d^2`` where ``d = |input - target|`` is below ``delta``, ``delta (d - 0.5 delta)`` elsewhere.

    Source: Huber, Robust Estimation of a Location Parameter, 1964.

    Raises:
        ShapeError: ``delta`` is not positive.
    """
    warn_if_broadcast(input, target)
    if delta <= 0:
        raise _core.ShapeError(f"huber_loss: delta must be positive, got {delta}")
    loss = _core._smooth_l1(input - target, delta) * delta
    return _weighted(loss, weight, reduction)


@in_float32
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``-(t log p + (1 - t) log(1 - p))`` for probabilities ``input`` and targets in [0, 1], same shape.

    The logarithms are limited to -100 and above. ``weight`` broadcasts to that shape.

    Raises:
        ShapeError: the shapes differ, or ``input`` is outside of [0, 1].
    """
    reduction = chosen(reduction, size_average, reduce)
    if input.shape != target.shape:
        raise _core.ShapeError(
            "binary_cross_entropy: expected the same shape, "
            f"got input {tuple(input.shape)} and target {tuple(target.shape)}"
        )
    if input.numel() and not (input.min().item() >= 0.0 and input.max().item() <= 1.0):
        raise _core.ShapeError("binary_cross_entropy: all elements of input should be between 0 and 1")
    loss = (target - 1) * _limited_log(1 - input) - target * _limited_log(input)
    return reduced(loss if weight is None else loss * weight, reduction)


def _limited_log(p: Tensor) -> Tensor:
    # log(0) is kept out of the graph: its infinite slope times the clamp's 0 would be NaN.
    safe = lamina.where(p > 0, p, 1.0)
    return lamina.where(p > 0, safe.log(), -100.0).clamp(min=-100.0)


@in_float32
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``binary_cross_entropy`` of ``sigmoid(input)``, exact for large logits too; the shapes are the same.

    ``pos_weight`` weighs the term of the positive class and broadcasts, as ``weight`` does.

    Raises:
        ShapeError: the shapes of ``input`` and ``target`` differ.

    >>> loss = lamina.nn.functional.binary_cross_entropy_with_logits(lamina.zeros(1), lamina.ones(1))
    >>> round(loss.item(), 4)
    0.6931
    """
    reduction = chosen(reduction, size_average, reduce)
    if input.shape != target.shape:
        raise _core.ShapeError(
            "binary_cross_entropy_with_logits: expected the same shape, "
            f"got input {tuple(input.shape)} and target {tuple(target.shape)}"
        )
    # With s(x) the sigmoid: -log s(x) is -logsigmoid(x), and -log(1 - s(x)) = x - logsigmoid(x).
    logp = _core.logsigmoid(input)
    if pos_weight is None:
        loss = (1 - target) * input - logp
    else:
        loss = (1 - target) * input - (1 + (pos_weight - 1) * target) * logp
    return reduced(loss if weight is None else loss * weight, reduction)


@in_float32
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """``t (log t - input)`` per element, ``input`` being log-probabilities.

    With ``log_target`` the target holds logarithms too.     ``"batchmean"`` divides the sum by the size of
    dimension 0, which is the divergence of Kullback & Leibler, 1951; ``"mean"`` is per element.
    """
    if reduction != "batchmean":
        reduction = chosen(reduction, size_average, reduce)
    if reduction == "mean":
        warnings.warn(
            "kl_div: reduction='mean' divides by the number of elements. The divergence as it is defined is "
            "reduction='batchmean', which divides by the batch size.",
            stacklevel=2,
        )
    if log_target:
        loss = target.exp() * (target - input)
    else:
        loss = lamina.xlogy(target, target) - target * input
    if reduction == "batchmean":
        return loss.sum() / (input.shape[0] if input.ndim else 1)
    return reduced(loss, reduction)


@in_float32
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``exp(x) - t x``, or ``x - t log(x + eps)`` without ``log_input``: counts t against a Poisson rate.

    ``full`` adds Stirling's approximation of ``log t!`` where t > 1.
    """
    reduction = chosen(reduction, size_average, reduce)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        safe = lamina.where(target > 1, target, 1.0)
        stirling = safe * safe.log() - safe + 0.5 * (2 * math.pi * safe).log()
        loss = loss + lamina.where(target > 1, stirling, 0.0)
    return reduced(loss, reduction)


def _fits_but_for_one(input: Tensor, var: Tensor) -> bool:
    """Whether ``var`` has the shape of ``input``, up to a single dimension of 1."""
    if var.ndim != input.ndim:
        return False
    return sum(v for x, v in zip(input.shape, var.shape, strict=True) if x != v) == 1


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """``0.5 (log v + (input - target)^2 / v)`` with ``v = max(var, eps)``; ``full`` adds ``0.5 log(2 pi)``.

    ``var`` is a number, or has the shape of ``input``, or that shape with one dimension of 1, or without
    the last one.
    Source: Nix & Weigend, Estimating the mean and variance of the target probability distribution, 1994.

    Raises:
        ShapeError: ``var`` has a negative element, or does not fit in shape.
    """
    if not isinstance(var, Tensor):
        var = lamina.full_like(input, var)
    if var.shape != input.shape:
        if tuple(input.shape[:-1]) == tuple(var.shape):
            var = var.unsqueeze(-1)
        elif not _fits_but_for_one(input, var):
            raise _core.ShapeError(
                f"gaussian_nll_loss: var of shape {tuple(var.shape)} does not fit {tuple(input.shape)}"
            )
    if bool((var < 0).any()):
        raise _core.ShapeError("gaussian_nll_loss: var has negative entry/entries")
    # The limit has no gradient of its own: below eps, var goes on being pushed as if it were eps.
    var = var + (var.detach().clamp(min=eps) - var.detach())
    loss = 0.5 * (var.log() + (input - target).square() / var)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)
