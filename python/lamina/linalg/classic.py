"""Linear algebra as functions of ``lamina`` and methods of Tensor, whose names and forms are older than
linalg's.
"""

from __future__ import annotations

from typing import Any

from lamina import _core
from lamina._core import Tensor
from lamina.linalg import decomposition, factor, solution
from lamina.linalg.decomposition import pinv
from lamina.linalg.factor import geqrf, householder_product, lu_unpack, ormqr, triangular_solve
from lamina.linalg.function import matrix_exp, pca_lowrank, svd_lowrank
from lamina.linalg.lapack import mH
from lamina.linalg.norm import matrix_power as _matrix_power
from lamina.linalg.solution import solve_triangular
from lamina.result import takes_out
from lamina.return_types import named

__all__ = [
    "cholesky",
    "cholesky_inverse",
    "cholesky_solve",
    "det",
    "geqrf",
    "inverse",
    "logdet",
    "lu",
    "lu_solve",
    "lu_unpack",
    "matrix_exp",
    "matrix_power",
    "orgqr",
    "ormqr",
    "pca_lowrank",
    "pinverse",
    "qr",
    "slogdet",
    "svd",
    "svd_lowrank",
    "triangular_solve",
]


def det(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``linalg.det``."""
    return solution.det(input, out=out)


def logdet(input: Tensor) -> Tensor:
    """The logarithm of ``det``: NaN where that is negative."""
    return solution.logdet(input)


def slogdet(input: Tensor, *, out: Any = None) -> Any:
    """``linalg.slogdet``."""
    return solution.slogdet(input, out=out)


def matrix_power(input: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """``linalg.matrix_power``."""
    return _matrix_power(input, n, out=out)


def orgqr(input: Tensor, tau: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``linalg.householder_product``."""
    return householder_product(input, tau, out=out)


def inverse(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``linalg.inv``."""
    return solution.inv(input, out=out)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """``linalg.pinv``."""
    return pinv(input, rcond)


def cholesky(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """``linalg.cholesky``."""
    return decomposition.cholesky(input, upper=upper, out=out)


def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """X with ``A @ X = input``, given the Cholesky factor L of A (upper: L.mH @ L = A)."""
    first = solve_triangular(mH(L) if upper else L, input, upper=False)
    return solve_triangular(L if upper else mH(L), first, upper=True, out=out)


def cholesky_inverse(L: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The inverse of A, given its Cholesky factor L."""
    return cholesky_solve(_core.eye(L.shape[-1], L.shape[-1], L.dtype), L, upper, out=out)


@takes_out
def qr(input: Tensor, some: bool = True) -> Any:
    """``linalg.qr``: reduced, or complete with ``some=False``."""
    return decomposition.qr(input, "reduced" if some else "complete")


@takes_out
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """``(U, S, V)`` with ``input = U @ diag(S) @ V.mH``: note V, where ``linalg.svd`` gives its adjoint.

    With ``compute_uv=False`` U and V are zeros, as in PyTorch.
    """
    if not compute_uv:
        m, n = input.shape[-2:]
        batch = input.shape[:-2]
        zeros = [_core.full((*batch, size, size), 0, input.dtype) for size in (m, n)]
        return named("svd", "U S V", zeros[0], decomposition.svdvals(input), zeros[1])
    U, S, Vh = decomposition.svd(input, full_matrices=not some)
    return named("svd", "U S V", U, S, mH(Vh))


@takes_out
def lu(A: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """``linalg.lu_factor``; with ``get_infos`` its third result too."""
    found = factor.lu_factor_ex(A, pivot=pivot)
    return tuple(found) if get_infos else tuple(found[:2])


def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``linalg.lu_solve`` with the right side in front."""
    return factor.lu_solve(LU_data, LU_pivots, b, out=out)
