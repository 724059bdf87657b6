"""Cholesky, QR, SVD and the eigenvalues of symmetric matrices, with gradients to any order."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.autograd.function import Function
from lamina.linalg.lapack import call, check, mH
from lamina.linalg.solution import solve
from lamina.result import takes_out
from lamina.return_types import named


def _eye(like: Tensor) -> Tensor:
    """The identity that ``like``'s last dimension can be multiplied with."""
    return _core.eye(like.shape[-1], like.shape[-1], like.dtype)


class _Cholesky(Function):
    """Murray, Differentiation of the Cholesky decomposition, 2016: L^-H phi(L^H G) L^-1, made symmetric."""

    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:
        result = call("cholesky", np.linalg.cholesky, A)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (L,) = ctx.saved_tensors
        phi = mH(L) @ grad
        phi = phi.tril() - 0.5 * phi.tril().triu()
        half = mH(solve(mH(L), mH(solve(mH(L), phi))))
        return 0.5 * (half + mH(half))


def cholesky(A: Tensor, *, upper: bool = False, out: Tensor | None = None) -> Tensor:
    """The lower triangular L with ``A = L @ L.mH`` for Hermitian positive definite A (..., n, n), or its
    adjoint.

    Raises:
        LinAlgError: a matrix is not positive definite.

    >>> lamina.linalg.cholesky(4 * lamina.eye(2)).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    check("cholesky", A, square=True)
    lower = _Cholesky.apply(A)
    return _core._into_out(mH(lower) if upper else lower, out)


class _QR(Function):
    """Walter & Lehmann, Algorithmic differentiation of linear algebra functions, 2010; for m >= n."""

    @staticmethod
    def forward(ctx: Any, A: Tensor) -> tuple[Tensor, Tensor]:
        Q, R = call("qr", np.linalg.qr, A)
        ctx.save_for_backward(Q, R)
        return Q, R

    @staticmethod
    def backward(ctx: Any, grad_Q: Tensor, grad_R: Tensor) -> Tensor:
        Q, R = ctx.saved_tensors
        M = R @ mH(grad_R.triu()) - mH(grad_Q) @ Q
        return mH(solve(R, mH(grad_Q + Q @ _symmetric(M))))


@takes_out
def qr(A: Tensor, mode: str = "reduced") -> Any:
    """``(Q, R)`` with orthonormal columns in Q, upper triangular R, and ``A = Q @ R``, for A (..., m, n).

    Q is (m, k) and R (k, n) with k = min(m, n); with ``mode="complete"`` k = m; with ``"r"`` Q is empty.
    Gradients of the complete form exist for square and for wide matrices.

    Raises:
        ShapeError: another word for ``mode``.
    """
    check("qr", A)
    m, n = A.shape[-2:]
    if mode not in ("reduced", "complete", "r"):
        raise ShapeError(f"linalg.qr: expected mode to be reduced, complete or r, got {mode!r}")
    if mode == "complete" and m > n:
        if A.requires_grad and _core.grad_enabled():
            raise NotImplementedError("linalg.qr: the complete form of a tall matrix has no gradient")
        return named("qr", "Q R", *call("qr", lambda a: tuple(np.linalg.qr(a, "complete")), A))
    if m >= n:
        Q, R = _QR.apply(A)
    else:  # the first m columns make Q; the others are only turned
        Q, left = _QR.apply(A[..., :m])
        R = _core.cat([left, mH(Q) @ A[..., m:]], -1)
    return named("qr", "Q R", _core.empty((0,), A.dtype) if mode == "r" else Q, R)


def _gaps(values: Tensor) -> Tensor:
    """values[j] - values[i] for i != j, and 1 on the diagonal."""
    return values.unsqueeze(-2) - values.unsqueeze(-1) + _eye(values)


class _SVD(Function):
    """Townsend, Differentiating the singular value decomposition, 2016; for U (m, k), V (n, k)."""

    @staticmethod
    def forward(ctx: Any, A: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        U, S, Vh = call("svd", lambda a: tuple(np.linalg.svd(a, full_matrices=False)), A)
        ctx.save_for_backward(U, S, Vh)
        ctx.set_materialize_grads(False)
        return U, S, Vh

    @staticmethod
    def backward(
        ctx: Any, grad_U: Tensor | None, grad_S: Tensor | None, grad_Vh: Tensor | None
    ) -> Tensor | None:
        U, S, Vh = ctx.saved_tensors
        inner = None if grad_S is None else (grad_S.unsqueeze(-1) * _eye(S)).to(U.dtype)
        outside: Tensor | None = None
        if grad_U is not None:
            turn = mH(U) @ grad_U
            skew = turn - mH(turn)
            inner = _plus(inner, skew / _gaps(S.square()) * S.unsqueeze(-2))
            if skew.is_complex() and grad_Vh is not None:  # that U and V may turn together
                inner = inner + skew * _eye(S) / (2 * S.unsqueeze(-2))
            if U.shape[-2] > U.shape[-1]:
                rest = (grad_U - U @ turn) / S.unsqueeze(-2)
                outside = _plus(outside, rest @ Vh)
        if grad_Vh is not None:
            V, grad_V = mH(Vh), mH(grad_Vh)
            turn = Vh @ grad_V
            inner = _plus(inner, S.unsqueeze(-1) * ((turn - mH(turn)) / _gaps(S.square())))
            if V.shape[-2] > V.shape[-1]:
                rest = (grad_V - V @ turn) / S.unsqueeze(-2)
                outside = _plus(outside, U @ mH(rest))
        return None if inner is None else _plus(outside, U @ inner @ Vh)


def _plus(x: Tensor | None, y: Tensor) -> Tensor:
    return y if x is None else x + y


@takes_out
def svd(A: Tensor, full_matrices: bool = True) -> Any:
    """``(U, S, Vh)`` with ``A = U @ diag(S) @ Vh``, S in descending order, for A (..., m, n).

    U is (m, m) and Vh (n, n); with ``full_matrices=False`` (m, k) and (k, n), k = min(m, n). Gradients need
    the singular values to differ where U or Vh are used; what completes U and Vh to squares has none.

    >>> lamina.linalg.svd(lamina.eye(2)).S.tolist()
    [1.0, 1.0]
    """
    check("svd", A)
    U, S, Vh = _SVD.apply(A)
    if full_matrices and A.shape[-1] != A.shape[-2]:
        whole_U, _, whole_Vh = call("svd", lambda a: tuple(np.linalg.svd(a)), A)
        k = S.shape[-1]
        U = _core.cat([U, whole_U[..., k:]], -1)
        Vh = _core.cat([Vh, whole_Vh[..., k:, :]], -2)
    return named("svd", "U S Vh", U, S, Vh)


@takes_out
def svdvals(A: Tensor) -> Tensor:
    """The singular values in descending order."""
    if A.requires_grad and _core.grad_enabled():
        return svd(A, full_matrices=False).S
    check("svdvals", A)
    return call("svdvals", lambda a: np.linalg.svd(a, compute_uv=False), A)


class _Eigh(Function):
    """Giles, Collected matrix derivative results for forward and reverse mode, 2008, section 3.1."""

    @staticmethod
    def forward(ctx: Any, A: Tensor, UPLO: Any) -> tuple[Tensor, Tensor]:
        values, vectors = call("eigh", lambda a: tuple(np.linalg.eigh(a, UPLO)), A)
        ctx.save_for_backward(values, vectors)
        ctx.set_materialize_grads(False)
        return values, vectors

    @staticmethod
    def backward(
        ctx: Any, grad_values: Tensor | None, grad_vectors: Tensor | None
    ) -> tuple[Tensor | None, None]:
        values, V = ctx.saved_tensors
        inner = None if grad_values is None else grad_values.unsqueeze(-1) * _eye(V)
        if grad_vectors is not None:
            inner = _plus(inner, (mH(V) @ grad_vectors) / _gaps(values) * (1 - _eye(V)))
        if inner is None:
            return None, None
        grad = V @ inner @ mH(V)
        return (grad + mH(grad)) / 2, None  # A is Hermitian, whichever triangle is read


@takes_out
def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """``(eigenvalues, eigenvectors)`` of Hermitian matrices (..., n, n), values real and ascending,
    vectors as columns.

    Only the lower triangle is read, or with ``UPLO="U"`` the upper. Gradients of vectors need different
    values.

    >>> lamina.linalg.eigh(lamina.eye(2)).eigenvalues.tolist()
    [1.0, 1.0]
    """
    check("eigh", A, square=True)
    if UPLO.upper() not in ("L", "U"):
        raise ShapeError(f"linalg.eigh: expected UPLO to be 'L' or 'U', got {UPLO!r}")
    return named("eigh", "eigenvalues eigenvectors", *_Eigh.apply(A, UPLO.upper()))


@takes_out
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of Hermitian matrices in ascending order."""
    return eigh(A, UPLO).eigenvalues


