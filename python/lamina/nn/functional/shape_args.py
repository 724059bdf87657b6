"""Sizes as users write them (one number, or one per dimension) turned into tuples, and what is said of those
that do not fit."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lamina import _core
from lamina._core import Tensor

F = TypeVar("F", bound=Callable[..., Any])


def in_own_name(function: F) -> F:
    """``function`` of an ``input``, which must be a tensor, and whose complaints bear its own name.

    The 2-d laws of the core name themselves and their view of the input.
    """
    word = function.__name__

    @functools.wraps(function)
    def call(input: Tensor, *args: Any, **options: Any) -> Any:
        if not isinstance(input, Tensor):
            raise TypeError(f"{word}: expected a Tensor as input, got {type(input).__name__}")
        try:
            return function(input, *args, **options)
        except (_core.ShapeError, _core.DtypeError) as error:
            if word in str(error):
                raise
            given = f"{word} of {input.dtype} {tuple(input.shape)}"
            raise type(error)(f"{given}, computed by {error}") from None

    return call  # type: ignore[return-value]


def sizes(value: int | Sequence[Any], count: int, name: str) -> tuple[Any, ...]:
    """``value`` as a tuple of ``count``: a number or a single one is repeated.

    >>> sizes(3, 2, "stride")
    (3, 3)
    """
    if isinstance(value, int) or not isinstance(value, Sequence):
        return (value,) * count
    if len(value) not in (1, count):
        raise _core.ShapeError(f"{name}: expected 1 or {count} numbers, got {tuple(value)}")
    return tuple(value) * (count // len(value))


def steps(stride: int | Sequence[int] | None, kernels: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of windows of the sizes ``kernels``, which those are unless others are given.

    >>> steps(None, (2, 3)), steps((), (2, 3)), steps(1, (2, 3))
    ((2, 3), (2, 3), (1, 1))
    """
    if stride is None or (isinstance(stride, Sequence) and not stride):
        return kernels
    return sizes(stride, len(kernels), "stride")


def check_windows(
    word: str, kernels: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> None:
    """Raise ShapeError unless windows have a size, a stride and a dilation above 0."""
    if min(*kernels, *strides, *dilations) <= 0:
        raise _core.ShapeError(
            f"{word}: kernel_size, stride and dilation should be greater than zero, got {tuple(kernels)}, "
            f"{tuple(strides)} and {tuple(dilations)}"
        )


def check_room(word: str, shape: Sequence[int]) -> None:
    """Raise, before any work is done, if a result of this shape cannot be addressed or allocated.

    Raises:
        ShapeError: more numbers than can be counted.
        MemoryError: more than the machine has.
    """
    if math.prod(shape) >= 2**60:
        raise _core.ShapeError(f"{word}: a result of shape {tuple(shape)} is too large")
    _core.empty(tuple(shape), _core.float32)
