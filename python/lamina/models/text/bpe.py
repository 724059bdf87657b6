"""Byte-level byte-pair encoding: the vocabulary of GPT-2, Llama 3, Qwen and SmolLM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamina._core import ShapeError
from lamina.models.text.merge import merge
from lamina.models.text.pretoken import PreTokenizer
from lamina.models.text.tokenizer import Tokenizer


def byte_letters() -> dict[int, str]:
    """The printable letter by which such vocabularies spell each byte: itself where it has one, else one from
    U+0100 on. Source: Radford et al., GPT-2, 2019.

    >>> byte_letters()[32]
    'Ġ'
    """
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {byte: chr(byte) for byte in own}
    others = (byte for byte in range(256) if byte not in letters)
    return letters | {byte: chr(0x100 + place) for place, byte in enumerate(others)}


class BPETokenizer(Tokenizer):
    """Words of bytes, joined by a list of pairs.

    Args:
        tokens: the spelling of each token.
        merges: pairs "left right", the most urgent first.
        pre: how words are cut; see :class:`lamina.models.text.pretoken.PreTokenizer`.
        whole_words: take a word that is a token as it is, without joining (Llama 3).
        special, others: see :class:`Tokenizer`.

    Raises:
        ShapeError: the lists do not fit.

    >>> tokenizer = BPETokenizer([*byte_letters().values(), "hi", "Ġhi"], ["h i", "Ġ hi"])
    >>> tokenizer.decode(tokenizer.encode("hi hi"))
    'hi hi'
    """

    def __init__(
        self,
        tokens: Sequence[str],
        merges: Sequence[str],
        pre: str = "gpt-2",
        special: Mapping[str, int] | None = None,
        whole_words: bool = False,
        **others: Any,
    ) -> None:
        super().__init__(len(tokens), special or {}, **others)
        self._tokens = list(tokens)
        self._ids = {token: number for number, token in enumerate(tokens)}
        self._ranks: dict[tuple[str, str], float] = {}
        for rank, pair in enumerate(merges):
            parts = tuple(pair.split(" "))
            if len(parts) != 2 or not all(parts):
                raise ShapeError(f"tokenizer: merge {rank} is no pair: {pair!r}")
            self._ranks.setdefault((parts[0], parts[1]), rank)
        self._cut = PreTokenizer(pre)
        self._whole_words = whole_words
        self._letters = byte_letters()
        self._bytes = {letter: byte for byte, letter in self._letters.items()}
        self._known: dict[str, list[int]] = {}

    def encode_plain(self, text: str, first: bool) -> list[int]:
        ids: list[int] = []
        for word in self._cut(text):
            known = self._known.get(word)
            if known is None:
                known = self._word(word)
                if len(self._known) < 100_000:
                    self._known[word] = known
            ids += known
        return ids

    def _word(self, word: str) -> list[int]:
        spelled = "".join(self._letters[byte] for byte in word.encode("utf-8", "surrogatepass"))
        if self._whole_words and spelled in self._ids:
            return [self._ids[spelled]]
        return [self._id(part) for part in merge(spelled, lambda *pair: self._ranks.get(pair))]

    def _id(self, part: str) -> int:
        token = self._ids.get(part, self.unk_token_id)
        if token is None:
            raise ShapeError(f"tokenizer: {part!r} is not in the vocabulary, which has no unknown token")
        return token

    def token_bytes(self, token: int) -> bytes:
        spelled = self._tokens[token]
        if token in self._special_ids:
            return spelled.encode("utf-8", "surrogateescape")
        try:
            return bytes(self._bytes[letter] for letter in spelled)
        except KeyError:  # a token that was added to the vocabulary as plain text
            return spelled.encode("utf-8", "surrogateescape")
