"""The memory behind a tensor: how much there is and where, its bytes and its elements, to look at.

Views of one tensor have one storage. It is there to be read; tensors are for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lamina import _core
from lamina._core import Tensor

__all__ = ["TypedStorage", "UntypedStorage"]


class TypedStorage:
    """All elements of the memory behind a tensor, those it does not show included.

    >>> list(lamina.arange(4)[1:3].storage())
    [0, 1, 2, 3]
    """

    def __init__(self, tensor: Tensor, dtype: Any) -> None:
        self._tensor = tensor  # it keeps the memory
        self.dtype = dtype

    def __len__(self) -> int:
        return int(self._tensor._storage_nbytes()) // self.dtype.itemsize

    def size(self) -> int:
        """How many elements there are."""
        return len(self)

    def element_size(self) -> int:
        """Bytes of one element."""
        return int(self.dtype.itemsize)

    def nbytes(self) -> int:
        """Bytes of all elements."""
        return len(self) * self.element_size()

    def data_ptr(self) -> int:
        """The address of the first element; equal for two tensors that look at the same memory."""
        tensor = self._tensor
        return int(tensor.data_ptr()) - tensor.storage_offset() * tensor.element_size()

    def _elements(self) -> Tensor:
        tensor = self._tensor.detach()
        whole = tensor.as_strided((tensor._storage_nbytes() // tensor.element_size(),), (1,), 0)
        return whole if self.dtype == tensor.dtype else whole.view(self.dtype)

    def tolist(self) -> list[Any]:
        """The elements as numbers."""
        return list(self._elements().tolist())

    def __getitem__(self, index: Any) -> Any:
        return self.tolist()[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypedStorage) and (self.data_ptr(), self.dtype) == (
            other.data_ptr(),
            other.dtype,
        )

    __hash__ = None  # type: ignore[assignment]


class UntypedStorage(TypedStorage):
    """The bytes behind a tensor.

    >>> x = lamina.zeros(2, 3)
    >>> x.untyped_storage().nbytes(), x[1].untyped_storage().data_ptr() == x.data_ptr()
    (24, True)
    """

    def __init__(self, tensor: Tensor) -> None:
        super().__init__(tensor, _core.uint8)


def storage(self: Tensor) -> TypedStorage:
    """The elements in memory behind the tensor and its views."""
    return TypedStorage(self, self.dtype)


def untyped_storage(self: Tensor) -> UntypedStorage:
    """The bytes in memory behind the tensor and its views."""
    return UntypedStorage(self)
