"""Tensors cut into pieces along a dimension; the pieces are views."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from lamina import _core
from lamina._core import ShapeError, Tensor, split_with_sizes
from lamina.shape import wrap

__all__ = [
    "chunk",
    "dsplit",
    "hsplit",
    "split",
    "tensor_split",
    "unsafe_chunk",
    "unsafe_split",
    "unsafe_split_with_sizes",
    "vsplit",
]


def split(
    tensor: Tensor,
    split_size_or_sections: int | Sequence[int] | None = None,
    dim: int = 0,
    *,
    split_size: int | Sequence[int] | None = None,
) -> tuple[Tensor, ...]:
    """Views of ``tensor`` cut along ``dim``: pieces of one size (the last may be smaller), or of the listed
    ones. ``split_size`` is the method's name for the second argument.

    Raises:
        ShapeError: the sizes do not add up to that of ``dim``.

    >>> [len(part) for part in lamina.arange(5).split(2)]
    [2, 2, 1]
    """
    sizes = split_size if split_size_or_sections is None else split_size_or_sections
    if sizes is None or (split_size is not None and sizes is not split_size):
        raise TypeError("split: expected split_size_or_sections, or split_size in its place")
    dim = wrap(dim, tensor.ndim, "split")
    if tensor.ndim == 0:
        raise ShapeError("split: expects at least a 1-dimensional tensor")
    size = tensor.shape[dim]
    if not isinstance(sizes, int):
        return split_with_sizes(tensor, sizes, dim)
    step = sizes
    if step < 0 or (step == 0 and size):
        raise ShapeError(f"split: expects a positive split_size, got {step} for a dimension of size {size}")
    if size <= step:
        return (tensor.narrow(dim, 0, size),)
    return split_with_sizes(tensor, [min(step, size - at) for at in range(0, size, step)], dim)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """``input`` cut along ``dim`` into at most ``chunks`` views of equal size; the last may be smaller.

    >>> [len(part) for part in lamina.arange(5).chunk(2)]
    [3, 2]
    """
    if chunks <= 0:
        raise ShapeError(f"chunk: expects chunks to be greater than 0, got {chunks}")
    dim = wrap(dim, input.ndim, "chunk")
    if input.ndim == 0:
        raise ShapeError("chunk: expects at least a 1-dimensional tensor")
    step = -(-input.shape[dim] // chunks)
    return split(input, step, dim) if step else split_with_sizes(input, [0] * chunks, dim)


def tensor_split(
    input: Tensor,
    indices_or_sections: int | Sequence[int] | Tensor | None = None,
    dim: int = 0,
    *,
    indices: Sequence[int] | None = None,
    sections: int | None = None,
) -> tuple[Tensor, ...]:
    """``input`` cut along ``dim`` into a count of views whose sizes differ by one at most, or before the
    listed indices, which are clipped to the size as slices are.

    >>> [len(part) for part in lamina.arange(5).tensor_split((1, 4))]
    [1, 3, 1]
    """
    dim = wrap(dim, input.ndim, "tensor_split")
    if input.ndim == 0:
        raise ShapeError("tensor_split: expects at least a 1-dimensional tensor")
    where = _either("tensor_split", indices_or_sections, indices, sections)
    where = where.tolist() if isinstance(where, Tensor) else where
    size = input.shape[dim]
    if isinstance(where, int):
        if where <= 0:
            raise ShapeError(f"tensor_split: number of sections must be larger than 0, got {where}")
        parts, where = where, [0] * (where - 1)
        for i in range(1, parts):
            where[i - 1] = i * (size // parts) + min(i, size % parts)
    edges = [0, *where, size]
    return tuple(_core.slice(input, dim, a, b, 1) for a, b in itertools.pairwise(edges))


def _either(word: str, both: Any, indices: Any, sections: Any) -> Any:
    """The one that is given of an argument and its two other names."""
    given = [x for x in (both, indices, sections) if x is not None]
    if len(given) != 1:
        raise TypeError(f"{word}: expected indices_or_sections, got {len(given)} values for it")
    return given[0]


def _split_at(
    input: Tensor, indices_or_sections: int | Sequence[int], dim: int, word: str, least: int
) -> tuple[Tensor, ...]:
    if input.ndim < least:
        raise ShapeError(f"{word}: expects at least {least} dimensions, got shape {tuple(input.shape)}")
    if isinstance(indices_or_sections, int) and (
        indices_or_sections <= 0 or input.shape[dim] % indices_or_sections
    ):
        raise ShapeError(
            f"{word}: {indices_or_sections} parts do not divide size {input.shape[dim]} of dim {dim}"
        )
    return tensor_split(input, indices_or_sections, dim)


def hsplit(
    input: Tensor,
    indices_or_sections: int | Sequence[int] | None = None,
    *,
    indices: Sequence[int] | None = None,
    sections: int | None = None,
) -> tuple[Tensor, ...]:
    """``tensor_split`` into equal parts along dimension 1, or 0 of a 1-d tensor."""
    where = _either("hsplit", indices_or_sections, indices, sections)
    return _split_at(input, where, 0 if input.ndim == 1 else 1, "hsplit", 1)


def vsplit(
    input: Tensor,
    indices_or_sections: int | Sequence[int] | None = None,
    *,
    indices: Sequence[int] | None = None,
    sections: int | None = None,
) -> tuple[Tensor, ...]:
    """``tensor_split`` into equal parts along dimension 0 of a tensor of 2 or more."""
    where = _either("vsplit", indices_or_sections, indices, sections)
    return _split_at(input, where, 0, "vsplit", 2)


def dsplit(
    input: Tensor,
    indices_or_sections: int | Sequence[int] | None = None,
    *,
    indices: Sequence[int] | None = None,
    sections: int | None = None,
) -> tuple[Tensor, ...]:
    """``tensor_split`` into equal parts along dimension 2 of a tensor of 3 or more."""
    where = _either("dsplit", indices_or_sections, indices, sections)
    return _split_at(input, where, 2, "dsplit", 3)


# In PyTorch these pieces may be changed in place although they are views; here all pieces may.
unsafe_chunk, unsafe_split, unsafe_split_with_sizes = chunk, split, split_with_sizes
