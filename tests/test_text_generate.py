"""``generate`` against slower ways to write the same: no cache, no padding, all texts there are."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.models.text import GPT2Config, GPT2LMHeadModel
from lamina.models.text.sampling import Sampling
from text_model import CASES, IDS, make, reference

WRITERS = [name for name in CASES if name.startswith(("gpt2", "llama", "mistral", "qwen", "gemma"))]


def greedy(model: Any, ids: list[int], new: int) -> list[int]:
    """The same as greedy generate, with nothing kept from one token to the next."""
    ids = list(ids)
    with lamina.no_grad():
        for _ in range(new):
            ids.append(int(model(lamina.tensor([ids])).logits[0, -1].argmax()))
    return ids


@pytest.mark.parametrize("case", [name for name in WRITERS if name != "llama-dynamic"])
def test_the_cache_changes_nothing(case: str) -> None:
    model = make(case)
    found = model.generate(lamina.from_numpy(IDS), max_new_tokens=8)
    assert found.tolist() == [greedy(model, row, 8) for row in IDS.tolist()]


@pytest.mark.parametrize("case", ["gpt2", "llama", "mistral", "gemma2"])
def test_padding_on_the_left_changes_nothing(case: str) -> None:
    model = make(case)
    texts = [[5, 6, 7, 8, 9, 10], [44, 3], [91]]
    ids = lamina.tensor([[0] * (6 - len(t)) + t for t in texts])
    mask = lamina.tensor([[0] * (6 - len(t)) + [1] * len(t) for t in texts])
    found = model.generate(ids, mask, max_new_tokens=7).tolist()
    for row, written in zip(texts, found, strict=True):
        assert written[6 - len(row) :] == greedy(model, row, 7)
    beams = model.generate(ids, mask, max_new_tokens=5, num_beams=3)
    for i, row in enumerate(texts):
        alone = model.generate(lamina.tensor([row]), max_new_tokens=5, num_beams=3)
        assert beams[i, 6 - len(row) :].tolist() == alone[0].tolist()


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("ends", [[], [2]])
def test_wide_beams_find_the_best_of_all_texts(length_penalty: float, ends: list[int]) -> None:
    """With as many beams as there are beginnings the search is exhaustive."""
    lamina.manual_seed(3)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=5, n_positions=8, n_embd=16, n_layer=1, n_head=2)).eval()
    with lamina.no_grad():
        for parameter in model.parameters():
            parameter.add_(lamina.randn_like(parameter) * 0.5)
    new, start = 3, [1, 3]
    texts = {}
    for choice in itertools.product(range(5), repeat=new):
        cut = next((i + 1 for i, token in enumerate(choice) if token in ends), new)
        texts[choice[:cut]] = 0.0
    for text in texts:
        with lamina.no_grad():
            chances = model(lamina.tensor([start + list(text)])).logits[0].double().log_softmax(-1)
        total = sum(float(chances[len(start) - 1 + i, token]) for i, token in enumerate(text))
        texts[text] = total / len(text) ** length_penalty
    best = sorted(texts, key=lambda text: -texts[text])
    found = model.generate(
        lamina.tensor([start]),
        max_new_tokens=new,
        num_beams=125,
        num_return_sequences=3,
        length_penalty=length_penalty,
        eos_token_id=ends,
        pad_token_id=4,
    )
    for row, text in zip(found.tolist(), best, strict=False):
        assert row[len(start) :] == list(text) + [4] * (found.shape[1] - len(start) - len(text))


def test_filters_against_numpy() -> None:
    logits = lamina.randn(6, 40) * 3
    z = logits.double().numpy()
    order = np.argsort(-z, 1)

    def kept(**options: Any) -> Any:
        return np.isfinite(Sampling(do_sample=True, **options).filter(logits).numpy())

    def chances(x: Any) -> Any:
        e = np.exp(x - x.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    expected = np.zeros_like(z, dtype=bool)
    np.put_along_axis(expected, order[:, :7], True, 1)
    assert (kept(top_k=7) == expected).all()
    for temperature in (0.5, 1.0, 2.0):
        p = chances(z / temperature)
        ordered = np.take_along_axis(p, order, 1)
        count = (np.cumsum(ordered, 1) < 0.8).sum(1) + 1
        nucleus = np.zeros_like(expected)
        for row in range(6):
            nucleus[row, order[row, : count[row]]] = True
        assert (kept(top_p=0.8, temperature=temperature) == nucleus).all()
        expected = p >= 0.1 * p.max(1, keepdims=True)
        assert (kept(min_p=0.1, temperature=temperature) == expected).all()
    seen = lamina.rand(6, 40) > 0.5
    expected = np.where(seen.numpy(), np.where(z > 0, z / 1.3, z * 1.3), z)
    np.testing.assert_allclose(Sampling(1.3).penalise(logits, seen).numpy(), expected, rtol=1e-5)


def test_draws_follow_the_probabilities_and_the_seed() -> None:
    model = make("llama")
    start = lamina.tensor([[4, 8, 15]])
    options: dict[str, Any] = {"do_sample": True, "temperature": 2.0, "max_new_tokens": 1}
    drawn = model.generate(start, num_return_sequences=4000, seed=7, top_k=5, **options)[:, -1].numpy()
    with lamina.no_grad():
        logits = model(start).logits[0, -1].double().numpy() / 2.0
    top = np.argsort(-logits)[:5]
    expected = np.exp(logits[top]) / np.exp(logits[top]).sum()
    found = np.array([(drawn == token).mean() for token in top])
    assert set(drawn) <= set(top)
    assert (abs(found - expected) < 4 * np.sqrt(expected / 4000)).all()
    options["max_new_tokens"] = 12
    once, again = (model.generate(start, seed=1, **options) for _ in range(2))
    assert (once == again).all() and (model.generate(start, seed=2, **options) != once).any()
    lamina.manual_seed(5)
    once = model.generate(start, **options)
    assert (model.generate(start, **options) != once).any()
    lamina.manual_seed(5)
    assert (model.generate(start, **options) == once).all()


def test_ends_padding_and_streaming() -> None:
    model = make("llama")
    free = model.generate(lamina.from_numpy(IDS), max_new_tokens=10).numpy()[:, 9:]
    end = int(free[0, 2])
    found = model.generate(lamina.from_numpy(IDS), max_new_tokens=10, eos_token_id=end, pad_token_id=98)
    for row, whole in zip(found.numpy()[:, 9:], free, strict=True):
        stop = list(whole).index(end) + 1 if end in whole else 10
        assert (row[:stop] == whole[: len(row)][:stop]).all() and (row[stop:] == 98).all()
    streamed: list[int] = []

    def take(tokens: Any) -> bool:
        streamed.append(int(tokens[0]))
        return len(streamed) == 4

    stopped = model.generate(lamina.from_numpy(IDS[:1]), max_new_tokens=10, streamer=take)
    assert streamed == free[0, :4].tolist() and stopped.shape[1] == 9 + 4


def test_a_penalty_on_repetition_breaks_loops() -> None:
    model = make("llama")
    free = model.generate(lamina.tensor([[7]]), max_new_tokens=40).tolist()[0]
    fined = model.generate(lamina.tensor([[7]]), max_new_tokens=40, repetition_penalty=8.0).tolist()[0]
    assert len(set(fined)) > len(set(free)) and len(set(fined[1:])) == 40


@pytest.mark.parametrize(
    "options, message",
    [
        ({"max_new_tokens": 0}, "must be positive"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"min_p": 1.5}, "min_p"),
        ({"repetition_penalty": 0.0}, "repetition_penalty"),
        ({"num_return_sequences": 2}, "several texts"),
        ({"num_beams": 2, "do_sample": True}, "beams neither draw nor stream"),
        ({"num_beams": 2, "num_return_sequences": 3}, "at most num_beams"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(lamina.ShapeError, match=message):
        make("llama").generate(lamina.tensor([[1]]), **options)


def test_texts_that_cannot_be_are_refused_before_the_start() -> None:
    called: list[Any] = []
    with pytest.raises(ValueError, match="3 tokens and 62 new ones, but there are 64 positions"):
        make("gpt2").generate(lamina.tensor([[1, 2, 3]]), max_new_tokens=62, streamer=called.append)
    with pytest.raises(MemoryError, match="KVCache"):
        make("llama").generate(lamina.tensor([[1]]), max_new_tokens=10**12, streamer=called.append)
    assert called == []


@pytest.mark.parametrize("case", ["gpt2", "llama", "gemma3"])
def test_transformers_writes_the_same_where_it_is_installed(case: str) -> None:
    pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    ours, theirs = make(case), reference(case)
    ids = IDS[:, :7].copy()
    ids[1, :3] = 0
    mask = (ids > 0).astype(np.int64)
    for options in (
        {},
        {"repetition_penalty": 1.3},
        {"num_beams": 3},
        {"num_beams": 4, "num_return_sequences": 3, "length_penalty": 0.6},
        {"num_beams": 2, "early_stopping": True},
    ):
        for end in (None, 5, [7, 9, 11, 12]):
            common: dict[str, Any] = {"max_new_tokens": 12, "pad_token_id": 1, **options}
            expected = theirs.generate(
                torch.from_numpy(ids), attention_mask=torch.from_numpy(mask), eos_token_id=end, **common
            )
            found = ours.generate(
                lamina.from_numpy(ids), lamina.from_numpy(mask), eos_token_id=end or [], **common
            )
            assert found.tolist() == expected.tolist()
