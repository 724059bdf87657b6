"""LU and Householder factors, and what is solved with them; the forms that report instead of raising."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.linalg.decomposition import cholesky
from lamina.linalg.lapack import LinAlgError, check, mH, mT
from lamina.linalg.solution import inv, solve, solve_triangular
from lamina.result import takes_out
from lamina.return_types import named


def _pivots(A: Tensor) -> np.ndarray:
    """The row that Gaussian elimination with partial pivoting exchanges with row k, for each k: (..., k)."""
    wide = np.complex128 if A.is_complex() else np.float64
    M = np.array(A.detach().numpy(), dtype=wide).reshape(math.prod(A.shape[:-2]), *A.shape[-2:])
    steps = min(A.shape[-2:])
    found = np.zeros((len(M), steps), np.int64)
    batch = np.arange(len(M))
    for k in range(steps):
        size = np.abs(M[:, k:, k].real) + np.abs(M[:, k:, k].imag)  # as LAPACK compares
        found[:, k] = rows = k + size.argmax(1)
        M[batch, k], M[batch, rows] = M[batch, rows], M[batch, k].copy()
        pivot = np.where(M[:, k, k] == 0, 1, M[:, k, k])
        scale = M[:, k + 1 :, k] / pivot[:, None]
        M[:, k + 1 :, k:] -= scale[:, :, None] * M[:, k, None, k:]
    return found.reshape(*A.shape[:-2], steps)


def _order(pivots: np.ndarray, size: int) -> Tensor:
    """The rows in the order to which the exchanges bring them: (..., size)."""
    flat = pivots.reshape(math.prod(pivots.shape[:-1]), pivots.shape[-1])
    order = np.tile(np.arange(size), (len(flat), 1))
    batch = np.arange(len(flat))
    for k in range(flat.shape[1]):
        order[batch, k], order[batch, flat[:, k]] = order[batch, flat[:, k]], order[batch, k].copy()
    return _core.from_numpy(order.reshape(*pivots.shape[:-1], size))


def _eliminated(A: Tensor) -> Tensor:
    """L below the diagonal and U on and above it, for rows in the right order; by ops, so with gradients."""
    m, n = A.shape[-2:]
    rows, columns = [], []
    for k in range(min(m, n)):
        row, column = A[..., :1, :], A[..., 1:, :1]
        pivot = row[..., :1]
        scale = column / _core.where(pivot == 0, 1.0, pivot)
        A = A[..., 1:, 1:] - scale @ row[..., 1:]
        rows.append(_padded(row, k))
        columns.append(_padded(mT(scale), k + 1))
    upper = _core.cat(rows, -2) if rows else A[..., :0, :]
    lower = mT(_core.cat(columns, -2)) if columns else A[..., :, :0]
    width = min(m, n)
    whole = _core.full((*A.shape[:-2], m, n), 0, A.dtype)
    below = _core.cat([lower, whole[..., :, width:]], -1)
    return below + _core.cat([upper, whole[..., width:, :]], -2)


def _padded(row: Tensor, before: int) -> Tensor:
    lead = _core.full((*row.shape[:-1], before), 0, row.dtype)
    return _core.cat([lead, row], -1)


def _permuted(A: Tensor, order: Tensor) -> Tensor:
    return A.gather(-2, order.unsqueeze(-1).expand(A.shape))


def _check_pivot(word: str, pivot: bool) -> None:
    if not pivot:
        raise NotImplementedError(f"linalg.{word}: without pivoting is not there on the CPU")


@takes_out
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """``lu_factor`` with a third result: 0, or the number of the first pivot that is 0.

    Raises:
        LinAlgError: with ``check_errors``, for a singular matrix.
    """
    _check_pivot("lu_factor_ex", pivot)
    check("lu_factor_ex", A)
    pivots = _pivots(A)
    LU = _eliminated(_permuted(A, _order(pivots, A.shape[-2])))
    zero = (LU.detach().diagonal(0, -2, -1) == 0).to(_core.int32)
    first = zero.argmax(-1) + 1 if zero.shape[-1] else _core.full(A.shape[:-2], 0, _core.int64)
    info = (zero.amax(-1) * first if zero.shape[-1] else first).to(_core.int32)
    if check_errors and bool((info > 0).any()):
        raise LinAlgError("linalg.lu_factor_ex: a matrix is singular")
    return named("lu_factor_ex", "LU pivots info", LU, _core.from_numpy(pivots + 1).to(_core.int32), info)


@takes_out
def lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """``(LU, pivots)``: L below the diagonal (its own is 1) and U in one matrix, and with which row, counted
    from 1, each row was exchanged in turn.

    >>> lamina.linalg.lu_factor(lamina.eye(2)).pivots.tolist()
    [1, 2]
    """
    return named("lu_factor", "LU pivots", *lu_factor_ex(A, pivot=pivot)[:2])


@takes_out
def lu(A: Tensor, *, pivot: bool = True) -> Any:
    """``(P, L, U)`` with ``A = P @ L @ U``: a permutation, a lower triangle with ones, an upper triangle.

    >>> lamina.linalg.lu(lamina.tensor([[0.0, 1.0], [1.0, 0.0]])).P.tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    LU, pivots = lu_factor(A, pivot=pivot)
    return named("lu", "P L U", *lu_unpack(LU, pivots))


