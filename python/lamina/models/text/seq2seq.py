"""What models with encoder and decoder share: the cache of both, labels, and the start of ``generate``."""

from __future__ import annotations

from typing import Any

import lamina
from lamina._core import ShapeError, Tensor
from lamina.models.text.attention import causal_mask, padding_mask
from lamina.models.text.cache import KVCache
from lamina.models.text.generation import Generator, Reader


class CrossCache(KVCache):
    """A cache for a decoder that also keeps the keys and values of the encoder's states, once computed."""

    def __init__(self, layers: int, batch: int, heads: int, length: int, size: int, dtype: Any) -> None:
        super().__init__(layers, batch, heads, length, size, dtype)
        self.cross: list[tuple[Tensor, Tensor] | None] = [None] * layers


def shift_right(labels: Tensor, start: int, pad: int) -> Tensor:
    """What the decoder reads to predict ``labels`` (n, l): the start, then all labels but the last.

    >>> shift_right(lamina.tensor([[5, 6, -100]]), 0, 9).tolist()
    [[0, 5, 6]]
    """
    begun = lamina.full((labels.shape[0], 1), start, dtype=labels.dtype)
    return lamina.cat([begun, labels[:, :-1]], 1).masked_fill(
        lamina.cat([begun, labels[:, :-1]], 1) == -100, pad
    )


def decoder_mask(
    op: str, mask: Tensor | None, ids: Tensor, cache: KVCache | None
) -> tuple[tuple[Tensor | None, bool], int]:
    """What the decoder's tokens may see of each other, and the position of the first."""
    (n, length), start = ids.shape, 0 if cache is None else cache.used
    padding = padding_mask(op, mask, n, start + length)
    return causal_mask(length, start + length, padding), start


class _SourceReader(Reader):
    """Reads with the decoder; the encoder's states stay."""

    def __init__(self, model: Any, states: Tensor, mask: Tensor | None, length: int) -> None:
        super().__init__(model, states.shape[0], length, None)
        self.states, self.source_mask = states, mask
        config = model.config
        words = getattr(config, "bad_words_ids", None) or []
        self.never = [word[0] for word in words if isinstance(word, list) and len(word) == 1]
        self.first, self.last = model.token("forced_bos_token_id"), model.token("forced_eos_token_id")
        self.length = length

    def read(self, ids: Tensor) -> Tensor:
        out = self.model(
            encoder_outputs=self.states,
            attention_mask=self.source_mask,
            decoder_input_ids=ids,
            past_key_values=self.cache,
            logits_to_keep=1,
        )
        logits = out.logits[:, -1].float()
        for token in self.never:
            logits[:, token] = -float("inf")
        forced = self.first if self.cache.used == 1 else None
        if self.cache.used == self.length - 1 and self.last is not None:
            forced = self.last
        if forced is not None:
            logits = lamina.full_like(logits, -float("inf"))
            logits[:, forced] = 0.0
        return logits


class SourceGenerator(Generator):
    """``generate`` for models that read one text with an encoder and write another with a decoder."""

    def encode(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """The encoder's states (n, l, size)."""
        raise NotImplementedError

    def start(
        self, input_ids: Tensor, attention_mask: Tensor | None, rows: int, new: int
    ) -> tuple[Reader, Tensor]:
        most = self.most_tokens()
        if most is not None and new + 1 > most:
            raise ShapeError(f"generate: {new} new tokens and the start, but there are {most} positions")
        states = self.encode(input_ids, attention_mask)
        if rows > 1:
            states = states.repeat_interleave(rows, 0)
            attention_mask = None if attention_mask is None else attention_mask.repeat_interleave(rows, 0)
        begun = lamina.full((states.shape[0], 1), self.token("decoder_start_token_id"), dtype=lamina.int64)
        return _SourceReader(self, states, attention_mask, new + 1), begun
