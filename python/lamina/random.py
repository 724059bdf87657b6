"""Random tensors and the state they come from. The same seed gives the same numbers for any number of
threads.
"""

from __future__ import annotations

from collections.abc import Generator as Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina import _core
from lamina._core import Generator, ShapeError, Tensor
from lamina.autograd.grad_mode import no_grad
from lamina.creation import chosen, finish, laid_out, shape_of
from lamina.search import searchsorted
from lamina.shape import broadcast_shapes

if TYPE_CHECKING:
    from lamina._core import dtype as Dtype
    from lamina._core import memory_format as MemoryFormat
    from lamina.device_type import device as Device

__all__ = [
    "bernoulli",
    "binomial",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "multinomial",
    "normal",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "seed",
    "set_rng_state",
]


def manual_seed(seed: int) -> Generator:
    """Start the default generator anew from ``seed``; from here on every run draws the same numbers.

    >>> lamina.manual_seed(0).initial_seed()
    0
    """
    return _core.current_generator().manual_seed(int(seed))


def seed() -> int:
    """Start the default generator anew from a number that the system draws, and return that number."""
    return _core.current_generator().seed()


def initial_seed() -> int:
    """The number that the default generator last started from."""
    return _core.current_generator().initial_seed()


def get_state(self: Generator) -> Tensor:
    """Where the generator is: a uint8 tensor for ``set_state``."""
    return _core.from_numpy(np.array(self._state(), np.uint64).view(np.uint8))


def set_state(self: Generator, new_state: Tensor) -> Generator:
    """Put the generator back to where ``get_state`` found it.

    Raises:
        ShapeError: this is not a state of a generator of lamina.
    """
    if new_state.dtype is not _core.uint8 or tuple(new_state.shape) != (16,):
        raise ShapeError(
            f"set_state: expected 16 elements of uint8, got {tuple(new_state.shape)} of {new_state.dtype}"
        )
    self._set_state(*map(int, new_state.contiguous().numpy().copy().view(np.uint64)))
    return self


def get_rng_state() -> Tensor:
    """The state of the default generator, a uint8 tensor for ``set_rng_state``."""
    return get_state(_core.current_generator())


def set_rng_state(new_state: Tensor) -> None:
    """Put the default generator back to where ``get_rng_state`` found it."""
    set_state(_core.current_generator(), new_state)


@contextmanager
def fork_rng(devices: Sequence[Any] = (), enabled: bool = True) -> Iterator[None]:
    """Whatever is drawn inside leaves the default generator as it was before.

    Raises:
        RuntimeError: ``devices`` names an accelerator; lamina has none.
    """
    if devices:
        raise RuntimeError(f"fork_rng: lamina has no devices besides the cpu, got {list(devices)}")
    state = get_rng_state() if enabled else None
    try:
        yield
    finally:
        if state is not None:
            set_rng_state(state)


