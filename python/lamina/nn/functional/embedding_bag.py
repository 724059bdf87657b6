"""Sums, means and maxima of the rows of a table: bags of embeddings. Layer: lamina.nn.modules.sparse."""

from __future__ import annotations

import math

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.matrix import _limit_rows, divide_gradient_by_frequency, refuse_sparse


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The ``mode`` (sum, mean or max) of rows of ``weight`` (rows, dim) over bags of indices -> (bags, dim).

    ``input`` is (bags, size), or (n) with the start of each bag in ``offsets`` (bags), whose last entry is n
    with ``include_last_offset``. Bags without rows give zeros. ``per_sample_weights``, of the shape of
    ``input``, are factors of the rows of a sum. Indices ``padding_idx`` are left out. ``max_norm``,
    ``norm_type`` and, but for max, ``scale_grad_by_freq`` as in ``embedding``.

    Raises:
        IndexError: an index outside of [0, rows).
        ShapeError: shapes or offsets that do not fit, an unknown ``mode``, factors without ``"sum"``, or
            ``scale_grad_by_freq`` with ``"max"``.
        NotImplementedError: ``sparse`` is asked for; gradients of tables are dense.

    >>> lamina.nn.functional.embedding_bag(lamina.tensor([[0, 1]]), lamina.eye(2), mode="sum").tolist()
    [[1.0, 1.0]]
    """
    refuse_sparse("embedding_bag", sparse)
    _check(input, weight, offsets, per_sample_weights, mode)
    if scale_grad_by_freq and mode == "max":
        raise _core.ShapeError("max mode does not support scaling the gradient by the frequency")
    if padding_idx is not None and not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise _core.ShapeError(
            f"embedding_bag: padding_idx {padding_idx} is outside of the {weight.shape[0]} rows"
        )
    bags, bag = _bags(input, offsets, include_last_offset)
    index = input.reshape(-1).to(lamina.int64)
    factors = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    if max_norm is not None:
        _limit_rows(weight, index, max_norm, norm_type)
    if padding_idx is not None:
        used = (index != padding_idx % weight.shape[0]).nonzero().reshape(-1)
        index, bag = index.index_select(0, used), bag.index_select(0, used)
        factors = None if factors is None else factors.index_select(0, used)
    if mode == "max":
        return _largest(index, weight, bag, bags)
    rows = _core.embedding(weight, index)
    if scale_grad_by_freq:
        divide_gradient_by_frequency(rows, index)
    if factors is not None:
        rows = rows * factors.unsqueeze(1)
    total = lamina.zeros(bags, weight.shape[1], dtype=rows.dtype).index_add(0, bag, rows)
    return total if mode == "sum" else total / _counts(bag, bags).clamp(min=1).to(rows.dtype).unsqueeze(1)


def _check(input: Tensor, weight: Tensor, offsets: Tensor | None, factors: Tensor | None, mode: str) -> None:
    if mode not in ("sum", "mean", "max"):
        raise _core.ShapeError(f"embedding_bag: mode has to be one of sum, mean or max, got {mode!r}")
    if weight.ndim != 2:
        raise _core.ShapeError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if input.ndim not in (1, 2):
        raise _core.ShapeError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if input.ndim == 2 and offsets is not None:
        raise _core.ShapeError(
            "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed "
            f"length sequences. However, found offsets of shape {tuple(offsets.shape)}"
        )
    if input.ndim == 1 and (offsets is None or offsets.ndim != 1):
        got = None if offsets is None else tuple(offsets.shape)
        raise _core.ShapeError(f"offsets has to be a 1D Tensor but got {got}")
    if factors is not None and factors.shape != input.shape:
        raise _core.ShapeError(
            f"embedding_bag: If per_sample_weights ({tuple(factors.shape)}) is not None, then it must have "
            f"the same shape as the input ({tuple(input.shape)})"
        )
    if factors is not None and mode != "sum":
        raise _core.ShapeError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for "
            f"mode='sum' (got mode='{mode}')"
        )


def _bags(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> tuple[int, Tensor]:
    """The number of bags, and for each index the one that it is in."""
    if offsets is None:
        bags, size = input.shape
        return bags, lamina.arange(bags).unsqueeze(1).expand(bags, size).reshape(-1)
    starts, n = offsets.tolist(), input.shape[0]
    if include_last_offset:
        if not starts:
            raise _core.ShapeError("include_last_offset: number of offsets should be at least 1")
        if starts.pop() != n:
            raise _core.ShapeError(f"embedding_bag: the last offset has to be {n}, got {offsets.tolist()}")
    if starts and starts[0] != 0:
        raise _core.ShapeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position "
            f"0. However, got {starts[0]}"
        )
    if starts != sorted(starts) or (starts and starts[-1] > n) or (n and not starts):
        raise _core.ShapeError(f"embedding_bag: offsets have to rise from 0 up to {n} at most, got {starts}")
    starts_of = lamina.tensor(starts, dtype=lamina.int64)
    return len(starts), lamina.searchsorted(starts_of, lamina.arange(n), right=True) - 1


def _counts(bag: Tensor, bags: int) -> Tensor:
    ones = lamina.ones(bag.shape[0], dtype=lamina.int64)
    return lamina.zeros(bags, dtype=lamina.int64).index_add(0, bag, ones)


def _largest(index: Tensor, weight: Tensor, bag: Tensor, bags: int) -> Tensor:
    """Bags side by side, (bags, longest), where places that are not in use lose against any row."""
    counts = _counts(bag, bags)
    longest = int(counts.max().item()) if bags else 0
    if longest == 0:
        return weight.new_zeros(bags, weight.shape[1])
    starts = counts.cumsum(0) - counts
    places = bag * longest + lamina.arange(bag.shape[0]) - starts.index_select(0, bag)
    slots = lamina.zeros(bags * longest, dtype=lamina.int64).index_copy(0, places, index)
    used = lamina.arange(longest) < counts.unsqueeze(1)
    rows = _core.embedding(weight, slots.reshape(bags, longest)).masked_fill(~used.unsqueeze(2), -math.inf)
    return rows.max(1)[0].masked_fill((counts == 0).unsqueeze(1), 0.0)
