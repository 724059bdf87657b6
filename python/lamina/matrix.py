"""Products of vectors and matrices that are one call of the core once the shapes are checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import _core
from lamina._core import DtypeError, ShapeError, Tensor
from lamina.shape import wrap

__all__ = [
    "addbmm",
    "addmv",
    "addr",
    "bmm",
    "chain_matmul",
    "cross",
    "dot",
    "ger",
    "inner",
    "kron",
    "mm",
    "mv",
    "outer",
    "trace",
    "vdot",
]


def _expect(word: str, *shaped: tuple[Tensor, int]) -> None:
    """Every tensor has its number of dimensions.

    Raises:
        ShapeError: one has another.
    """
    for x, ndim in shaped:
        if x.ndim != ndim:
            wanted = ", ".join(f"{n}-D" for _, n in shaped)
            got = ", ".join(str(tuple(y.shape)) for y, _ in shaped)
            raise ShapeError(f"{word}: expected {wanted} tensors, got shapes {got}")
    first = shaped[0][0].dtype
    if any(x.dtype is not first for x, _ in shaped):
        raise DtypeError(
            f"{word}: expected tensors of one dtype, got {', '.join(str(x.dtype) for x, _ in shaped)}"
        )


def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """(n, k) times (k, m): (n, m).

    Raises:
        ShapeError: other numbers of dimensions, or sizes that do not meet.

    >>> lamina.mm(lamina.ones(2, 3), lamina.ones(3, 1)).tolist()
    [[3.0], [3.0]]
    """
    _expect("mm", (input, 2), (mat2, 2))
    return _core.matmul(input, mat2, out=out)


def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """(b, n, k) times (b, k, m), matrix by matrix: (b, n, m).

    Raises:
        ShapeError: other numbers of dimensions, or sizes that do not meet.
    """
    _expect("bmm", (input, 3), (mat2, 3))
    if input.shape[0] != mat2.shape[0]:
        raise ShapeError(f"bmm: expected equal batch sizes, got {tuple(input.shape)} and {tuple(mat2.shape)}")
    return _core.matmul(input, mat2, out=out)


def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """(n, k) times (k): (n)."""
    _expect("mv", (input, 2), (vec, 1))
    return _core.matmul(input, vec, out=out)


def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sum of the products of two 1-d tensors of equal length.

    >>> lamina.dot(lamina.tensor([1, 2]), lamina.tensor([3, 4])).item()
    11
    """
    _expect("dot", (input, 1), (tensor, 1))
    if input.shape != tensor.shape:
        raise ShapeError(f"dot: expected equal lengths, got {len(input)} and {len(tensor)}")
    return _core.matmul(input, tensor, out=out)


def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``dot`` with the first of both conjugated: its square of a vector with itself is its length."""
    return dot(input.conj(), other, out=out)


def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sums of products over the last dimensions: (..., k) and (***, k) give (..., ***)."""
    if input.ndim == 0 or other.ndim == 0:
        return _core.mul(input, other, out=out)
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(
            f"inner: the last dimensions must match, got {tuple(input.shape)} and {tuple(other.shape)}"
        )
    flat = input.reshape(-1, input.shape[-1]) @ other.reshape(-1, other.shape[-1]).t()
    return _core._into_out(flat.reshape(tuple(input.shape[:-1]) + tuple(other.shape[:-1])), out)


def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """All products of one element of (n) and one of (m): (n, m)."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise ShapeError(f"outer: expected 1-D tensors, got shapes {tuple(input.shape)}, {tuple(vec2.shape)}")
    return _core.mul(input.unsqueeze(1), vec2, out=out)


ger = outer


def addmv(
    input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * (mat @ vec)``; with ``beta=0`` input is not read."""
    return _scaled(input, mv(mat, vec), beta, alpha, out)