@takes_out
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    """``(P, L, U)`` from what ``lu_factor`` gives; what is not to be unpacked is empty."""
    m, n = LU_data.shape[-2:]
    k = min(m, n)
    none = _core.empty((0,), LU_data.dtype)
    P, L, U = none, none, none
    if unpack_pivots:
        if LU_pivots.dtype is not _core.int32:
            raise ShapeError(f"lu_unpack: LU_pivots is expected to be int32, got {LU_pivots.dtype}")
        order = _order(LU_pivots.numpy().astype(np.int64) - 1, m)
        P = mT(_core.eye(m, m, LU_data.dtype)[order])
    if unpack_data:
        L = LU_data[..., :, :k].tril(-1) + _core.eye(m, k, LU_data.dtype)
        U = LU_data[..., :k, :].triu()
    return named("lu_unpack", "P L U", P, L, U)


def lu_solve(
    LU: Tensor,
    pivots: Tensor,
    B: Tensor,
    *,
    left: bool = True,
    adjoint: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """``solve`` given ``lu_factor(A)``: X with A @ X = B, or X @ A = B, or the same with A.mH."""
    P, L, U = lu_unpack(LU, pivots)
    return _core._into_out(solve(mH(P @ L @ U) if adjoint else P @ L @ U, B, left=left), out)


@takes_out
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """``(L, info)``: ``info`` is 0 where ``cholesky`` found L, and 1 where a matrix is not positive definite.

    Raises:
        LinAlgError: with ``check_errors``, instead of reporting.
    """
    return named("cholesky_ex", "L info", *_reported(cholesky, A, check_errors, upper=upper))


@takes_out
def inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """``(inverse, info)``: ``info`` is 0 where ``inv`` found it, and 1 where a matrix is singular."""
    return named("inv_ex", "inverse info", *_reported(inv, A, check_errors))


@takes_out
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    """``(result, info)``: ``info`` is 0 where ``solve`` found it, and 1 where a matrix is singular."""
    try:
        return named(
            "solve_ex", "result info", solve(A, B, left=left), _core.full(A.shape[:-2], 0, _core.int32)
        )
    except LinAlgError:
        if check_errors:
            raise
        nothing = _core.full_like(B, float("nan"))
        return named("solve_ex", "result info", nothing, _core.full(A.shape[:-2], 1, _core.int32))


def _reported(routine: Any, A: Tensor, check_errors: bool, **options: Any) -> tuple[Tensor, Tensor]:
    """The routine's result, and 1 for each matrix where it fails (and the result is NaN) in place of 0."""
    try:
        return routine(A, **options), _core.full(A.shape[:-2], 0, _core.int32)
    except LinAlgError:
        if check_errors:
            raise
        if A.ndim == 2:
            return _core.full_like(A, float("nan")), _core.full((), 1, _core.int32)
        parts = [
            _reported(routine, matrix, False, **options)
            for matrix in A.reshape(math.prod(A.shape[:-2]), *A.shape[-2:])
        ]
        values, infos = (_core.stack(list(group), 0) for group in zip(*parts, strict=True))
        return values.reshape(A.shape), infos.reshape(A.shape[:-2])


@takes_out
def geqrf(input: Tensor) -> Any:
    """``(a, tau)``: R on and above the diagonal, below it the vectors of reflections scaled by tau."""
    check("geqrf", input)
    flat = input.detach().reshape(math.prod(input.shape[:-2]), *input.shape[-2:]).numpy()
    parts = [np.linalg.qr(matrix, "raw") for matrix in flat]
    k = min(input.shape[-2:])
    a = np.stack([h.T for h, _ in parts]) if parts else np.empty((0, *input.shape[-2:]))
    tau = np.stack([t for _, t in parts]) if parts else np.empty((0, k))
    made = [_core.from_numpy(np.ascontiguousarray(x)).to(input.dtype) for x in (a, tau)]
    return named("geqrf", "a tau", made[0].reshape(input.shape), made[1].reshape(*input.shape[:-2], k))


@takes_out
def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first n columns of H1 @ H2 @ ..., Hi = 1 - tau[i] * v @ v.mH, v the i-th column of A (..., m, n)
    below the diagonal, where it is 1: the Q of ``geqrf``.

    Raises:
        ShapeError: fewer rows than columns, or more taus than columns.
    """
    m, n = A.shape[-2:] if A.ndim >= 2 else (0, 1)
    if m < n or tau.shape[-1:] > A.shape[-1:] or tau.shape[:-1] != A.shape[:-2]:
        raise ShapeError(
            f"linalg.householder_product: expected (..., m, n), m >= n, and (..., k), k <= n; "
            f"got {tuple(A.shape)} and {tuple(tau.shape)}"
        )
    start = _core.eye(m, n, A.dtype).expand(A.shape)
    return _reflected(A, tau, start, range(tau.shape[-1] - 1, -1, -1))


def _reflected(A: Tensor, tau: Tensor, X: Tensor, order: Any) -> Tensor:
    """The reflections applied to X from the left, in this order."""
    vectors = A.tril(-1) + _core.eye(A.shape[-2], A.shape[-1], A.dtype)
    for i in order:
        v = vectors[..., :, i : i + 1]
        X = X - tau[..., i : i + 1].unsqueeze(-1) * (v @ (mH(v) @ X))
    return X


def ormqr(
    input: Tensor,
    tau: Tensor,
    other: Tensor,
    left: bool = True,
    transpose: bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Q @ other, or other @ Q, or those with Q.mH, for the whole Q of ``geqrf``'s two results."""
    side = -2 if left else -1
    if input.ndim < 2 or other.ndim < 2:
        raise ShapeError(
            f"ormqr: expected at least 2 dimensions, got {tuple(input.shape)} and {tuple(other.shape)}"
        )
    if other.shape[side] != input.shape[-2] or tau.shape[-1:] != (min(input.shape[-2:]),):
        raise ShapeError(
            f"ormqr: {tuple(input.shape)}, {tuple(tau.shape)} and {tuple(other.shape)} do not fit together"
        )
    if not left:
        return _core._into_out(mH(ormqr(input, tau, mH(other), True, not transpose)), out)
    count = tau.shape[-1]
    order = range(count) if transpose else range(count - 1, -1, -1)
    return _core._into_out(_reflected(input, tau.conj() if transpose else tau, other, order), out)


@takes_out
def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """``(solution, cloned_coefficient)``: X with A @ X = b, reading one triangle of A."""
    matrix = mT(A) if transpose else A
    solution = solve_triangular(matrix, b, upper=upper != transpose, unitriangular=unitriangular)
    coefficient = A.expand(*solution.shape[:-2], *A.shape[-2:]).clone()
    return named("triangular_solve", "solution cloned_coefficient", solution, coefficient)
