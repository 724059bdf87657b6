"""Reductions composed of the core's: norms and distances, means with variances, sums that pass over NaN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lamina import _core
from lamina._core import DtypeError, ShapeError, Tensor
from lamina.elementwise import inexact
from lamina.result import takes_out
from lamina.return_types import named
from lamina.shape import broadcast_shapes

if TYPE_CHECKING:
    from lamina._core import dtype as Dtype

    Dims = int | Sequence[int] | None

__all__ = [
    "aminmax",
    "cdist",
    "corrcoef",
    "cov",
    "dist",
    "nanmean",
    "nansum",
    "norm",
    "pdist",
    "std_mean",
    "var_mean",
]


@takes_out
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """The smallest and the largest element, along ``dim`` or of all: a tuple ``(min, max)``."""
    dims = () if dim is None else dim
    return named("aminmax", "min max", input.amin(dims, keepdim), input.amax(dims, keepdim))


def var_mean(input: Tensor, dim: Dims = None, *args: Any, **options: Any) -> tuple[Tensor, Tensor]:
    """``(var, mean)`` over ``dim``; ``correction``, ``unbiased`` and ``keepdim`` as in ``var``."""
    return _with_mean(_core.var, input, dim, args, options)


def std_mean(input: Tensor, dim: Dims = None, *args: Any, **options: Any) -> tuple[Tensor, Tensor]:
    """``(std, mean)`` over ``dim``; ``correction``, ``unbiased`` and ``keepdim`` as in ``std``."""
    return _with_mean(_core.std, input, dim, args, options)


def _with_mean(spread: Any, input: Tensor, dim: Any, args: Any, options: Any) -> tuple[Tensor, Tensor]:
    first = spread(input, dim, *args, **options)
    keepdim = args[1] if len(args) > 1 else options.get("keepdim", False)
    return first, input.mean(None if isinstance(dim, bool) else dim, keepdim)


def nansum(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """``sum`` that takes NaN for 0.

    >>> lamina.nansum(lamina.tensor([1.0, float("nan")])).item()
    1.0
    """
    return _core.sum(input.masked_fill(input.isnan(), 0), dim, keepdim, dtype=dtype, out=out)


def nanmean(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """``mean`` over the elements that are not NaN; NaN where there are none."""
    count = input.isnan().logical_not().sum(dim, keepdim)
    return _core.div(nansum(input, dim, keepdim, dtype=dtype), count, out=out)


def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
) -> Tensor:
    """The p-norm ``sum(|x|**p) ** (1/p)`` over ``dim`` or over all elements.

    ``"fro"`` is the 2-norm; ``"nuc"`` the sum of the singular values of a matrix. ``lamina.linalg`` has more.

    >>> lamina.norm(lamina.tensor([3.0, 4.0])).item()
    5.0
    """
    if p == "nuc":
        from lamina import linalg

        where = tuple(range(input.ndim))[-2:] if dim is None else dim
        dims: Any = where
        return linalg.matrix_norm(input, "nuc", dims, keepdim, dtype=dtype, out=out)
    if isinstance(p, str) and p != "fro":
        raise ShapeError(f"norm: expected p to be a number, 'fro' or 'nuc', got {p!r}")
    kind = input.dtype if dtype is None else dtype
    if not (kind.is_floating_point or kind.is_complex):
        raise DtypeError(f"norm: expected a floating or complex dtype, got {kind}")
    order = 2.0 if p is None or isinstance(p, str) else float(p)
    return _core._into_out(_core.vector_norm(input, order, dim, keepdim, dtype), out)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of ``input - other``; the shapes broadcast."""
    return _core.vector_norm(input - other, float(p))


def cdist(
    x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary"
) -> Tensor:
    """The distance of every row of ``x1`` (..., n, d) from every row of ``x2`` (..., m, d): (..., n, m).

    Euclidean distances of more than 25 rows go through a matrix product, with less accuracy for near points,
    unless ``compute_mode`` is ``"donot_use_mm_for_euclid_dist"``.

    Raises:
        ShapeError: the rows differ in length, a negative ``p``, or another ``compute_mode``.
    """
    modes = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
    mode = modes[0] if compute_mode is None else compute_mode
    if mode not in modes or p < 0:
        raise ShapeError(f"cdist: expected p >= 0 and one of {modes}, got p={p} and {mode!r}")
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(
            f"cdist: expected (..., n, d) and (..., m, d), got {tuple(x1.shape)} and {tuple(x2.shape)}"
        )
    broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    many = max(x1.shape[-2], x2.shape[-2]) > 25
    if p != 2 or mode == modes[2] or (mode == modes[0] and not many):
        return _core.vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), float(p), -1)
    squares = x1.square().sum(-1, True) + x2.square().sum(-1).unsqueeze(-2) - 2 * (x1 @ x2.transpose(-1, -2))
    apart = squares.detach() > 0
    # The root of 0 has no slope; such pairs get none.
    return _core.where(apart, _core.where(apart, squares, 1.0).sqrt(), 0.0)


def pdist(input: Tensor, p: float = 2) -> Tensor:
    """The distances between the n rows of ``input``, each pair once: (n * (n - 1) / 2)."""
    if input.ndim != 2:
        raise ShapeError(f"pdist: expected a matrix, got shape {tuple(input.shape)}")
    from lamina.creation import triu_indices

    first, second = triu_indices(input.shape[0], input.shape[0], 1)
    return _core.vector_norm(input[first] - input[second], float(p), -1)


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariances of the variables in the rows of ``input``, whose columns are observations.

    ``fweights`` counts how often an observation was made, ``aweights`` says how much it weighs.

    Raises:
        ShapeError: more than 2 dimensions, or weights that do not fit the observations.
    """
    if input.ndim > 2:
        raise ShapeError(f"cov: expected at most 2 dimensions, got shape {tuple(input.shape)}")
    x = input.reshape(1, -1) if input.ndim < 2 else input
    x = inexact(x)
    if fweights is not None and fweights.is_floating_point():
        raise DtypeError(f"cov: expected fweights to be counts, got {fweights.dtype}")
    for weights in (fweights, aweights):
        if weights is not None and (weights.shape != x.shape[1:] or bool((weights < 0).any())):
            raise ShapeError(f"cov: expected {x.shape[1]} weights, none negative, got {weights.tolist()}")
    if aweights is not None:
        x = x.to(_core.promote_types(x.dtype, aweights.dtype))
    weight = _core.full((x.shape[1],), 1, x.dtype)
    for weights in (fweights, aweights):
        weight = weight if weights is None else weight * weights.to(x.dtype)
    total = weight.sum()
    second = total if aweights is None else (weight * aweights.to(x.dtype)).sum()
    centred = x - (x * weight).sum(1, True) / total
    count = _core.real(total - correction * second / total).clamp(min=0)
    result = (centred * weight) @ centred.t().conj() / count
    return result.squeeze()


def corrcoef(input: Tensor) -> Tensor:
    """The correlations of the variables in the rows of ``input``, whose columns are observations."""
    c = cov(input)
    if c.ndim == 0:
        return c / c
    spread = _core.real(c).diagonal().sqrt()
    scaled = c / spread.unsqueeze(1) / spread.unsqueeze(0)
    if not scaled.is_complex():
        return scaled.clamp(-1, 1)
    return _core.complex(_core.real(scaled).clamp(-1, 1), _core.imag(scaled).clamp(-1, 1))
