"""Bernoulli: 1 with a probability, else 0. And what the families given by ``probs`` or ``logits`` share."""

from __future__ import annotations

from typing import Any, ClassVar

import lamina
from lamina._core import ShapeError, Tensor
from lamina.distributions import constraints
from lamina.distributions.distribution import ExponentialFamily, lazy_property, tensors
from lamina.nn.functional import binary_cross_entropy_with_logits


def clamp_probs(probs: Tensor) -> Tensor:
    """Away from 0 and 1 by the spacing of the dtype at 1, so that logarithms are finite."""
    eps = lamina.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


class BinaryParameters(ExponentialFamily):
    """``probs``, or ``logits = log(p / (1 - p))``: exactly one is given, the other one follows."""

    arg_constraints: ClassVar = {"probs": constraints.unit_interval, "logits": constraints.real}
    _parameters: ClassVar = {"probs": 0, "logits": 0}

    def _set(self, probs: Any, logits: Any, *others: Any) -> tuple[Tensor, ...]:
        """Keeps what was given; the others broadcast with it."""
        if (probs is None) == (logits is None):
            raise ShapeError("Either `probs` or `logits` must be specified, but not both.")
        name, given = ("probs", probs) if logits is None else ("logits", logits)
        made, *rest = tensors(given, *others)
        self.__dict__[name] = made
        return (made, *rest)

    @lazy_property
    def probs(self) -> Tensor:
        """The probability."""
        return self.logits.sigmoid()

    @lazy_property
    def logits(self) -> Tensor:
        """The logarithm of the odds."""
        p = clamp_probs(self.probs)
        return p.log() - lamina.log1p(-p)

    @property
    def _given(self) -> Tensor:
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]

    @property
    def param_shape(self) -> Any:
        """The shape of what was given."""
        return self._given.shape


class Bernoulli(BinaryParameters):
    """1 with probability ``probs``, or ``sigmoid(logits)``.

    >>> lamina.distributions.Bernoulli(lamina.tensor(0.25)).mean.item()
    0.25
    """

    support = constraints.boolean
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        (given,) = self._set(probs, logits)
        super().__init__(given.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return lamina.where(self.probs == 0.5, float("nan"), mode)

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        with lamina.no_grad():
            return lamina.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        logits, value = lamina.broadcast_tensors(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value.to(logits.dtype), reduction="none")

    def entropy(self) -> Tensor:
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = lamina.arange(2, dtype=self._given.dtype)
        values = values.reshape((-1, *(1 for _ in self._batch_shape)))
        return values.expand((-1, *self._batch_shape)) if expand else values
