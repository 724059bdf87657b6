"""SentencePiece's byte-pair vocabulary with scores: that of Llama 1 and 2, Mistral and Gemma."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lamina._core import ShapeError
from lamina.models.text.merge import merge
from lamina.models.text.tokenizer import Tokenizer

SPACE = "▁"  # how the vocabulary spells a space
BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class SPMTokenizer(Tokenizer):
    """Characters, joined where the token that results has the best score; unknown ones become bytes.

    Args:
        tokens: the spelling of each token; ``<0x41>`` is a byte.
        scores: of each token, higher is better.
        space_prefix: whether a text begins with a space that is not there.
        special, others: see :class:`Tokenizer`.

    Source: Kudo & Richardson, SentencePiece, 2018.

    >>> tokenizer = SPMTokenizer(["<unk>", "▁", "h", "i", "hi", "▁hi"], [0, -9, -9, -9, -1, -2], unknown=0)
    >>> tokenizer.encode("hi hi"), tokenizer.decode([5, 5])
    ([5, 5], 'hi hi')
    """

    def __init__(
        self,
        tokens: Sequence[str],
        scores: Sequence[float],
        special: Mapping[str, int] | None = None,
        space_prefix: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(len(tokens), special or {}, **others)
        if len(scores) != len(tokens):
            raise ShapeError(f"tokenizer: {len(tokens)} tokens, but {len(scores)} scores")
        self._tokens = list(tokens)
        self._ids = {token: number for number, token in enumerate(tokens)}
        self._scores = list(scores)
        self._space_prefix = space_prefix

    def _order(self, left: str, right: str) -> float | None:
        token = self._ids.get(left + right)
        return None if token is None else -self._scores[token]

    def encode_plain(self, text: str, first: bool) -> list[int]:
        text = (" " + text if self._space_prefix and first else text).replace(" ", SPACE)
        ids: list[int] = []
        for part in merge(text, self._order):
            token = self._ids.get(part)
            ids += self._unknown(part) if token is None else [token]
        return ids

    def _unknown(self, part: str) -> list[int]:
        spelled = [f"<0x{byte:02X}>" for byte in part.encode("utf-8", "surrogatepass")]
        if all(byte in self._ids for byte in spelled):
            return [self._ids[byte] for byte in spelled]
        if self.unk_token_id is None:
            raise ShapeError(f"tokenizer: {part!r} is not in the vocabulary, which has no unknown token")
        return [self.unk_token_id]

    def token_bytes(self, token: int) -> bytes:
        spelled = self._tokens[token]
        byte = BYTE.fullmatch(spelled)
        if byte:
            return bytes([int(byte.group(1), 16)])
        if token not in self._special_ids:
            spelled = spelled.replace(SPACE, " ")
        return spelled.encode("utf-8", "surrogateescape")

    def finish(self, text: str) -> str:
        return text[1:] if self._space_prefix and text.startswith(" ") else text
