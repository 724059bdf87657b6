"""einsum and tensordot: sums of products over named dimensions, as one batched matrix product per pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.shape import wrap

__all__ = ["einsum", "tensordot"]

# A dimension inside of "..." is counted from the end of the ellipsis: -1 is its last.
Label = str | int


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sum products of tensors over the dimensions that ``equation`` does not keep.

    ``"bij,bjk->bik"``: dimensions with one letter are multiplied together, letters missing behind the arrow
    are summed over. ``...`` stands for dimensions that broadcast. Without an arrow, letters that occur once
    are kept, in alphabetical order. NumPy's other form, ``einsum(x, [0, 1], y, [1, 2], [0, 2])``, is
    understood too. Operands are multiplied from left to right.

    Raises:
        ShapeError: an equation that does not parse or does not fit the shapes.

    >>> lamina.einsum("ij,j->i", lamina.eye(2), lamina.tensor([3.0, 4.0])).tolist()
    [3.0, 4.0]
    """
    if isinstance(equation, Tensor):
        equation, operands = _from_lists((equation, *operands))
    if len(operands) == 1 and not isinstance(operands[0], Tensor):
        operands = tuple(operands[0])
    inputs, output = _parse(equation, operands)
    sizes = _sizes(inputs, operands, equation)
    if output is None:
        output = _implied(inputs)
    if len(set(output)) != len(output) or not set(output) <= set(sizes):
        raise ShapeError(
            f"einsum: the output of {equation!r} repeats a dimension or names one that no input has"
        )
    (result, labels), *rest = [_diagonal(x, part) for x, part in zip(operands, inputs, strict=True)]
    for i, (right, right_labels) in enumerate(rest):
        later = set(output).union(*(part for _, part in rest[i + 1 :]))
        result, labels = _product(result, labels, right, right_labels, later, sizes)
    result, labels = _summed(result, labels, set(output))
    return _spread(result.permute([labels.index(x) for x in output if x in labels]), output, labels, sizes)


