"""A conversation with a model that writes: its turns, and what of them the model has read already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lamina
from lamina._core import ShapeError
from lamina.models.text.sampling import Sampling, Seen
from lamina.models.text.tokenizer import Tokenizer


class Conversation:
    """Turns of a user and a model; ``say`` gives the answer piece by piece, as it is written.

    What the model has read of earlier turns is kept, so that only what is new is computed. When the
    conversation outgrows ``length`` tokens, the oldest turns are forgotten.

    Args:
        model, tokenizer: of :func:`lamina.models.text.load_gguf_model`, or of a folder.
        system: what the model is told about itself before the first turn.
        length: how many tokens are kept in mind.
        max_new_tokens: the longest answer.
        seed: of the draws.
        sampling: see :class:`lamina.models.text.sampling.Sampling`; greedy unless ``do_sample``.

    Raises:
        MemoryError: the keys and values of so long a conversation would not fit.
        ShapeError: the vocabulary has no template for conversations, or a turn is longer than ``length``.

    >>> model, tokenizer = load_gguf_model("SmolLM2-135M-Instruct.Q4_1.gguf")
    >>> "".join(Conversation(model, tokenizer).say("What is the capital of France?"))
    'The capital of France is Paris.'
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        system: str | None = None,
        length: int = 2048,
        max_new_tokens: int = 512,
        seed: int | None = None,
        **sampling: Any,
    ) -> None:
        if tokenizer.chat_template is None:
            raise ShapeError("Conversation: the vocabulary has no template for conversations")
        self.model, self.tokenizer = model, tokenizer
        self.length, self.new = length, min(max_new_tokens, length // 2)
        self.sampling = Sampling(**sampling)
        self.messages = [] if system is None else [{"role": "system", "content": system}]
        self._generator = None if seed is None else lamina.Generator().manual_seed(seed)
        self._cache = model.make_cache(1, length)
        self._known: list[int] = []

    def say(self, text: str) -> Iterator[str]:
        """The user's turn; yields the answer. The turn is taken back if the answer is not read to its end."""
        self.messages.append({"role": "user", "content": text})
        answer: list[str] = []
        complete = False
        try:
            for piece in self._answer(self._prompt()):
                answer.append(piece)
                yield piece
            complete = True
        finally:
            if complete:
                self.messages.append({"role": "assistant", "content": "".join(answer)})
            else:
                self.messages.pop()

    def _prompt(self) -> list[int]:
        while True:
            ids = self.tokenizer.apply_chat_template(self.messages)
            if len(ids) + self.new <= self.length:
                return ids
            first = 1 if self.messages[0]["role"] == "system" else 0
            if len(self.messages) - first < 3:
                raise ShapeError(f"Conversation: a turn of {len(ids)} tokens, with room for {self.length}")
            del self.messages[first : first + 2]

    def _answer(self, ids: list[int]) -> Iterator[str]:
        same = next(
            (i for i, pair in enumerate(zip(ids, self._known, strict=False)) if pair[0] != pair[1]),
            min(len(ids), len(self._known)),
        )
        # The last is read again for its logits; what was written last may not have been read.
        same = min(same, len(ids) - 1, self._cache.used)
        self._cache.crop(same)
        self._known = list(ids)
        stream, fresh, seen = self.tokenizer.stream(), ids[same:], None
        ends = {self.tokenizer.eos_token_id, *_ends(self.model.token("eos_token_id"))}
        with lamina.no_grad():
            for _ in range(self.new):
                out = self.model(lamina.tensor([fresh]), past_key_values=self._cache, logits_to_keep=1)
                logits = out.logits[:, -1].float()
                if self.sampling.repetition_penalty != 1.0:
                    seen = Seen(lamina.tensor([ids]), logits.shape[-1]) if seen is None else seen
                    logits = self.sampling.penalise(logits, seen.marks)
                token = int(self.sampling.choose(logits, self._generator))
                if token in ends:
                    break
                fresh = [token]
                self._known.append(token)
                if seen is not None:
                    seen.add(lamina.tensor([fresh]))
                piece = stream(token)
                if piece:
                    yield piece
        rest = stream.end()
        if rest:
            yield rest


def _ends(given: Any) -> list[int]:
    return [] if given is None else [given] if isinstance(given, int) else list(given)
