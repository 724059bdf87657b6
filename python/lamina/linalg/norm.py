"""Norms of vectors and matrices, and products of many matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from operator import index
from typing import TYPE_CHECKING

from lamina import _core, combination
from lamina import matrix as matrix_module
from lamina._core import ShapeError, Tensor
from lamina.linalg.decomposition import svdvals
from lamina.linalg.lapack import check
from lamina.linalg.solution import inv
from lamina.result import takes_out
from lamina.shape import as_tuple, wrap

if TYPE_CHECKING:
    from lamina._core import dtype as Dtype

    Dims = int | Sequence[int] | None


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """``sum(|x|**ord) ** (1/ord)`` over ``dim`` or over all elements; for inf the largest, for 0 the count.

    >>> lamina.linalg.vector_norm(lamina.tensor([3.0, 4.0])).item()
    5.0
    """
    return _core._into_out(_core.vector_norm(x, float(ord), dim, keepdim, dtype), out)


def matrix_norm(
    A: Tensor,
    ord: float | str = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """A norm of matrices: ``"fro"``; ``"nuc"``, the sum of singular values; 2 and -2, the largest and
    smallest of them; 1 and -1, of the sums of columns; inf and -inf, of the sums of rows.

    Raises:
        ShapeError: another ``ord``, or not two different dims.
    """
    if len(dim) != 2 or A.ndim < 2:
        raise ShapeError(
            f"linalg.matrix_norm: expected two dims of a tensor with at least 2, got {dim} of {A.ndim}"
        )
    rows, columns = (wrap(d, A.ndim, "linalg.matrix_norm") for d in dim)
    if rows == columns:
        raise ShapeError("linalg.matrix_norm: expected two different dims")
    A = A if dtype is None else A.to(dtype)
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim, out=out)
    if ord in ("nuc", 2, -2):
        values = svdvals(A.movedim((rows, columns), (-2, -1)))
        result = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord == 2 else values.amin(-1)
    elif ord in (1, -1, math.inf, -math.inf):
        along, across = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = A.abs().sum(along, True)
        result = sums.amax((along, across)) if ord > 0 else sums.amin((along, across))
    else:
        raise ShapeError(
            f"linalg.matrix_norm: expected fro, nuc, 1, 2, inf or the negative of one, got {ord!r}"
        )
    if keepdim:
        for d in sorted((rows, columns)):
            result = result.unsqueeze(d)
    return _core._into_out(result, out)


def norm(
    A: Tensor,
    ord: float | str | None = None,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
) -> Tensor:
    """A vector norm over one ``dim`` (or the flattened tensor), or a matrix norm over two.

    Without ``ord`` the 2-norm of all elements chosen by ``dim``.
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype, out=out)
    dims = (0, 1)[: A.ndim] if dim is None else as_tuple(dim)
    if dim is None and A.ndim not in (1, 2):
        raise ShapeError(f"linalg.norm: with ord and without dim, expected 1 or 2 dimensions, got {A.ndim}")
    if len(dims) == 2:
        return matrix_norm(A, ord, dims, keepdim, dtype=dtype, out=out)
    if isinstance(ord, str):
        raise ShapeError(f"linalg.norm: {ord!r} is a norm of matrices, expected two dims, got {dims}")
    return vector_norm(A, ord, dims, keepdim, dtype=dtype, out=out)


@takes_out
def cond(A: Tensor, p: float | str | None = None) -> Tensor:
    """The condition number ``norm(A) * norm(inv(A))``; for p = None, 2 and -2 a ratio of singular values."""
    if p in (None, 2, -2):
        values = svdvals(A)
        largest, smallest = values.amax(-1), values.amin(-1)
        return smallest / largest if p == -2 else largest / smallest
    check("cond", A, square=True)
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


@takes_out
def matrix_power(A: Tensor, n: int) -> Tensor:
    """Every matrix (..., m, m) times itself: n factors, of the inverse for negative n.

    >>> lamina.linalg.matrix_power(2 * lamina.eye(1), 3).item()
    8.0
    """
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"linalg.matrix_power: expected square matrices, got shape {tuple(A.shape)}")
    n = index(n)
    if n < 0:
        return matrix_power(inv(A), -n)
    result: Tensor | None = None
    while n:
        n, odd = divmod(n, 2)
        if odd:
            result = A if result is None else result @ A
        A = A @ A if n else A
    if result is not None:
        return result
    return A * 0 + _core.eye(A.shape[-1], A.shape[-1], A.dtype)  # of A still, with a gradient of 0


def multi_dot(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The product of two or more matrices in the cheapest order; the first and the last may be vectors.

    Source: Cormen et al., Introduction to Algorithms, section 15.2.
    """
    group = list(tensors)
    if len(group) < 2:
        raise ShapeError(f"linalg.multi_dot: expected at least 2 tensors, got {len(group)}")
    first, last = group[0].ndim == 1, group[-1].ndim == 1
    group[0] = group[0].unsqueeze(0) if first else group[0]
    group[-1] = group[-1].unsqueeze(1) if last else group[-1]
    meet = all(x.ndim == 2 for x in group) and all(x.shape[1] == y.shape[0] for x, y in pairwise(group))
    if not meet:
        raise ShapeError(f"linalg.multi_dot: shapes {[tuple(x.shape) for x in tensors]} cannot be multiplied")
    result = _product(group, _splits(group), 0, len(group) - 1)
    result = result.squeeze(0) if first else result
    return _core._into_out(result.squeeze(-1) if last else result, out)


def _splits(group: list[Tensor]) -> dict[tuple[int, int], int]:
    """For each run of matrices, after which one its last product divides it."""
    sizes = [group[0].shape[0], *(x.shape[1] for x in group)]
    cost: dict[tuple[int, int], int] = {(i, i): 0 for i in range(len(group))}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, len(group)):
        for i in range(len(group) - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return split


def _product(group: list[Tensor], split: dict[tuple[int, int], int], i: int, j: int) -> Tensor:
    if i == j:
        return group[i]
    k = split[i, j]
    return _product(group, split, i, k) @ _product(group, split, k + 1, j)


def cross(input: Tensor, other: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """The cross products of vectors of 3 along ``dim``.

    Raises:
        ShapeError: another size, or tensors of different numbers of dimensions.
    """
    if input.ndim != other.ndim:
        raise ShapeError(
            f"linalg.cross: inputs must have the same number of dimensions, got {input.ndim}, {other.ndim}"
        )
    along = wrap(dim, input.ndim, "linalg.cross")
    if input.ndim and not input.shape[along] == other.shape[along] == 3:
        raise ShapeError(
            f"linalg.cross: inputs dimension {dim} must have length 3, got {tuple(input.shape)} and "
            f"{tuple(other.shape)}"
        )
    return matrix_module.cross(input, other, dim, out=out)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A view of the diagonals of matrices."""
    return A.diagonal(offset, dim1, dim2)


def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The powers of each element, from 0 up to N-1 (the last dimension's size unless given)."""
    return combination.vander(x.reshape(1) if x.ndim == 0 else x, N, increasing=True)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """The sum of products along ``dim``, x conjugated; the shapes broadcast."""
    return _core.sum(x.conj() * y, dim, out=out)


def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``lamina.matmul`` under its name here."""
    return _core.matmul(input, other, out=out)
