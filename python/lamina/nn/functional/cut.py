"""A tensor cut into pieces whose gradients are joined again in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lamina
from lamina._core import Tensor
from lamina.autograd import Function


class _Cut(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, sizes: Sequence[int], dim: int) -> tuple[Tensor, ...]:
        ctx.dim = dim
        return x.split(sizes, dim)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        return lamina.cat(grads, ctx.dim), None, None


def cut(x: Tensor, sizes: Sequence[int], dim: int) -> tuple[Tensor, ...]:
    """``x.split(sizes, dim)`` for pieces that are all used: the gradient of n views would be n tensors of the
    whole size, each filled with zeros around one piece, which is quadratic in n. The pieces are not to be
    changed in place.

    >>> [len(piece) for piece in cut(lamina.ones(5), [2, 3], 0)]
    [2, 3]
    """
    return _Cut.apply(x, sizes, dim)
