"""New tensors of a given shape, or of another's: zeros, ranges, diagonals. Random ones: random.py."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lamina import _core, device_type
from lamina._core import ShapeError, Tensor
from lamina.convert import tensor
from lamina.dtype_info import dtype_from

if TYPE_CHECKING:
    from lamina._core import dtype as Dtype
    from lamina._core import memory_format as Layout
    from lamina.device_type import device as Device

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "eye",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "range",
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


def chosen(dtype: Dtype | None, device: Device | str | None) -> Dtype:
    """The dtype of a new tensor, its device checked."""
    device_type.check(device)
    return _core.get_default_dtype() if dtype is None else dtype


def finish(made: Tensor, out: Tensor | None, requires_grad: bool) -> Tensor:
    """``made``, or ``out`` with its values; wanting a gradient if asked to."""
    made = _core._into_out(made, out)
    return made.requires_grad_() if requires_grad else made


def empty(
    *sizes: Any,
    size: Sequence[int] | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of this shape whose values are whatever was in memory."""
    return finish(_core.empty(shape_of(sizes, size), chosen(dtype, device)), out, requires_grad)


def zeros(
    *sizes: Any,
    size: Sequence[int] | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of this shape filled with 0.

    >>> lamina.zeros(2, 3).shape
    lamina.Size([2, 3])
    """
    return finish(_core.full(shape_of(sizes, size), 0, chosen(dtype, device)), out, requires_grad)


def ones(
    *sizes: Any,
    size: Sequence[int] | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of this shape filled with 1."""
    return finish(_core.full(shape_of(sizes, size), 1, chosen(dtype, device)), out, requires_grad)


def full(
    size: Sequence[int],
    fill_value: float | Tensor,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
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
    return finish(_core.full(shape, value, chosen(dtype, device)), out, requires_grad)


def _like(
    input: Tensor, value: float | None, dtype: Dtype | None, device: Device | str | None, layout: Layout
) -> Tensor:
    """A tensor of ``input``'s shape and layout, filled with ``value`` unless that is None."""
    device_type.check(device)
    dtype = input.dtype if dtype is None else dtype
    made = _core.empty_like(input, dtype) if value is None else _core.full_like(input, value, dtype)
    return made.contiguous(memory_format=layout)


def empty_like(
    input: Tensor,
    *,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    memory_format: Layout = _core.preserve_format,
) -> Tensor:
    """``empty`` of ``input``'s shape, and its dtype unless another is given."""
    return finish(_like(input, None, dtype, device, memory_format), None, requires_grad)


def zeros_like(
    input: Tensor,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    memory_format: Layout = _core.preserve_format,
) -> Tensor:
    """``zeros`` of ``input``'s shape, and its dtype unless another is given."""
    return finish(_like(input, 0, dtype, device, memory_format), out, requires_grad)


def ones_like(
    input: Tensor,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    memory_format: Layout = _core.preserve_format,
) -> Tensor:
    """``ones`` of ``input``'s shape, and its dtype unless another is given."""
    return finish(_like(input, 1, dtype, device, memory_format), out, requires_grad)


def full_like(
    input: Tensor,
    fill_value: float,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    memory_format: Layout = _core.preserve_format,
) -> Tensor:
    """``full`` of ``input``'s shape, and its dtype unless another is given."""
    return finish(_like(input, fill_value, dtype, device, memory_format), out, requires_grad)


def empty_permuted(
    size: Sequence[int],
    physical_layout: Sequence[int],
    *,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor that is not initialised, whose dimensions lie in memory in the order ``physical_layout``.

    Raises:
        ShapeError: ``physical_layout`` does not name every dimension once.

    >>> lamina.empty_permuted((2, 3), (1, 0)).stride()
    (1, 2)
    """
    order = list(physical_layout)
    if sorted(order) != [*builtins.range(len(size))]:
        raise ShapeError(f"empty_permuted: {order} does not name each of {len(size)} dimensions once")
    made = empty([size[d] for d in order], dtype=dtype, device=device)
    made = made.permute([order.index(d) for d in builtins.range(len(size))])
    return made.requires_grad_() if requires_grad else made


def empty_strided(
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """``empty`` of shape ``size`` whose elements lie ``stride`` elements apart in memory."""
    return finish(_core.empty_strided(tuple(size), tuple(stride), chosen(dtype, device)), None, requires_grad)


def arange(
    start: float | None = None,
    end: float | None = None,
    step: float = 1,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers from ``start`` up to but without ``end``, ``step`` apart; ``arange(n)`` counts from 0.

    int64 if all three are integers, else the default dtype.

    Raises:
        ShapeError: ``step`` is 0 or leads away from ``end``.

    >>> lamina.arange(1, 10, 4).tolist()
    [1, 5, 9]
    """
    if end is None:
        start, end = None, start
    if end is None:
        raise TypeError("arange: expected an end")
    start = 0 if start is None else start
    if dtype is None and out is not None:
        dtype = out.dtype
    bounds: Any = (start, end, step)
    start, end, step = (x.item() if isinstance(x, Tensor) else x for x in bounds)
    if dtype is None:
        whole = not any(isinstance(x, float) for x in (start, end, step))
        dtype = _core.int64 if whole else _core.get_default_dtype()
    made = _core.arange(start, end, step, chosen(dtype_from(dtype, "arange"), device))
    return finish(made, out, requires_grad)


def range(
    start: float,
    end: float,
    step: float = 1,
    *,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers from ``start`` to ``end``, this one included where ``step`` reaches it; ``arange`` is
    usual.
    """
    if step == 0 or (end - start) / step < 0:
        raise ShapeError(f"range: {start} to {end} by {step} leads nowhere")
    count = math.floor((end - start) / step) + 1
    places = _core.arange(0, count, 1, _core.float64)
    return finish((places * step + start).to(chosen(dtype, device)), None, requires_grad)


def linspace(
    start: float | Tensor,
    end: float | Tensor,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` evenly spaced numbers from ``start`` to ``end``, both included.

    >>> lamina.linspace(0, 1, 5).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    kind = chosen(dtype, device)
    number = float if kind.is_floating_point else int
    made = _core.linspace(number(start), number(end), steps, kind)
    return finish(made, out, requires_grad)


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` numbers from ``base**start`` to ``base**end`` whose exponents are evenly spaced."""
    exponent = _core.linspace(float(start), float(end), steps, _core.float64)
    return finish(_core.pow(base, exponent).to(chosen(dtype, device)), out, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The (n, m) matrix (m = n unless given) with 1 on the diagonal and 0 elsewhere."""
    return finish(_core.eye(n, n if m is None else m, chosen(dtype, device)), out, requires_grad)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Dtype | None = None, device: Device | str | None = None
) -> Tensor:
    """Rows and columns (2, count) of the elements of a (row, col) matrix on and below a diagonal."""
    device_type.check(device)
    mask = _core.tril(_core.full((row, col), True, _core.bool), offset)
    return mask.nonzero().t().contiguous().to(_core.int64 if dtype is None else dtype)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Dtype | None = None, device: Device | str | None = None
) -> Tensor:
    """Rows and columns (2, count) of the elements of a (row, col) matrix on and above a diagonal."""
    device_type.check(device)
    mask = _core.triu(_core.full((row, col), True, _core.bool), offset)
    return mask.nonzero().t().contiguous().to(_core.int64 if dtype is None else dtype)