def _from_lists(given: tuple[Any, ...]) -> tuple[str, tuple[Tensor, ...]]:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

    def text(part: Sequence[Any]) -> str:
        try:
            return "".join("..." if i is Ellipsis else letters[i] for i in part)
        except (IndexError, TypeError):
            raise ShapeError(f"einsum: expected lists of numbers from 0 to 51 and ..., got {part}") from None

    output = "->" + text(given[-1]) if len(given) % 2 else ""
    pairs = given[: len(given) // 2 * 2]
    return ",".join(text(part) for part in pairs[1::2]) + output, pairs[::2]


def _parse(equation: str, operands: tuple[Tensor, ...]) -> tuple[list[list[Label]], list[Label] | None]:
    """The labels of each input's dimensions, and those of the output if it is written."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    parts = left.split(",")
    if not operands or len(parts) != len(operands):
        raise ShapeError(f"einsum: {equation!r} names {len(parts)} operands, got {len(operands)}")
    widest = 0
    inputs = []
    for part, x in zip(parts, operands, strict=True):
        hidden = x.ndim - len(part.replace("...", ""))
        if hidden < 0 or (hidden and "..." not in part):
            raise ShapeError(f"einsum: {part!r} does not fit an operand of shape {tuple(x.shape)}")
        widest = max(widest, hidden)
        inputs.append(_labels(part, hidden, equation))
    return inputs, _labels(right, widest, equation) if arrow else None


def _labels(part: str, hidden: int, equation: str) -> list[Label]:
    before, dots, after = part.partition("...")
    if not all(letter.isascii() and letter.isalpha() for letter in before + after):
        raise ShapeError(
            f"einsum: only letters, commas, one ... per operand and one arrow may stand in {equation!r}"
        )
    return [*before, *(range(-hidden, 0) if dots else ()), *after]


def _sizes(inputs: list[list[Label]], operands: tuple[Tensor, ...], equation: str) -> dict[Label, int]:
    sizes: dict[Label, int] = {}
    for part, x in zip(inputs, operands, strict=True):
        for label, size in zip(part, x.shape, strict=True):
            known = sizes.setdefault(label, size)
            if known == 1:
                sizes[label] = size
            elif size not in (1, known):
                raise ShapeError(f"einsum: dimension {label!r} of {equation!r} has sizes {known} and {size}")
    return sizes


def _implied(inputs: list[list[Label]]) -> list[Label]:
    letters = [label for part in inputs for label in part if isinstance(label, str)]
    hidden = sorted({label for part in inputs for label in part if isinstance(label, int)})
    return [*hidden, *sorted(label for label in set(letters) if letters.count(label) == 1)]


def _diagonal(x: Tensor, labels: list[Label]) -> tuple[Tensor, list[Label]]:
    """A label that occurs twice in one operand walks its diagonal."""
    labels = list(labels)
    for label in set(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ShapeError(f"einsum: dimension {label!r} is repeated with sizes {tuple(x.shape)}")
            x = x.diagonal(0, first, second)
            del labels[second], labels[first]
            labels.append(label)
    return x, labels


def _summed(x: Tensor, labels: list[Label], keep: set[Label]) -> tuple[Tensor, list[Label]]:
    gone = [i for i, label in enumerate(labels) if label not in keep]
    return (x.sum(gone) if gone else x), [label for label in labels if label in keep]


def _product(
    x: Tensor, xs: list[Label], y: Tensor, ys: list[Label], later: set[Label], sizes: dict[Label, int]
) -> tuple[Tensor, list[Label]]:
    """One batched matrix product: (batch, left, contracted) times (batch, contracted, right)."""
    alike = x.dtype is y.dtype
    x, xs = _summed(x, xs, later | set(ys))
    y, ys = _summed(y, ys, later | set(xs))
    if alike and x.dtype is not y.dtype:  # one was summed, which makes integers wide
        x, y = x.to(_core.int64), y.to(_core.int64)
    # A dimension of size 1 on one side only takes no part in a contraction there.
    contracted = [a for a in xs if a in ys and a not in later]
    batch = [a for a in xs if a in ys and a in later]
    left, right = [a for a in xs if a not in ys], [a for a in ys if a not in xs]
    one = _arranged(x, xs, batch, left, contracted, sizes)
    two = _arranged(y, ys, batch, contracted, right, sizes)
    if contracted or not batch:
        result = one @ two
    else:  # nothing is summed over
        result = one * two
    labels = [*batch, *left, *right]
    return result.reshape([sizes[a] if a in batch else _size_in(a, x, xs, y, ys) for a in labels]), labels


def _size_in(label: Label, x: Tensor, xs: list[Label], y: Tensor, ys: list[Label]) -> int:
    return x.shape[xs.index(label)] if label in xs else y.shape[ys.index(label)]


def _arranged(
    x: Tensor,
    labels: list[Label],
    batch: list[Label],
    rows: list[Label],
    columns: list[Label],
    sizes: dict[Label, int],
) -> Tensor:
    """x as (batch, rows, columns); what both sides share is brought to its full size."""
    order = [*batch, *rows, *columns]
    moved = x.permute([labels.index(a) for a in order])
    shared = len(batch)
    full = [sizes[a] if i < shared else moved.shape[i] for i, a in enumerate(order)]
    return moved.expand(full).reshape(
        math.prod(full[:shared]),
        math.prod(full[shared : shared + len(rows)]),
        math.prod(full[shared + len(rows) :]),
    )


def _spread(x: Tensor, output: list[Label], labels: list[Label], sizes: dict[Label, int]) -> Tensor:
    """Dimensions that only broadcasting gives (a ... that no operand fills) are opened."""
    for i, label in enumerate(output):
        if label not in labels:
            x = x.unsqueeze(i)
    shape = [sizes[label] for label in output]
    return x if list(x.shape) == shape else x.expand(shape)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """Sum the products of ``a`` and ``b`` over pairs of dimensions: the last ``dims`` of a with the first of
    b, or the listed ``(dims of a, dims of b)``. What is left of a comes before what is left of b.

    Raises:
        ShapeError: the sizes of a pair differ.

    >>> lamina.tensordot(lamina.ones(2, 3, 4), lamina.ones(3, 4, 5)).shape
    lamina.Size([2, 5])
    """
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: expects dims from 0 to {min(a.ndim, b.ndim)}, got {dims}")
        dims = (range(a.ndim - dims, a.ndim), range(dims))
    first = [wrap(d, a.ndim, "tensordot") for d in ([dims[0]] if isinstance(dims[0], int) else dims[0])]
    second = [wrap(d, b.ndim, "tensordot") for d in ([dims[1]] if isinstance(dims[1], int) else dims[1])]
    for i, j in zip(first, second, strict=False):  # a size of 1 is broadcast against the other's
        if a.shape[i] == 1:
            b = b.sum(j, True, dtype=b.dtype)
        elif b.shape[j] == 1:
            a = a.sum(i, True, dtype=a.dtype)
    if len(first) != len(second) or any(a.shape[i] != b.shape[j] for i, j in zip(first, second, strict=True)):
        raise ShapeError(
            f"tensordot: contracted dimensions must match, got {first} of {tuple(a.shape)} "
            f"and {second} of {tuple(b.shape)}"
        )
    kept_a = [d for d in range(a.ndim) if d not in first]
    kept_b = [d for d in range(b.ndim) if d not in second]
    inner = math.prod(a.shape[d] for d in first)
    shape = [a.shape[d] for d in kept_a] + [b.shape[d] for d in kept_b]
    left = a.permute(kept_a + first).reshape(math.prod(a.shape[d] for d in kept_a), inner)
    right = b.permute(second + kept_b).reshape(inner, math.prod(b.shape[d] for d in kept_b))
    return _core._into_out((left @ right).reshape(shape), out)
