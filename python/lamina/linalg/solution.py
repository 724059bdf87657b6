"""Inverses, determinants and systems of linear equations, with gradients to any order."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.autograd.function import Function
from lamina.linalg.lapack import LinAlgError, call, check, mH, mT
from lamina.result import takes_out
from lamina.return_types import named
from lamina.shape import broadcast_shapes


class _Inverse(Function):
    """d(A^-1) = -A^-1 dA A^-1."""

    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:
        result = call("inv", np.linalg.inv, A)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        back = mH(ctx.saved_tensors[0])
        return -(back @ grad @ back)


def inv(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverse of every matrix (..., n, n).

    Raises:
        LinAlgError: a matrix is singular.
        ShapeError: not square. TypeError: neither float32 nor float64.

    >>> lamina.linalg.inv(lamina.tensor([[2.0]])).item()
    0.5
    """
    check("inv", A, square=True)
    return _core._into_out(_Inverse.apply(A), out)


class _Solve(Function):
    """X = A^-1 B: the gradient of B is A^-H G, that of A the negative of it times X^H."""

    @staticmethod
    def forward(ctx: Any, A: Tensor, B: Tensor) -> Tensor:
        result = call("solve", np.linalg.solve, A, B)
        ctx.save_for_backward(A, result)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        A, X = ctx.saved_tensors
        grad_B = _Solve.apply(mH(A), grad)
        return -(grad_B @ mH(X)), grad_B


def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Tensor | None = None) -> Tensor:
    """X with ``A @ X = B``, or with ``left=False`` ``X @ A = B``; A (..., n, n), B (..., n, k) or (..., n).

    Raises:
        LinAlgError: a matrix is singular.
        ShapeError: A is not square or does not fit B.

    >>> lamina.linalg.solve(2 * lamina.eye(2), lamina.ones(2)).tolist()
    [0.5, 0.5]
    """
    check("solve", A, square=True)
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))
    B = B.unsqueeze(-1) if vector else B
    check("solve", A, B)
    if vector and not left:
        raise ShapeError("linalg.solve: vectors can only be solved for from the left")
    if not left:
        return _core._into_out(mT(solve(mT(A), mT(B))), out)
    if A.shape[-1] != B.shape[-2]:
        raise ShapeError(f"linalg.solve: {tuple(A.shape)} and {tuple(B.shape)} do not fit together")
    batch = tuple(broadcast_shapes(A.shape[:-2], B.shape[:-2]))
    result = _Solve.apply(A.expand(*batch, *A.shape[-2:]), B.expand(*batch, *B.shape[-2:]))
    return _core._into_out(result.squeeze(-1) if vector else result, out)


def solve_triangular(
    A: Tensor,
    B: Tensor,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """``solve`` that reads only the upper or the lower triangle of A, whose diagonal may be taken for 1."""
    check("solve_triangular", A, square=True)
    triangle = A.triu(int(unitriangular)) if upper else A.tril(-int(unitriangular))
    if unitriangular:
        triangle = triangle + _core.eye(A.shape[-1], A.shape[-1], A.dtype)
    if B.ndim < 2:
        raise ShapeError(f"linalg.solve_triangular: expected B to be (..., n, k), got shape {tuple(B.shape)}")
    return solve(triangle, B, left=left, out=out)


class _Det(Function):
    """The gradient is the matrix of cofactors, det(A) A^-T, conjugated, or where A is singular what the SVD
    gives.
    """

    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:
        result = call("det", np.linalg.det, A)
        ctx.save_for_backward(A, result)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        A, result = ctx.saved_tensors
        scale = grad.unsqueeze(-1).unsqueeze(-1)
        try:
            return scale * result.conj().unsqueeze(-1).unsqueeze(-1) * mH(_Inverse.apply(A))
        except LinAlgError:
            if _core.grad_enabled():
                raise
            return scale * _cofactors(A)


def _cofactors(A: Tensor) -> Tensor:
    U, S, Vh = call("det", np.linalg.svd, A)
    sign = call("det", np.linalg.det, U) * call("det", np.linalg.det, Vh)
    size = S.shape[-1]
    others = S.unsqueeze(-2).expand(*S.shape, size).masked_fill(_core.eye(size, size, _core.bool), 1).prod(-1)
    return (U * (others * sign.conj().unsqueeze(-1)).unsqueeze(-2)) @ Vh


def det(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The determinant of every matrix (..., n, n): (...).

    >>> lamina.linalg.det(2 * lamina.eye(3)).item()
    8.0
    """
    check("det", A, square=True)
    return _core._into_out(_Det.apply(A), out)


class _Slogdet(Function):
    """d log|det A| = Re trace(A^-1 dA), d sign = sign i Im trace(A^-1 dA), which of real matrices is 0."""

    @staticmethod
    def forward(ctx: Any, A: Tensor) -> tuple[Tensor, Tensor]:
        sign, logabs = call("slogdet", lambda a: tuple(np.linalg.slogdet(a)), A)
        ctx.save_for_backward(A, sign)
        return sign, logabs

    @staticmethod
    def backward(ctx: Any, grad_sign: Tensor, grad: Tensor) -> Tensor:
        A, sign = ctx.saved_tensors
        if A.is_complex():
            grad = _core.complex(grad, -_core.imag(grad_sign.conj() * sign))
        return grad.unsqueeze(-1).unsqueeze(-1) * mH(_Inverse.apply(A))


@takes_out
def slogdet(A: Tensor) -> Any:
    """The sign of the determinant and the logarithm of its size: ``(sign, logabsdet)``; 0 and -inf if
    singular.
    """
    check("slogdet", A, square=True)
    return named("slogdet", "sign logabsdet", *_Slogdet.apply(A))


def logdet(A: Tensor) -> Tensor:
    """The logarithm of the determinant; NaN where that is negative and A real, -inf where it is 0."""
    sign, logabs = slogdet(A)
    if A.is_complex():
        return sign.log() + logabs
    return _core.where(sign < 0, float("nan"), logabs)
