"""Modules made without drawing starting values for them."""

from __future__ import annotations

from typing import Any, TypeVar

from lamina.nn.init import values_to_come
from lamina.nn.modules.module import Module

Kind = TypeVar("Kind", bound=Module)


def skip_init(module_cls: type[Kind], *args: Any, **kwargs: Any) -> Kind:
    """``module_cls(*args, **kwargs)`` whose parameters hold anything, for weights that are loaded next.

    Raises:
        TypeError: ``module_cls`` is no kind of module.

    >>> skip_init(lamina.nn.Linear, 2, 3).weight.shape
    lamina.Size([3, 2])
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise TypeError(f"skip_init: expected a Module, got {module_cls}")
    with values_to_come():
        return module_cls(*args, **kwargs)
