"""CosineSimilarity and PairwiseDistance. Their laws: lamina.nn.functional.distance."""

from __future__ import annotations

from lamina._core import Tensor
from lamina.nn import functional as F
from lamina.nn.modules.module import Module


class PairwiseDistance(Module):
    """``norm(x1 - x2 + eps, p)`` along the last dimension: (..., d), (..., d) -> (...)."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """``cos`` of the angle between ``x1`` and ``x2`` along ``dim``, which disappears.

    >>> lamina.nn.CosineSimilarity()(lamina.ones(1, 4), lamina.ones(1, 4)).tolist()
    [1.0]
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
