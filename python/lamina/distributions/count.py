"""Counts: Poisson, Geometric, Binomial, NegativeBinomial."""

from __future__ import annotations

from typing import Any, ClassVar

import lamina
from lamina._core import Tensor
from lamina.distributions import constraints
from lamina.distributions.bernoulli import BinaryParameters
from lamina.distributions.distribution import ExponentialFamily, tensors
from lamina.distributions.gamma_sample import numpy_generator, standard_gamma


def poisson_numbers(rate: Tensor) -> Tensor:
    """Drawn elementwise, in the dtype of ``rate``."""
    drawn = numpy_generator().poisson(rate.detach().double().numpy())
    return lamina.tensor(drawn, dtype=rate.dtype)


class Poisson(ExponentialFamily):
    """How often something happens that happens ``rate`` times on average.

    >>> lamina.distributions.Poisson(3.0).variance.item()
    3.0
    """

    arg_constraints: ClassVar = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer
    _parameters: ClassVar = {"rate": 0}

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = tensors(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.rate

    @property
    def mode(self) -> Tensor:
        return self.rate.floor()

    @property
    def variance(self) -> Tensor:
        return self.rate

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        return poisson_numbers(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        rate, value = lamina.broadcast_tensors(self.rate, value)
        return lamina.xlogy(value, rate) - rate - lamina.lgamma(value + 1)


class Geometric(BinaryParameters):
    """How many trials of probability ``probs`` fail before the first success.

    >>> lamina.distributions.Geometric(0.25).mean.item()
    3.0
    """

    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        (given,) = self._set(probs, logits)
        super().__init__(given.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        return lamina.zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        with lamina.no_grad():
            u = lamina.rand(self._extended_shape(sample_shape), dtype=self.probs.dtype)
            u = u.clamp(min=lamina.finfo(self.probs.dtype).tiny)
            return (u.log() / lamina.log1p(-self.probs)).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        value, probs = lamina.broadcast_tensors(value, self.probs)
        sure = (probs == 1) & (value == 0)
        return value * lamina.log1p(-probs.masked_fill(sure, 0)) + probs.log()

    def entropy(self) -> Tensor:
        p, q = self.probs, 1 - self.probs
        return -(lamina.xlogy(q, q) / p + p.log())


class Binomial(BinaryParameters):
    """How many of ``total_count`` trials of probability ``probs`` succeed.

    >>> lamina.distributions.Binomial(10, lamina.tensor(0.5)).mean.item()
    5.0
    """

    arg_constraints: ClassVar = {
        "total_count": constraints.nonnegative_integer,
        **BinaryParameters.arg_constraints,
    }
    has_enumerate_support = True
    _parameters: ClassVar = {"total_count": 0, "probs": 0, "logits": 0}

    def __init__(
        self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        given, count = self._set(probs, logits, total_count)
        self.total_count = count.to(given.dtype)
        super().__init__(given.shape, validate_args=validate_args)

    @property
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        count, p = (x.detach().expand(shape).double().numpy() for x in (self.total_count, self.probs))
        return lamina.tensor(numpy_generator().binomial(count.astype("i8"), p), dtype=self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        n, logits = self.total_count, self.logits
        choose = lamina.lgamma(n + 1) - lamina.lgamma(value + 1) - lamina.lgamma(n - value + 1)
        # n log(1 + exp(logits)), without overflow
        total = n * (logits.clamp(min=0) + lamina.log1p(lamina.exp(-logits.abs())))
        return choose + value * logits - total

    def entropy(self) -> Tensor:
        logs = self.log_prob(self.enumerate_support(False))
        return -(logs.exp() * logs).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        most = int(self.total_count.max().item())
        if self.total_count.min().item() != most:
            raise NotImplementedError("Inhomogeneous total count not supported by `enumerate_support`.")
        values = lamina.arange(1 + most, dtype=self._given.dtype)
        values = values.reshape((-1, *(1 for _ in self._batch_shape)))
        return values.expand((-1, *self._batch_shape)) if expand else values


class NegativeBinomial(BinaryParameters):
    """How many trials of probability ``probs`` succeed before ``total_count`` have failed.

    >>> lamina.distributions.NegativeBinomial(2.0, lamina.tensor(0.5)).mean.item()
    2.0
    """

    arg_constraints: ClassVar = {
        "total_count": constraints.nonnegative,
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer
    _parameters: ClassVar = {"total_count": 0, "probs": 0, "logits": 0}

    def __init__(
        self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        given, count = self._set(probs, logits, total_count)
        self.total_count = count.to(given.dtype)
        super().__init__(given.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.total_count * lamina.exp(self.logits)

    @property
    def mode(self) -> Tensor:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        return self.mean / (1 - self.probs)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        with lamina.no_grad():
            shape = self._extended_shape(sample_shape)
            return poisson_numbers(standard_gamma(self.total_count.expand(shape)) * self.logits.exp())

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        logsigmoid = lamina.nn.functional.logsigmoid
        n = self.total_count
        unnormalised = n * logsigmoid(-self.logits) + value * logsigmoid(self.logits)
        choose = lamina.lgamma(n + value) - lamina.lgamma(1.0 + value) - lamina.lgamma(n)
        return unnormalised + choose.masked_fill(n + value == 0.0, 0.0)
