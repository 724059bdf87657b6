"""The named tuples that reductions with two results return; each class is made when it is first needed."""

from __future__ import annotations

from collections import namedtuple
from functools import cache
from typing import Any


@cache
def _kind(name: str, fields: str) -> Any:
    made = namedtuple(name, fields)  # type: ignore[misc]
    made.__module__ = __name__
    return made


def named(name: str, fields: str, *values: Any) -> Any:
    """``values`` under the space-separated names of ``fields``."""
    return _kind(name, fields)(*values)
