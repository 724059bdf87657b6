"""Functions composed of products and decompositions: the exponential, tensors as matrices, sketches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.linalg.decomposition import qr, svd
from lamina.linalg.lapack import check, mH
from lamina.linalg.solution import inv, solve

TERMS = 18  # of the exponential's series: 0.5**19 / 19! is below float64's rounding


def matrix_exp(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The exponential of every matrix (..., n, n), by its series, scaling and squaring.

    Source: Moler & Van Loan, Nineteen dubious ways to compute the exponential of a matrix, 2003, method 3.

    >>> lamina.linalg.matrix_exp(lamina.zeros(1, 1)).item()
    1.0
    """
    if not (A.is_floating_point() or A.is_complex()) or A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"linalg.matrix_exp: expected square matrices of floats, got {tuple(A.shape)}")
    if A.dtype.itemsize == 2:
        return _core._into_out(matrix_exp(A.to(_core.float32)).to(A.dtype), out)
    size = float(A.detach().abs().sum(-2).max()) if A.numel() else 0.0
    halvings = max(0, math.ceil(math.log2(size)) + 1) if 0 < size < math.inf else 0
    X = A / 2**halvings
    eye = _core.eye(A.shape[-1], A.shape[-1], A.dtype)
    result = eye + X / TERMS
    for k in range(TERMS - 1, 0, -1):
        result = eye + (X @ result) / k
    for _ in range(halvings):
        result = result @ result
    return _core._into_out(result, out)


def tensorinv(A: Tensor, ind: int = 2, *, out: Tensor | None = None) -> Tensor:
    """The inverse of A as a map from its dimensions behind ``ind`` to those before.

    Raises:
        ShapeError: the two groups of dimensions differ in their number of elements.
    """
    if ind < 1:
        raise ShapeError(f"linalg.tensorinv: expected ind to be positive, got {ind}")
    before, after = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    if math.prod(before) != math.prod(after):
        raise ShapeError(f"linalg.tensorinv: {before} and {after} are not of one size")
    flat = inv(A.reshape(math.prod(before), math.prod(after)))
    return _core._into_out(flat.reshape(after + before), out)


def tensorsolve(
    A: Tensor, B: Tensor, dims: Sequence[int] | None = None, *, out: Tensor | None = None
) -> Tensor:
    """X with ``tensordot(A, X, X.ndim) = B``; ``dims`` of A are moved to its end first.

    Raises:
        ShapeError: A is not square as a map from X's dimensions to B's.
    """
    if dims is not None:
        moved = [d % A.ndim for d in dims]
        A = A.permute([d for d in range(A.ndim) if d not in moved] + moved)
    shape = tuple(A.shape[B.ndim :])
    if math.prod(shape) != math.prod(A.shape[: B.ndim]) or A.numel() != math.prod(shape) * B.numel():
        raise ShapeError(f"linalg.tensorsolve: {tuple(A.shape)} does not map {shape} to {tuple(B.shape)}")
    flat = solve(A.reshape(B.numel(), math.prod(shape)), B.reshape(-1))
    return _core._into_out(flat.reshape(shape), out)


def svd_lowrank(A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None) -> Any:
    """``(U, S, V)`` with ``A - M`` close to ``U @ diag(S) @ V.mH``, of rank ``q``, from a random sketch.

    Source: Halko et al., Finding structure with randomness, 2009, algorithms 4.4 and 5.1.

    Raises:
        ShapeError: ``q`` exceeds a size of A.
    """
    check("svd_lowrank", A)
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    if not 0 <= q <= min(A.shape[-2:]):
        raise ShapeError(f"svd_lowrank: expected q from 0 to {min(A.shape[-2:])}, got {q}")
    A = A if M is None else A - M
    turned = A.shape[-2] < A.shape[-1]
    A = mH(A) if turned else A
    sketch = _core.empty((*A.shape[:-2], A.shape[-1], q), A.dtype).normal_(0, 1)
    Q = qr(A @ sketch).Q
    for _ in range(niter):
        Q = qr(A @ qr(mH(A) @ Q).Q).Q
    U, S, Vh = svd(mH(Q) @ A, full_matrices=False)
    U = Q @ U
    return (mH(Vh), S, U) if turned else (U, S, mH(Vh))


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> Any:
    """``svd_lowrank`` of A less the mean of its rows: the rows' principal components are V's columns."""
    q = min(6, *A.shape[-2:]) if q is None else q
    return svd_lowrank(A - A.mean(-2, True) if center else A, q, niter)
