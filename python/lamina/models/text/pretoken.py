"""How byte-level vocabularies cut a text into words before the words are cut into tokens.

Their patterns ask for letters and digits of all scripts, which Python's ``re`` cannot name. So each is run on
a shadow of the text in which every character stands for its kind; what it finds is cut in the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from lamina._core import ShapeError

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])|[^\r\nA-Za-z0-9]?[A-Za-z]+|[0-9]{1,3}"
    r"| ?[^\sA-Za-z0-9]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("[0-9]{1,3}", "[0-9]")
DIGITS = r"[0-9]|[^0-9]+"
# The names that GGUF files give to ways of cutting, and the patterns that act one after the other.
PATTERNS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("default", "gpt-2", "mpt", "olmo", "jais", "phi-2", "roberta-bpe"), (GPT2,)),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"), (DIGITS, GPT2)),
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe"), (LLAMA3,)),
    **dict.fromkeys(("qwen2", "stablelm2", "deepseek-r1-qwen"), (QWEN2,)),
}


class Shadow(dict[int, str]):
    """For ``str.translate``: letters are Z, digits 0, white space a vertical tab, all else !; ASCII stays."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)[0]
        if code < 128:
            mark = character if not 0x1C <= code <= 0x1F else "!"
        elif kind in "LN":
            mark = "Z" if kind == "L" else "0"
        else:
            mark = "\v" if character.isspace() else "!"
        self[code] = mark
        return mark


class PreTokenizer:
    """Cuts a text the way of ``name``, as ``tokenizer.ggml.pre`` of a GGUF file calls it.

    Raises:
        ShapeError: the name is unknown.

    >>> list(PreTokenizer("smollm")("It's 42  years"))
    ['It', "'s", ' ', '4', '2', ' ', ' years']
    """

    def __init__(self, name: str) -> None:
        if name not in PATTERNS:
            raise ShapeError(f"tokenizer: unknown way to cut words {name!r}; known are {', '.join(PATTERNS)}")
        self._patterns = [re.compile(pattern, re.ASCII) for pattern in PATTERNS[name]]
        self._shadow = Shadow()

    def __call__(self, text: str) -> Iterator[str]:
        return self._cut(text, text.translate(self._shadow), 0)

    def _cut(self, text: str, shadow: str, step: int) -> Iterator[str]:
        if step == len(self._patterns):
            yield text
            return
        for found in self._patterns[step].finditer(shadow):
            start, end = found.span()
            yield from self._cut(text[start:end], shadow[start:end], step + 1)
