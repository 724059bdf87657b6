"""From logits to the next tokens: penalties, filters, and the draw. The loop around them: generation.py."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import lamina
from lamina._core import ShapeError, Tensor


@dataclass
class Sampling:
    """How tokens are chosen. Filters act in the order of the fields.

    Attributes:
        repetition_penalty: logits of tokens that occurred are divided by it, negative ones multiplied.
            Source: Keskar et al., CTRL, 2019.
        temperature: logits are divided by it.
        top_k: only the k likeliest stay; 0: all.
        top_p: only the likeliest whose probabilities reach p together stay. Source: Holtzman et al., The
            Curious Case of Neural Text Degeneration, 2020.
        min_p: only those stay that reach this share of the likeliest's probability. Source: Nguyen et al.,
            Turning Up the Heat: Min-p Sampling, 2024.
        do_sample: draw by probability; else take the likeliest.
    """

    repetition_penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    do_sample: bool = False

    def __post_init__(self) -> None:
        _demand(self.repetition_penalty > 0, "repetition_penalty must be positive", self.repetition_penalty)
        _demand(
            self.temperature > 0, "temperature must be positive (do_sample=False is greedy)", self.temperature
        )
        _demand(isinstance(self.top_k, int) and self.top_k >= 0, "top_k must be a whole number", self.top_k)
        _demand(0 < self.top_p <= 1, "top_p must be over 0 and at most 1", self.top_p)
        _demand(0 <= self.min_p <= 1, "min_p must be from 0 to 1", self.min_p)

    def penalise(self, logits: Tensor, seen: Tensor | None) -> Tensor:
        """``logits`` (n, vocabulary) after the penalty on the tokens marked in ``seen`` (n, vocabulary)."""
        if self.repetition_penalty == 1.0 or seen is None:
            return logits
        penalty = self.repetition_penalty
        return logits.where(~seen, lamina.where(logits > 0, logits / penalty, logits * penalty))

    def filter(self, logits: Tensor) -> Tensor:
        """``logits`` (n, vocabulary) divided by the temperature, minus infinity where a filter says so."""
        if self.temperature != 1.0:
            logits = logits / self.temperature
        if 0 < self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k, -1)[0][:, -1:]
            logits = logits.masked_fill(logits < least, -math.inf)
        if self.top_p < 1.0:
            ordered, places = logits.sort(-1, descending=True)
            chances = ordered.softmax(-1)
            before = chances.cumsum(-1) - chances  # what the likelier ones reach without this one
            dropped = lamina.zeros_like(logits, dtype=lamina.bool).scatter(-1, places, before >= self.top_p)
            logits = logits.masked_fill(dropped, -math.inf)
        if self.min_p > 0.0:
            chances = logits.softmax(-1)
            logits = logits.masked_fill(chances < self.min_p * chances.amax(-1, keepdim=True), -math.inf)
        return logits

    def choose(self, logits: Tensor, generator: Any = None) -> Tensor:
        """One token per row of ``logits`` (n, vocabulary), int64 (n).

        Raises:
            ShapeError: a row has no finite logit, as after an overflow of the model.
        """
        if not self.do_sample:
            return logits.argmax(-1)
        chances = self.filter(logits).softmax(-1)
        if not bool(chances.isfinite().all()):
            raise ShapeError("generate: the model's logits are not finite")
        return lamina.multinomial(chances, 1, generator=generator).squeeze(-1)


def _demand(good: bool, text: str, value: Any) -> None:
    if not good:
        raise ShapeError(f"generate: {text}, got {value!r}")


class Seen:
    """Which tokens occurred in each row, for the penalty on repetition."""

    def __init__(self, ids: Tensor, vocabulary: int) -> None:
        self.marks = lamina.zeros(ids.shape[0], vocabulary, dtype=lamina.bool)
        self.add(ids)

    def add(self, ids: Tensor) -> None:
        """Mark ``ids`` (n, l)."""
        self.marks = self.marks.scatter(1, ids, lamina.ones_like(ids, dtype=lamina.bool))

    def reorder(self, rows: Tensor) -> None:
        """Let row i have what row ``rows[i]`` has."""
        self.marks = self.marks.index_select(0, rows)
