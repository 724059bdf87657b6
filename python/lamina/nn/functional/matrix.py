"""Affine maps and what moves whole vectors: linear, bilinear, embedding, one_hot. Layers:
lamina.nn.modules.linear."""

from __future__ import annotations

import lamina
from lamina import _core
from lamina._core import Tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None, *, out: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias``: input (..., in), weight (out, in) or (in), bias (out) -> (..., out).

    >>> lamina.nn.functional.linear(lamina.ones(1, 2), lamina.ones(3, 2)).tolist()
    [[2.0, 2.0, 2.0]]
    """
    return _core.linear(input, weight, bias, out=out)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x1 @ W[k] @ x2 + bias[k]`` for each k: (..., in1), (..., in2), weight (out, in1, in2) -> (..., out).

    Raises:
        ShapeError: the leading dimensions differ, or the last ones do not fit ``weight``.
    """
    sizes = tuple(weight.shape)
    if (
        weight.ndim != 3
        or tuple(input1.shape[:-1]) != tuple(input2.shape[:-1])
        or (input1.shape[-1], input2.shape[-1]) != sizes[1:]
    ):
        raise _core.ShapeError(
            f"bilinear: expected (..., in1), (..., in2) and weight (out, in1, in2), "
            f"got {tuple(input1.shape)}, {tuple(input2.shape)} and {sizes}"
        )
    # (..., in1) @ (in1, out * in2), then a product with x2 for each of the outputs.
    half = input1.matmul(weight.permute(1, 0, 2).reshape(sizes[1], sizes[0] * sizes[2]))
    half = half.reshape(*input1.shape[:-1], sizes[0], sizes[2])
    output = half.matmul(input2.unsqueeze(-1)).squeeze(-1)
    return output if bias is None else output + bias


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of ``weight`` (n, dim) by the int64 indices ``input`` (...) -> (..., dim).

    The row ``padding_idx`` gets no gradient. With ``max_norm`` the rows in use whose ``norm_type`` norm is
    larger are first scaled down to it, in place. With ``scale_grad_by_freq`` the gradient of a row is divided
    by how often ``input`` has it.

    Raises:
        IndexError: an index outside of [0, n).
        NotImplementedError: ``sparse`` is asked for; gradients of tables are dense.
        ShapeError: ``padding_idx`` outside of [-n, n).

    >>> lamina.nn.functional.embedding(lamina.tensor([1]), lamina.eye(2)).tolist()
    [[0.0, 1.0]]
    """
    refuse_sparse("embedding", sparse)
    if padding_idx is not None:
        rows = weight.shape[0]
        if not -rows <= padding_idx < rows:
            raise _core.ShapeError(f"embedding: padding_idx {padding_idx} is outside of the {rows} rows")
        padding_idx %= rows
    if max_norm is not None:
        _limit_rows(weight, input, max_norm, norm_type)
    output = _core.embedding(weight, input)
    if scale_grad_by_freq:
        divide_gradient_by_frequency(output, input)
    if padding_idx is None or not output.requires_grad:
        return output
    return lamina.where((input == padding_idx).unsqueeze(-1), output.detach(), output)


def refuse_sparse(word: str, sparse: bool) -> None:
    if sparse:
        raise NotImplementedError(f"{word}: gradients are dense, there are none for sparse=True")


def divide_gradient_by_frequency(rows: Tensor, index: Tensor) -> None:
    """Before the gradient of ``rows`` (..., dim) reaches the table: it is shared by equal ``index`` (...)."""
    if rows.requires_grad and index.numel():
        counts = lamina.bincount(index.reshape(-1)).index_select(0, index.reshape(-1))
        share = (1.0 / counts.to(rows.dtype)).reshape(*index.shape, 1)
        rows.register_hook(lambda grad: grad * share)


def _limit_rows(weight: Tensor, index: Tensor, max_norm: float, norm_type: float) -> None:
    with lamina.no_grad():
        used = index.reshape(-1).unique()
        rows = weight.index_select(0, used)
        norms = rows.norm(norm_type, -1, True)
        # The small addend keeps a scaled row from ending above max_norm by rounding.
        rows = lamina.where(norms > max_norm, rows * (max_norm / (norms + 1e-7)), rows)
        weight.index_copy_(0, used, rows)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 class numbers (...) -> int64 (..., num_classes) with a single 1 in each row.

    Raises:
        TypeError: ``tensor`` is not int64.
        ShapeError: a class number is negative or not below ``num_classes``, or the tensor is empty.

    >>> lamina.nn.functional.one_hot(lamina.tensor([0, 2])).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    if tensor.dtype != lamina.int64:
        raise TypeError(f"one_hot: expected int64 class numbers, got {tensor.dtype}")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise _core.ShapeError("one_hot: cannot infer the number of classes from an empty tensor")
    else:
        low, high = tensor.min().item(), tensor.max().item()
        if low < 0 or (num_classes != -1 and high >= num_classes):
            raise _core.ShapeError(
                f"one_hot: class numbers go from {low} to {high}, expected [0, {num_classes})"
            )
        num_classes = high + 1 if num_classes == -1 else num_classes
    return (tensor.unsqueeze(-1) == lamina.arange(num_classes)).to(lamina.int64)
