"""Tensors from Python's and NumPy's data: numbers, nested sequences, arrays, buffers, other tensors."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina import _core, device_type
from lamina._core import DtypeError, ShapeError, Tensor
from lamina.dtype_info import dtype_from
from lamina.size import Size

if TYPE_CHECKING:
    from lamina._core import dtype as Dtype
    from lamina.device_type import device as Device

__all__ = ["as_tensor", "asarray", "from_dlpack", "from_numpy", "frombuffer", "scalar_tensor", "tensor"]


def tensor(
    data: Any,
    *,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A new tensor that holds a copy of ``data``: a number, a (nested) sequence, an array, or a tensor.

    Without ``dtype`` floats get the default dtype, complex numbers that of two such floats, ints int64, bools
    bool; arrays and tensors keep theirs.

    Raises:
        ShapeError: sequences of unequal lengths, or a number that ``dtype`` cannot hold.
        TypeError: something in ``data`` is not a number.

    >>> lamina.tensor([[1, 2], [3, 4]]).shape
    lamina.Size([2, 2])
    """
    device_type.check(device, None, pin_memory)
    if isinstance(data, Tensor):
        result = data.detach().to(data.dtype if dtype is None else dtype, copy=True)
    else:
        result = _from_data(data, dtype, copy=True)
    return result.requires_grad_() if requires_grad else result


