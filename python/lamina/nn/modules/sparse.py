"""Embedding and EmbeddingBag, tables of vectors looked up by number, singly or in bags.

Their laws: lamina.nn.functional.matrix and embedding_bag."""

from __future__ import annotations

from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn import functional as F
from lamina.nn import init
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter


def _row(word: str, padding_idx: int | None, rows: int) -> int | None:
    """``padding_idx`` counted from the first row."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise _core.ShapeError(f"{word}: padding_idx {padding_idx} must be within {rows} embeddings")
    return padding_idx % rows


def _draw_rows(weight: Tensor, padding_idx: int | None) -> None:
    init.normal_(weight)
    if padding_idx is not None:
        with lamina.no_grad():
            weight[padding_idx] = 0.0


def _matrix_shape(embeddings: Tensor) -> tuple[int, int]:
    if embeddings.ndim != 2:
        raise _core.ShapeError(
            f"from_pretrained: expected a matrix of embeddings, got shape {tuple(embeddings.shape)}"
        )
    return embeddings.shape[0], embeddings.shape[1]


class Embedding(Module):
    """Rows of ``weight`` (num_embeddings, embedding_dim) by int64 indices: (...) -> (..., embedding_dim).

    ``weight`` starts from N(0, 1), with zeros in the row ``padding_idx``, which gets no gradient. With
    ``max_norm`` the rows in use whose ``norm_type`` norm is larger are first scaled down to it. With
    ``scale_grad_by_freq`` the gradient of a row is divided by how often the input has it; ``sparse``
    gradients are refused.

    >>> lamina.nn.Embedding(10, 3)(lamina.tensor([[1, 2]])).shape[2]
    3
    """

    weight: Tensor

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        F.matrix.refuse_sparse("Embedding", sparse)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = _row("Embedding", padding_idx, num_embeddings)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if _weight is None:
            empty = lamina.empty(num_embeddings, embedding_dim, device=device, dtype=dtype)
            self.weight = Parameter(empty, requires_grad=not _freeze)
            self.reset_parameters()
        elif tuple(_weight.shape) != (num_embeddings, embedding_dim):
            raise _core.ShapeError(
                f"Embedding: expected weights of shape {(num_embeddings, embedding_dim)}, "
                f"got {tuple(_weight.shape)}"
            )
        else:
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        """Draw new starting values."""
        _draw_rows(self.weight, self.padding_idx)

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """A layer around the matrix ``embeddings`` (num_embeddings, embedding_dim); ``freeze`` it or not.

        Raises:
            ShapeError: ``embeddings`` is no matrix.
        """
        rows, columns = _matrix_shape(embeddings)
        given = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        return cls(rows, columns, *given, _weight=embeddings, _freeze=freeze)

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        if self.padding_idx is not None:
            parts.append(f"padding_idx={self.padding_idx}")
        if self.max_norm is not None:
            parts.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            parts.append(f"norm_type={self.norm_type}")
        if self.scale_grad_by_freq:
            parts.append("scale_grad_by_freq=True")
        return ", ".join(parts)


class EmbeddingBag(Module):
    """The ``mode`` (sum, mean or max) of rows of ``weight`` over bags of indices; else as ``Embedding``.

    (bags, size), or (n) with the start of each bag in ``offsets`` -> (bags, embedding_dim). Bags without rows
    give zeros, indices ``padding_idx`` are left out, ``per_sample_weights`` are factors of the rows of a sum.
    With ``include_last_offset`` the last offset is n. ``max_norm`` as in ``Embedding``.

    >>> lamina.nn.EmbeddingBag(10, 3)(lamina.tensor([1, 2, 4]), lamina.tensor([0, 2])).shape[0]
    2
    """

    weight: Tensor

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        F.matrix.refuse_sparse("EmbeddingBag", sparse)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        self.mode = mode
        self.include_last_offset = include_last_offset
        self.padding_idx = _row("EmbeddingBag", padding_idx, num_embeddings)
        if _weight is None:
            self.weight = Parameter(lamina.empty(num_embeddings, embedding_dim, device=device, dtype=dtype))
            self.reset_parameters()
        elif tuple(_weight.shape) != (num_embeddings, embedding_dim):
            raise _core.ShapeError(
                f"EmbeddingBag: expected weights of shape {(num_embeddings, embedding_dim)}, "
                f"got {tuple(_weight.shape)}"
            )
        else:
            self.weight = Parameter(_weight)

    def reset_parameters(self) -> None:
        """Draw new starting values from N(0, 1), zeros for ``padding_idx``."""
        _draw_rows(self.weight, self.padding_idx)

    def forward(
        self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset,
            padding_idx=self.padding_idx,
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """A layer around the matrix ``embeddings`` (num_embeddings, embedding_dim); ``freeze`` it or not.

        Raises:
            ShapeError: ``embeddings`` is no matrix.
        """
        rows, columns = _matrix_shape(embeddings)
        layer = cls(
            rows,
            columns,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            mode,
            sparse,
            _weight=embeddings,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
        layer.weight.requires_grad_(not freeze)
        return layer

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        if self.max_norm is not None:
            parts.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            parts.append(f"norm_type={self.norm_type}")
        if self.scale_grad_by_freq:
            parts.append("scale_grad_by_freq=True")
        parts.append(f"mode={self.mode!r}")
        if self.padding_idx is not None:
            parts.append(f"padding_idx={self.padding_idx}")
        return ", ".join(parts)
