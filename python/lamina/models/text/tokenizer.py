"""Text to token ids and back. What a vocabulary does with plain text: bpe.py, spm.py; the package
``tokenizers``: hub_tokenizer.py."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import lamina
from lamina._core import ShapeError, Tensor
from lamina.models.output import ModelOutput
from lamina.models.text.chat_template import ChatTemplate

Message = Mapping[str, Any]


class Tokenizer:
    """A vocabulary: the parent of all kinds.

    Args:
        special: tokens that are never cut and mean something to the model, and their ids.
        bos, eos, unknown, pad: ids of the beginning, the end, what cannot be read, and padding.
        add_bos, add_eos: whether ``encode`` adds them.
        chat_template: how a conversation is written, in the language of Jinja.

    Attributes:
        vocab_size: how many tokens there are.
        bos_token_id, eos_token_id, unk_token_id, pad_token_id: see above.
    """

    def __init__(
        self,
        size: int,
        special: Mapping[str, int],
        *,
        bos: int | None = None,
        eos: int | None = None,
        unknown: int | None = None,
        pad: int | None = None,
        add_bos: bool = False,
        add_eos: bool = False,
        chat_template: str | None = None,
    ) -> None:
        self.vocab_size = size
        self.bos_token_id, self.eos_token_id = bos, eos
        self.unk_token_id, self.pad_token_id = unknown, pad
        self.add_bos, self.add_eos = add_bos, add_eos
        self.special = dict(special)
        self._special_ids = frozenset(self.special.values())
        longest_first = sorted(self.special, key=len, reverse=True)
        self._split = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        self.chat_template = None if chat_template is None else ChatTemplate(chat_template)

    # What kinds of vocabularies differ in

    def encode_plain(self, text: str, first: bool) -> list[int]:
        """The ids of a text without special tokens; ``first`` says that it begins a text."""
        raise NotImplementedError

    def token_bytes(self, token: int) -> bytes:
        """What one token writes, as UTF-8; a part of a character where a token is one."""
        raise NotImplementedError

    # What they share

    def encode(self, text: str, add_special_tokens: bool = True, parse_special: bool = True) -> list[int]:
        """The ids of ``text``.

        Args:
            add_special_tokens: add the beginning and the end where the vocabulary asks for it.
            parse_special: read special tokens that are spelled out in ``text``. Say False for text of
                others, which could otherwise end its own part of a conversation.

        Raises:
            TypeError: ``text`` is no string.
            ValueError: a character is not in the vocabulary, which has no token for the unknown.
        """
        if not isinstance(text, str):
            raise TypeError(f"encode: expected a str, got {type(text).__name__}")
        ids = [self.bos_token_id] if add_special_tokens and self.add_bos else []
        first = True
        for piece, token in self._pieces(text) if parse_special else [(text, None)]:
            ids += [token] if token is not None else self.encode_plain(piece, first)
            first = token is not None
        if add_special_tokens and self.add_eos:
            ids.append(self.eos_token_id)
        return [token for token in ids if token is not None]

    def _pieces(self, text: str) -> Iterator[tuple[str, int | None]]:
        """Plain pieces with None, and special tokens with their id."""
        start = 0
        for found in self._split.finditer(text) if self._split is not None else ():
            if found.start() > start:
                yield text[start : found.start()], None
            yield found.group(), self.special[found.group()]
            start = found.end()
        if start < len(text):
            yield text[start:], None

    def decode(self, ids: Any, skip_special_tokens: bool = False) -> str:
        """The text of ids (a list, or a tensor of one dimension); broken characters become U+FFFD.

        Raises:
            IndexError: an id that the vocabulary does not have.
        """
        return self.finish(b"".join(self._all_bytes(ids, skip_special_tokens)).decode("utf-8", "replace"))

    def finish(self, text: str) -> str:
        """What ``decode`` does last."""
        return text

    def _all_bytes(self, ids: Any, skip: bool) -> Iterator[bytes]:
        for token in ids.tolist() if isinstance(ids, Tensor) else ids:
            if not 0 <= token < self.vocab_size:
                raise IndexError(f"decode: token {token}, but the vocabulary has {self.vocab_size} entries")
            if not (skip and token in self._special_ids):
                yield self.token_bytes(token)

    def __call__(
        self, text: str | Sequence[str], padding_side: str = "right", max_length: int | None = None
    ) -> ModelOutput:
        """``input_ids`` and ``attention_mask`` (n, longest) of one text or several.

        Args:
            padding_side: where shorter texts are filled up: "right" for encoders, "left" for writing.
            max_length: cut longer texts.

        Raises:
            ShapeError: no text, or another side.
        """
        texts = [text] if isinstance(text, str) else list(text)
        if not texts or padding_side not in ("left", "right"):
            raise ShapeError(f"tokenizer: {len(texts)} texts to pad on the {padding_side!r} side")
        rows = [self.encode(one)[:max_length] for one in texts]
        longest = max(map(len, rows))
        pad = self.pad_token_id if self.pad_token_id is not None else (self.eos_token_id or 0)
        left = padding_side == "left"
        ids, mask = [], []
        for row in rows:
            fill = longest - len(row)
            ids.append([pad] * fill + row if left else row + [pad] * fill)
            mask.append([0] * fill + [1] * len(row) if left else [1] * len(row) + [0] * fill)
        return ModelOutput(
            input_ids=lamina.tensor(ids, dtype=lamina.int64).view(len(rows), longest),
            attention_mask=lamina.tensor(mask, dtype=lamina.int64).view(len(rows), longest),
        )

    def apply_chat_template(
        self, messages: Sequence[Message], add_generation_prompt: bool = True, tokenize: bool = True
    ) -> Any:
        """A conversation, messages with ``role`` and ``content``, as ids, or as text without ``tokenize``.

        Raises:
            ValueError: there is no template, or it refuses the conversation.
        """
        if self.chat_template is None:
            raise ShapeError("apply_chat_template: this vocabulary has no template for conversations")
        names = {"bos_token": self.bos_token_id, "eos_token": self.eos_token_id}
        spelled = {name: self.spell(token) for name, token in names.items()}
        text = self.chat_template.render(
            messages=[dict(message) for message in messages],
            add_generation_prompt=add_generation_prompt,
            **spelled,
        )
        return self.encode(text, add_special_tokens=False) if tokenize else text

    def spell(self, token: int | None) -> str:
        """A single token as text."""
        return "" if token is None else self.token_bytes(token).decode("utf-8", "replace")

    def stream(self, skip_special_tokens: bool = True) -> TokenStream:
        """A decoder for tokens that come one by one."""
        return TokenStream(self, skip_special_tokens)


class TokenStream:
    """Text out of tokens that come one by one; a character that is not whole yet waits for its rest.

    Call it with one id; it returns the text that has become readable.
    """

    def __init__(self, tokenizer: Tokenizer, skip_special_tokens: bool) -> None:
        self._tokenizer, self._skip = tokenizer, skip_special_tokens
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __call__(self, token: int) -> str:
        return "".join(self._decoder.decode(part) for part in self._tokenizer._all_bytes([token], self._skip))

    def end(self) -> str:
        """What is left of a broken character."""
        return self._decoder.decode(b"", True)
