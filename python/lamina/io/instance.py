"""Objects of classes in PyTorch's files: how one is written, and of which classes a file may have objects.

A file names a class and gives attributes. What it names must be here already, nothing is imported for it, no
constructor runs, and what is allowed at all the caller says: see ``lamina.serialization`` and ``load``."""

from __future__ import annotations

import sys
from abc import ABCMeta
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from types import SimpleNamespace
from typing import Any

from .unpickler import Global, Unpickler

# What a file never gets, whatever the program declares.
FORBIDDEN = ("builtins.eval", "builtins.exec", "os.", "posix.", "nt.", "sys.", "subprocess.")
_safe: dict[str, Any] = {}  # dotted names to what the program declared safe


def name_of(item: Any) -> str | None:
    """``"module name"`` of a class or function, by which it is found again; None if it is not."""
    from lamina.nn import functional

    word = getattr(item, "__qualname__", None)
    for module in (getattr(item, "__module__", None), functional.__name__):
        if isinstance(word, str) and isinstance(module, str) and _here(f"{module}.{word}") is item:
            return f"{module} {word}"
    return None


def _here(dotted: str) -> Any:
    """What a dotted name means in the modules that are loaded, without running anything to find out."""
    parts = dotted.split(".")
    for at in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:at]))
        if found is None:
            continue
        for part in parts[at:]:
            found = vars(found).get(part) if hasattr(found, "__dict__") else None
        return found
    return None


def declare(items: Iterable[Any]) -> None:
    """Let files have objects of these classes, and name these functions; each may be ``(item, name)``."""
    for item in items:
        item, name = item if isinstance(item, tuple) else (item, name_of(item))
        if not callable(item) or not isinstance(name, str):
            raise TypeError(f"safe_globals: expected classes or functions with a name, got {item!r}")
        _safe[name.replace(" ", ".")] = item


def declared() -> list[Any]:
    """What was declared safe."""
    return list(_safe.values())


@contextmanager
def declared_within(items: Iterable[Any]) -> Iterator[None]:
    """Declare ``items``, until the block is left."""
    before = dict(_safe)
    declare(items)
    try:
        yield
    finally:
        _safe.clear()
        _safe.update(before)


def forget() -> None:
    """Declare nothing safe any more."""
    _safe.clear()


class Class(Global):
    """A class of which a file may have objects; a ``declared`` one makes and fills them in its own way."""

    __slots__ = ("declared", "kind")

    def __init__(self, name: str, kind: type, declared: bool) -> None:
        super().__init__(name, self.empty)
        self.kind, self.declared = kind, declared

    def empty(self, machine: Unpickler) -> Any:
        return object.__new__(self.kind)

    def run(self, machine: Unpickler, arguments: tuple[Any, ...], new: bool) -> Any:
        bare = [value.kind if isinstance(value, Class) else value for value in arguments]
        if not self.declared:
            made = self.empty(machine, *bare)
        else:
            made = self.kind.__new__(self.kind, *bare) if new else self.kind(*bare)
        machine.made[id(made)] = (made, self)
        return made

    def fill(self, machine: Unpickler, made: Any, state: Any) -> None:
        if self.declared and hasattr(self.kind, "__setstate__"):
            made.__setstate__(state)
            return
        if not isinstance(state, dict) or not all(type(key) is str and key[:2] != "__" for key in state):
            machine.fail(f"the attributes of a {self.name} must be a dict of names")
        machine.charge(state)
        values = {key: value.kind if isinstance(value, Class) else value for key, value in state.items()}
        made.__dict__.update(values)


def find(name: str, whole: bool) -> Any:
    """The class or function of a dotted name if the file may ask for it, else None.

    That is what was declared and, with ``whole``, modules, dataclasses and namespaces whose class is loaded
    and has no way of its own to be filled, and what ``lamina.nn.functional`` computes."""
    item = None if name.startswith(FORBIDDEN) else _safe.get(name)
    if item is not None:
        return Class(name, item, True) if isinstance(item, type) else item
    if not whole:
        return None
    from lamina.nn import Module

    item = _here(name)
    if isinstance(item, type):
        # What runs on its own must not meet attributes that a file has chosen.
        plain = type(item) in (type, ABCMeta) and item.__new__ is object.__new__
        plain = plain and not hasattr(item, "__del__") and not hasattr(item, "__setstate__")
        known = issubclass(item, (Module, Namespace, SimpleNamespace)) or is_dataclass(item)
        return Class(name, item, False) if plain and known else None
    return item if name.startswith("lamina.nn.functional.") and callable(item) else None


def declared_function(item: Any) -> Global | None:
    """A function that was declared, to be called with what the file gives; None if it was not."""
    if not any(item is one for one in _safe.values()):
        return None
    return Global(repr(item), lambda machine, *arguments: item(*arguments))


def state_of(obj: Any) -> Any:
    """What the file says of an object besides its class; TypeError if it cannot be written so."""
    from lamina.nn import Module

    kind: Any = type(obj)
    plain = kind.__reduce_ex__ is object.__reduce_ex__ and kind.__reduce__ is object.__reduce__
    better = hasattr(obj, "state_dict") and not isinstance(obj, Module)  # its tensors are another's
    if not plain or better or not hasattr(obj, "__dict__") or name_of(kind) is None:
        raise TypeError
    own: Callable[..., Any] | None = getattr(kind, "__getstate__", None)
    return own(obj) if own is not None and own is not getattr(object, "__getstate__", None) else vars(obj)
