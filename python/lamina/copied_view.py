"""The functions named ``..._copy``: what the view of the same name shows, in memory of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina import _core, partition
from lamina._core import Tensor

VIEWS: dict[str, Callable[..., Any]] = {
    "alias": lambda input: input,
    "as_strided": _core.as_strided,
    "detach": lambda input: input.detach(),
    "diagonal": _core.diagonal,
    "expand": lambda input, size, *, implicit=False: input.expand(size),
    "narrow": _core.narrow,
    "permute": _core.permute,
    "select": _core.select,
    "slice": lambda input, dim=0, start=None, end=None, step=1: _core.slice(
        input, dim, 0 if start is None else start, input.shape[dim] if end is None else end, step
    ),
    "split": partition.split,
    "split_with_sizes": _core.split_with_sizes,
    "squeeze": _core.squeeze,
    "t": _core.t,
    "transpose": _core.transpose,
    "unbind": _core.unbind,
    "unfold": lambda input, dimension, size, step: input.unfold(dimension, size, step),
    "unsqueeze": _core.unsqueeze,
    "view": lambda input, size: input.view(size),
}


def _copying(name: str, view: Callable[..., Any]) -> Callable[..., Any]:
    def copy(input: Tensor, *args: Any, out: Any = None, **options: Any) -> Any:
        shown = view(input, *args, **options)
        if isinstance(shown, Tensor):
            return shown.clone().contiguous() if out is None else _core._into_out(shown, out)
        if out is None:
            return tuple(part.clone().contiguous() for part in shown)
        for part, into in zip(shown, out, strict=True):
            _core._into_out(part, into)
        return None

    copy.__name__ = f"{name}_copy"
    copy.__doc__ = f"What ``{name}`` shows, copied."
    return copy


globals().update({f"{name}_copy": _copying(name, view) for name, view in VIEWS.items()})
__all__ = [f"{name}_copy" for name in VIEWS]