def rand(
    *sizes: Any,
    size: Sequence[int] | None = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of this shape with numbers drawn evenly from [0, 1).

    >>> lamina.rand(2, 3).shape
    lamina.Size([2, 3])
    """
    made = _core.empty(shape_of(sizes, size), chosen(dtype, device, layout, pin_memory))
    return finish(made.uniform_(0, 1, generator=generator), out, requires_grad)


def randn(
    *sizes: Any,
    size: Sequence[int] | None = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of this shape with numbers drawn from the normal distribution of mean 0 and variance 1."""
    made = _core.empty(shape_of(sizes, size), chosen(dtype, device, layout, pin_memory))
    return finish(made.normal_(0, 1, generator=generator), out, requires_grad)


def randint(
    low: int | None = None,
    high: Any = None,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of shape ``size`` with integers drawn evenly from [low, high); ``randint(high, size)`` from 0
    on.

    Raises:
        ShapeError: nothing lies in [low, high).

    >>> lamina.randint(3, 4, (2,)).tolist()
    [3, 3]
    """
    if size is None:
        low, high, size = None, low, high
    low, high = (0 if low is None else low, high) if high is not None else (0, low)
    if high is None or size is None:
        raise TypeError("randint: expected a bound and a size, as in randint(low, high, size)")
    made = _core.empty(
        tuple(size), chosen(_core.int64 if dtype is None else dtype, device, layout, pin_memory)
    )
    return finish(made.random_(low, high, generator=generator), out, requires_grad)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers 0 to n-1 in random order, int64 unless another dtype is given.

    >>> lamina.randperm(3).sum().item()
    3
    """
    made = _core.randperm(n, generator=generator).to(
        chosen(_core.int64 if dtype is None else dtype, device, layout, pin_memory)
    )
    return finish(made, out, requires_grad)


def rand_like(
    input: Tensor,
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: MemoryFormat = _core.preserve_format,
) -> Tensor:
    """``rand`` of ``input``'s shape, and its dtype unless another is given."""
    made = rand(size=input.shape, dtype=chosen(dtype or input.dtype, device, layout, pin_memory))
    return finish(laid_out(made, memory_format), None, requires_grad)


def randn_like(
    input: Tensor,
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: MemoryFormat = _core.preserve_format,
) -> Tensor:
    """``randn`` of ``input``'s shape, and its dtype unless another is given."""
    made = randn(size=input.shape, dtype=chosen(dtype or input.dtype, device, layout, pin_memory))
    return finish(laid_out(made, memory_format), None, requires_grad)


def randint_like(
    input: Tensor,
    low: int | None = None,
    high: int | None = None,
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: MemoryFormat = _core.preserve_format,
) -> Tensor:
    """``randint`` of ``input``'s shape, and its dtype unless another is given."""
    kind = chosen(dtype or input.dtype, device, layout, pin_memory)
    made = randint(low, high, input.shape, dtype=kind)
    return finish(laid_out(made, memory_format), None, requires_grad)


def normal(
    mean: float | Tensor = 0.0,
    std: float | Tensor = 1.0,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from normal distributions: one per element of the tensors ``mean`` and ``std``, or of ``size``.

    Raises:
        ShapeError: a negative ``std``, or two numbers without a ``size``.
    """
    if size is not None:
        made = _core.empty(tuple(size), chosen(dtype, device, layout, pin_memory))
        made.normal_(float(mean), float(std), generator=generator)
        return finish(made, out, requires_grad)
    given = [x for x in (mean, std) if isinstance(x, Tensor)]
    if not given:
        raise ShapeError("normal: two numbers need a size, as in normal(0.0, 1.0, size=(2, 3))")
    if isinstance(std, Tensor) and std.numel() and std.min().item() < 0:
        raise ShapeError("normal: expects all elements of std >= 0.0")
    shape = broadcast_shapes(*(x.shape for x in given))
    noise = _core.empty(shape, given[0].dtype).normal_(0, 1, generator=generator)
    with no_grad():
        return finish(noise * std + mean, out, requires_grad)


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Tensor | None = None
) -> Tensor:
    """1 with the probability that each element of ``input`` gives, or ``p`` for all, else 0; shape and dtype
    stay.

    Raises:
        ShapeError: an element is no probability.
    """
    if p is not None:
        return finish(_core.empty(input.shape, input.dtype).bernoulli_(p, generator=generator), out, False)
    if not input.dtype.is_floating_point:
        raise _core.DtypeError(f"bernoulli: expected probabilities of a floating dtype, got {input.dtype}")
    if input.numel() and not ((input >= 0) & (input <= 1)).all():
        raise ShapeError("bernoulli: expected 0 <= p <= 1 for all elements")
    drawn = _core.empty(input.shape, input.dtype).uniform_(0, 1, generator=generator)
    return finish((drawn < input.detach()).to(input.dtype), out, False)


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Indices drawn with the weights in each row of ``input`` (n,) or (m, n): (num_samples,) or (m,
    num_samples).

    Without replacement the race of Efraimidis & Spirakis (2006) is run: the largest of weight / exponential
    noise.

    Raises:
        ShapeError: negative or infinite weights, a row of zeros, more samples than there are weights to take.
    """
    weight = input.detach()
    if weight.ndim not in (1, 2) or not weight.dtype.is_floating_point:
        raise ShapeError(
            f"multinomial: expected floating weights of 1 or 2 dimensions, "
            f"got {tuple(weight.shape)} of {weight.dtype}"
        )
    if weight.numel() == 0 or not (weight.isfinite() & (weight >= 0)).all():
        raise ShapeError("multinomial: expected at least one weight per row, all finite and none negative")
    positive = (weight > 0).sum(-1).min().item()
    if num_samples <= 0 or positive == 0 or (not replacement and num_samples > positive):
        raise ShapeError(f"multinomial: cannot draw {num_samples} of {positive} positive weights")
    if not replacement:
        noise = _core.empty(weight.shape, weight.dtype).exponential_(generator=generator)
        return finish((weight / noise).topk(num_samples, -1)[1], out, False)
    edges = weight.to(_core.float64).cumsum(-1)
    shape = (*weight.shape[:-1], num_samples)
    drawn = _core.empty(shape, _core.float64).uniform_(0, 1, generator=generator) * edges[..., -1:]
    return finish(searchsorted(edges, drawn, right=True), out, False)


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Counts drawn from Poisson distributions with the rates in ``input``; shape and dtype stay.

    Raises:
        ShapeError: a negative rate.
    """
    if not input.is_floating_point() or (input.numel() and input.detach().min().item() < 0):
        raise ShapeError("poisson: expected floating rates, none of them negative")
    drawn = _numpy_generator(generator).poisson(input.detach().to(_core.float64).numpy())
    return _core.from_numpy(np.asarray(drawn)).to(input.dtype)


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of ``count`` trials succeed with probability ``prob`` each; the shapes broadcast.

    Raises:
        ShapeError: a negative count, or a number that is no probability.
    """
    n, p = count.detach().to(_core.float64).numpy(), prob.detach().to(_core.float64).numpy()
    if (n < 0).any() or not ((p >= 0) & (p <= 1)).all():
        raise ShapeError("binomial: expected counts that are not negative and probabilities from 0 to 1")
    drawn = _numpy_generator(generator).binomial(n.astype(np.int64), p)
    return _core.from_numpy(np.asarray(drawn)).to(count.dtype)


def _numpy_generator(generator: Generator | None) -> np.random.Generator:
    """NumPy's generator, started from what ``generator`` (the default one) draws."""
    start = _core.empty((2,), _core.int64).random_(0, 2**62, generator=generator)
    return np.random.default_rng(start.tolist())
