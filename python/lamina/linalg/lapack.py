"""The way into LAPACK: NumPy's routines, on arrays over the tensors' own memory. What is differentiable: its
callers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina import _core
from lamina._core import DtypeError, ShapeError, Tensor

if TYPE_CHECKING:
    from lamina._core import dtype as Dtype


LAPACK = (_core.float32, _core.float64, _core.complex64, _core.complex128)
# LAPACK's iterations behind these may run for ever on numbers that are not finite.
ITERATIVE = ("eig", "eigh", "pinv", "svd", "svdvals")


class LinAlgError(ShapeError):
    """A matrix that a decomposition cannot take: singular, not positive definite, or without convergence."""


def call(word: str, routine: Callable[..., Any], *matrices: Tensor, **options: Any) -> Any:
    """``routine`` of NumPy on the matrices, results as tensors.

    Raises:
        LinAlgError: LAPACK gave up, or the matrix of an iteration has numbers that are not finite.
    """
    arrays = [x.detach().numpy() for x in matrices]
    if (word in ITERATIVE or routine is np.linalg.svd) and not all(np.isfinite(x).all() for x in arrays):
        raise LinAlgError(f"linalg.{word}: expected finite numbers, without which it never converges")
    try:
        found = routine(*arrays, **options)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"linalg.{word}: {error}") from None
    if isinstance(found, tuple):
        return tuple(_tensor(part, matrices[0].dtype) for part in found)
    return _tensor(found, matrices[0].dtype)


def _tensor(part: Any, dtype: Dtype) -> Tensor:
    """As exact as ``dtype``, complex where NumPy's array is."""
    array = np.asarray(part, order="C")
    return _core.from_numpy(array).to(dtype.to_complex() if array.dtype.kind == "c" else dtype.to_real())


def check(word: str, *matrices: Tensor, square: bool = False) -> None:
    """Matrices of one dtype that LAPACK has.

    Raises:
        ShapeError: less than 2 dimensions, or not square where that is asked for.
        TypeError: a dtype besides float32, float64 and the complex ones, or two different ones.
    """
    for x in matrices:
        if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
            kind = "square matrices" if square else "matrices"
            raise ShapeError(f"linalg.{word}: expected (batches of) {kind}, got shape {tuple(x.shape)}")
        if x.dtype not in LAPACK or x.dtype is not matrices[0].dtype:
            found = ", ".join(str(y.dtype) for y in matrices)
            raise DtypeError(
                f"linalg.{word}: expected float32, float64 or complex numbers for all matrices, got {found}"
            )


def mH(x: Tensor) -> Tensor:
    """Every matrix transposed, complex numbers conjugated."""
    return x.transpose(-1, -2).conj()


def mT(x: Tensor) -> Tensor:
    """Every matrix transposed."""
    return x.transpose(-1, -2)
