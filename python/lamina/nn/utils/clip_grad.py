"""Gradients kept within bounds: by the norm of all of them together, or each value by itself.

``foreach`` is accepted everywhere as in PyTorch, where it chooses between two loops with the same result."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable

import lamina
from lamina._core import Tensor


def _listed(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [parameter.grad for parameter in _listed(parameters) if parameter.grad is not None]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The ``norm_type`` norm of all elements of all ``tensors`` as one vector; a tensor without dimensions.

    Raises:
        RuntimeError: the norm is NaN or infinite and ``error_if_nonfinite``.

    >>> lamina.nn.utils.get_total_norm([lamina.tensor([3.0]), lamina.tensor([4.0])]).item()
    5.0
    """
    tensors = _listed(tensors)
    norm_type = float(norm_type)
    with lamina.no_grad():
        norms = [tensor.norm(norm_type) for tensor in tensors]
        total = lamina.stack(norms).norm(norm_type) if norms else lamina.tensor(0.0)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"get_total_norm: the norm of order {norm_type} is non-finite ({total.item()}), "
            "and error_if_nonfinite asks for an error"
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale all gradients by ``max_norm / total_norm`` where that is below 1."""
    with lamina.no_grad():
        scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        for gradient in _gradients(parameters):
            gradient.mul_(scale)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients in place so that their common norm is at most ``max_norm``; returns what it was.

    ``norm_type`` may be ``inf``. Source: Pascanu et al., On the
    difficulty of training recurrent neural networks, 2012.

    Raises:
        RuntimeError: the norm is NaN or infinite and ``error_if_nonfinite``.

    >>> layer = lamina.nn.Linear(2, 1)
    >>> layer(lamina.ones(1, 2)).sum().backward()
    >>> round(lamina.nn.utils.clip_grad_norm_(layer.parameters(), 1.0).item(), 3)
    1.732
    """
    parameters = _listed(parameters)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The old name of ``clip_grad_norm_``."""
    message = "nn.utils.clip_grad_norm is now deprecated in favor of nn.utils.clip_grad_norm_"
    warnings.warn(message, FutureWarning, stacklevel=2)
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit each value of each gradient to ``[-clip_value, clip_value]``."""
    limit = float(clip_value)
    with lamina.no_grad():
        for gradient in _gradients(parameters):
            gradient.clamp_(-limit, limit)
