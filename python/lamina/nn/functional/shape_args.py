"""Sizes as users write them (one number, or one per dimension) turned into tuples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import _core


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
