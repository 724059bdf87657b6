"""Modules that hold other modules: Sequential, ModuleList, ModuleDict.

Those that hold loose parameters are in parameter_container.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from operator import index as as_index
from typing import Any

from lamina.nn.modules.module import Module, bracketed, indented


class _Row(Module):
    """Modules under the names "0", "1", ...: what Sequential and ModuleList share."""

    def _name_at(self, index: Any) -> str:
        index = as_index(index)
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"{self._get_name()}: index {index} is out of range for {count} modules")
        return next(islice(self._module_names, index % count, None))

    def _refill(self, modules: Iterable[Module]) -> None:
        modules = list(modules)
        for name in list(self._module_names):
            delattr(self, name)
        for i, module in enumerate(modules):
            self.add_module(str(i), module)

    def __len__(self) -> int:
        return len(self._module_names)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._name_at(index), module)

    def __delitem__(self, index: int | slice) -> None:
        for name in list(self._module_names)[index] if isinstance(index, slice) else [self._name_at(index)]:
            delattr(self, name)
        self._refill(self)

    def append(self, module: Module) -> Any:
        """Add ``module`` at the end and return the container."""
        self.add_module(str(len(self)), module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Put ``module`` before the one at ``index``."""
        modules = list(self)
        if not isinstance(module, Module):
            raise TypeError(f"insert: expected a Module, got {type(module).__name__}")
        if not -len(modules) <= index <= len(modules):
            raise IndexError(f"insert: index {index} is out of range for {len(modules)} modules")
        modules.insert(index, module)
        self._refill(modules)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add all of ``modules`` at the end and return the container."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"extend: expected an iterable of modules, got {type(modules).__name__}")
        for module in list(modules):
            self.append(module)
        return self

    def pop(self, key: int | slice) -> Any:
        """Take out and return the module at ``key``."""
        module = self[key]  # type: ignore[index]
        del self[key]
        return module


class Sequential(_Row):
    """Modules that run one after the other, each on the output of the one before.

    Takes modules, or one ordered dictionary of names and modules.

    >>> net = lamina.nn.Sequential(lamina.nn.Linear(2, 3), lamina.nn.ReLU())
    >>> net(lamina.ones(5, 2)).shape[1]
    3
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for i, module in enumerate(args):
                self.add_module(str(i), module)

    def forward(self, input: Any) -> Any:
        attributes = self.__dict__
        for name in self._module_names:
            input = attributes[name](input)
        return input

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(dict(list(self._modules.items())[index]))
        return self.__dict__[self._name_at(index)]

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return self.extend(other)

    def __mul__(self, times: int) -> Sequential:
        return Sequential(*(list(self) * self._times(times)))

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Sequential:
        return self.extend(list(self) * (self._times(times) - 1))

    def _times(self, times: int) -> int:
        if not isinstance(times, int):
            raise TypeError(f"unsupported operand type(s) for *: Sequential and {type(times).__name__}")
        if times <= 0:
            raise ValueError(f"Non-positive multiplication factor {times} for {type(self).__name__}")
        return times


class ModuleList(_Row):
    """A list of modules that are registered as submodules; it has no forward of its own.

    >>> len(lamina.nn.ModuleList(lamina.nn.Linear(2, 2) for _ in range(3)))
    3
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self.__dict__[self._name_at(index)]

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(chain(self, other))

    def __iadd__(self, modules: Iterable[Module]) -> ModuleList:
        return self.extend(modules)

    def __repr__(self) -> str:
        """Neighbours that print alike are shown once, with their range and number."""
        if not len(self):
            return f"{self._get_name()}()"
        blocks: list[tuple[int, int, str]] = []
        for i, text in enumerate(repr(module) for module in self):
            first = blocks.pop()[0] if blocks and blocks[-1][2] == text else i
            blocks.append((first, i, text))
        lines = [
            indented(
                f"({first}): {text}" if first == last else f"({first}-{last}): {last - first + 1} x {text}"
            )
            for first, last, text in blocks
        ]
        return f"{self._get_name()}({bracketed([], lines)})"


class ModuleDict(Module):
    """A dictionary of modules that are registered as submodules; it has no forward of its own.

    >>> list(lamina.nn.ModuleDict({"act": lamina.nn.ReLU()}))
    ['act']
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._module_names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._module_names)

    def __contains__(self, key: str) -> bool:
        return key in self._module_names

    def clear(self) -> None:
        """Take out all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Take out and return the module under ``key``."""
        return self._modules.pop(key)

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def items(self) -> Any:
        """The names and modules."""
        return self._modules.items()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add all of ``modules``, a mapping or an iterable of pairs, over those of the same names."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"ModuleDict.update: expected a mapping or pairs, got {type(modules).__name__}")
        for name, module in dict(modules).items():
            self[name] = module
