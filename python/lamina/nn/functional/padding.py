"""pad: borders of constants, or of the tensor's own values reflected, repeated or wrapped around."""

from __future__ import annotations

from collections.abc import Sequence

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.shape_args import check_room, in_own_name


@in_own_name
def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Widen ``input``: ``pad`` holds (before, after) for the last dimension, the one before it, and so on.

    Modes: ``"constant"`` (with ``value``, 0 by default), ``"reflect"``, ``"replicate"``, ``"circular"``.
    Negative numbers cut off instead; the last three modes leave the first one or two dimensions (n, c) alone.

    Raises:
        ShapeError: an odd number of numbers, too many of them, or a border wider than the mode allows.

    >>> lamina.nn.functional.pad(lamina.tensor([1.0, 2.0]), (1, 0)).tolist()
    [0.0, 1.0, 2.0]
    """
    if len(pad) % 2 or len(pad) // 2 > input.ndim:
        raise _core.ShapeError(
            f"pad: expected (before, after) for at most {input.ndim} dimensions, got {tuple(pad)}"
        )
    borders = [(-1 - i, int(pad[2 * i]), int(pad[2 * i + 1])) for i in range(len(pad) // 2)]
    if mode == "constant":
        for dim, before, after in borders:
            input = _pad_constant(input, dim, before, after, 0.0 if value is None else value)
        return input
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(
            f"pad: unknown mode '{mode}', expected constant, reflect, replicate or circular"
        )
    if value is not None and value != 0:
        raise _core.ShapeError(f"pad: mode '{mode}' doesn't take in value argument")
    if input.ndim - len(borders) not in (1, 2):
        raise _core.ShapeError(
            f"pad: mode '{mode}' expects (n, c) or (c) before the padded dimensions, got {_shape(input)}"
        )
    wide = list(input.shape)
    for dim, before, after in borders:
        _check_border(mode, input.shape[dim], before, after, _shape(input))
        wide[dim] += before + after
    check_room("pad", wide)
    if not any(pad):
        return input
    _, befores, afters = zip(*reversed(borders), strict=True)
    return _core.pad_from_inside(input, mode, befores, afters)


def _shape(input: Tensor) -> str:
    return f"shape {tuple(input.shape)}"


def _pad_constant(input: Tensor, dim: int, before: int, after: int, value: float) -> Tensor:
    size = input.shape[dim]
    if size + before + after < 0:
        raise _core.ShapeError(f"pad: cannot cut {-before - after} off dimension {dim} of {_shape(input)}")
    if before < 0 or after < 0:
        start, stop = max(0, -before), size - max(0, -after)
        input = input.narrow(dim, start, stop - start)
    parts = [input]
    for place, count in ((0, before), (2, after)):
        if count > 0:
            border = list(input.shape)
            border[dim] = count
            parts.insert(place, lamina.full(border, value, dtype=input.dtype))
    return lamina.cat(parts, dim) if len(parts) > 1 else input


def _check_border(mode: str, size: int, before: int, after: int, shape: str) -> None:
    """Raise ShapeError unless the dimension has what the border is made of."""
    kept = size + min(before, 0) + min(after, 0)  # what is cut off does not come round
    limit = {"reflect": size - 1, "circular": max(kept, 0)}.get(mode)
    if limit is not None and max(before, after) > limit:
        raise _core.ShapeError(
            f"pad: mode '{mode}' allows borders up to {limit} here, got {before}, {after} for {shape}"
        )
    if size == 0 or size + before + after < 0:
        raise _core.ShapeError(f"pad: cannot pad or cut {before}, {after} on a dimension of {shape}")
