"""Distances and similarities between vectors. Layers: lamina.nn.modules.distance."""

from __future__ import annotations

import lamina
from lamina._core import Tensor


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """``norm(x1 - x2 + eps, p)`` along the last dimension: (..., d), (..., d) -> (...).

    Leading sizes broadcast; ``eps`` keeps the gradient finite where the two are equal.

    >>> lamina.nn.functional.pairwise_distance(lamina.zeros(1, 1), lamina.ones(1, 1), eps=0.0).tolist()
    [1.0]
    """
    return (x1 - x2 + eps).norm(p, -1, keepdim)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """``sum(x1 * x2) / (max(|x1|, eps) * max(|x2|, eps))`` along ``dim``, which disappears; sizes broadcast.

    >>> lamina.nn.functional.cosine_similarity(lamina.ones(1, 4), lamina.ones(1, 4)).tolist()
    [1.0]
    """
    x1, x2 = lamina.broadcast_tensors(x1, x2)
    norm1 = x1.norm(2, dim, True).clamp(min=eps)
    norm2 = x2.norm(2, dim, True).clamp(min=eps)
    return ((x1 / norm1) * (x2 / norm2)).sum(dim)
