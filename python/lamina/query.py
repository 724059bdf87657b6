"""Questions about a tensor that are functions in PyTorch too."""

from __future__ import annotations

from typing import Any

from lamina._core import Tensor

__all__ = [
    "get_device",
    "is_complex",
    "is_floating_point",
    "is_nonzero",
    "is_same_size",
    "is_signed",
    "is_tensor",
    "layout",
    "numel",
    "strided",
    "typename",
]


class layout:
    """How the elements of a tensor lie in memory. There is one way: ``lamina.strided``."""

    def __repr__(self) -> str:
        return "lamina.strided"

    def __reduce__(self) -> str:
        return "strided"


strided = layout()


def is_tensor(obj: Any) -> bool:
    """Whether ``obj`` is a Tensor."""
    return isinstance(obj, Tensor)


def numel(input: Tensor) -> int:
    """How many elements ``input`` has."""
    return input.numel()


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floats, of any size."""
    return input.dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the elements are complex numbers."""
    return input.dtype.is_complex


def is_signed(input: Tensor) -> bool:
    """Whether the elements can be negative."""
    return input.dtype.is_signed


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element of ``input`` differs from 0.

    Raises:
        RuntimeError: there is not exactly one.
    """
    return bool(input)


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape."""
    return input.shape == other.shape


def get_device(input: Tensor) -> int:
    """The number of the accelerator where ``input`` lives: -1, the CPU."""
    return -1


def typename(obj: Any) -> str:
    """The name of an object's type: of a tensor, such as ``lamina.FloatTensor``."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    return f"{kind.__module__}.{kind.__qualname__}" if kind.__module__ != "builtins" else kind.__qualname__
