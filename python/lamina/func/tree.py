"""Nested tuples, lists and dicts of values: their leaves in order, and the same nest around other leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from lamina._core import Tensor


class Kind(NamedTuple):
    """How a class of one's own is a nest: taken apart into items and a context, and put together of them."""

    apart: Callable[[Any], tuple[Iterable[Any], Any]]
    together: Callable[[Iterable[Any], Any], Any]
    name: str | None  # in what is written down of a form


KINDS: dict[type, Kind] = {}  # asked before tuple, list and dict, and by the very type


def is_leaf(tree: Any) -> bool:
    """Whether it is taken as a whole."""
    return type(tree) not in KINDS and not isinstance(tree, (tuple, list, dict))


def leaves(tree: Any) -> list[Any]:
    """What is no tuple, list, dict or one of KINDS, in order."""
    kind = KINDS.get(type(tree))
    if kind is not None:
        return [leaf for item in kind.apart(tree)[0] for leaf in leaves(item)]
    if isinstance(tree, dict):
        return [leaf for item in tree.values() for leaf in leaves(item)]
    if isinstance(tree, (tuple, list)):
        return [leaf for item in tree for leaf in leaves(item)]
    return [tree]


def rebuilt(tree: Any, values: Iterator[Any]) -> Any:
    """The same nest with the next of ``values`` for each leaf."""
    kind = KINDS.get(type(tree))
    if kind is not None:
        inner, context = kind.apart(tree)
        return kind.together([rebuilt(item, values) for item in inner], context)
    if isinstance(tree, dict):
        return type(tree)((key, rebuilt(item, values)) for key, item in tree.items())
    if isinstance(tree, (tuple, list)):
        items = [rebuilt(item, values) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    return next(values)


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same nest with ``function`` of each leaf."""
    return rebuilt(tree, iter([function(leaf) for leaf in leaves(tree)]))


def tensors_of(tree: Any, word: str) -> list[Tensor]:
    """The leaves, which must all be tensors.

    Raises:
        TypeError: one is not.
    """
    found = leaves(tree)
    for leaf in found:
        if not isinstance(leaf, Tensor):
            raise TypeError(f"{word}: expected tensors, got {type(leaf).__name__}")
    return found
