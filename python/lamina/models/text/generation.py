"""``generate``: the loop that feeds a model its own words. How one is chosen: sampling.py; beams: beam.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import lamina
from lamina._core import ShapeError, Tensor
from lamina.models.text.sampling import Sampling, Seen

Streamer = Callable[[Tensor], Any]


class Reader:
    """A model in the middle of a text: ``read`` takes the next tokens and gives the logits after the last.

    Rows are padded on the left by ``attention_mask``, so that all end at the same place.
    """

    def __init__(self, model: Any, batch: int, length: int, attention_mask: Tensor | None) -> None:
        self.model, self.mask = model, attention_mask
        self.cache = model.make_cache(batch, length)
        self.limit, self.seen = model.reread_after(), lamina.empty(batch, 0, dtype=lamina.int64)

    def read(self, ids: Tensor) -> Tensor:
        """Token ids (n, l) -> logits (n, vocabulary)."""
        if self.limit is not None:
            before, self.seen = self.cache.used, lamina.cat([self.seen, ids], 1)
            if 0 < before <= self.limit < self.seen.shape[1]:
                self.cache.crop(0)
                ids = self.seen
        places = None
        if self.mask is not None:
            length = self.cache.used + ids.shape[1]
            if self.mask.shape[1] < length:
                more = lamina.ones(ids.shape[0], length - self.mask.shape[1], dtype=self.mask.dtype)
                self.mask = lamina.cat([self.mask, more], 1)
            places = (self.mask.long().cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        out = self.model(
            ids,
            attention_mask=self.mask,
            position_ids=places,
            past_key_values=self.cache,
            logits_to_keep=1,
        )
        return out.logits[:, -1].float()

    def reorder(self, rows: Tensor) -> None:
        """Let row i go on from row ``rows[i]``."""
        self.cache.reorder(rows)
        self.seen = self.seen.index_select(0, rows)
        if self.mask is not None:
            self.mask = self.mask.index_select(0, rows)


class Generator:
    """``generate`` for models that predict the next token."""

    config: Any
    training: bool
    generation: dict[str, Any]

    def token(self, name: str) -> Any:
        """A token, or several, by its name in ``generation_config.json``, else in the configuration."""
        return self.generation.get(name, getattr(self.config, name, None))

    def start(
        self, input_ids: Tensor, attention_mask: Tensor | None, rows: int, new: int
    ) -> tuple[Reader, Tensor]:
        """A reader with room for ``new`` more tokens, each row ``rows`` times, and what it reads first.

        Raises:
            ShapeError: the text would be longer than the model has positions.
            MemoryError: the keys and values would not fit into memory.
        """
        most, length = self.most_tokens(), input_ids.shape[1] + new
        if most is not None and length > most:
            raise ShapeError(
                f"generate: {input_ids.shape[1]} tokens and {new} new ones, but there are {most} positions"
            )
        if rows > 1:
            input_ids = input_ids.repeat_interleave(rows, 0)
            attention_mask = None if attention_mask is None else attention_mask.repeat_interleave(rows, 0)
        return Reader(self, input_ids.shape[0], length, attention_mask), input_ids

    def most_tokens(self) -> int | None:
        """How long a sequence may be."""
        raise NotImplementedError

    def reread_after(self) -> int | None:
        """The length beyond which what was kept of a text is wrong, so that it is read again; None: never."""
        return None

    def generate(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        *,
        max_new_tokens: int = 20,
        do_sample: bool = False,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        num_beams: int = 1,
        length_penalty: float = 1.0,
        early_stopping: bool = False,
        num_return_sequences: int = 1,
        eos_token_id: int | Iterable[int] | None = None,
        pad_token_id: int | None = None,
        seed: int | None = None,
        streamer: Streamer | None = None,
    ) -> Tensor:
        """Go on with ``input_ids`` (n, l): (n, l + new), or for a model with an encoder the decoder's tokens.

        Args:
            attention_mask: (n, l), 0 for padding, which must be on the left of a decoder's text.
            max_new_tokens: how many tokens at most.
            do_sample, temperature, top_k, top_p, min_p, repetition_penalty: see
                :class:`lamina.models.text.sampling.Sampling`.
            num_beams: more than 1 searches with beams, and scores a text by its log-probability divided by
                its length ** ``length_penalty``; ``early_stopping`` ends as soon as there are enough texts.
            num_return_sequences: texts per row of ``input_ids``, one after the other.
            eos_token_id: the tokens that end a text; those of ``generation_config.json``, else of the
                configuration, unless given.
            pad_token_id: what follows the end; the configuration's, or the first that ends, unless given.
            seed: of the draws; without it they come from lamina's own random numbers.
            streamer: is called with each step's tokens (n), and ends the text by returning True.

        Raises:
            ShapeError: an option out of its range, or a text longer than the model has positions.
            MemoryError: the keys and values of so long a text would not fit; nothing was computed.
        """
        if max_new_tokens < 1 or num_return_sequences < 1 or num_beams < 1:
            raise ShapeError(
                "generate: max_new_tokens, num_beams and num_return_sequences must be positive, got "
                f"{max_new_tokens}, {num_beams} and {num_return_sequences}"
            )
        sampling = Sampling(repetition_penalty, temperature, top_k, top_p, min_p, do_sample)
        ends = _ends(self.token("eos_token_id") if eos_token_id is None else eos_token_id)
        pad = self.token("pad_token_id") if pad_token_id is None else pad_token_id
        pad = pad if pad is not None else min(ends, default=0)
        if num_beams > 1:
            if do_sample or streamer is not None or num_return_sequences > num_beams:
                raise ShapeError("generate: beams neither draw nor stream, and give at most num_beams texts")
            from lamina.models.text.beam import Beams

            beams = Beams(num_beams, length_penalty, early_stopping, num_return_sequences, ends, pad)
            with lamina.no_grad():
                return beams.search(self, input_ids, attention_mask, max_new_tokens, sampling)
        if num_return_sequences > 1 and not do_sample:
            raise ShapeError("generate: several texts of one beginning need do_sample or beams")
        with lamina.no_grad():
            reader, ids = self.start(input_ids, attention_mask, num_return_sequences, max_new_tokens)
            return _write(reader, ids, max_new_tokens, sampling, ends, pad, seed, streamer)


def _ends(given: Any) -> list[int]:
    if given is None:
        return []
    return [given] if isinstance(given, int) else [int(token) for token in given]


def _write(
    reader: Reader,
    ids: Tensor,
    new: int,
    sampling: Sampling,
    ends: list[int],
    pad: int,
    seed: int | None,
    streamer: Streamer | None,
) -> Tensor:
    generator = None if seed is None else lamina.Generator().manual_seed(seed)
    seen = None
    done = lamina.zeros(ids.shape[0], dtype=lamina.bool)
    pieces, fresh = [ids], ids
    for _ in range(new):
        logits = reader.read(fresh)
        if sampling.repetition_penalty != 1.0:
            seen = Seen(ids, logits.shape[-1]) if seen is None else seen
            logits = sampling.penalise(logits, seen.marks)
        tokens = sampling.choose(logits, generator)
        if ends:
            tokens = tokens.masked_fill(done, pad)
            for end in ends:
                done = done | (tokens == end)
        if seen is not None:
            seen.add(tokens.unsqueeze(1))
        fresh = tokens.unsqueeze(1)
        pieces.append(fresh)
        stopped = streamer is not None and streamer(tokens) is True
        if stopped or (ends and bool(done.all())):
            break
    return lamina.cat(pieces, 1)
