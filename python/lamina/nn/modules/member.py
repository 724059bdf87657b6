"""What a module owns: parameters, buffers and submodules, how they are registered, found and walked over.

A member is an ordinary attribute, so reading ``self.weight`` costs no more than any attribute; beside it
stands the list of names of its kind. Leaves calls and hooks to hook.py, state dicts to state.py."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, MutableMapping, ValuesView
from typing import Any

from lamina._core import Tensor
from lamina.nn.parameter import Buffer, Parameter


class MemberTable(MutableMapping):
    """One kind of member as a live mapping over a module's attributes, such as ``module._parameters``."""

    __slots__ = ("_attributes", "_names")

    def __init__(self, attributes: dict[str, Any], names: dict[str, None]) -> None:
        self._attributes = attributes
        self._names = names

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return self._attributes[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._names[name] = None
        self._attributes[name] = value

    def __delitem__(self, name: str) -> None:
        del self._names[name]
        del self._attributes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def values(self) -> ValuesView[Any]:  # of a dict, so that it can be walked backwards
        return dict(self).values()

    def items(self) -> ItemsView[str, Any]:
        return dict(self).items()

    def __repr__(self) -> str:
        return repr(dict(self))


def kind_of(value: Any) -> str:
    """The name of a value's type, for messages."""
    return type(value).__name__


class Members:
    """Registration and traversal of the members of a ``Module``; the base that every module inherits."""

    training: bool
    _parameter_names: dict[str, None]
    _buffer_names: dict[str, None]
    _module_names: dict[str, None]
    _non_persistent_buffers_set: set[str]

    def __init__(self) -> None:
        self.__dict__.update(
            training=True,
            _parameter_names={},
            _buffer_names={},
            _module_names={},
            _non_persistent_buffers_set=set(),
        )

    def __copy__(self) -> Any:
        """A shallow copy has the same members and its own lists of their names."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        for table in ("_parameter_names", "_buffer_names", "_module_names", "_non_persistent_buffers_set"):
            twin.__dict__[table] = self.__dict__[table].copy()
        return twin

    @property
    def _parameters(self) -> MemberTable:
        return MemberTable(self.__dict__, self._parameter_names)

    @property
    def _buffers(self) -> MemberTable:
        return MemberTable(self.__dict__, self._buffer_names)

    @property
    def _modules(self) -> MemberTable:
        return MemberTable(self.__dict__, self._module_names)

    # Registration

    def _names_for(self, kind: str, name: str, may_hide: bool = False) -> dict[str, None]:
        """The list of names of ``kind``, once it is sure that ``name`` may enter it.

        With ``may_hide`` it may be that of a class attribute.
        """
        if "_module_names" not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {kind_of(name)}")
        if "." in name:
            raise KeyError(f"{kind} name can't contain \".\", got '{name}'")
        if not name:
            raise KeyError(f'{kind} name can\'t be empty string ""')
        names: dict[str, None] = self.__dict__[f"_{kind}_names"]
        if not may_hide and name not in names and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")
        return names

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under ``name``; ``None`` keeps the name without a value.

        Raises:
            AttributeError: ``Module.__init__`` was not called yet.
            KeyError: the name is empty, has a dot in it, or is taken by another attribute.
            TypeError: ``param`` is not a ``Parameter`` or ``None``.
            ValueError: ``param`` is the result of a recorded computation rather than a leaf.
        """
        names = self._names_for("parameter", name)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{kind_of(param)}' object to parameter '{name}' "
                    "(nn.Parameter or None required)"
                )
            if param.grad_fn is not None:
                raise ValueError(f"cannot assign non-leaf Tensor to parameter '{name}'")
        names[name] = None
        self.__dict__[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but no parameter; non-persistent ones stay out of ``state_dict``.

        Raises:
            AttributeError: ``Module.__init__`` was not called yet.
            KeyError: the name is empty, has a dot in it, or is taken by another attribute.
            TypeError: ``tensor`` is not a ``Tensor`` or ``None``.
        """
        names = self._names_for("buffer", name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{kind_of(tensor)}' object to buffer '{name}' (Tensor or None required)"
            )
        names[name] = None
        self.__dict__[name] = tensor
        (self._non_persistent_buffers_set.discard if persistent else self._non_persistent_buffers_set.add)(
            name
        )

    def add_module(self, name: str, module: Any) -> None:
        """Add a submodule under ``name``, reachable as an attribute; ``None`` keeps the name without a value.

        Raises:
            AttributeError: ``Module.__init__`` was not called yet.
            KeyError: the name is empty, has a dot in it, or is taken by another attribute.
            TypeError: ``module`` is not a ``Module`` or ``None``.
        """
        names = self._names_for("module", name)
        if module is not None and not isinstance(module, Members):
            of_torch = type(module).__module__ == "einops.layers.torch"
            hint = "; lamina's layers are in einops.layers.lamina" if of_torch else ""
            raise TypeError(f"{kind_of(module)} is not a Module subclass{hint}")
        names[name] = None
        self.__dict__[name] = module

    def register_module(self, name: str, module: Any) -> None:
        """Another name of ``add_module``."""
        self.add_module(name, module)

    # The attribute protocol

    def __getattr__(self, name: str) -> Any:
        """What is found nowhere else; reading a member does not come here, but subclasses call it."""
        if name in self.__dict__:
            return self.__dict__[name]
        raise AttributeError(f"'{kind_of(self)}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (Parameter, Buffer, Members)):
            self._adopt(name, value)
            return
        attributes = self.__dict__
        if name in attributes.get("_parameter_names", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{kind_of(value)}' as parameter '{name}' (nn.Parameter or None expected)"
                )
        elif name in attributes.get("_module_names", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{kind_of(value)}' as child module '{name}' (nn.Module or None expected)"
                )
        elif name in attributes.get("_buffer_names", ()):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{kind_of(value)}' as buffer '{name}' (Tensor or None expected)"
                )
        object.__setattr__(self, name, value)

    def _adopt(self, name: str, value: Any) -> None:
        """Register ``value`` as its type demands, taking ``name`` away from whatever held it."""
        kind = (
            "module" if isinstance(value, Members) else "buffer" if isinstance(value, Buffer) else "parameter"
        )
        if "_module_names" in self.__dict__ and name not in self.__dict__[f"_{kind}_names"]:
            self._forget(name)
            self.__dict__.pop(name, None)
        if isinstance(value, Buffer):
            self.register_buffer(name, value, value.persistent)
        elif isinstance(value, Parameter):
            self.register_parameter(name, value)
        else:
            self._names_for(kind, name, may_hide=True)[name] = None
            self.__dict__[name] = value

    def _forget(self, name: str) -> None:
        for names in (self._parameter_names, self._buffer_names, self._module_names):
            names.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        self._forget(name)

    def __dir__(self) -> list[str]:
        return sorted(name for name in super().__dir__() if not name[0].isdigit())

    # Walking

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """This module and all below it with their dotted names, parents first; each once by default."""
        if memo is None:
            memo = set()
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name in self._module_names:
            module = self.__dict__[name]
            if module is not None:
                yield from module.named_modules(
                    memo, f"{prefix}.{name}" if prefix else name, remove_duplicate
                )

    def modules(self) -> Iterator[Any]:
        """This module and all below it, parents first, each once."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Any]]:
        """The direct submodules with their names, each object once."""
        seen = set()
        for name in self._module_names:
            module = self.__dict__[name]
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Any]:
        """The direct submodules, each once."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        holders = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for holder_name, holder in holders:
            attributes = holder.__dict__
            for name in attributes[kind]:
                value = attributes[name]
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield f"{holder_name}.{name}" if holder_name else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their dotted names; a shared one once, under its first name, by default."""
        return self._named_members("_parameter_names", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and, with ``recurse``, of all below it, each once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their dotted names; a shared one once, under its first name, by default."""
        return self._named_members("_buffer_names", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and, with ``recurse``, of all below it, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    # Finding by dotted name

    def get_submodule(self, target: str) -> Any:
        """The submodule with the dotted name ``target``; the module itself for ``""``.

        Raises:
            AttributeError: no such attribute on the way, or it is no module.
        """
        module: Any = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{kind_of(module)} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Members):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Any, strict: bool = False) -> None:
        """Put ``module`` under the dotted name ``target``; with ``strict`` only over an existing one.

        Raises:
            ValueError: ``target`` is empty.
            AttributeError: a submodule on the way, or with ``strict`` the last one, does not exist.
        """
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        if strict:
            self.get_submodule(target)
        path, _, name = target.rpartition(".")
        setattr(self.get_submodule(path), name, module)

    def _get_member(self, target: str, kind: str) -> Any:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if not hasattr(owner, name):
            raise AttributeError(f"{kind_of(owner)} has no attribute `{name}`")
        if name not in owner.__dict__[kind] or owner.__dict__[name] is None:
            raise AttributeError(
                f"`{name}` is not {'a buffer' if kind == '_buffer_names' else 'an nn.Parameter'}"
            )
        return owner.__dict__[name]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with the dotted name ``target``; AttributeError if there is none."""
        return self._get_member(target, "_parameter_names")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with the dotted name ``target``; AttributeError if there is none."""
        return self._get_member(target, "_buffer_names")
