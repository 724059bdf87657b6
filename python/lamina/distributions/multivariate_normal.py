"""MultivariateNormal: vectors whose elements vary together."""

from __future__ import annotations

import math
from typing import ClassVar

import lamina
from lamina._core import ShapeError, Tensor
from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution, lazy_property


def quadratic(scale: Tensor, x: Tensor) -> Tensor:
    """``|scale^-1 x|^2`` for a lower triangular ``scale`` (..., n, n) and ``x`` (..., n)."""
    z = lamina.linalg.solve_triangular(scale, x.unsqueeze(-1), upper=False)
    return z.squeeze(-1).square().sum(-1)


class MultivariateNormal(Distribution):
    """The normal distribution over vectors of mean ``loc`` (..., n).

    Exactly one of ``covariance_matrix``, ``precision_matrix`` (its inverse) and ``scale_tril`` (its lower
    Cholesky factor) is given, each (..., n, n).

    Raises:
        ValueError: another number of them, a missing dimension, a matrix that is not positive definite.

    >>> lamina.distributions.MultivariateNormal(lamina.zeros(2), lamina.eye(2)).variance.tolist()
    [1.0, 1.0]
    """

    arg_constraints: ClassVar = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True
    _parameters: ClassVar = {
        "loc": 1,
        "covariance_matrix": 2,
        "precision_matrix": 2,
        "scale_tril": 2,
        "_unbroadcasted_scale_tril": 2,
    }

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        matrices = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = {name: matrix for name, matrix in matrices.items() if matrix is not None}
        if len(given) != 1:
            raise ShapeError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        ((name, matrix),) = given.items()
        if loc.ndim < 1:
            raise ShapeError("loc must be at least one-dimensional.")
        if matrix.ndim < 2:
            raise ShapeError(f"{name} must be at least two-dimensional")
        batch = lamina.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        self.loc = loc.expand((*batch, loc.shape[-1]))
        self.__dict__[name] = matrix.expand((*batch, *matrix.shape[-2:]))
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = {
            "scale_tril": lambda: matrix,
            "covariance_matrix": lambda: lamina.linalg.cholesky(matrix),
            "precision_matrix": lambda: lamina.linalg.cholesky(lamina.linalg.inv(matrix)),
        }[name]()

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The lower Cholesky factor of the covariance."""
        n = self._event_shape[0]
        return self._unbroadcasted_scale_tril.expand((*self._batch_shape, n, n))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance of each two elements."""
        return self.scale_tril @ self.scale_tril.mT

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        return lamina.linalg.inv(self.covariance_matrix)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self.scale_tril.square().sum(-1)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        noise = lamina.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + (self._unbroadcasted_scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def _half_log_det(self) -> Tensor:
        return self._unbroadcasted_scale_tril.diagonal(0, -2, -1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        distance = quadratic(self._unbroadcasted_scale_tril, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + distance) - self._half_log_det()

    def entropy(self) -> Tensor:
        entropy = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._half_log_det()
        return entropy.expand(self._batch_shape)

    def __repr__(self) -> str:
        return f"MultivariateNormal(loc: {tuple(self.loc.shape)}, over {self._event_shape[0]} elements)"
