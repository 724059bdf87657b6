"""The same operation on every tensor of a list, under the names that PyTorch's optimizers use.

The other operands are lists as long, or what serves for all; ``name_`` writes over the tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lamina
from lamina._core import ShapeError, Tensor

# Names of operations that Tensor has as methods, or lamina as functions.
WORDS = (
    "abs acos add addcdiv addcmul asin atan ceil clamp_max clamp_min cos cosh div erf erfc exp expm1 floor "
    "frac lerp log log10 log1p log2 maximum minimum mul neg pow reciprocal round rsqrt sigmoid sign sin "
    "sinh sqrt sub tan tanh trunc"
).split()
SCALED = ("addcdiv", "addcmul", "addcdiv_", "addcmul_")  # whose factor a method takes by its name alone

# What the larger and the smaller of a tensor and a number are called.
CLAMPS = {"maximum": "clamp_min", "minimum": "clamp_max", "maximum_": "clamp_min_", "minimum_": "clamp_max_"}


def _rows(word: str, tensors: Sequence[Tensor], operands: tuple[Any, ...]) -> list[list[Any]]:
    columns = []
    for operand in operands:
        column = list(operand) if isinstance(operand, (list, tuple)) else [operand] * len(tensors)
        if len(column) != len(tensors):
            raise ShapeError(f"_foreach_{word}: got lists of {len(tensors)} and {len(column)} tensors")
        columns.append(column)
    return [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in tensors]


def _one(word: str, tensor: Tensor, row: list[Any], options: dict[str, Any]) -> Tensor:
    if word in SCALED and len(row) == 3:
        options = {**options, "value": row.pop()}
    word = CLAMPS.get(word, word) if row and not isinstance(row[0], Tensor) else word
    found = getattr(tensor, word, None)
    return found(*row, **options) if found is not None else getattr(lamina, word)(tensor, *row, **options)


def _new(word: str) -> Any:
    def call(self: Sequence[Tensor], *operands: Any, **options: Any) -> tuple[Tensor, ...]:
        rows = _rows(word, self, operands)
        return tuple(_one(word, tensor, row, options) for tensor, row in zip(self, rows, strict=True))

    call.__name__ = f"_foreach_{word}"
    return call


def _over(word: str) -> Any:
    def call(self: Sequence[Tensor], *operands: Any, **options: Any) -> None:
        for tensor, row in zip(self, _rows(word, self, operands), strict=True):
            if hasattr(tensor, f"{word}_") or (f"{word}_" in CLAMPS and not isinstance(row[0], Tensor)):
                _one(f"{word}_", tensor, row, options)
            else:
                tensor.copy_(_one(word, tensor, row, options))

    call.__name__ = f"_foreach_{word}_"
    return call


def _copy(self: Sequence[Tensor], src: Sequence[Tensor], non_blocking: bool = False) -> None:
    for tensor, (source,) in zip(self, _rows("copy_", self, (src,)), strict=True):
        tensor.copy_(source)


def _zero(self: Sequence[Tensor]) -> None:
    for tensor in self:
        tensor.zero_()


def _norm(self: Sequence[Tensor], ord: float = 2, dtype: Any = None) -> list[Tensor]:
    _rows("norm", self, (ord,))
    return [lamina.linalg.vector_norm(tensor, ord, dtype=dtype) for tensor in self]


FUNCTIONS = {
    **{f"_foreach_{word}": _new(word) for word in WORDS},
    **{f"_foreach_{word}_": _over(word) for word in WORDS},
    "_foreach_norm": _norm,
    "_foreach_copy_": _copy,
    "_foreach_zero_": _zero,
}


def __getattr__(name: str) -> Any:
    if name not in FUNCTIONS:
        raise AttributeError(f"module 'lamina' has no attribute {name!r}")
    return FUNCTIONS[name]
