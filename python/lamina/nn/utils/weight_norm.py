"""weight_norm: a weight as a length and a direction, put together before each forward."""

from __future__ import annotations

from typing import Any, TypeVar

from lamina._core import Tensor
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter

AnyModule = TypeVar("AnyModule", bound=Module)


class WeightNorm:
    """The hook that computes ``name`` out of ``name_g`` and ``name_v``."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = dim

    def length(self, direction: Tensor) -> Tensor:
        """The norm over all dimensions but ``dim``, which the others are kept beside with size 1."""
        if self.dim is None:
            return direction.norm()
        others = [i for i in range(direction.ndim) if i != self.dim % direction.ndim]
        return direction.norm(2, others, True) if others else direction.abs()

    def compute_weight(self, module: Module) -> Tensor:
        """``g * v / |v|``."""
        length, direction = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return direction * (length / self.length(direction))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def _find(module: Module, name: str) -> tuple[int | None, WeightNorm | None]:
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, WeightNorm) and hook.name == name:
            return key, hook
    return None, None


def weight_norm(module: AnyModule, name: str = "weight", dim: int | None = 0) -> AnyModule:
    """Replace the parameter ``name`` by ``name_g``, its length for each index of ``dim``, and ``name_v``, its
    direction.

    ``dim=None`` is one length for the whole weight. Source: Salimans & Kingma, Weight Normalization, 2016.

    Raises:
        RuntimeError: ``name`` is normalised already.

    >>> layer = lamina.nn.utils.weight_norm(lamina.nn.Linear(2, 3))
    >>> list(layer.state_dict())
    ['bias', 'weight_g', 'weight_v']
    """
    if _find(module, name)[1] is not None:
        raise RuntimeError(f"weight_norm: '{name}' of {type(module).__name__} is normalised already")
    hook = WeightNorm(name, dim)
    weight = module.get_parameter(name)
    delattr(module, name)
    module.register_parameter(name + "_g", Parameter(hook.length(weight.detach())))
    module.register_parameter(name + "_v", Parameter(weight.detach()))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: AnyModule, name: str = "weight") -> AnyModule:
    """Make ``name`` a parameter of its own again, with the value that it has now.

    Raises:
        ValueError: ``name`` is not normalised.
    """
    key, hook = _find(module, name)
    if key is None or hook is None:
        raise ValueError(f"remove_weight_norm: '{name}' of {type(module).__name__} is not normalised")
    weight = hook.compute_weight(module)
    for attribute in (name, name + "_g", name + "_v"):
        delattr(module, attribute)
    del module._forward_pre_hooks[key]
    module.register_parameter(name, Parameter(weight.detach()))
    return module
