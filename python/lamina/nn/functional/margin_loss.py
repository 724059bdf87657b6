"""Losses over margins: of pairs, of triplets, of a class against the others. Other losses: loss.py.

Layers: lamina.nn.modules.loss."""

from __future__ import annotations

from collections.abc import Callable

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.distance import pairwise_distance
from lamina.nn.functional.precision import in_float32
from lamina.nn.functional.reduction import chosen, reduced


@in_float32
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``x`` where the target is 1, ``max(0, margin - x)`` where it is -1; x is a distance."""
    reduction = chosen(reduction, size_average, reduce)
    near = lamina.where(target != -1, input, 0.0)
    far = lamina.where(target != 1, (margin - input).clamp(min=0), 0.0)
    return reduced(near + far, reduction)


@in_float32
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, -t (x1 - x2) + margin)``: t is 1 where x1 should rank higher, -1 where x2 should.

    Raises:
        ShapeError: the three have different numbers of dimensions.
    """
    reduction = chosen(reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise _core.ShapeError(
            "margin_ranking_loss: expected the same number of dimensions, "
            f"got {tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}"
        )
    return reduced((-target * (input1 - input2) + margin).clamp(min=0), reduction)


@in_float32
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``1 - cos(x1, x2)`` where the target is 1, ``max(0, cos - margin)`` where it is -1.

    ``input1`` and ``input2`` are (n, d) or (d), ``target`` (n) or ().

    Raises:
        ShapeError: ``target`` is not of one dimension less than the inputs, which are (d) or (n, d).
    """
    reduction = chosen(reduction, size_average, reduce)
    if target.ndim + 1 != input1.ndim or target.ndim + 1 != input2.ndim or target.ndim > 1:
        raise _core.ShapeError(
            f"cosine_embedding_loss: expected (n, d), (n, d), (n) or (d), (d), (), "
            f"got {tuple(input1.shape)}, {tuple(input2.shape)}, {tuple(target.shape)}"
        )
    eps = 1e-12
    squares = ((input1 * input1).sum(-1) + eps) * ((input2 * input2).sum(-1) + eps)
    cos = (input1 * input2).sum(-1) / squares.sqrt()
    near = lamina.where(target == 1, 1 - cos, 0.0)
    far = lamina.where(target == -1, (cos - margin).clamp(min=0), 0.0)
    return reduced(near + far, reduction)


@in_float32
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, |a - p| - |a - n| + margin)`` with the ``p`` norm over the last dimension.

    ``swap`` takes ``|p - n|`` where that is smaller than ``|a - n|``.
    Source: Balntas et al., Learning shallow convolutional feature descriptors with triplet losses, 2016.

    Raises:
        ShapeError: ``margin`` is not positive, or the numbers of dimensions differ.
    """
    reduction = chosen(reduction, size_average, reduce)
    if margin <= 0:
        raise _core.ShapeError(f"triplet_margin_loss: margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise _core.ShapeError(
            "triplet_margin_loss: expected the same number of dimensions, "
            f"got anchor {anchor.ndim}D, positive {positive.ndim}D and negative {negative.ndim}D"
        )
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = lamina.minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced((margin + near - far).clamp(min=0), reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """``triplet_margin_loss`` with a distance of one's own, by default ``pairwise_distance``.

    Raises:
        ShapeError: ``margin`` is not positive, or the numbers of dimensions differ.
    """
    if margin <= 0:
        raise _core.ShapeError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise _core.ShapeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, "
            f"but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = lamina.minimum(far, distance(positive, negative))
    return reduced((margin + near - far).clamp(min=0), reduction)


@in_float32
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over classes i other than y of ``max(0, margin - x[y] + x[i])^p``.

    Scores are (n, c) or (c), classes (n) or (). ``weight`` (c) weighs by the target's class.

    Raises:
        ShapeError: ``p`` is neither 1 nor 2, or the shapes do not fit.
        IndexError: a class outside of [0, c).
    """
    reduction = chosen(reduction, size_average, reduce)
    if p not in (1, 2):
        raise _core.ShapeError(f"multi_margin_loss: only p == 1 and p == 2 supported, got {p}")
    if input.ndim < 2 and input.numel() and tuple(target.shape) == (1,) * target.ndim:
        input = input.reshape(*target.shape, input.numel())  # a number is a single class
    if input.ndim not in (1, 2) or tuple(input.shape[:-1]) != tuple(target.shape):
        raise _core.ShapeError(
            "multi_margin_loss: expected (n, c) and (n), or (c) and (), "
            f"got {tuple(input.shape)} and {tuple(target.shape)}"
        )
    index = target.unsqueeze(-1)
    gaps = (margin - input.gather(-1, index) + input).clamp(min=0)
    if p == 2:
        gaps = gaps.square()
    if weight is not None:
        gaps = gaps * weight.index_select(0, target.reshape(-1)).reshape(*target.shape, 1)
    others = lamina.ones_like(gaps.detach()).scatter_(-1, index, 0.0)
    return reduced((gaps * others).sum(-1) / input.shape[-1], reduction)


@in_float32
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``log(1 + exp(-t x))`` with targets 1 and -1 of the same shape."""
    return reduced(-_core.logsigmoid(target * input), chosen(reduction, size_average, reduce))


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over classes of ``binary_cross_entropy_with_logits``; labels 0 or 1, both (..., c)."""
    reduction = chosen(reduction, size_average, reduce)
    loss = -(target * _core.logsigmoid(input) + (1 - target) * _core.logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(loss.sum(-1) / input.shape[-1], reduction)


@in_float32
def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum of ``max(0, 1 - x[y] + x[i]) / c`` over the classes y of a row and the classes i that are not.

    Scores and int64 classes are (n, c) or (c); the classes of a row end before its first -1.

    Raises:
        ShapeError: other shapes, or shapes that differ.
        IndexError: a class of c or more.
    """
    reduction = chosen(reduction, size_average, reduce)
    if input.ndim == target.ndim == 0:
        input, target = input.reshape(1), target.reshape(1)
    if input.ndim not in (1, 2) or input.shape != target.shape:
        raise _core.ShapeError(
            f"multilabel_margin_loss: inconsistent target size: {tuple(target.shape)} for input of size: "
            f"{tuple(input.shape)}"
        )
    listed = (target >= 0).to(lamina.int64).cumprod(-1)
    classes = target * listed
    own = lamina.zeros_like(target).scatter_add(-1, classes, listed) > 0
    gaps = (1 - input.gather(-1, classes).unsqueeze(-1) + input.unsqueeze(-2)).clamp(min=0)
    counted = (listed > 0).unsqueeze(-1) & ~own.unsqueeze(-2)
    return reduced((gaps * counted.to(gaps.dtype)).sum((-2, -1)) / input.shape[-1], reduction)