def as_tensor(data: Any, dtype: Dtype | None = None, device: Device | str | None = None) -> Tensor:
    """``data`` as a tensor: itself where it is one of this dtype, sharing memory where it is an array.

    >>> lamina.as_tensor(numpy.zeros(3)).dtype
    lamina.float64
    """
    device_type.check(device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    return _from_data(data, dtype, copy=False)


def asarray(
    obj: Any,
    *,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """``obj`` as a tensor: always a copy with ``copy=True``, never one with ``copy=False``.

    Raises:
        ShapeError: ``copy=False``, but the data cannot be shared.
    """
    if copy:
        return tensor(obj, dtype=dtype, device=device, requires_grad=requires_grad)
    result = as_tensor(obj, dtype, device)
    if copy is False and result is not obj:
        array = np.asarray(obj)
        if not isinstance(obj, np.ndarray) or (array.size and result.data_ptr() != array.ctypes.data):
            raise ShapeError("asarray: this data cannot become a tensor without a copy")
    if result.requires_grad == requires_grad:
        return result
    return result.detach().requires_grad_(requires_grad)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor over the memory of ``ndarray``: same shape and dtype, changes show in both.

    Raises:
        TypeError: it is not an array, or of a dtype that lamina lacks.

    >>> lamina.from_numpy(numpy.arange(3)).tolist()
    [0, 1, 2]
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected a numpy.ndarray, got {type(ndarray).__name__}")
    return _core.from_numpy(ndarray)


def from_dlpack(ext_tensor: Any, *, device: Device | str | None = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of anything with ``__dlpack__`` on the CPU, PyTorch's tensors among them; with
    ``copy`` over memory of its own.

    Raises:
        TypeError: it has no ``__dlpack__``.
    """
    if not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(f"from_dlpack: {type(ext_tensor).__name__} has no __dlpack__")
    device_type.check(device)
    made = _core.from_numpy(np.from_dlpack(ext_tensor))
    return made.clone() if copy else made


def frombuffer(
    buffer: Any, *, dtype: Dtype, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A 1-d tensor over the memory of ``buffer`` from byte ``offset`` on: ``count`` elements, or all.

    Raises:
        ShapeError: the buffer holds fewer elements, or a rest of bytes that do not fill one.
    """
    raw = np.frombuffer(buffer, np.uint8)
    left, size = len(raw) - offset, dtype.itemsize
    fits = left % size == 0 if count < 0 else 0 < count * size <= left
    if offset < 0 or left <= 0 or not fits:
        raise ShapeError(
            f"frombuffer: {len(raw)} bytes from {offset} on do not hold {count} elements of {dtype}"
        )
    count = left // size if count < 0 else count
    result = _core.from_numpy(raw[offset : offset + count * size]).view(dtype)
    return result.requires_grad_() if requires_grad else result


def scalar_tensor(
    s: float,
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A 0-d tensor of the default dtype (or ``dtype``) that holds ``s``."""
    dtype = _core.get_default_dtype() if dtype is None else dtype
    device_type.check(device, layout, pin_memory)
    return tensor(s, dtype=dtype, requires_grad=requires_grad)


def legacy_tensor(*args: Any, dtype: Dtype | None = None) -> Tensor:
    """What ``Tensor(2, 3)`` (sizes: not initialised) and ``Tensor([2, 3])`` (data) mean."""
    dtype = _core.get_default_dtype() if dtype is None else dtype
    if not args:
        return _core.empty((0,), dtype)
    if len(args) == 1 and isinstance(args[0], Tensor):
        if args[0].dtype is not dtype:
            raise DtypeError(f"Tensor: expected a tensor of {dtype}, got one of {args[0].dtype}")
        return args[0].detach()
    if len(args) == 1 and not isinstance(args[0], (int, Size)):
        return _from_data(args[0], dtype, copy=True)
    return _core.empty(tuple(args[0]) if len(args) == 1 and isinstance(args[0], Size) else args, dtype)


def _from_data(data: Any, dtype: Dtype | None, copy: bool) -> Tensor:
    """A tensor of numbers, of arrays, or of (nested) sequences of both and of tensors."""
    dtype = None if dtype is None else dtype_from(dtype, "tensor")
    kind = type(data)
    if kind is float or kind is int or kind is bool or kind is complex:
        wanted = _dtype_of(data) if dtype is None else dtype
        if kind is complex and not wanted.is_complex:
            raise DtypeError(f"tensor: a complex number cannot become {wanted}")
        _check_range(data, data, wanted)
        return _core.full((), data, wanted)
    if not isinstance(data, (np.ndarray, np.generic)):
        data, natural = _array(data)
        dtype = natural if dtype is None else dtype
        if data.dtype.kind == "c" and not dtype.is_complex:
            raise DtypeError(f"tensor: complex numbers cannot become {dtype}")
        if data.size and not dtype.is_complex:
            _check_range(data.min(), data.max(), dtype)
        copy = False  # this array is nobody else's
    result = _core.from_numpy(np.array(data) if copy and dtype is None else np.asarray(data))
    return result if dtype is None else result.to(dtype, copy=copy)


def _dtype_of(leaf: Any) -> Dtype:
    """The dtype that one element asks for."""
    if isinstance(leaf, (np.generic, np.ndarray)):
        return _core.from_numpy(np.empty(0, leaf.dtype)).dtype
    if isinstance(leaf, Tensor):
        return leaf.dtype
    default = _core.get_default_dtype()
    kinds = ((bool, _core.bool), (int, _core.int64), (float, default), (complex, default.to_complex()))
    for kind, dtype in kinds:
        if isinstance(leaf, kind):
            return dtype
    raise DtypeError(
        f"tensor: Could not infer dtype of {type(leaf).__name__}; expected numbers, arrays or tensors, "
        "in sequences or alone"
    )


def _array(data: Any) -> tuple[np.ndarray, Dtype]:
    """A sequence as an array of its own, and the dtype that its elements ask for."""
    leaf = data
    while isinstance(leaf, (list, tuple)) and leaf:
        leaf = leaf[0]
    dtypes: set[Dtype] = set()
    if isinstance(leaf, (Tensor, np.generic)):
        data = _plain(data, dtypes)
    try:
        array = np.array(data)
    except ValueError as error:
        raise ShapeError(_ragged(data, 0) or f"tensor: {error}") from None
    if array.dtype.kind not in "biufc":
        raise ShapeError(_ragged(data, 0)) if _ragged(data, 0) else DtypeError(_misfit(array))
    if dtypes:
        return array, reduce(_core.promote_types, dtypes)
    if array.dtype.kind == "f" and (array.size == 0 or isinstance(leaf, (float, int))):
        return array, _core.get_default_dtype()
    if array.dtype.kind == "c" and isinstance(leaf, (complex, float, int)):
        return array, _core.get_default_dtype().to_complex()
    if array.dtype == np.uint64 and isinstance(leaf, int):
        raise ShapeError("tensor: Overflow: an integer is too large for int64")
    return array, _dtype_of(array)


def _plain(data: Any, dtypes: set[Dtype]) -> Any:
    """The same data with Python's numbers in place of NumPy's and of tensors, whose dtypes are noted."""
    if isinstance(data, (list, tuple)):
        return [_plain(item, dtypes) for item in data]
    dtypes.add(_dtype_of(data))
    return data.tolist() if isinstance(data, (Tensor, np.generic, np.ndarray)) else data


def _ragged(data: Any, dim: int) -> str:
    """What is wrong with the lengths of nested sequences; nothing: an empty text."""
    if not isinstance(data, (list, tuple)) or not data:
        return ""
    lengths = [len(item) if isinstance(item, (list, tuple)) else -1 for item in data]
    for length in lengths:
        if length != lengths[0]:
            got = "a number" if length < 0 else length
            wanted = "a number" if lengths[0] < 0 else f"sequence of length {lengths[0]}"
            return f"tensor: expected {wanted} at dim {dim + 1} (got {got})"
    return next(filter(None, (_ragged(item, dim + 1) for item in data)), "")


def _misfit(array: np.ndarray) -> str:
    wrong = array.flat[0] if array.size else None
    for item in array.flat:
        if not isinstance(item, (bool, int, float, complex)):
            wrong = item
            break
    what = (
        "an integer beyond 64 bits"
        if isinstance(wrong, int)
        else f"Could not infer dtype of {type(wrong).__name__}"
    )
    return f"tensor: {what}; expected numbers, arrays or tensors, in sequences or alone"


def _check_range(smallest: Any, largest: Any, dtype: Dtype) -> None:
    """Numbers that an integer dtype cannot hold are refused; bytes that are negative wrap around."""
    if dtype.is_floating_point or dtype.is_complex or dtype is _core.bool:
        return
    high = 2 ** (8 * dtype.itemsize - dtype.is_signed) - 1
    low = -high - 1 if dtype.is_signed else -high
    if not (low <= smallest and largest <= high):
        raise ShapeError(
            f"tensor: values from {smallest} to {largest} cannot be converted to {dtype} without overflow"
        )
