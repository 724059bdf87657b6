"""Saving and loading, and the list of classes of which a file may have objects with ``weights_only=True``."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

from lamina.io import instance, load, save

__all__ = ["add_safe_globals", "clear_safe_globals", "get_safe_globals", "load", "safe_globals", "save"]


def add_safe_globals(safe_globals: Iterable[Any]) -> None:
    """Let files have objects of these classes and name these functions, from now on.

    Their attributes then come from the file, through ``__setstate__`` where a class has it.

    Raises:
        TypeError: something else is listed, or what is not found again by its name.

    >>> lamina.serialization.add_safe_globals([MyModel])
    """
    instance.declare(safe_globals)


def get_safe_globals() -> list[Any]:
    """What ``add_safe_globals`` was given."""
    return instance.declared()


def clear_safe_globals() -> None:
    """Forget what ``add_safe_globals`` was given."""
    instance.forget()


def safe_globals(safe_globals: Iterable[Any]) -> AbstractContextManager[None]:
    """``add_safe_globals`` for the length of a ``with`` block."""
    return instance.declared_within(safe_globals)
