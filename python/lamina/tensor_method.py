"""Methods of Tensor that are no functions of lamina: conversion, copying, pickling, printing, iteration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lamina import _core, creation, device_type
from lamina._core import ShapeError, Tensor, dtype
from lamina.convert import tensor
from lamina.device_type import device
from lamina.dtype_info import dtype_from, type_name
from lamina.query import strided

FLAGS = {"non_blocking", "copy", "memory_format"}


def to(self: Tensor, *args: Any, **options: Any) -> Tensor:
    """``to(dtype)``, ``to(device)``, ``to(device, dtype)`` or ``to(other)``: itself where nothing changes.

    ``copy=True`` always copies. ``non_blocking`` makes no difference on the CPU; ``memory_format`` asks for a
    layout in memory, which no shape or index shows.

    Raises:
        RuntimeError: a device that lamina lacks.

    >>> lamina.ones(1).to(lamina.int64).dtype
    lamina.int64
    """
    if len(args) == 1 and not options and isinstance(args[0], dtype):
        return self._to(args[0])
    wanted, where = options.pop("dtype", None), options.pop("device", None)
    rest = list(args)
    if rest and isinstance(rest[0], Tensor):
        wanted = rest.pop(0).dtype
    elif rest and (
        rest[0] is None or (isinstance(rest[0], (str, device, int)) and not isinstance(rest[0], bool))
    ):
        where = rest.pop(0)
    if rest and not isinstance(rest[0], bool):
        wanted = rest.pop(0)
    named = dict(zip(("non_blocking", "copy"), rest, strict=False)) | options
    if len(rest) > 2 or not set(named) <= FLAGS:
        raise TypeError(
            f"to: expected a dtype, a device or a tensor, then non_blocking and copy; got {args}, {options}"
        )
    device_type.check(where)
    wanted = self.dtype if wanted is None else dtype_from(wanted, "to")
    copied = self._to(wanted, bool(named.get("copy", False)))
    layout = named.get("memory_format")
    return copied if layout is None else copied.contiguous(memory_format=layout)


def cpu(self: Tensor) -> Tensor:
    """Itself: tensors live on the CPU."""
    return self


def cuda(self: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """Raises RuntimeError: there is no GPU, and no way to it. Ask ``lamina.cuda.is_available()`` first."""
    return to(self, "cuda" if device is None else device, non_blocking=non_blocking)


def type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of the tensor's type, or the tensor converted to a dtype or to the type of that name."""
    return type_name(self.dtype) if dtype is None else self._to(dtype_from(dtype, "type"))


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor converted to the dtype of ``other``."""
    return self._to(other.dtype)


def conversion(name: str, target: dtype) -> Callable[..., Tensor]:
    """The method of this name that converts to ``target``."""

    def convert(self: Tensor, memory_format: Any = None) -> Tensor:
        made = self._to(target)
        return made if memory_format is None else made.contiguous(memory_format=memory_format)

    convert.__name__ = name
    convert.__doc__ = f"The tensor converted to ``{target}``."
    return convert


CONVERSIONS = {
    "bfloat16": _core.bfloat16,
    "bool": _core.bool,
    "byte": _core.uint8,
    "cdouble": _core.complex128,
    "cfloat": _core.complex64,
    "char": _core.int8,
    "double": _core.float64,
    "float": _core.float32,
    "half": _core.float16,
    "int": _core.int32,
    "long": _core.int64,
    "short": _core.int16,
}


def view_as(self: Tensor, other: Tensor) -> Tensor:
    """``view`` with the shape of ``other``."""
    return self.view(other.shape)


def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """``reshape`` to the shape of ``other``."""
    return self.reshape(other.shape)


def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """``expand`` to the shape of ``other``."""
    return self.expand(other.shape)


def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Summed so that the result has shape ``size``, from which this tensor's can be broadcast."""
    shape = creation.shape_of(size)
    lead = self.ndim - len(shape)
    fits = lead >= 0 and all(n in (1, m) for n, m in zip(shape, self.shape[max(lead, 0) :], strict=True))
    if not fits:
        raise ShapeError(f"sum_to_size: {tuple(shape)} does not broadcast to {tuple(self.shape)}")
    if not self.ndim:
        return self.sum()  # which is int64 for integers, as where something is summed
    gone = [d for d in range(self.ndim) if d < lead or (shape[d - lead] == 1 and self.shape[d] != 1)]
    return (self.sum(gone, True) if gone else self).reshape(shape)


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both look at the same memory in the same way."""
    same = self.shape == tensor.shape and self.stride() == tensor.stride()
    return same and self._shares_storage(tensor) and self.storage_offset() == tensor.storage_offset()


def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A copy of ``data`` with this tensor's dtype, unless another is given."""
    chosen = self.dtype if dtype is None else dtype
    return tensor(data, dtype=chosen, device=device, requires_grad=requires_grad)


