"""Eigenvalues and eigenvectors of any square matrix: complex numbers, with gradients to any order."""

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


def _eig(a: np.ndarray[Any, Any]) -> tuple[Any, ...]:
    wide = np.complex128 if a.dtype.itemsize == 16 or a.dtype == np.float64 else np.complex64
    return tuple(part.astype(wide) for part in np.linalg.eig(a))


class _Eig(Function):
    """Boeddeker et al., On the computation of complex-valued gradients, 2017, section 4.20."""

    @staticmethod
    def forward(ctx: Any, A: Tensor) -> tuple[Tensor, Tensor]:
        values, vectors = call("eig", _eig, A)
        ctx.save_for_backward(values, vectors)
        ctx.set_materialize_grads(False)
        ctx.real = not A.is_complex()
        return values, vectors

    @staticmethod
    def backward(ctx: Any, grad_values: Tensor | None, grad_vectors: Tensor | None) -> Tensor | None:
        values, V = ctx.saved_tensors
        eye = _core.eye(V.shape[-1], V.shape[-1], V.dtype)
        inner: Tensor | None = None
        if grad_vectors is not None:  # of vectors of length 1
            turn = mH(V) @ grad_vectors
            along = _core.real(turn.diagonal(0, -2, -1)).unsqueeze(-2)
            gaps = (values.unsqueeze(-2) - values.unsqueeze(-1) + eye).conj()
            inner = (turn - mH(V) @ V * along) / gaps * (1 - eye)
        if grad_values is not None:
            straight = grad_values.unsqueeze(-1) * eye
            inner = straight if inner is None else inner + straight
        if inner is None:
            return None
        grad = solve(mH(V), inner @ mH(V))
        return _core.real(grad) if ctx.real else grad


@takes_out
def eig(A: Tensor) -> Any:
    """``(eigenvalues, eigenvectors)`` of matrices (..., n, n), complex and in no order, vectors of length 1
    as columns.

    Gradients need different values; those of vectors, a result that does not change when a vector is turned
    by a complex number of length 1.

    >>> lamina.linalg.eig(lamina.tensor([[0.0, 1.0], [-1.0, 0.0]])).eigenvalues.real.tolist()
    [0.0, 0.0]
    """
    check("eig", A, square=True)
    if not bool(A.detach().isfinite().all()):
        raise ShapeError("linalg.eig: input tensor should not contain infs or NaNs")
    return named("eig", "eigenvalues eigenvectors", *_Eig.apply(A))


@takes_out
def eigvals(A: Tensor) -> Tensor:
    """The eigenvalues of any square matrices, complex and in no order."""
    return eig(A).eigenvalues
