"""Comparing results in tests, under the rules of ``torch.testing.assert_close``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.elementwise import isclose

__all__ = ["assert_close"]

# dtype: relative, absolute tolerance; about the square root of its precision
TOLERANCES = {
    _core.float16: (1e-3, 1e-5),
    _core.bfloat16: (1.6e-2, 1e-5),
    _core.float32: (1.3e-6, 1e-5),
    _core.float64: (1e-7, 1e-7),
    _core.complex64: (1.3e-6, 1e-5),
    _core.complex128: (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_dtype: bool = True,
    check_stride: bool = False,
    msg: str | None = None,
) -> None:
    """Raise unless ``|actual - expected| <= atol + rtol * |expected|`` everywhere.

    Tensors, arrays and numbers are compared, and sequences and mappings of them. The tolerances depend on the
    dtype unless both are given: (1.3e-6, 1e-5) for float32, none for integers.

    Raises:
        AssertionError: they differ: in value, shape, dtype, length or keys.
        ShapeError: one tolerance is given without the other.

    >>> lamina.testing.assert_close(lamina.ones(2), lamina.ones(2) + 1e-7)
    """
    if (rtol is None) != (atol is None):
        raise ShapeError(
            f"assert_close: rtol and atol must both be given or both left out, got {rtol} and {atol}"
        )
    problem = _compare(actual, expected, "", (rtol, atol), equal_nan, check_dtype, check_stride)
    if problem:
        raise AssertionError(problem if msg is None else msg)


def _compare(a: Any, b: Any, where: str, tolerance: Any, *flags: bool) -> str:
    """What is wrong; nothing: an empty text."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if set(a) != set(b):
            return f"The keys of the mappings do not match{where}: {sorted(set(a) ^ set(b), key=str)}"
        pairs = [(a[key], b[key], f"{where} at key {key!r}") for key in a]
    elif all(isinstance(x, Sequence) and not isinstance(x, str) for x in (a, b)):
        if len(a) != len(b):
            return f"The length of the sequences mismatch{where}: {len(a)} != {len(b)}"
        pairs = [(x, y, f"{where} at index {i}") for i, (x, y) in enumerate(zip(a, b, strict=True))]
    elif a is None or b is None:
        return "" if a is b else f"None mismatch{where}: {a!r} is not {b!r}"
    else:
        return _compare_values(a, b, where, tolerance, *flags)
    return next(filter(None, (_compare(x, y, at, tolerance, *flags) for x, y, at in pairs)), "")


def _compare_values(
    a: Any, b: Any, where: str, tolerance: Any, equal_nan: bool, check_dtype: bool, check_stride: bool
) -> str:
    for x in (a, b):
        if not isinstance(x, (Tensor, np.ndarray, np.generic, int, float, complex)):
            raise TypeError(
                f"assert_close: expected tensors, arrays or numbers{where}, got {type(x).__name__}"
            )
    numbers = not any(isinstance(x, (Tensor, np.ndarray)) for x in (a, b))
    if not numbers and isinstance(a, Tensor) != isinstance(b, Tensor):
        return f"The types do not match{where}: {type(a).__name__} != {type(b).__name__}"
    x, y = (v.detach() if isinstance(v, Tensor) else _tensor(v) for v in (a, b))
    if x.shape != y.shape:
        return f"The values for attribute 'shape' do not match{where}: {tuple(x.shape)} != {tuple(y.shape)}"
    if x.dtype is not y.dtype and check_dtype and not numbers:
        return f"The values for attribute 'dtype' do not match{where}: {x.dtype} != {y.dtype}"
    if check_stride and x.stride() != y.stride():
        return f"The values for attribute 'stride()' do not match{where}: {x.stride()} != {y.stride()}"
    defaults = [TOLERANCES.get(v.dtype, (0.0, 0.0)) for v in (x, y)]
    rtol, atol = (max(d[i] for d in defaults) if tolerance[i] is None else tolerance[i] for i in (0, 1))
    common = _core.promote_types(x.dtype, y.dtype)
    x, y = x.to(common), y.to(common)
    close = isclose(x, y, rtol, atol, equal_nan)
    return "" if bool(close.all()) else _report(x, y, close, where, rtol, atol)


_WIDEST = {float: _core.float64, complex: _core.complex128}


def _tensor(value: Any) -> Tensor:
    from lamina.convert import tensor

    return tensor(value, dtype=_WIDEST.get(type(value)))


def _report(x: Tensor, y: Tensor, close: Tensor, where: str, rtol: float, atol: float) -> str:
    wide = [v.to(_core.complex128 if v.is_complex() else _core.float64) for v in (x, y)]
    gap = (wide[0] - wide[1]).abs()
    # What is NaN on one side only is as far apart as can be.
    gap = _core.where(close, 0.0, _core.where(gap.isnan(), float("inf"), gap))
    ratio = _core.where(close, 0.0, gap / wide[1].abs())
    lines = ["Scalars are not close!" if x.ndim == 0 else "Tensor-likes are not close!", ""]
    if x.ndim == 0:
        lines.append(f"Expected {y.item()} but got {x.item()}{where}.")
    else:
        wrong = int(close.numel() - close.count_nonzero())
        lines.append(f"Mismatched elements: {wrong} / {x.numel()} ({100 * wrong / x.numel():.1f}%){where}")
    for word, values, allowed in (("absolute", gap, atol), ("relative", ratio, rtol)):
        at = int(values.argmax())
        place = tuple(int(i) for i in np.unravel_index(at, tuple(x.shape))) if x.ndim else ()
        index = f" at index {place}" if x.ndim else ""
        lines.append(
            f"Greatest {word} difference: {values.reshape(-1)[at].item()}{index} (up to {allowed} allowed)"
        )
    return "\n".join(lines)
