"""Nested tuples, lists and dicts of values taken apart and put together, under PyTorch's names for it.

The walk is lamina.func.tree's; here are its forms with a ``TreeSpec``, which remembers the nest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lamina.func import tree as nest

__all__ = [
    "PyTree",
    "TreeSpec",
    "register_pytree_node",
    "tree_all",
    "tree_any",
    "tree_flatten",
    "tree_iter",
    "tree_leaves",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_structure",
    "tree_unflatten",
]

PyTree = Any


class TreeSpec:
    """The form of a nest, without its leaves; equal where the nests have one form."""

    def __init__(self, tree: PyTree) -> None:
        self._form = nest.mapped(lambda leaf: None, tree)
        self.num_leaves = len(nest.leaves(tree))
        self.type = None if nest.is_leaf(tree) else type(tree)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and self.type == other.type and self._form == other._form

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        kind = nest.KINDS.get(self.type) if self.type else None
        named = f"{kind.name}: " if kind and kind.name else ""
        return f"TreeSpec({named}{nest.mapped(lambda leaf: '*', self._form)!r})"

    def unflatten(self, leaves: Iterable[Any]) -> PyTree:
        """The nest around ``leaves``; see ``tree_unflatten``."""
        return tree_unflatten(leaves, self)


def register_pytree_node(
    cls: type,
    flatten_fn: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten_fn: Callable[[Iterable[Any], Any], Any],
    *,
    serialized_type_name: str | None = None,
) -> None:
    """Take values of the class ``cls`` apart as well: ``flatten_fn`` gives their items and a context,
    ``unflatten_fn`` makes one of both. ``serialized_type_name`` names the class where it is printed.

    Raises:
        TypeError: ``cls`` is no class.
        ValueError: it is registered already.
    """
    if not isinstance(cls, type):
        raise TypeError(f"register_pytree_node: expected a class, got {type(cls).__name__}")
    if cls in nest.KINDS:
        raise ValueError(f"register_pytree_node: {cls} is registered already")
    nest.KINDS[cls] = nest.Kind(flatten_fn, unflatten_fn, serialized_type_name)


def tree_flatten(tree: PyTree) -> tuple[list[Any], TreeSpec]:
    """The leaves of ``tree`` in order, and its form.

    >>> lamina.utils._pytree.tree_flatten({"a": [1, 2], "b": 3})[0]
    [1, 2, 3]
    """
    return nest.leaves(tree), TreeSpec(tree)


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """The nest of form ``treespec`` around ``leaves``.

    Raises:
        ValueError: there are not as many leaves as the form has.
    """
    given = list(leaves)
    if len(given) != treespec.num_leaves:
        raise ValueError(f"tree_unflatten: expected {treespec.num_leaves} leaves, got {len(given)}")
    return nest.rebuilt(treespec._form, iter(given))


def tree_iter(tree: PyTree) -> Iterable[Any]:
    """The leaves of ``tree`` one by one."""
    return iter(nest.leaves(tree))


def tree_leaves(tree: PyTree) -> list[Any]:
    """The leaves of ``tree`` in order."""
    return nest.leaves(tree)


def tree_structure(tree: PyTree) -> TreeSpec:
    """The form of ``tree``."""
    return TreeSpec(tree)


def tree_map(func: Callable[..., Any], tree: PyTree, *rests: PyTree) -> PyTree:
    """The same nest with ``func`` of each leaf, and of the leaves at its place in ``rests``.

    Raises:
        ValueError: one of ``rests`` has not as many leaves.
    """
    columns = [nest.leaves(one) for one in (tree, *rests)]
    if len({len(column) for column in columns}) > 1:
        raise ValueError(f"tree_map: the nests have {[len(column) for column in columns]} leaves")
    return nest.rebuilt(tree, iter([func(*row) for row in zip(*columns, strict=True)]))


def tree_map_(func: Callable[..., Any], tree: PyTree, *rests: PyTree) -> PyTree:
    """Call ``func`` on each leaf for what it does; the nest is returned as it was."""
    tree_map(func, tree, *rests)
    return tree


def tree_map_only(kind: Any, func: Callable[[Any], Any], tree: PyTree) -> PyTree:
    """The same nest with ``func`` of the leaves that are of the type ``kind``, and the others as they are."""
    return nest.mapped(lambda leaf: func(leaf) if isinstance(leaf, kind) else leaf, tree)


def tree_all(pred: Callable[[Any], bool], tree: PyTree) -> bool:
    """Whether ``pred`` holds for all leaves."""
    return all(map(pred, nest.leaves(tree)))


def tree_any(pred: Callable[[Any], bool], tree: PyTree) -> bool:
    """Whether ``pred`` holds for any leaf."""
    return any(map(pred, nest.leaves(tree)))
