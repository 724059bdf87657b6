"""Parametrisations: a parameter that is computed, each time it is read, from others that are trained.

The module becomes an object of a class of its own, whose attribute ``name`` is a property. The names in a
state dict are PyTorch's: ``parametrizations.weight.original``, or ``original0``, ``original1``, ...
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import lamina
from lamina._core import Tensor
from lamina.nn.modules.container import ModuleDict, ModuleList
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "type_before_parametrizations",
]

_caching = 0
_cache: dict[tuple[int, str], Tensor] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Inside, a parametrised tensor is computed at its first use only.

    >>> layer = lamina.nn.utils.parametrizations.weight_norm(lamina.nn.Linear(2, 2))
    >>> with lamina.nn.utils.parametrize.cached():
    ...     layer.weight is layer.weight
    True
    """
    global _caching
    _caching += 1
    try:
        yield
    finally:
        _caching -= 1
        if not _caching:
            _cache.clear()


class ParametrizationList(ModuleList):
    """The parametrisations of one tensor, the first one first, and the originals that it is computed from."""

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        super().__init__(modules)
        self.unsafe = unsafe
        value: Any = original
        with lamina.no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    value = module.right_inverse(value)
        self.is_tensor = isinstance(value, Tensor)
        if self.is_tensor:
            self._own("original", original, value)
        elif isinstance(value, Sequence) and all(isinstance(part, Tensor) for part in value):
            self.ntensors = len(value)
            for i, part in enumerate(value):
                self._own(f"original{i}", original, part, fresh=True)
        else:
            raise lamina.ShapeError(
                "register_parametrization: expected right_inverse to return a Tensor or a sequence of them, "
                f"got {type(value).__name__}"
            )
        if not unsafe:
            self._check(original)

    def _own(self, name: str, original: Tensor, value: Tensor, fresh: bool = False) -> None:
        """Keep ``value``, in the parameter that an optimizer may hold already, unless it is ``fresh``."""
        if not isinstance(original, Parameter):
            self.register_buffer(name, value)
        elif fresh or value.dtype != original.dtype:
            self.register_parameter(name, Parameter(value.detach().clone(), original.requires_grad))
        else:
            if value is not original:
                original.data = value.detach().clone()
            self.register_parameter(name, original)

    def _check(self, original: Tensor) -> None:
        shape, dtype = tuple(original.shape), original.dtype
        with lamina.no_grad():
            value = self()
        if not isinstance(value, Tensor) or value.dtype != dtype or (self.is_tensor and len(self) == 0):
            raise lamina.ShapeError("register_parametrization: expected a Tensor of the original's dtype")
        if self.is_tensor and tuple(value.shape) != shape:
            raise lamina.ShapeError(
                "register_parametrization: may not change the shape of the parametrized tensor, unless "
                f"unsafe=True: {shape} became {tuple(value.shape)}"
            )

    def originals(self) -> list[Tensor]:
        """What is trained instead of the tensor."""
        if self.is_tensor:
            return [self.__dict__["original"]]
        return [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the tensor becomes ``value``.

        Raises:
            RuntimeError: a parametrisation has no ``right_inverse``.
        """
        with lamina.no_grad():
            parts: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse, so the "
                        "tensor cannot be assigned"
                    )
                parts = module.right_inverse(parts)
            for own, part in zip(self.originals(), [parts] if self.is_tensor else parts, strict=True):
                own.data = part.detach().clone()

    def forward(self) -> Tensor:
        modules = list(self)
        value: Tensor = modules[0](*self.originals())
        for module in modules[1:]:
            value = module(value)
        return value


def _entries(module: Module) -> Any:
    """The parametrisations of a module by the names of its tensors."""
    return module.__dict__["parametrizations"]


def _parametrized_class(module: Module) -> type:
    """A class of this module's own, derived from the class it has."""
    kind: Any = type(module)

    def deep_copy(self: Any, memo: dict[int, Any]) -> Any:
        made = memo[id(self)] = object.__new__(type(self))
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    def refuse(self: Any) -> Any:
        raise RuntimeError("Serialization of parametrized modules is only supported through state_dict()")

    # Not to be pickled: the class exists in this process only.
    made: type = type(
        f"Parametrized{kind.__name__}", (kind,), {"__deepcopy__": deep_copy, "__getstate__": refuse}
    )
    return made


def _property(name: str) -> property:
    def get(self: Any) -> Tensor:
        if not _caching:
            value: Tensor = self.parametrizations[name]()
            return value
        key = id(self), name
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def put(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let ``module.tensor_name`` be ``parametrization(original)``; several go one after the other.

    A ``right_inverse`` of the parametrisation, where it has one, says which original gives the present value;
    without one the original is the present value. ``unsafe`` allows another shape or dtype.

    Raises:
        ValueError: no parameter or buffer of this name, or a changed shape or dtype.

    >>> class Symmetric(lamina.nn.Module):
    ...     def forward(self, x): return x.triu() + x.triu(1).mT
    >>> layer = lamina.nn.Linear(3, 3)
    >>> _ = lamina.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.mT).all())
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        entry = _entries(module)[tensor_name]
        with lamina.no_grad():
            value = entry()
        modules = [*entry, parametrization]
        first = entry.original if entry.is_tensor else Parameter(value)
        requires = first.requires_grad
        whole = Parameter(value.clone(), requires) if isinstance(first, Parameter) else value
        entry = ParametrizationList(modules, whole, unsafe)
        _entries(module)[tensor_name] = entry
        return module
    if tensor_name not in module._parameters and tensor_name not in module._buffers:
        raise lamina.ShapeError(
            f"Module '{type(module).__name__}' does not have a parameter, a buffer, or a parametrized "
            f"element with name '{tensor_name}'"
        )
    original = getattr(module, tensor_name)
    entry = ParametrizationList([parametrization], original, unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.__class__ = _parametrized_class(module)
        module.add_module("parametrizations", ModuleDict())
    setattr(type(module), tensor_name, _property(tensor_name))
    _entries(module)[tensor_name] = entry
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has a parametrised tensor, or one of this name."""
    entries = module.__dict__.get("parametrizations")
    if not isinstance(entries, ModuleDict):
        return False
    return len(entries) > 0 if tensor_name is None else tensor_name in entries


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make the tensor an ordinary one again: with the value that it has, or else with the original's.

    Raises:
        ValueError: it is not parametrised, or there are several originals to leave.
    """
    if not is_parametrized(module, tensor_name):
        kind = type(module).__name__
        raise lamina.ShapeError(f"Module {kind} does not have a parametrization on {tensor_name}")
    entry = _entries(module)[tensor_name]
    if not leave_parametrized and not entry.is_tensor:
        raise lamina.ShapeError("leave_parametrized=False is only possible with a single original tensor")
    with lamina.no_grad():
        value = entry().detach().clone() if leave_parametrized else None
    first = entry.originals()[0]
    delattr(type(module), tensor_name)
    entries = _entries(module)
    del entries[tensor_name]
    if not len(entries):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    if isinstance(first, Parameter):
        if entry.is_tensor and value is not None:
            first.data = value  # the parameter that an optimizer holds
        kept = first if entry.is_tensor else Parameter(value)
        module.register_parameter(tensor_name, kept)
    else:
        module.register_buffer(tensor_name, first if value is None else value)
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that the module had before."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)
