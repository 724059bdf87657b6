"""Reductions and normalisations that leave masked elements out, under the names of ``torch.masked``.

``mask`` is True for what takes part, and broadcasts to ``input``; without it everything does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from lamina import _core
from lamina._core import DtypeError, Tensor
from lamina.dtype_info import iinfo
from lamina.elementwise import floating, inexact
from lamina.order_statistic import nanmedian

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "mean",
    "median",
    "norm",
    "normalize",
    "prod",
    "softmax",
    "softmin",
    "std",
    "sum",
    "var",
]

Dims = int | Sequence[int] | None


def _filled(input: Tensor, mask: Tensor | None, value: Any, dtype: Any = None) -> Tensor:
    """``input`` with ``value`` where the mask is False."""
    x = input if dtype is None else input.to(dtype)
    if mask is None:
        return x
    if mask.dtype is not _core.bool:
        raise DtypeError(f"masked: expected a bool mask, got {mask.dtype}")
    return x.masked_fill(mask.logical_not().expand(x.shape), value)


def _limit(dtype: Any, sign: int) -> Any:
    """What loses every comparison: the largest (``sign`` 1) or the smallest number of a dtype."""
    if dtype.is_floating_point:
        return sign * math.inf
    return iinfo(dtype).max if sign > 0 else iinfo(dtype).min


def _count(input: Tensor, dim: Dims, keepdim: bool, mask: Tensor | None) -> Tensor:
    ones = _core.full_like(input, 1, _core.int64)
    return _filled(ones, mask, 0).sum(dim, keepdim)


def sum(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The sum; 0 of nothing.

    >>> lamina.masked.sum(lamina.tensor([1.0, 2.0]), mask=lamina.tensor([True, False])).item()
    1.0
    """
    return _filled(input, mask, 0).sum(dim, keepdim, dtype=dtype)


def prod(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The product; 1 of nothing."""
    return _filled(input, mask, 1).prod(dim, keepdim, dtype=dtype)


def mean(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The mean; NaN of nothing."""
    x = input if dtype is None else input.to(dtype)
    x = inexact(x)
    return sum(x, dim, keepdim=keepdim, mask=mask) / _count(x, dim, keepdim, mask)


def _extreme(method: str, sign: int) -> Callable[..., Tensor]:
    def function(
        input: Tensor,
        dim: Any = None,
        *,
        keepdim: bool = False,
        dtype: Any = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        kind = input.dtype if dtype is None else dtype
        whole = () if dim is None and not method.startswith("arg") else dim
        found = getattr(_filled(input, mask, _limit(kind, sign), dtype), method)(whole, keepdim)
        return found.to(kind)  # places too, as PyTorch's

    function.__name__ = method
    function.__doc__ = f"``{method}`` of what the mask leaves."
    return function


amax, amin = _extreme("amax", -1), _extreme("amin", 1)
argmax, argmin = _extreme("argmax", -1), _extreme("argmin", 1)


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The median along ``dim``; NaN of nothing."""
    x = input if dtype is None else input.to(dtype)
    x = floating(x, "median")
    return nanmedian(_filled(x, mask, math.nan), dim, keepdim).values


def norm(
    input: Tensor,
    ord: float | None = 2.0,
    dim: Dims = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """``linalg.vector_norm`` of order ``ord``; 0 of nothing, and infinity for negative orders."""
    order = 2.0 if ord is None else float(ord)
    x = _filled(input, mask, math.inf if order < 0 else 0, dtype)
    return _core.vector_norm(x, order, dim, keepdim)


def var(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The variance, divided by the count less ``correction`` (1, or 0 with ``unbiased=False``)."""
    x = input if dtype is None else input.to(dtype)
    x = inexact(x)
    less = (0 if unbiased is False else 1) if correction is None else correction
    apart = _filled(x - mean(x, dim, keepdim=True, mask=mask), mask, 0)
    count = _count(x, dim, keepdim, mask)
    squares = apart * apart.conj() if x.is_complex() else apart.square()
    return squares.sum(dim, keepdim) / (count - less).clamp(min=0)


def std(input: Tensor, dim: Dims = None, unbiased: bool | None = None, **options: Any) -> Tensor:
    """The root of ``var``."""
    return var(input, dim, unbiased, **options).sqrt()


def cumsum(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """Running sums, to which masked elements add nothing."""
    return _filled(input, mask, 0).cumsum(dim, dtype=input.dtype if dtype is None else dtype)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """Running products, which masked elements leave as they are."""
    return _filled(input, mask, 1).cumprod(dim, dtype=input.dtype if dtype is None else dtype)


def softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """``softmax`` over what the mask leaves; the rest is 0."""
    return _filled(input, mask, -math.inf, dtype).softmax(dim)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """``log_softmax`` over what the mask leaves; the rest is -inf."""
    return _filled(input, mask, -math.inf, dtype).log_softmax(dim)


def softmin(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """``softmax`` of ``-input``."""
    return softmax(-input, dim, dtype=dtype, mask=mask)


def logsumexp(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """``logsumexp`` of what the mask leaves; -inf of nothing."""
    return _core.logsumexp(_filled(input, mask, -math.inf, dtype), dim, keepdim)


def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: Any = None,
    input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:
    """``logaddexp``, for which a masked number is -inf."""
    return _core.logaddexp(
        _filled(input, input_mask, -math.inf, dtype), _filled(other, other_mask, -math.inf, dtype)
    )


def normalize(
    input: Tensor,
    ord: float,
    dim: int,
    *,
    eps: float = 1e-12,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """``input`` divided by ``max(norm, eps)`` along ``dim``; masked elements are 0."""
    x = _filled(input, mask, 0, dtype)
    return x / norm(x, ord, dim, keepdim=True, mask=mask).clamp(min=eps)
