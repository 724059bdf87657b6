"""Methods of Tensor about the memory it looks at: its size, and whom it is shared with."""

from __future__ import annotations

import mmap
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.creation import shape_of

__all__ = ["is_pinned", "is_shared", "new_empty_strided", "resize_", "resize_as_", "share_memory_"]


def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """The tensor with another shape: its first elements in order, then whatever is in memory.

    Raises:
        RuntimeError: the tensor requires grad.
    """
    shape = shape_of(sizes) if sizes else ()
    if self.requires_grad:
        raise RuntimeError("resize_: cannot resize variables that require grad")
    if any(size < 0 for size in shape):
        raise ShapeError(f"resize_: expected sizes that are not negative, got {shape}")
    if tuple(self.shape) == tuple(shape):
        return self
    made = _core.empty(shape, self.dtype)
    kept = min(made.numel(), self.numel())
    made.reshape(-1)[:kept].copy_(self.reshape(-1)[:kept])
    self.data = made
    return self


def resize_as_(self: Tensor, other: Tensor, *, memory_format: Any = None) -> Tensor:
    """``resize_`` to the shape of ``other``."""
    return resize_(self, *other.shape)


def new_empty_strided(
    self: Tensor, size: Sequence[int], stride: Sequence[int], *, dtype: Any = None, device: Any = None
) -> Tensor:
    """``empty_strided`` with this tensor's dtype, unless another is given."""
    from lamina.creation import empty_strided

    return empty_strided(size, stride, dtype=self.dtype if dtype is None else dtype, device=device)


_shared: list[weakref.ref[np.ndarray]] = []


def share_memory_(self: Tensor) -> Tensor:
    """Move the tensor to memory that processes forked from now on share: each sees what the others write."""
    if not is_shared(self) and self.numel():
        size = self.numel() * self.dtype.itemsize
        array = np.frombuffer(mmap.mmap(-1, size), np.uint8)
        made = _core.from_numpy(array).view(self.dtype).reshape(self.shape)
        made.copy_(self.detach())
        self.data = made
        _shared[:] = [known for known in _shared if known() is not None] + [weakref.ref(array)]
    return self


def is_shared(self: Tensor) -> bool:
    """Whether ``share_memory_`` moved the memory that the tensor looks at."""
    for known in _shared:
        array = known()
        if array is not None and 0 <= self.data_ptr() - array.ctypes.data < array.nbytes:
            return True
    return False


def is_pinned(self: Tensor, device: Any = None) -> bool:
    """False: there is no accelerator that memory could be pinned for."""
    return False
