"""New tensors of a given shape, or of another's: zeros, diagonals. Random ones: random.py; rows of numbers:
progression.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lamina import _core, device_type
from lamina._core import ShapeError, Tensor
from lamina.convert import tensor

if TYPE_CHECKING:
    from lamina._core import dtype as Dtype
    from lamina._core import memory_format as MemoryFormat
    from lamina.device_type import device as Device

__all__ = [
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "eye",
    "full",
    "full_like",
    "ones",
    "ones_like",
    "tril_indices",
    "triu_indices",
    "zeros",
    "zeros_like",
]


def shape_of(sizes: tuple[Any, ...], size: Sequence[int] | None = None) -> tuple[int, ...]:
    """The shape in ``f(2, 3)``, ``f((2, 3))`` or ``f(size=(2, 3))``."""
    if size is not None:
        return tuple(size)
    if not sizes:
        raise TypeError("expected a size: as numbers, as one sequence, or by its name")
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        return tuple(sizes[0])
    return sizes


def chosen(
    dtype: Dtype | None, device: Device | str | None, layout: Any = None, pin_memory: bool = False
) -> Dtype:
    """The dtype of a new tensor, the place where it shall be checked."""
    device_type.check(device, layout, pin_memory)
    return _core.get_default_dtype() if dtype is None else dtype


def finish(made: Tensor, out: Tensor | None, requires_grad: bool) -> Tensor:
    """``made``, or ``out`` with its values; wanting a gradient if asked to."""
    if out is not None:
        made = _core._into_out(made, out)
    return made.requires_grad_() if requires_grad else made


def empty(
    *sizes: Any,
    size: Sequence[int] | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: MemoryFormat | None = None,
) -> Tensor:
    """A tensor of this shape whose values are whatever was in memory."""
    made = _core.empty(shape_of(sizes, size), chosen(dtype, device, layout, pin_memory))
    if memory_format is not None:
        made = made.contiguous(memory_format=memory_format)
    return finish(made, out, requires_grad)


def zeros(
    *sizes: Any,
    size: Sequence[int] | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of this shape filled with 0.

    >>> lamina.zeros(2, 3).shape
    lamina.Size([2, 3])
    """
    return finish(
        _core.full(shape_of(sizes, size), 0, chosen(dtype, device, layout, pin_memory)), out, requires_grad
    )


def ones(
    *sizes: Any,
    size: Sequence[int] | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of this shape filled with 1."""
    return finish(
        _core.full(shape_of(sizes, size), 1, chosen(dtype, device, layout, pin_memory)), out, requires_grad
    )


def full(
    size: Sequence[int],
    fill_value: float | Tensor,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of shape ``size`` filled with ``fill_value``, whose kind decides the dtype if none is given.

    >>> lamina.full((2,), 7).tolist()
    [7, 7]
    """
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    if dtype is None:
        dtype = tensor(value).dtype
    shape = (size,) if isinstance(size, int) else tuple(size)
    return finish(_core.full(shape, value, chosen(dtype, device, layout, pin_memory)), out, requires_grad)


def _like(
    input: Tensor,
    value: float | None,
    dtype: Dtype | None,
    device: Device | str | None,
    order: MemoryFormat,
    layout: Any,
    pin_memory: bool,
) -> Tensor:
    """A tensor of ``input``'s shape and layout, filled with ``value`` unless that is None."""
    device_type.check(device, layout, pin_memory)
    dtype = input.dtype if dtype is None else dtype
    made = _core.empty_like(input, dtype) if value is None else _core.full_like(input, value, dtype)
    return laid_out(made, order)


def laid_out(made: Tensor, order: MemoryFormat) -> Tensor:
    """``made`` in the order in memory that is asked for; ``preserve_format`` asks for none."""
    return made if order is _core.preserve_format else made.contiguous(memory_format=order)


def empty_like(
    input: Tensor,
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: MemoryFormat = _core.preserve_format,
) -> Tensor:
    """``empty`` of ``input``'s shape, and its dtype unless another is given."""
    return finish(_like(input, None, dtype, device, memory_format, layout, pin_memory), None, requires_grad)


def zeros_like(
    input: Tensor,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: MemoryFormat = _core.preserve_format,
) -> Tensor:
    """``zeros`` of ``input``'s shape, and its dtype unless another is given."""
    return finish(_like(input, 0, dtype, device, memory_format, layout, pin_memory), out, requires_grad)


def ones_like(
    input: Tensor,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: MemoryFormat = _core.preserve_format,
) -> Tensor:
    """``ones`` of ``input``'s shape, and its dtype unless another is given."""
    return finish(_like(input, 1, dtype, device, memory_format, layout, pin_memory), out, requires_grad)


def full_like(
    input: Tensor,
    fill_value: float,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: MemoryFormat = _core.preserve_format,
) -> Tensor:
    """``full`` of ``input``'s shape, and its dtype unless another is given."""
    return finish(
        _like(input, fill_value, dtype, device, memory_format, layout, pin_memory), out, requires_grad
    )


def empty_permuted(
    size: Sequence[int],
    physical_layout: Sequence[int],
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor that is not initialised, whose dimensions lie in memory in the order ``physical_layout``.

    Raises:
        ShapeError: ``physical_layout`` does not name every dimension once.

    >>> lamina.empty_permuted((2, 3), (1, 0)).stride()
    (1, 2)
    """
    order = list(physical_layout)
    if sorted(order) != [*range(len(size))]:
        raise ShapeError(f"empty_permuted: {order} does not name each of {len(size)} dimensions once")
    made = empty([size[d] for d in order], dtype=dtype, device=device)
    made = made.permute([order.index(d) for d in range(len(size))])
    return made.requires_grad_() if requires_grad else made


def empty_strided(
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``empty`` of shape ``size`` whose elements lie ``stride`` elements apart in memory."""
    return finish(
        _core.empty_strided(tuple(size), tuple(stride), chosen(dtype, device, layout, pin_memory)),
        None,
        requires_grad,
    )


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The (n, m) matrix (m = n unless given) with 1 on the diagonal and 0 elsewhere."""
    return finish(
        _core.eye(n, n if m is None else m, chosen(dtype, device, layout, pin_memory)), out, requires_grad
    )


def _places(mask: Tensor, dtype: Dtype | None) -> Tensor:
    return mask.nonzero().t().contiguous().to(_core.int64 if dtype is None else dtype)


def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
) -> Tensor:
    """Rows and columns (2, count) of the elements of a (row, col) matrix on and below a diagonal."""
    device_type.check(device, layout, pin_memory)
    return _places(_core.tril(_core.full((row, col), True, _core.bool), offset), dtype)


def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
) -> Tensor:
    """Rows and columns (2, count) of the elements of a (row, col) matrix on and above a diagonal."""
    device_type.check(device, layout, pin_memory)
    return _places(_core.triu(_core.full((row, col), True, _core.bool), offset), dtype)
