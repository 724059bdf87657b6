"""All parameters as one vector and back."""

from __future__ import annotations

from collections.abc import Iterable

import lamina
from lamina import _core
from lamina._core import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements one behind the other, in the order of ``parameters``: a tensor of one dimension.

    >>> lamina.nn.utils.parameters_to_vector(lamina.nn.Linear(2, 3).parameters()).numel()
    9
    """
    return lamina.cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give the parameters the values that ``parameters_to_vector`` has put into ``vec``.

    Raises:
        TypeError: ``vec`` is no tensor.
        ShapeError: the number of elements is another one; no parameter is changed then.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected a Tensor, got {type(vec).__name__}")
    parameters = list(parameters)
    wanted = sum(parameter.numel() for parameter in parameters)
    if vec.numel() != wanted:
        raise _core.ShapeError(f"vector_to_parameters: expected {wanted} elements, got {vec.numel()}")
    start = 0
    for parameter in parameters:
        stop = start + parameter.numel()
        parameter.data = vec[start:stop].reshape(parameter.shape).data
        start = stop
