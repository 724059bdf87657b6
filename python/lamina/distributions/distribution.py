"""Distribution, the base of all: shapes, checks, and what follows from a few methods that each defines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import lamina
from lamina._core import ShapeError, Tensor
from lamina.distributions.constraints import Constraint, is_dependent
from lamina.size import Size

Self = TypeVar("Self", bound="Distribution")


class lazy_property:
    """A property that is computed at its first use, recorded for gradients, and kept."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        if owner is None:
            return self
        with lamina.enable_grad():
            value = self.function(owner)
        owner.__dict__[self.function.__name__] = value
        return value


def tensors(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape; numbers take the dtype of the first tensor.

    Raises:
        ValueError: something else.
    """
    for value in values:
        if not isinstance(value, (Tensor, int, float)):
            raise ShapeError(
                f"distributions: expected tensors or numbers as parameters, got {type(value).__name__}"
            )
    like = next((v for v in values if isinstance(v, Tensor)), None)
    dtype = lamina.get_default_dtype() if like is None else like.dtype
    made = [v if isinstance(v, Tensor) else lamina.tensor(v, dtype=dtype) for v in values]
    return tuple(lamina.broadcast_tensors(*made))


def sum_rightmost(value: Tensor, count: int) -> Tensor:
    """Summed over the last ``count`` dimensions."""
    return value if count == 0 else value.reshape((*value.shape[: value.ndim - count], -1)).sum(-1)


class Distribution:
    """A probability distribution over values of shape ``batch_shape + event_shape``.

    ``batch_shape`` counts independent distributions beside each other, ``event_shape`` is the shape of one
    value. ``validate_args`` (the default: on, unless Python runs with -O) checks parameters and values.

    >>> lamina.distributions.Normal(lamina.zeros(3), 1.0).batch_shape
    lamina.Size([3])
    """

    has_rsample = False
    has_enumerate_support = False
    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    _validate_args = __debug__

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check their parameters and values unless told otherwise."""
        if value not in (True, False):
            raise ShapeError(f"set_default_validate_args: expected a bool, got {value}")
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: tuple[int, ...] = (),
        event_shape: tuple[int, ...] = (),
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self) -> None:
        for name, constraint in self.arg_constraints.items():
            lazy = isinstance(getattr(type(self), name, None), lazy_property) and name not in self.__dict__
            if lazy or is_dependent(constraint):
                continue  # computed from others that are checked; or checked by the class itself
            value = getattr(self, name)
            if not constraint.check(value).all():
                raise ShapeError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of "
                    f"distribution {self!r} to satisfy the constraint {constraint!r}, "
                    f"but found invalid values:\n{value}"
                )

    @property
    def batch_shape(self) -> Size:
        """How many distributions lie beside each other."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one value."""
        return self._event_shape

    @property
    def support(self) -> Any:
        """The constraint that values satisfy."""
        raise NotImplementedError(f"{type(self).__name__}: support is not defined")

    @property
    def mean(self) -> Tensor:
        """The expectation."""
        raise NotImplementedError(f"{type(self).__name__}: mean is not defined")

    @property
    def mode(self) -> Tensor:
        """The likeliest value."""
        raise NotImplementedError(f"{type(self).__name__}: mode is not defined")

    @property
    def variance(self) -> Tensor:
        """The variance of each element of a value."""
        raise NotImplementedError(f"{type(self).__name__}: variance is not defined")

    @property
    def stddev(self) -> Tensor:
        """The square root of ``variance``."""
        return self.variance.sqrt()

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        """Values of shape ``sample_shape + batch_shape + event_shape``, without gradient."""
        with lamina.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        """As ``sample``, as a differentiable function of the parameters.

        Raises:
            NotImplementedError: there is none (``has_rsample`` is false).
        """
        raise NotImplementedError(f"{type(self).__name__}: it has no rsample")

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density (or probability) at ``value``."""
        raise NotImplementedError(f"{type(self).__name__}: log_prob is not defined")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of values up to ``value``."""
        raise NotImplementedError(f"{type(self).__name__}: cdf is not defined")

    def icdf(self, value: Tensor) -> Tensor:
        """Where the ``cdf`` is ``value``."""
        raise NotImplementedError(f"{type(self).__name__}: icdf is not defined")

    def entropy(self) -> Tensor:
        """The expectation of ``-log_prob``."""
        raise NotImplementedError(f"{type(self).__name__}: entropy is not defined")

    def perplexity(self) -> Tensor:
        """``exp(entropy)``."""
        return self.entropy().exp()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution along dimension 0, repeated over the batch if ``expand``."""
        raise NotImplementedError(f"{type(self).__name__}: its support cannot be enumerated")

    # What expand() copies: parameters of the batch's shape, and how many dimensions of an event each has.
    _parameters: ClassVar[dict[str, int]] = {}

    def expand(self: Self, batch_shape: tuple[int, ...], _instance: Any = None) -> Self:
        """The same distribution for a larger batch, without copying parameters."""
        batch_shape = Size(batch_shape)
        made = object.__new__(type(self)) if _instance is None else _instance
        for name, dims in self._parameters.items():
            if name in self.__dict__:
                value = self.__dict__[name]
                setattr(made, name, value.expand((*batch_shape, *value.shape[value.ndim - dims :])))
        made._expanded_from(self, batch_shape)
        Distribution.__init__(made, batch_shape, self.event_shape, validate_args=False)
        made._validate_args = self._validate_args
        return made

    def _expanded_from(self, other: Any, batch_shape: Size) -> None:
        """Take over from ``other`` what is no tensor of the batch."""

    def _extended_shape(self, sample_shape: tuple[int, ...] = ()) -> Size:
        return Size(sample_shape) + self._batch_shape + self._event_shape

    def _validate_sample(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise ShapeError("The value argument to log_prob must be a Tensor")
        events = value.ndim - len(self._event_shape)
        if events < 0 or value.shape[events:] != self._event_shape:
            raise ShapeError(
                f"The right-most size of value must match event_shape: {tuple(value.shape)} vs "
                f"{tuple(self._event_shape)}."
            )
        for i, j in zip(reversed(value.shape), reversed(self._batch_shape + self._event_shape), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ShapeError(
                    f"Value is not broadcastable with batch_shape+event_shape: {tuple(value.shape)} vs "
                    f"{tuple(self._batch_shape + self._event_shape)}."
                )
        support = self.support
        if not is_dependent(support) and not support.check(value).all():
            raise ShapeError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be "
                f"within the support ({support!r}) of the distribution {self!r}, but found invalid values:\n"
                f"{value}"
            )

    def _checked(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return value

    def __repr__(self) -> str:
        facts = []
        for name in self.arg_constraints:
            if name in self.__dict__:
                value = self.__dict__[name]
                facts.append(f"{name}: {value if value.numel() == 1 else tuple(value.shape)}")
        return f"{type(self).__name__}({', '.join(facts)})"


class ExponentialFamily(Distribution):
    """Distributions whose density is ``exp(t(x) . theta - F(theta) + k(x))``; a name for a kind."""
