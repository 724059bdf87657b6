"""Vocabularies against the package tokenizers and slow ways to do the same; templates against jinja2."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

import lamina
from lamina.models.text import (
    BPETokenizer,
    ChatTemplate,
    HubTokenizer,
    SPMTokenizer,
    tokenizer_from_pretrained,
)
from lamina.models.text.bpe import byte_letters
from lamina.models.text.merge import merge
from lamina.models.text.pretoken import PATTERNS, PreTokenizer

WORDS = "the cat sat on the mat, and the rat ate 12345 cakes; isn't it TIME we'll see it's 3.14?"
HARD = [
    "",
    " ",
    "\n\n  \t x",
    "don't DON'T we'LL",
    "naïve façade Ωμέγα 日本語テキスト 한국어 العربية",
    "emoji 👩‍👩‍👧 e\u0301 \u00a0x\u2003y \u0085z",
    "12 ³ ½ Ⅷ ٣٤٥ x1y22z333 1000000",
    "a\r\nb\r\r\n\n c   d \x1c\x1d e",
    '___ -- ... ?!?! `code` {"k": [1, 2]}',
    "ſ's 'S 'ſ \u2028 \ufeff",
]


def random_texts(count: int) -> list[str]:
    rng = random.Random(0)
    letters = "ab c\n\t1 2'sdt.,!_éßж語٣½ \u00a0\u3000👍\r"
    return ["".join(rng.choice(letters) for _ in range(rng.randrange(40))) for _ in range(count)]


def library(pre: str) -> Any:
    """The package's tokenizer with the way of cutting that the package's own documentation gives for it."""
    tokenizers = pytest.importorskip("tokenizers")
    cutters = tokenizers.pre_tokenizers
    llama3 = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    split = tokenizers.Regex(llama3 if pre == "llama3" else llama3.replace("{1,3}", ""))
    parts = {
        "gpt-2": [cutters.ByteLevel(add_prefix_space=False)],
        "smollm": [cutters.Digits(individual_digits=True), cutters.ByteLevel(add_prefix_space=False)],
    }.get(pre, [cutters.Split(split, "isolated"), cutters.ByteLevel(False, use_regex=False)])
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = cutters.Sequence(parts)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=cutters.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator([WORDS, *HARD] * 3, trainer)
    return made


def ours(made: Any, pre: str, **options: Any) -> BPETokenizer:
    model = json.loads(made.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    return BPETokenizer(tokens, merges, pre, **options)


@pytest.mark.parametrize("pre", ["gpt-2", "smollm", "llama3", "qwen2"])
def test_byte_level_as_the_package_does(pre: str) -> None:
    made = library(pre)
    tokenizer = ours(made, pre)
    for text in [WORDS, *HARD[:-1], *random_texts(400)]:
        ids = tokenizer.encode(text)
        assert ids == made.encode(text).ids, repr(text)
        assert tokenizer.decode(ids) == text


def test_every_way_of_cutting_keeps_every_character() -> None:
    for name in PATTERNS:
        cut = PreTokenizer(name)
        for text in [WORDS, *HARD, *random_texts(100)]:
            assert "".join(cut(text)) == text
    with pytest.raises(ValueError, match="unknown way to cut words 'gpt-9'"):
        PreTokenizer("gpt-9")


def test_merging_takes_the_best_pair_each_time() -> None:
    rng = random.Random(1)
    for _ in range(300):
        ranks = {(rng.choice("abc") * rng.randint(1, 2), rng.choice("abc")): rng.random() for _ in range(8)}
        text = [rng.choice("abc") for _ in range(rng.randrange(15))]
        parts = list(text)
        while True:  # as Sennrich et al. write it
            best = (
                min((ranks[pair], i) for i, pair in enumerate(itertools.pairwise(parts)) if pair in ranks)
                if any(pair in ranks for pair in itertools.pairwise(parts))
                else None
            )
            if best is None:
                break
            parts[best[1] : best[1] + 2] = [parts[best[1]] + parts[best[1] + 1]]
        assert merge(text, lambda a, b, ranks=ranks: ranks.get((a, b))) == parts
    assert len(merge("a" * 200_000, lambda a, b: len(a + b) if len(a) == len(b) < 64 else None)) > 1000


def sentencepiece() -> SPMTokenizer:
    words = ["▁", "t", "h", "e", "c", "a", "s", "▁t", "he", "▁the", "▁c", "at", "▁cat", "▁▁"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    scores = [0.0] * 259 + [-10.0 - i for i in range(7)] + [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0]
    return SPMTokenizer(tokens, scores, {"<s>": 1, "</s>": 2}, bos=1, eos=2, unknown=0, add_bos=True)


def test_scores_choose_what_is_joined() -> None:
    tokenizer = sentencepiece()
    names = [tokenizer._tokens[token] for token in tokenizer.encode("the cat  sat\n")]
    assert names == ["<s>", "▁the", "▁cat", "▁▁", "s", "at", "<0x0A>"]
    assert tokenizer.encode("") == [1]
    for text in filter(None, [WORDS, *HARD, *random_texts(100)]):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
        by_hand = list((" " + text).replace(" ", "▁"))
        while True:
            joined = [a + b for a, b in itertools.pairwise(by_hand)]
            known = [
                (-tokenizer._scores[tokenizer._ids[t]], i)
                for i, t in enumerate(joined)
                if t in tokenizer._ids
            ]
            if not known:
                break
            place = min(known)[1]
            by_hand[place : place + 2] = [joined[place]]
        spelled = [tokenizer._ids.get(t, -1) for t in by_hand]
        assert [token for token in ids[1:] if token >= 259] == [token for token in spelled if token >= 0]


def test_special_tokens_streams_and_batches() -> None:
    letters = list(byte_letters().values())
    tokenizer = BPETokenizer([*letters, "<|end|>"], [], special={"<|end|>": 256}, eos=256)
    ids = tokenizer.encode("é<|end|>x")
    assert ids[2] == 256 and len(ids) == 4
    assert 256 not in tokenizer.encode("é<|end|>x", parse_special=False)
    assert tokenizer.decode(ids, skip_special_tokens=True) == "éx" and tokenizer.decode(ids) == "é<|end|>x"
    stream = tokenizer.stream()
    assert [stream(token) for token in ids] == ["", "é", "", "x"] and stream.end() == ""
    broken = tokenizer.stream()
    assert broken(ids[0]) == "" and broken.end() == "\ufffd"
    batch = tokenizer(["ab", "c"])
    assert batch.input_ids.tolist()[1][1] == 256 and batch.attention_mask.tolist() == [[1, 1], [1, 0]]
    left = tokenizer(["ab", "c"], padding_side="left", max_length=5)
    assert left.attention_mask.tolist() == [[1, 1], [0, 1]]
    for bad in ([-1], [257], lamina.tensor([999])):
        with pytest.raises(IndexError, match="the vocabulary has 257"):
            tokenizer.decode(bad)
    with pytest.raises(TypeError, match="expected a str"):
        tokenizer.encode(b"ab")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is not in the vocabulary"):
        BPETokenizer(["a"], []).encode("b")
    with pytest.raises(ValueError, match="no template"):
        tokenizer.apply_chat_template([])


CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nBe brief<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n'"
    " + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}"
    "{% set first = messages[0]['content'] %}{% else %}{% set rest = messages %}{% set first = false %}"
    "{% endif %}{% for message in rest %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if loop.index0 == 0 and first is defined and first %}"
    "{% set content = '<<SYS>>' + first + '<</SYS>>' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + content | trim + ' ' + eos_token }}{% endif %}"
    "{% endfor %}"
)
BLOCKS = """{%- for m in messages -%}
    {% if not loop.last %}
        {# a note #}
        <{{ m.role | upper }}>
    {% endif %}
{{ m.content if m.content is defined else 'nothing' }}
{% endfor %}
  {{- ' end ' -}}
 {% if tools is defined %}tools{% endif %}
"""


@pytest.mark.parametrize("template", [CHATML, LLAMA2, BLOCKS])
def test_templates_as_jinja_does(template: str) -> None:
    pytest.importorskip("jinja2")
    talk = [("system", " be kind "), ("user", "hi {{ x }}"), ("assistant", " 'yo' \n"), ("user", "{% if")]
    for messages in (talk, talk[1:], talk[1:2], talk[:1]):
        named = [{"role": role, "content": content} for role, content in messages]
        names = {"messages": named, "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True}
        made = ChatTemplate(template)
        assert made._tree is not None  # none of it is left to jinja2
        assert made.render(**names) == made._by_jinja(names)
    if "raise" in template:
        with pytest.raises(ValueError, match="roles must alternate"):
            ChatTemplate(template).render(messages=[{"role": "assistant", "content": ""}] * 2)


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{% include '/etc/passwd' %}",
        "{% for x in",
        "{% if true %}",
        "{{ 1 +",
    ],
)
def test_templates_reach_nothing_of_python(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        text = ChatTemplate(template).render(messages=[{"role": "user", "content": "x"}])
    except (ValueError, ImportError):
        return
    assert text == ""


def test_a_template_that_needs_jinja_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "jinja2.exceptions", None)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r'pip install "lamina\[text\]"'):
        ChatTemplate("{% macro f() %}{% endmacro %}{{ f() }}").render(messages=[])


def test_tokenizer_json(tmp_path: Path) -> None:
    made = library("gpt-2")
    made.add_special_tokens(["</s>"])
    made.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(
        '{"eos_token": {"content": "</s>"}, "chat_template": "x"}'
    )
    tokenizer = tokenizer_from_pretrained(tmp_path)
    assert isinstance(tokenizer, HubTokenizer) and tokenizer.eos_token_id == made.token_to_id("</s>")
    ids = tokenizer.encode("naïve 👍</s>")
    assert ids == made.encode("naïve 👍</s>").ids and tokenizer.decode(ids, True) == "naïve 👍"
    stream = tokenizer.stream()
    assert "".join(stream(token) for token in ids) + stream.end() == "naïve 👍"
    assert tokenizer.apply_chat_template([], tokenize=False) == "x"
    with pytest.raises(IndexError):
        tokenizer.decode([10**6])
    (tmp_path / "tokenizer.json").write_text('{"version": 3')
    with pytest.raises(lamina.FileFormatError, match=r"tokenizer\.json"):
        tokenizer_from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError):
        tokenizer_from_pretrained(tmp_path / "nowhere")
