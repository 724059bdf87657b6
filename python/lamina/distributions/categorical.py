"""Categorical: one of several classes; OneHotCategorical: the same as a vector with a single 1."""

from __future__ import annotations

from typing import Any, ClassVar

import lamina
from lamina._core import ShapeError, Tensor
from lamina.distributions import constraints
from lamina.distributions.bernoulli import clamp_probs
from lamina.distributions.distribution import Distribution, lazy_property
from lamina.nn.functional import one_hot


class Categorical(Distribution):
    """Class numbers 0, 1, ... with probabilities proportional to ``probs`` (..., classes), or to
    ``exp(logits)``.

    Raises:
        ValueError: both or none are given, or without a dimension.

    >>> lamina.distributions.Categorical(lamina.tensor([1.0, 3.0])).log_prob(lamina.tensor(1)).exp().item()
    0.75
    """

    arg_constraints: ClassVar = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    _parameters: ClassVar = {"probs": 1, "logits": 1}

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        if (probs is None) == (logits is None):
            raise ShapeError("Either `probs` or `logits` must be specified, but not both.")
        given = probs if logits is None else logits
        if given.ndim < 1:
            raise ShapeError("`probs` and `logits` parameters must be at least one-dimensional.")
        if logits is None:
            self.__dict__["probs"] = given / given.sum(-1, keepdim=True)
        else:
            self.__dict__["logits"] = given - given.logsumexp(-1, keepdim=True)
        super().__init__(given.shape[:-1], validate_args=validate_args)

    @lazy_property
    def probs(self) -> Tensor:
        """The probability of each class."""
        return self.logits.softmax(-1)

    @lazy_property
    def logits(self) -> Tensor:
        """The logarithm of the probability of each class."""
        return clamp_probs(self.probs).log()

    @property
    def _given(self) -> Tensor:
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]

    @property
    def _num_events(self) -> int:
        return self._given.shape[-1]

    @property
    def param_shape(self) -> Any:
        """The shape of what was given."""
        return self._given.shape

    @property
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Tensor:
        return lamina.full(self._extended_shape(), float("nan"), dtype=self._given.dtype)

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(-1)

    @property
    def variance(self) -> Tensor:
        return lamina.full(self._extended_shape(), float("nan"), dtype=self._given.dtype)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        count = lamina.Size(sample_shape).numel()
        with lamina.no_grad():
            rows = self.probs.reshape(-1, self._num_events)
            drawn = lamina.multinomial(rows, count, True).T if count else rows.new_empty((0, len(rows)))
            return drawn.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        index, logits = lamina.broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, index[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        lowest = lamina.finfo(self.logits.dtype).min
        return -(self.logits.clamp(min=lowest) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = lamina.arange(self._num_events).reshape((-1, *(1 for _ in self._batch_shape)))
        return values.expand((-1, *self._batch_shape)) if expand else values


class OneHotCategorical(Distribution):
    """As ``Categorical``, with values (..., classes) that hold a single 1.

    >>> lamina.distributions.OneHotCategorical(lamina.tensor([0.0, 1.0])).sample().tolist()
    [0.0, 1.0]
    """

    arg_constraints: ClassVar = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def _expanded_from(self, other: Any, batch_shape: Any) -> None:
        self._categorical = other._categorical.expand(batch_shape)

    @property
    def probs(self) -> Tensor:
        """The probability of each class."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """The logarithm of the probability of each class."""
        return self._categorical.logits

    @property
    def param_shape(self) -> Any:
        """The shape of what was given."""
        return self._categorical.param_shape

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return one_hot(self.probs.argmax(-1), self._event_shape[0]).to(self.probs.dtype)

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        drawn = self._categorical.sample(sample_shape)
        return one_hot(drawn, self._event_shape[0]).to(self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Tensor:
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        n = self._event_shape[0]
        values = lamina.eye(n, dtype=self.probs.dtype).reshape((n, *(1 for _ in self._batch_shape), n))
        return values.expand((n, *self._batch_shape, n)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """``OneHotCategorical`` whose ``rsample`` hands the gradient of the sample on to ``probs``.

    Source: Bengio, Leonard and Courville, Estimating or Propagating Gradients Through Stochastic Neurons,
    2013.
    """

    has_rsample = True

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        return self.sample(sample_shape) + (self.probs - self.probs.detach())
