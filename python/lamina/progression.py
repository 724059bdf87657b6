"""Numbers in a row: so far apart, or so many between two."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.creation import chosen, finish
from lamina.dtype_info import dtype_from

if TYPE_CHECKING:
    from lamina._core import dtype as Dtype
    from lamina.device_type import device as Device

__all__ = ["arange", "linspace", "logspace", "range"]


def arange(
    start: float | None = None,
    end: float | None = None,
    step: float = 1,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
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
    made = _core.arange(start, end, step, chosen(dtype_from(dtype, "arange"), device, layout, pin_memory))
    return finish(made, out, requires_grad)


def range(
    start: float,
    end: float,
    step: float = 1,
    *,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers from ``start`` to ``end``, this one included where ``step`` reaches it; ``arange`` is
    usual.
    """
    if step == 0 or (end - start) / step < 0:
        raise ShapeError(f"range: {start} to {end} by {step} leads nowhere")
    count = math.floor((end - start) / step) + 1
    places = _core.arange(0, count, 1, _core.float64)
    return finish((places * step + start).to(chosen(dtype, device, layout, pin_memory)), None, requires_grad)


def linspace(
    start: float | Tensor,
    end: float | Tensor,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` evenly spaced numbers from ``start`` to ``end``, both included.

    >>> lamina.linspace(0, 1, 5).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    kind = chosen(dtype, device, layout, pin_memory)
    if kind.is_complex or isinstance(start, complex) or isinstance(end, complex):
        kind = kind.to_complex()
        first, last = complex(start), complex(end)
        parts = [(first.real, last.real), (first.imag, last.imag)]
        made = _core.complex(*(_core.linspace(a, b, steps, kind.to_real()) for a, b in parts))
        return finish(made, out, requires_grad)
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
    layout: Any = None,
    device: Device | str | None = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` numbers from ``base**start`` to ``base**end`` whose exponents are evenly spaced."""
    wide = _core.complex128 if isinstance(start, complex) or isinstance(end, complex) else _core.float64
    exponent = linspace(start, end, steps, dtype=wide)
    return finish(_core.pow(base, exponent).to(chosen(dtype, device, layout, pin_memory)), out, requires_grad)
