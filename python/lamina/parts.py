"""The real and the imaginary parts of a tensor as attributes that may be written to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina import _core
from lamina._core import Tensor
from lamina.convert import tensor

PARTS: dict[str, Callable[[Tensor], Tensor]] = {"real": _core.real, "imag": _core.imag}


def setter(name: str) -> Callable[[Tensor, Any], None]:
    """What ``x.real = value`` and ``x.imag = value`` do: they change x."""

    def write(self: Tensor, value: Any) -> None:
        PARTS[name](self).copy_(value if isinstance(value, Tensor) else tensor(value))

    return write