def addr(
    input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)``; with ``beta=0`` input is not read."""
    return _scaled(input, outer(vec1, vec2), beta, alpha, out)


def addbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: float = 1,
    alpha: float = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2).sum(0)``; with ``beta=0`` input is not read."""
    _expect("addbmm", (batch1, 3), (batch2, 3))
    if batch1.shape[0] != batch2.shape[0]:
        raise ShapeError(
            f"addbmm: expected equal batch sizes, got {tuple(batch1.shape)} and {tuple(batch2.shape)}"
        )
    # The sum over the batch too is one product: (n, b * k) times (b * k, m).
    rows = batch1.transpose(0, 1).reshape(batch1.shape[1], batch1.shape[0] * batch1.shape[2])
    columns = batch2.reshape(batch2.shape[0] * batch2.shape[1], batch2.shape[2])
    return _scaled(input, _core.matmul(rows, columns), beta, alpha, out)


def _scaled(input: Tensor, product: Tensor, beta: float, alpha: float, out: Tensor | None) -> Tensor:
    dtype = product.dtype
    if not (
        dtype.is_floating_point or dtype.is_complex
    ):  # factors of integers are cut to integers, those of bools to bools
        cut = bool if dtype is _core.bool else int
        beta, alpha = cut(beta), cut(alpha)
    elif dtype.itemsize == 2:  # rounded once, at the end
        wide = _scaled(input.to(_core.float32), product.to(_core.float32), beta, alpha, None)
        return _core._into_out(wide.to(dtype), out)
    if alpha != 1:
        product = product * alpha
    if beta == 0:
        return _core._into_out(product, out)
    result = _core.add(product, input if beta == 1 else input * beta, out=out)
    if out is None and result.shape != product.shape:
        raise ShapeError(f"expected an input that fits {tuple(product.shape)}, got {tuple(input.shape)}")
    return result


def chain_matmul(*matrices: Any, out: Tensor | None = None) -> Tensor:
    """The product of several matrices, multiplied in the cheapest order."""
    from lamina import linalg

    group: Sequence[Tensor] = (
        matrices[0] if len(matrices) == 1 and not isinstance(matrices[0], Tensor) else matrices
    )
    return linalg.multi_dot(group, out=out) if len(group) > 1 else group[0]


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise ShapeError(f"trace: expected a matrix, got shape {tuple(input.shape)}")
    return input.diagonal().sum()


def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product: every element of ``input`` replaced by itself times ``other``.

    >>> lamina.kron(lamina.tensor([1, 10]), lamina.tensor([1, 2])).tolist()
    [1, 2, 10, 20]
    """
    ndim = max(input.ndim, other.ndim)
    a = input.reshape((1,) * (ndim - input.ndim) + tuple(input.shape))
    b = other.reshape((1,) * (ndim - other.ndim) + tuple(other.shape))
    apart = a.reshape([size for n in a.shape for size in (n, 1)]) * b.reshape(
        [size for n in b.shape for size in (1, n)]
    )
    return _core._into_out(apart.reshape([n * m for n, m in zip(a.shape, b.shape, strict=True)]), out)


def cross(input: Tensor, other: Tensor, dim: int | None = None, *, out: Tensor | None = None) -> Tensor:
    """The cross products of vectors of 3 along ``dim``, by default the first dimension of that size.

    Raises:
        ShapeError: there is no such dimension.

    >>> lamina.cross(lamina.tensor([1, 0, 0]), lamina.tensor([0, 1, 0]), 0).tolist()
    [0, 0, 1]
    """
    input, other = _broadcast(input, other)
    if dim is None:
        dim = next((d for d, size in enumerate(input.shape) if size == 3), None)
    if dim is None or input.shape[wrap(dim, input.ndim, "cross")] != 3:
        raise ShapeError(
            f"cross: expected a dimension of size 3, got shape {tuple(input.shape)} and dim {dim}"
        )
    a, b = (x.roll(-1, dim) for x in (input, other))
    return _core._into_out((input * b - a * other).roll(-1, dim), out)


def _broadcast(input: Tensor, other: Tensor) -> tuple[Tensor, ...]:
    from lamina.shape import broadcast_tensors

    return broadcast_tensors(input, other)