def _new(make: Callable[..., Tensor], word: str) -> Callable[..., Tensor]:
    def made(self: Tensor, *size: Any, **options: Any) -> Tensor:
        if options.get("dtype") is None:
            options["dtype"] = self.dtype
        return make(*size, **options)

    made.__doc__ = f"``lamina.{word}`` with this tensor's dtype, unless another is given."
    return made


NEW = {
    f"new_{f.__name__}": _new(f, f.__name__)
    for f in (creation.empty, creation.zeros, creation.ones, creation.full)
}


def new(self: Tensor, *args: Any) -> Tensor:
    """``Tensor(...)`` of this tensor's dtype: sizes (not initialised) or data."""
    from lamina.convert import legacy_tensor

    return legacy_tensor(*args, dtype=self.dtype)


# ---- random numbers: what the core's forms do not take


def random_(self: Tensor, from_: int | None = None, to: Any = ..., *, generator: Any = None) -> Tensor:
    """Fill with integers drawn evenly: ``random_(from, to)`` from [from, to), ``random_(to)`` from [0, to),
    and ``random_()`` or ``random_(from, None)`` up to the largest up to which the dtype counts.
    """
    if from_ is not None and to is ...:
        from_, to = 0, from_
    if to is None or to is ...:
        from_, to = from_ or 0, _largest(self.dtype) + 1
    return _core_random(self, from_, to, generator=generator)


_core_random: Any = Tensor.random_
_core_bernoulli: Any = Tensor.bernoulli_
_LARGEST = {"float16": 2**11, "bfloat16": 2**8, "float32": 2**24, "float64": 2**53, "bool": 1}


def _largest(d: dtype) -> int:
    """Up to where all integers can be told apart; 2**63 - 2 is the core's last bound."""
    return min(_LARGEST.get(d.name, 2 ** (8 * d.itemsize - d.is_signed) - 1), 2**63 - 2)


def bernoulli_(self: Tensor, p: float | Tensor = 0.5, *, generator: Any = None) -> Tensor:
    """Fill with 1 with probability ``p`` (a number, or one for each element), else with 0."""
    if not isinstance(p, Tensor):
        return _core_bernoulli(self, p, generator=generator)
    from lamina.random import bernoulli

    return self._assign(bernoulli(p.expand(self.shape), generator=generator).to(self.dtype))


def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replace every element by what a Python function makes of it; slow."""
    values = [callable(x) for x in self.detach().reshape(-1).tolist()]
    return self.copy_(tensor(values, dtype=self.dtype).reshape(self.shape))


def map_(self: Tensor, tensor_: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replace every element by what a Python function makes of it and its partner in another; slow."""
    partner = tensor_.detach().expand(self.shape)
    pairs = zip(self.detach().reshape(-1).tolist(), partner.reshape(-1).tolist(), strict=True)
    return self.copy_(tensor([callable(a, b) for a, b in pairs], dtype=self.dtype).reshape(self.shape))


# ---- Python's protocols


def __iter__(self: Tensor) -> Iterator[Tensor]:
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


def __contains__(self: Tensor, element: Any) -> bool:
    if not isinstance(element, (Tensor, int, float, complex)):
        raise TypeError(
            f"Tensor.__contains__: expected a Tensor or a number, got {element.__class__.__name__}"
        )
    return bool((self == element).any())


def __reversed__(self: Tensor) -> Tensor:
    return self.flip(0) if self.ndim else self


def __repr__(self: Tensor) -> str:
    from lamina.printing import format_tensor

    return format_tensor(self)


def __format__(self: Tensor, spec: str) -> str:
    if self.ndim == 0 and self.__class__ is Tensor:
        return format(self.item(), spec)
    return object.__format__(self, spec)


