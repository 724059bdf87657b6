"""Parametrisations by name: weight_norm, spectral_norm, orthogonal."""

from __future__ import annotations

from typing import Any, TypeVar

import lamina
from lamina._core import Tensor
from lamina.nn.functional.normalization import normalize
from lamina.nn.modules.module import Module
from lamina.nn.utils.parametrize import register_parametrization

AnyModule = TypeVar("AnyModule", bound=Module)

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    """``g v / |v|``; originals: g, v."""

    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = dim

    def _length(self, v: Tensor) -> Tensor:
        if self.dim is None:
            return v.norm()
        others = [i for i in range(v.ndim) if i != self.dim % v.ndim]
        return v.norm(2, others, True) if others else v.abs()

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        return v * (g / self._length(v))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return self._length(weight), weight


def weight_norm(module: AnyModule, name: str = "weight", dim: int | None = 0) -> AnyModule:
    """The weight as a length for each index of ``dim`` (``original0``) and a direction (``original1``).

    ``dim=None`` is one length for the whole weight. Source: Salimans & Kingma, Weight Normalization, 2016.

    >>> layer = lamina.nn.utils.parametrizations.weight_norm(lamina.nn.Linear(2, 3))
    >>> layer.parametrizations.weight.original0.shape
    lamina.Size([3, 1])
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    return module


class _SpectralNorm(Module):
    """``W / sigma``, the largest singular value being estimated by power iteration while training."""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        self.n_power_iterations, self.dim, self.eps = n_power_iterations, dim, eps
        if weight.ndim > 1:
            with lamina.no_grad():
                matrix = self._matrix(weight)
                u, v = (normalize(lamina.randn(n, dtype=weight.dtype), dim=0, eps=eps) for n in matrix.shape)
                self.register_buffer("_u", u)
                self.register_buffer("_v", v)
                self._iterate(matrix, 15)

    def _matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.dim, 0).flatten(1) if weight.ndim > 1 else weight.unsqueeze(0)

    def _iterate(self, matrix: Tensor, times: int) -> None:
        with lamina.no_grad():
            for _ in range(times):
                self._u.copy_(normalize(matrix.mv(self._v), dim=0, eps=self.eps))
                self._v.copy_(normalize(matrix.mT.mv(self._u), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        # Copies, because a second forward before backward moves the vectors in place.
        return weight / lamina.vdot(self._u.clone(), matrix.mv(self._v.clone()))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: AnyModule,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> AnyModule:
    """The weight divided by its largest singular value. ``dim`` is the outputs' dimension: 1 for transposed
    convolutions, else 0. Source: Miyato et al., Spectral Normalization for GANs, 2018.

    Raises:
        ValueError: no tensor of this name, or ``n_power_iterations`` below 1.

    >>> layer = lamina.nn.utils.parametrizations.spectral_norm(lamina.nn.Linear(4, 4))
    >>> round(lamina.linalg.matrix_norm(layer.weight, 2).item(), 2)
    1.0
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise lamina.ShapeError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if n_power_iterations < 1:
        raise lamina.ShapeError(f"spectral_norm: expected 1 iteration or more, got {n_power_iterations}")
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
    return module


