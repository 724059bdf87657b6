"""How a tensor looks when it is printed: PyTorch's layout, character for character.

Precision, width and notation are chosen for all shown values together. Values are only read here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import lamina

if TYPE_CHECKING:
    from lamina import Tensor


@dataclass
class Options:
    """What ``set_printoptions`` sets."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PROFILES: dict[str, dict[str, float]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}
_options = Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors are printed; what is None stays as it is, except ``sci_mode``.

    Args:
        precision: digits behind the point (4).
        threshold: the number of elements above which only the edges are shown (1000).
        edgeitems: how many elements at each edge of a dimension (3).
        linewidth: characters per line (80).
        profile: "default", "short" or "full": values for all of the above.
        sci_mode: scientific notation always or never; None decides by the values.

    Raises:
        ValueError: an unknown ``profile``.

    >>> lamina.set_printoptions(precision=2, sci_mode=False)
    """
    if profile is not None and profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}, but got {profile!r}")
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in {**given, **PROFILES.get(profile or "", {})}.items():
        chosen = value if given[name] is None else given[name]
        if chosen is not None:
            setattr(_options, name, chosen)
    _options.sci_mode = sci_mode


def format_tensor(t: Tensor) -> str:
    """The text of a tensor: values, then its size, dtype and place in the graph where they are not plain.

    >>> format_tensor(lamina.tensor([1.0, 2.5]))  # 'tensor([1.0000, 2.5000])'
    """
    kind = type(t).__name__
    prefix = "tensor(" if kind in ("Tensor", "Parameter", "Buffer") else f"{kind}("
    default = lamina.get_default_dtype()
    usual = (default,) if t.numel() == 0 else (default, default.to_complex(), lamina.int64, lamina.bool)
    suffixes = []
    if (t.numel() == 0 and t.dim() != 1) or (t.numel() > 0 and _options.edgeitems == 0):
        suffixes.append(f"size={tuple(t.shape)}")
    if t.dtype not in usual:
        suffixes.append(f"dtype={t.dtype}")
    if t.grad_fn is not None:
        suffixes.append(f"grad_fn=<{t.grad_fn.name()}>")
    elif t.requires_grad:
        suffixes.append("requires_grad=True")
    return _append(prefix + _values(t.detach(), len(prefix)), suffixes, len(prefix))


def _append(text: str, suffixes: list[str], indent: int) -> str:
    column = len(text) - text.rfind("\n") + 1  # PyTorch counts two more than there are
    for suffix in suffixes:
        if column + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text + ")"


def _values(t: Tensor, indent: int) -> str:
    if t.numel() == 0:
        return "[]"
    edge = _options.edgeitems
    cut = [t.numel() > _options.threshold and size > 2 * edge for size in t.shape]
    if edge == 0 and any(cut):
        return "[...]"
    for dim, cut_here in enumerate(cut):
        if cut_here:
            t = lamina.cat([t.narrow(dim, 0, edge), t.narrow(dim, t.shape[dim] - edge, edge)], dim)
    if t.is_complex():
        array = t.to(lamina.complex128).numpy()
        return _block(array, indent, cut, _ComplexFormat(array))
    array = (t.to(lamina.float64) if t.is_floating_point() else t).numpy()
    return _block(array, indent, cut, _Format(array))


def _block(array: np.ndarray[Any, Any], indent: int, cut: list[bool], number: Any) -> str:
    """Nested brackets; ``cut`` says in which dimensions the middle is left out."""
    if array.ndim == 0:
        return number(array.item())
    inner = array.ndim - 1
    if inner == 0:
        parts = [number(value) for value in array.tolist()]
    else:
        parts = [_block(row, indent + 1, cut[1:], number) for row in array]
    if cut[0]:
        parts.insert(len(parts) // 2, " ..." if inner == 0 else "...")
    newline = "\n" * max(inner, 1) + " " * (indent + 1)
    if inner > 0:
        return "[" + ("," + newline).join(parts) + "]"
    per_line = max(1, (_options.linewidth - indent) // (number.width + 2))
    lines = [", ".join(parts[first : first + per_line]) for first in range(0, len(parts), per_line)]
    return "[" + ("," + newline).join(lines) + "]"


class _Format:
    """One notation, wide enough for every value of an array; nan, inf and zero have no say in it."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.floating = array.dtype.kind == "f"
        self.integral = True  # whether all values are whole numbers
        self.scientific = False
        self.width = 1
        values = array.reshape(-1)
        if self.floating:
            values = values[np.isfinite(values) & (values != 0)]
            if values.size == 0:
                return
            self.integral = bool((values == np.ceil(values)).all())
            self.scientific = self._is_wide(np.abs(values))
        self.width = max(len(self(value)) for value in values.tolist())

    @staticmethod
    def _is_wide(magnitude: np.ndarray[Any, Any]) -> bool:
        if _options.sci_mode is not None:
            return _options.sci_mode
        low, high = float(magnitude.min()), float(magnitude.max())
        return high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4

    def __call__(self, value: Any) -> str:
        if not self.floating:
            text = str(value)
        elif self.scientific:
            text = f"{value:.{_options.precision}e}"
        elif self.integral:
            text = f"{value:.0f}" + ("." if math.isfinite(value) else "")
        else:
            text = f"{value:.{_options.precision}f}"
        return text.rjust(self.width)


class _ComplexFormat:
    """One notation for all real parts beside one for all imaginary parts."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.real, self.imag = (
            _Format(np.ascontiguousarray(array.real)),
            _Format(np.ascontiguousarray(array.imag)),
        )
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, value: complex) -> str:
        imag = self.imag(value.imag).lstrip()
        return self.real(value.real) + ("" if imag.startswith(("-", "+")) else "+") + imag + "j"
