"""Cross entropy with the linear layer before it. Layers: lamina.nn.modules.large_loss."""

from __future__ import annotations

import math

from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.loss import cross_entropy


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: None = None,
) -> Tensor:
    """``cross_entropy(linear(input), target)``: (n, f) or (f), linear_weight (c, ..., f), logits (n, c, ...).

    ``target`` holds classes (n, ...), of which ``ignore_index`` (-100 unless given) counts for nothing, or
    probabilities of the logits' shape.

    Raises:
        ShapeError: shapes that do not fit, or ``ignore_index`` beside probabilities.
    """
    if options is not None:
        raise TypeError("linear_cross_entropy: there are no options of chunks, so options must be None")
    shape, sizes = tuple(input.shape), tuple(linear_weight.shape)
    if (
        len(shape) not in (1, 2)
        or len(sizes) < 2
        or shape[-1] != sizes[-1]
        or (len(shape) == 1 < len(sizes) - 1)
    ):
        raise _core.ShapeError(
            "linear_cross_entropy: expected input (n, f) and linear_weight (c, ..., f), or (f) and (c, f), "
            f"got {shape} and {sizes}"
        )
    if linear_bias is not None and tuple(linear_bias.shape) != sizes[:-1]:
        raise _core.ShapeError(f"expected linear_bias shape {sizes[:-1]}, got {tuple(linear_bias.shape)}")
    flat = None if linear_bias is None else linear_bias.reshape(-1)
    logits = _core.linear(input, linear_weight.reshape(math.prod(sizes[:-1]), sizes[-1]), flat)
    logits = logits.reshape(*shape[:-1], *sizes[:-1])
    if ignore_index is None:
        ignore_index = -100
    elif target.shape == logits.shape:
        raise _core.ShapeError("ignore_index cannot be specified when target contains probabilities")
    return cross_entropy(
        logits,
        target,
        weight=weight,
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
