"""Flatten and Unflatten: dimensions merged into one and taken apart again."""

from __future__ import annotations

from collections.abc import Sequence

from lamina._core import Tensor
from lamina.nn.modules.module import Module


class Flatten(Module):
    """Merge dimensions ``start_dim`` to ``end_dim`` into one.

    >>> lamina.nn.Flatten()(lamina.ones(2, 3, 4)).shape[1]
    12
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Take dimension ``dim`` apart into the sizes ``unflattened_size``, one of which may be -1.

    >>> lamina.nn.Unflatten(1, (3, 4))(lamina.ones(2, 12)).shape[2]
    4
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        if not isinstance(dim, int):
            raise TypeError(f"Unflatten: expected an int as dim, got {type(dim).__name__}")
        if not all(isinstance(size, int) for size in unflattened_size):
            raise TypeError(f"unflattened_size must be a tuple of ints, but found {unflattened_size}")
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