def __array__(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    array = self.numpy()
    if copy:
        return np.array(array, dtype)
    if copy is False and dtype is not None and np.dtype(dtype) != array.dtype:
        raise ShapeError(f"__array__: {array.dtype} cannot become {np.dtype(dtype)} without a copy")
    return array if dtype is None else array.astype(dtype, copy=False)


def __array_wrap__(self: Tensor, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
    """What NumPy's functions made of a tensor becomes a tensor."""
    return _core.from_numpy(np.asarray(array))


def __dlpack__(self: Tensor, *, stream: Any = None, **options: Any) -> Any:
    if self.requires_grad:
        raise BufferError("__dlpack__: can't export tensors that require gradient, use tensor.detach()")
    if stream is not None:
        raise BufferError("__dlpack__: the CPU has no streams")
    return self.numpy().__dlpack__(**options)


def __dlpack_device__(self: Tensor) -> tuple[int, int]:
    return 1, 0  # kDLCPU


def __copy__(self: Tensor) -> Tensor:
    copy = Tensor._make_subclass(self.__class__, self.detach(), self.requires_grad)
    copy.__dict__.update(self.__dict__)
    return copy


def __deepcopy__(self: Tensor, memo: dict[int, Any]) -> Tensor:
    if not self.is_leaf:
        raise RuntimeError("deepcopy: only leaf tensors support it; use tensor.detach().clone()")
    if id(self) in memo:
        return memo[id(self)]
    kind = self.__class__
    copy = Tensor._make_subclass(kind, self.detach().clone(), self.requires_grad)
    memo[id(self)] = copy
    if self.grad is not None:
        copy.grad = self.grad.detach().clone()
    if self.__dict__:
        from copy import deepcopy

        copy.__dict__.update(deepcopy(self.__dict__, memo))
    return copy


def _rebuild(
    kind: Any, data: bytes, d: dtype, shape: tuple[int, ...], requires_grad: bool, attributes: Any
) -> Tensor:
    values = _core.from_buffer(bytearray(data), d, shape)
    made = (
        values.requires_grad_(requires_grad)
        if kind is Tensor
        else Tensor._make_subclass(kind, values, requires_grad)
    )
    if attributes:
        made.__dict__.update(attributes)
    return made


def __reduce_ex__(self: Tensor, protocol: Any) -> tuple[Any, ...]:
    if not self.is_leaf:
        raise RuntimeError("pickle: only leaf tensors support it; use tensor.detach()")
    data = bytes(_core.to_bytes(self.detach()))
    form = (self.dtype, tuple(self.shape), self.requires_grad)
    return _rebuild, (self.__class__, data, *form, dict(self.__dict__) or None)


def T(self: Tensor) -> Tensor:
    """A view with the dimensions in reverse order."""
    return self.permute(tuple(range(self.ndim - 1, -1, -1)))


def mT(self: Tensor) -> Tensor:
    """A view with the last two dimensions exchanged."""
    if self.ndim < 2:
        raise ShapeError(f"mT: expected at least 2 dimensions, got shape {tuple(self.shape)}")
    return self.transpose(-1, -2)


def adjoint(self: Tensor) -> Tensor:
    """The last two dimensions exchanged, complex numbers conjugated."""
    return mT(self).conj()


def __complex__(self: Tensor) -> complex:
    return complex(self.item())


PROPERTIES: dict[str, Callable[[Tensor], Any]] = {
    "H": lambda self: self.t().conj(),
    "T": T,
    "device": lambda self: device_type.CPU,
    "is_cpu": lambda self: True,
    "is_cuda": lambda self: False,
    "is_mps": lambda self: False,
    "layout": lambda self: strided,
    "is_meta": lambda self: False,
    "is_mkldnn": lambda self: False,
    "is_nested": lambda self: False,
    "is_quantized": lambda self: False,
    "is_sparse": lambda self: False,
    "is_sparse_csr": lambda self: False,
    "is_xpu": lambda self: False,
    "mH": adjoint,
    "mT": mT,
}


def __rdiv__(self: Tensor, other: Any) -> Tensor:
    return other / self


METHODS = (
    __complex__,
    __rdiv__,
    __iter__,
    __contains__,
    __reversed__,
    __repr__,
    __format__,
    __array__,
    __array_wrap__,
    __dlpack__,
    __dlpack_device__,
    __copy__,
    __deepcopy__,
    __reduce_ex__,
    apply_,
    bernoulli_,
    cpu,
    cuda,
    expand_as,
    is_set_to,
    map_,
    new,
    new_tensor,
    random_,
    reshape_as,
    sum_to_size,
    to,
    type,
    type_as,
    view_as,
)
