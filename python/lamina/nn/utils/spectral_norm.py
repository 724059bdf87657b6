"""spectral_norm: a weight divided by its largest singular value, estimated before each forward."""

from __future__ import annotations

from typing import Any, TypeVar

import lamina
from lamina._core import Tensor
from lamina.nn.functional.normalization import normalize
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter

AnyModule = TypeVar("AnyModule", bound=Module)


class SpectralNorm:
    """The hook that computes ``name`` out of ``name_orig`` and its singular vectors."""

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        self.name = name
        self.n_power_iterations = n_power_iterations
        self.dim = dim
        self.eps = eps

    def as_matrix(self, weight: Tensor) -> Tensor:
        return weight.transpose(0, self.dim).reshape(weight.shape[self.dim], -1)

    def compute_weight(self, module: Module, iterate: bool) -> Tensor:
        """The weight over its largest singular value; with ``iterate`` the vectors are moved first."""
        weight = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        matrix = self.as_matrix(weight)
        if iterate:
            with lamina.no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(normalize(matrix.transpose(0, 1).matmul(u), dim=0, eps=self.eps))
                    u.copy_(normalize(matrix.matmul(v), dim=0, eps=self.eps))
        # Copies, because a second forward before backward moves the vectors in place.
        return weight / (u.clone() * matrix.matmul(v.clone())).sum()

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, iterate=module.training))


def _find(module: Module, name: str) -> tuple[int | None, SpectralNorm | None]:
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            return key, hook
    return None, None


def spectral_norm(
    module: AnyModule,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> AnyModule:
    """Divide the parameter ``name`` by its largest singular value, as a matrix of ``dim`` (0) against the
    others.

    The value itself becomes ``name_orig``; the buffers ``name_u`` and ``name_v`` hold the singular vectors,
    which ``n_power_iterations`` steps of the power method move in each forward in training mode. Source:
    Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018.

    Raises:
        RuntimeError: ``name`` is normalised already.
        ShapeError: ``n_power_iterations`` is not positive.

    >>> layer = lamina.nn.utils.spectral_norm(lamina.nn.Linear(2, 3))
    >>> list(layer.state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if _find(module, name)[1] is not None:
        raise RuntimeError(f"spectral_norm: '{name}' of {type(module).__name__} is normalised already")
    if n_power_iterations <= 0:
        raise lamina.ShapeError(f"n_power_iterations must be positive, got {n_power_iterations}")
    hook = SpectralNorm(name, n_power_iterations, 0 if dim is None else dim, eps)
    weight = module.get_parameter(name)
    height, width = hook.as_matrix(weight.detach()).shape
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    for suffix, size in (("_u", height), ("_v", width)):
        start = lamina.empty(size, dtype=weight.dtype).normal_(0.0, 1.0)
        module.register_buffer(name + suffix, normalize(start, dim=0, eps=eps))
    setattr(module, name, weight.detach())
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: AnyModule, name: str = "weight") -> AnyModule:
    """Make ``name`` a parameter of its own again, with the value that it has now.

    Raises:
        ValueError: ``name`` is not normalised.
    """
    key, hook = _find(module, name)
    if key is None or hook is None:
        raise ValueError(f"remove_spectral_norm: '{name}' of {type(module).__name__} is not normalised")
    with lamina.no_grad():
        weight = hook.compute_weight(module, iterate=False)
    for attribute in (name, name + "_orig", name + "_u", name + "_v"):
        delattr(module, attribute)
    del module._forward_pre_hooks[key]
    module.register_parameter(name, Parameter(weight))
    return module
