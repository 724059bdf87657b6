"""Parameter and Buffer: tensors that a module adopts when they are assigned to one of its attributes.

How a module keeps them is in modules/member.py."""

from __future__ import annotations

from typing import Any

from lamina._core import Tensor


class Parameter(Tensor):
    """A tensor that a ``Module`` lists among its parameters once it is assigned as an attribute.

    It shares memory with ``data``, has the same shape and dtype, and records gradients unless told otherwise.

    Raises:
        TypeError: ``data`` is not a tensor.
        RuntimeError: ``data`` is not of a floating dtype while ``requires_grad`` is true.

    >>> lamina.nn.Parameter(lamina.zeros(2, 3)).requires_grad
    True
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            import lamina

            data = lamina.empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"Parameter: expected a Tensor as data, got {type(data).__name__}")
        return Tensor._make_subclass(cls, data.detach(), requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.detach().clone(), self.requires_grad)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (self.detach(), self.requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor that a ``Module`` lists among its buffers once it is assigned as an attribute.

    Buffers are state that no optimizer changes, such as running means. With ``persistent=False`` the buffer
    is left out of ``state_dict``. It shares memory with ``data``; shape and dtype are those of ``data``.

    Raises:
        TypeError: ``data`` is not a tensor.

    >>> lamina.nn.Buffer(lamina.zeros(3)).persistent
    True
    """

    persistent: bool

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        if data is None:
            import lamina

            data = lamina.empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"Buffer: expected a Tensor as data, got {type(data).__name__}")
        buffer = Tensor._make_subclass(cls, data.detach(), data.requires_grad)
        buffer.persistent = persistent
        return buffer

    def __deepcopy__(self, memo: dict[int, Any]) -> Buffer:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.detach().clone(), persistent=self.persistent)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild_buffer, (type(self), self.detach(), self.persistent)


def _rebuild_buffer(kind: type[Buffer], data: Tensor, persistent: bool) -> Buffer:
    return kind(data, persistent=persistent)