class _Pinv(Function):
    """Golub & Pereyra, The differentiation of pseudo-inverses, 1973; the rank must not change."""

    @staticmethod
    def forward(ctx: Any, A: Tensor, tolerance: Tensor) -> Tensor:
        U, S, Vh = call("pinv", lambda a: tuple(np.linalg.svd(a, full_matrices=False)), A)
        scale = _core.where(S > tolerance.unsqueeze(-1), 1 / S, 0.0)
        result = (mH(Vh) * scale.unsqueeze(-2)) @ mH(U)
        ctx.save_for_backward(A, result)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        A, P = ctx.saved_tensors
        turned, back = mH(grad), mH(P)
        first = turned @ P @ back
        second = back @ P @ turned
        return -(back @ grad @ back) + first - A @ (P @ first) + second - second @ P @ A, None


def _tolerance(word: str, A: Tensor, atol: Any, rtol: Any) -> Tensor:
    """The size under which a singular value counts as 0: max(atol, rtol * largest), one per matrix."""
    from lamina.dtype_info import finfo

    check(word, A)
    largest = svdvals(A.detach())
    largest = largest.amax(-1) if largest.shape[-1] else _core.full(A.shape[:-2], 0, largest.dtype)
    floor = 0.0 if atol is None else atol
    if rtol is None:
        none_given = atol is None or (isinstance(atol, (int, float)) and atol == 0)
        rtol = finfo(A.dtype).eps * max(A.shape[-2:]) if none_given else 0.0
    return _core.maximum(largest * rtol, _core.full_like(largest, 0) + floor)


