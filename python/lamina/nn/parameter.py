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


class _Uninitialized(Tensor):
    """A tensor whose shape is not known yet; it keeps the dtype that it will have."""

    _becomes: type[Tensor]

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter or buffer of ``shape``, in place, with values that are not set."""
        import lamina

        grad = self.requires_grad
        self.data = lamina.empty(tuple(shape), dtype=self.dtype if dtype is None else dtype, device=device)
        self.__class__ = self._becomes  # type: ignore[assignment]
        self.requires_grad_(grad)

    @property
    def shape(self) -> Any:
        """There is none yet.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized module. "
            "Call `forward` to initialize the parameters before accessing their attributes."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(_Uninitialized, Parameter):
    """A parameter whose shape is found out by the first call of a lazy module."""

    _becomes = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        import lamina

        return Tensor._make_subclass(cls, lamina.empty(0, device=device, dtype=dtype), requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, dtype=self.dtype)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (self.requires_grad, None, self.dtype)


class UninitializedBuffer(_Uninitialized, Buffer):
    """A buffer whose shape is found out by the first call of a lazy module."""

    _becomes = Buffer

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        import lamina

        made = Tensor._make_subclass(cls, lamina.empty(0, device=device, dtype=dtype), requires_grad)
        made.persistent = persistent
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(False, None, self.dtype, self.persistent)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (False, None, self.dtype, self.persistent)


def is_lazy(param: Any) -> bool:
    """Whether ``param`` still waits for its shape.

    >>> is_lazy(lamina.nn.UninitializedParameter())
    True
    """
    return isinstance(param, _Uninitialized)
