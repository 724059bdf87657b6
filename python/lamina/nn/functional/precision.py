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


def integers_too(function: F) -> F:
    """``function`` for integers as well: computed in float64, where they are exact up to 2**53, and cut."""

    @functools.wraps(function)
    def call(input: Tensor, *args: Any, **options: Any) -> Any:
        if input.is_floating_point() or input.is_complex() or input.dtype is _core.bool:
            return function(input, *args, **options)
        out = options.pop("out", None)
        for x in (*args, *options.values()):
            if isinstance(x, Tensor) and x.dtype is not input.dtype:
                raise _core.DtypeError(
                    f"{function.__name__}: expected tensors of one dtype, got {input.dtype} and {x.dtype}"
                )
        named = {name: _as_float64(value) for name, value in options.items()}
        found = function(_as_float64(input), *map(_as_float64, args), **named)
        # Quotients that should be whole may lie a rounding below.
        return _core._into_out((found * (1 + 1e-13)).to(input.dtype), out)

    return call  # type: ignore[return-value]


def _as_float64(value: Any) -> Any:
    whole = isinstance(value, Tensor) and not value.is_floating_point()
    return value.to(_core.float64) if whole else value


def _raised(value: Any) -> Any:
    half = isinstance(value, Tensor) and value.dtype in (_core.bfloat16, _core.float16)
    return value.to(_core.float32) if half else value