class _Orthogonal(Module):
    """A matrix with orthonormal columns (or rows, where it is wide), made of an unconstrained one."""

    def __init__(self, weight: Tensor, map: str, use_trivialization: bool) -> None:
        super().__init__()
        self.map = map
        if use_trivialization:
            self.register_buffer("base", None)
        self.trivialized = use_trivialization

    def forward(self, x: Tensor) -> Tensor:
        wide = x.shape[-2] < x.shape[-1]
        x = x.mT if wide else x
        n, k = x.shape[-2:]
        if self.map == "householder":
            a = x.tril(-1)
            q = lamina.linalg.householder_product(a, 2.0 / (1.0 + (a * a).sum(-2)))
            q = q * x.diagonal(0, -2, -1).int().unsqueeze(-2)
        else:
            a = x.tril()
            if n != k:
                a = lamina.cat([a, a.new_zeros((*a.shape[:-2], n, n - k))], -1)
            a = a - a.mT  # skew: exp(a) and (1 + a/2) / (1 - a/2) are rotations
            if self.map == "matrix_exp":
                q = lamina.linalg.matrix_exp(a)
            else:
                eye = lamina.eye(n, dtype=a.dtype)
                q = lamina.linalg.solve(eye - 0.5 * a, eye + 0.5 * a)
            q = q[..., :k]
        if self.trivialized and self.base is not None:
            q = self.base @ q
        return q.mT if wide else q

    def right_inverse(self, q: Tensor) -> Tensor:
        wide = q.shape[-2] < q.shape[-1]
        q = q.mT if wide else q
        n, k = q.shape[-2:]
        if not self.trivialized:
            if self.map != "householder":
                raise NotImplementedError(
                    "orthogonal: the matrix cannot be assigned to matrix_exp or cayley without trivialization"
                )
            a, tau = lamina.geqrf(q)
            diagonal = a.diagonal(0, -2, -1).sign()
            a = _with_diagonal(a, lamina.where(tau == 0, -diagonal, diagonal))
            return a.mT if wide else a
        base = q if n == k else lamina.linalg.qr(q, "complete")[0]
        if n != k:
            signs = (base[..., :k] * q).sum(-2).sign()
            base = lamina.cat([base[..., :k] * signs.unsqueeze(-2), base[..., k:]], -1)
        self.base = base.detach().clone()
        # Reflections along the axes give -1 on the diagonal, which this -1 makes the identity; the other maps
        # do not look at it.
        start = _with_diagonal(lamina.zeros_like(q), q.new_full((*q.shape[:-2], k), -1.0))
        return start.mT if wide else start


def _with_diagonal(a: Tensor, diagonal: Tensor) -> Tensor:
    """The strict lower triangle of ``a`` (..., n, k) with this diagonal (..., k)."""
    n, k = a.shape[-2:]
    square = lamina.diag_embed(diagonal)
    rest = a.new_zeros((*a.shape[:-2], n - k, k))
    return a.tril(-1) + lamina.cat([square, rest], -2)


def orthogonal(
    module: AnyModule,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> AnyModule:
    """The weight as a matrix (n, k) with orthonormal columns, or rows where n < k.

    ``orthogonal_map`` is ``matrix_exp`` or ``cayley`` of a skew matrix, or a product of ``householder``
    reflections; None: the first for square weights, else the last. It starts from the orthogonal matrix of
    the present weight's QR decomposition. Source: Lezcano-Casado, Trivializations for Gradient-Based
    Optimization on Manifolds, 2019.

    Raises:
        ValueError: no tensor of this name, fewer than 2 dimensions, or an unknown map.

    >>> layer = lamina.nn.utils.parametrizations.orthogonal(lamina.nn.Linear(3, 3))
    >>> lamina.allclose(layer.weight @ layer.weight.mT, lamina.eye(3), atol=1e-5)
    True
    """
    weight: Any = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise lamina.ShapeError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise lamina.ShapeError(f"orthogonal: expected a matrix, got a tensor of {weight.ndim} dimensions")
    square = weight.shape[-2] == weight.shape[-1]
    chosen = orthogonal_map or ("matrix_exp" if square else "householder")
    if chosen not in ("matrix_exp", "cayley", "householder"):
        raise lamina.ShapeError(
            f"orthogonal_map has to be one of matrix_exp, cayley, householder; got {orthogonal_map}"
        )
    orthonormal = _Orthogonal(weight, chosen, use_trivialization)
    if use_trivialization:
        with lamina.no_grad():
            tall = weight.mT if weight.shape[-2] < weight.shape[-1] else weight
            q, r = lamina.linalg.qr(tall)
            q = q * r.diagonal(0, -2, -1).sign().unsqueeze(-2)
            weight.copy_(q.mT if tall is not weight else q)
    register_parametrization(module, name, orthonormal, unsafe=True)
    return module
