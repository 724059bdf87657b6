"""Beam search: several beginnings of each text at once, the likeliest kept.

The rules are those of Hugging Face's ``generate``, so that the same model writes the same text."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import lamina
from lamina._core import Tensor
from lamina.models.text.sampling import Sampling, Seen

Text = tuple[float, list[int]]  # its score and its tokens


@dataclass
class _Row:
    """What was found for one row of the input: the texts that ended, best first."""

    texts: list[Text] = field(default_factory=list)
    done: bool = False

    def add(self, score: float, tokens: list[int], most: int) -> None:
        self.texts = sorted([*self.texts, (score, tokens)], key=lambda text: -text[0])[:most]


@dataclass
class Beams:
    """The options of a search; see ``generate``."""

    beams: int
    length_penalty: float
    early_stopping: bool
    texts: int
    ends: list[int]
    pad: int

    def search(
        self, model: Any, input_ids: Tensor, attention_mask: Tensor | None, new: int, sampling: Sampling
    ) -> Tensor:
        """The best texts of each row, padded to the longest."""
        reader, ids = model.start(input_ids, attention_mask, self.beams, new)
        start, rows = ids.shape[1], ids.shape[0] // self.beams
        found = [_Row() for _ in range(rows)]
        written: list[list[int]] = [[] for _ in range(rows * self.beams)]
        # All beams of a row begin alike, so only the first may go on in the first step.
        scores = lamina.full((rows, self.beams), -1e9)
        scores[:, 0] = 0.0
        fresh, seen = ids, None
        for step in range(1, new + 1):
            logits = reader.read(fresh).log_softmax(-1)
            if sampling.repetition_penalty != 1.0:
                seen = Seen(ids, logits.shape[-1]) if seen is None else seen
                logits = sampling.penalise(logits, seen.marks)
            vocabulary = logits.shape[-1]
            total = scores.view(-1, 1) + logits
            wanted = min(max(2, 1 + len(self.ends)) * self.beams, self.beams * vocabulary)
            best, places = total.view(rows, -1).topk(wanted, -1)
            chosen = [
                self._advance(
                    found[row], row, best[row].tolist(), places[row].tolist(), written, step, vocabulary
                )
                for row in range(rows)
            ]
            beams = lamina.tensor([beam for one in chosen for _, beam, _ in one])
            fresh = lamina.tensor([[token] for one in chosen for _, _, token in one])
            scores = lamina.tensor([[score for score, _, _ in one] for one in chosen])
            written = [[*written[beam], token] for one in chosen for _, beam, token in one]
            for row, one in zip(found, chosen, strict=True):
                row.done = row.done or self._finished(row, one[0][0], step, new)
            if all(row.done for row in found):
                break
            reader.reorder(beams)
            if seen is not None:
                seen.reorder(beams)
                seen.add(fresh)
        self._keep_unfinished(found, written, scores.tolist())
        return self._padded(found, ids[:: self.beams], start)

    def _score(self, total: float, length: int) -> float:
        return total / length**self.length_penalty

    def _advance(
        self,
        row: _Row,
        number: int,
        best: list[float],
        places: list[int],
        written: list[list[int]],
        step: int,
        vocabulary: int,
    ) -> list[tuple[float, int, int]]:
        """The beams that go on as (score, which beam before, token); texts that end are put aside."""
        going: list[tuple[float, int, int]] = []
        for rank, (score, place) in enumerate(zip(best, places, strict=True)):
            beam, token = number * self.beams + place // vocabulary, place % vocabulary
            if token not in self.ends:
                going.append((score, beam, token))
            elif rank < self.beams and not row.done:
                row.add(self._score(score, step), [*written[beam], token], self.beams)
            if len(going) == self.beams:
                break
        while len(going) < self.beams:  # only endings are left: a beam that nothing follows
            going.append((-math.inf, number * self.beams, self.pad))
        return going

    def _finished(self, row: _Row, best: float, step: int, new: int) -> bool:
        """Whether no beam can still become better than the texts there are."""
        if len(row.texts) < self.beams:
            return False
        return self.early_stopping or row.texts[-1][0] >= self._score(best, step)

    def _keep_unfinished(
        self, found: list[_Row], written: list[list[int]], scores: list[list[float]]
    ) -> None:
        for number, row in enumerate(found):
            if row.done:
                continue
            for beam, total in enumerate(scores[number]):
                tokens = written[number * self.beams + beam]
                row.add(self._score(total, len(tokens)), tokens, self.beams)

    def _padded(self, found: list[_Row], begun: Tensor, start: int) -> Tensor:
        texts = [
            (number, tokens) for number, row in enumerate(found) for _, tokens in row.texts[: self.texts]
        ]
        longest = max(len(tokens) for _, tokens in texts)
        ends = lamina.tensor([tokens + [self.pad] * (longest - len(tokens)) for _, tokens in texts])
        return lamina.cat([begun[lamina.tensor([number for number, _ in texts])], ends], 1)