def _symmetric(A: Tensor) -> Tensor:
    """The Hermitian matrix with this lower triangle (and the real parts of its diagonal)."""
    below = A.tril() + A.tril(-1)
    return (below + mH(below)) / 2


@takes_out
def pinv(
    A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """The pseudo-inverse (..., n, m) of A (..., m, n). Singular values up to ``max(atol, rtol * largest)``
    count as 0; ``rtol`` (also called rcond) is eps * max(m, n) unless given. ``hermitian`` promises a
    symmetric A.
    """
    if hermitian:
        mean = (A + mH(A)) / 2  # whose gradient is symmetric
        A = mean + (_symmetric(A) - mean).detach()
    return _Pinv.apply(A, _tolerance("pinv", A, atol, rcond if rtol is None else rtol))


@takes_out
def matrix_rank(
    A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """How many singular values exceed ``max(atol, rtol * largest)``; see ``pinv``. ``tol`` is another name of
    atol.
    """
    if hermitian:
        A = _symmetric(A)
    return (
        svdvals(A.detach()) > _tolerance("matrix_rank", A, atol if tol is None else tol, rtol).unsqueeze(-1)
    ).sum(-1)


def _squares(x: Tensor) -> Tensor:
    return (x * x.conj()).real if x.is_complex() else x.square()


@takes_out
def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """``(solution, residuals, rank, singular_values)``: the X that makes ``A @ X - B`` smallest.

    A is (..., m, n), B (..., m, k) or (..., m). Residuals are given for m > n and full rank, else empty.
    All are found by the singular values, as LAPACK's ``driver="gelsd"`` does; with ``"gelss"`` or ``"gelsd"``
    they are returned, with ``"gels"`` or ``"gelsy"`` (the default) they are left empty, and so is the rank
    with ``"gels"``.
    """
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise ShapeError(f"linalg.lstsq: expected driver to be gels, gelsy, gelsd or gelss, got {driver!r}")
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))
    right = B.unsqueeze(-1) if vector else B
    check("lstsq", A, right)
    if A.shape[-2] != right.shape[-2]:
        raise ShapeError(f"linalg.lstsq: {tuple(A.shape)} and {tuple(B.shape)} do not fit together")
    solution = pinv(A, rcond) @ right
    rank = matrix_rank(A, rtol=rcond)
    full = driver not in (None, "gelsy") and A.shape[-2] > A.shape[-1] and bool((rank == A.shape[-1]).all())
    none = _core.empty((0,), A.dtype.to_real())
    residuals = _squares(A @ solution - right).sum(-2) if full else none
    if vector:
        solution = solution.squeeze(-1)
        residuals = residuals.squeeze(-1) if full else residuals
    values = svdvals(A.detach()) if driver in ("gelss", "gelsd") else none
    rank = _core.empty((0,), _core.int64) if driver == "gels" else rank
    return named("lstsq", "solution residuals rank singular_values", solution, residuals, rank, values)
