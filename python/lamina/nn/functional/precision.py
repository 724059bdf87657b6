"""Functions that compute in float32 whatever half type comes in: under autocast, or always."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from lamina import _core
from lamina._core import Tensor

F = TypeVar("F", bound=Callable[..., Any])


def in_float32(function: F) -> F:
    """``function``, which under autocast gets its half tensors as float32 and runs without autocast."""

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        mode = _core.autocast_mode()
        if not mode[0]:
            return function(*args, **options)
        _core.set_autocast_mode(False, mode[1], mode[2])
        try:
            named = {name: _raised(value) for name, value in options.items()}
            return function(*map(_raised, args), **named)
        finally:
            _core.set_autocast_mode(*mode)

    return call  # type: ignore[return-value]


def through_float32(function: F) -> F:
    """``function``, whose half tensors are computed in float32 and rounded once, at its end."""

    @functools.wraps(function)
    def call(input: Tensor, *args: Any, **options: Any) -> Any:
        if input.dtype not in (_core.bfloat16, _core.float16):
            return function(input, *args, **options)
        named = {name: _raised(value) for name, value in options.items()}
        return function(_raised(input), *map(_raised, args), **named).to(input.dtype)

    return call  # type: ignore[return-value]


def _raised(value: Any) -> Any:
    half = isinstance(value, Tensor) and value.dtype in (_core.bfloat16, _core.float16)
    return value.to(_core.float32) if half else value
