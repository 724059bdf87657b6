"""``tokenizer.json`` of a checkpoint's folder, through the package ``tokenizers``, which is an extra."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import lamina
from lamina.io.file import open_regular
from lamina.io.folder import read_json
from lamina.models.text.tokenizer import Tokenizer

ENDS = {
    "bos": ("bos_token", "cls_token"),
    "eos": ("eos_token", "sep_token"),
    "unknown": ("unk_token",),
    "pad": ("pad_token",),
}
USUAL = {
    "bos": ("[CLS]", "<s>", "<|begin_of_text|>", "<bos>"),
    "eos": ("[SEP]", "</s>", "<|endoftext|>", "<|end_of_text|>", "<eos>"),
    "unknown": ("[UNK]", "<unk>"),
    "pad": ("[PAD]", "<pad>"),
}


class HubTokenizer(Tokenizer):
    """The vocabulary of a folder with ``tokenizer.json``, and ``tokenizer_config.json`` if it is there.

    Raises:
        ImportError: the package ``tokenizers`` is not installed.
        FileNotFoundError: the folder has no ``tokenizer.json``.
        FileFormatError: a file is broken.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            from tokenizers import Tokenizer as Library
        except ImportError as error:
            raise ImportError('tokenizer.json needs tokenizers: pip install "lamina[text]"') from error
        folder = Path(path)
        with open_regular(folder / "tokenizer.json") as file:
            text = file.read()
        try:
            self._library = Library.from_buffer(text)
        except BaseException as error:  # what the library raises where it panics is no Exception
            if isinstance(error, KeyboardInterrupt):
                raise
            raise lamina.FileFormatError(f"{folder / 'tokenizer.json'}: {error}") from error
        self._library.no_padding()
        self._library.no_truncation()
        settings = folder / "tokenizer_config.json"
        said = read_json(str(settings)) if settings.is_file() else {}
        special = {token.content: number for number, token in self._added().items() if token.special}
        ends: dict[str, Any] = {name: self._end(said, name) for name in ENDS}
        template = said.get("chat_template")
        super().__init__(
            self._library.get_vocab_size(),
            special,
            chat_template=template if isinstance(template, str) else None,
            **ends,
        )

    def _added(self) -> dict[int, Any]:
        return self._library.get_added_tokens_decoder()

    def _end(self, said: dict[str, Any], name: str) -> int | None:
        for key in ENDS[name]:
            token = said.get(key)
            token = token.get("content") if isinstance(token, dict) else token
            if isinstance(token, str):
                return self._library.token_to_id(token)
        found = (self._library.token_to_id(token) for token in USUAL[name])
        return next((token for token in found if token is not None), None)

    def encode(self, text: str, add_special_tokens: bool = True, parse_special: bool = True) -> list[int]:
        if not isinstance(text, str):
            raise TypeError(f"encode: expected a str, got {type(text).__name__}")
        if not parse_special:
            raise ValueError("encode: tokenizer.json always reads special tokens that are spelled out")
        return self._library.encode(text, add_special_tokens=add_special_tokens).ids

    def decode(self, ids: Any, skip_special_tokens: bool = False) -> str:
        numbers = ids.tolist() if isinstance(ids, lamina.Tensor) else list(ids)
        for token in numbers:
            if not 0 <= token < self.vocab_size:
                raise IndexError(f"decode: token {token}, but the vocabulary has {self.vocab_size} entries")
        return self._library.decode(numbers, skip_special_tokens=skip_special_tokens)

    def spell(self, token: int | None) -> str:
        return "" if token is None else str(self._library.id_to_token(token))

    def stream(self, skip_special_tokens: bool = True) -> Any:
        """A decoder for tokens that come one by one."""
        return _Stream(self, skip_special_tokens)


class _Stream:
    """Decodes all tokens again at each step and returns what is new, once no character is broken."""

    def __init__(self, tokenizer: HubTokenizer, skip: bool) -> None:
        self._tokenizer, self._skip = tokenizer, skip
        self._ids: list[int] = []
        self._told = ""

    def __call__(self, token: int) -> str:
        self._ids.append(token)
        return self._new(hold=True)

    def end(self) -> str:
        """What is left of a broken character."""
        return self._new(hold=False)

    def _new(self, hold: bool) -> str:
        text = self._tokenizer.decode(self._ids, self._skip)
        if hold and text.endswith("\ufffd"):
            return ""
        fresh, self._told = text[len(self._told) :], text
        return fresh
