"""Embedding, a table of vectors looked up by number. Its law: lamina.nn.functional.embedding."""

from __future__ import annotations

from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn import functional as F
from lamina.nn import init
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter


class Embedding(Module):
    """Rows of ``weight`` (num_embeddings, embedding_dim) by int64 indices: (...) -> (..., embedding_dim).

    ``weight`` starts from N(0, 1), with zeros in the row ``padding_idx``, which gets no gradient. With
    ``max_norm`` the rows in use whose ``norm_type`` norm is larger are first scaled down to it.

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
        *,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise _core.ShapeError(
                    f"Embedding: padding_idx {padding_idx} must be within {num_embeddings} embeddings"
                )
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
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
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with lamina.no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
    ) -> Embedding:
        """A layer around the matrix ``embeddings`` (num_embeddings, embedding_dim); ``freeze`` it or not.

        Raises:
            ShapeError: ``embeddings`` is no matrix.
        """
        if embeddings.ndim != 2:
            raise _core.ShapeError(
                f"from_pretrained: expected a matrix of embeddings, got shape {tuple(embeddings.shape)}"
            )
        rows, columns = embeddings.shape
        return cls(rows, columns, padding_idx, max_norm, norm_type, _weight=embeddings, _freeze=freeze)

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        if self.padding_idx is not None:
            parts.append(f"padding_idx={self.padding_idx}")
        if self.max_norm is not None:
            parts.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            parts.append(f"norm_type={self.norm_type}")
        return ", ".join(parts)
