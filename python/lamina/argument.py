"""What is no tensor where a function needs one: a TypeError that names the function, made in one place for
all functions written in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from types import FunctionType
from typing import Any

from lamina._core import DtypeError, Tensor


def _given(values: Any) -> Iterator[Any]:
    for value in values:
        yield value
        if isinstance(value, (list, tuple)):
            yield from value


def takes_tensors(function: Callable[..., Any], home: str) -> Callable[..., Any]:
    """``function`` as ``home`` offers it: where an argument lacks what tensors have, it is a TypeError."""

    @wraps(function)
    def twin(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except AttributeError as error:
            wrong = error.obj
            if isinstance(wrong, Tensor) or not any(x is wrong for x in _given((*args, *options.values()))):
                raise
            kind = type(wrong).__name__
            raise DtypeError(f"{function.__name__}: expected a Tensor, got {kind} ({error})") from error

    twin.__module__ = home
    return twin


def offered(item: Any, home: str) -> Any:
    """``item`` as ``home`` offers it: a function of lamina that takes tensors refuses what is none."""
    if not isinstance(item, FunctionType) or item.__code__.co_filename == __file__:
        return item
    wants = item.__module__.startswith("lamina") and "Tensor" in str(item.__annotations__.values())
    return takes_tensors(item, home) if wants else item


def guard(names: dict[str, Any], home: str) -> None:
    """Offer all public functions among these names."""
    for name, item in names.items():
        if name[0] != "_" and item is not guard:
            names[name] = offered(item, home)
