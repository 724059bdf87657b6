"""Language models in GGUF files: written here from small models of known numbers, whole and damaged."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.models.text import BPETokenizer, load_gguf_model, model_from_pretrained, tokenizer_from_pretrained
from lamina.models.text.bpe import byte_letters
from lamina.models.text.gguf import FIELDS, NAMES, PACKED_NAMES, SANDWICH_NAMES, tokenizer_of
from source_gguf import file_of, info, metadata, string
from text_model import CASES, IDS, make

KINDS = {
    "llama": "llama",
    "llama-biased-tied": "llama",
    "qwen3": "qwen3",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "phi3": "phi3",
}
TOKENS = [*list(byte_letters().values())[:97], "hi", "<|end|>"]


def number(key: str, value: Any) -> bytes:
    if isinstance(value, bool):
        return metadata(key, 7, struct.pack("<?", value))
    code = (6, "<f") if isinstance(value, float) else (4, "<I")
    return metadata(key, code[0], struct.pack(code[1], value))


def texts(key: str, values: list[str]) -> bytes:
    return metadata(key, 9, struct.pack("<IQ", 8, len(values)) + b"".join(map(string, values)))


def numbers(key: str, values: list[int]) -> bytes:
    return metadata(key, 9, struct.pack("<IQ", 5, len(values)) + struct.pack(f"<{len(values)}i", *values))


def vocabulary() -> list[bytes]:
    return [
        metadata("tokenizer.ggml.model", 8, string("gpt2")),
        metadata("tokenizer.ggml.pre", 8, string("gpt-2")),
        texts("tokenizer.ggml.tokens", TOKENS),
        numbers("tokenizer.ggml.token_type", [1] * 98 + [3]),
        texts("tokenizer.ggml.merges", ["h i"]),
        number("tokenizer.ggml.eos_token_id", 98),
    ]


def settings(case: str, **changes: Any) -> list[bytes]:
    """The metadata of a case."""
    config, name = make(case).config, KINDS[case]
    said = {key: getattr(config, field) for key, field in FIELDS.items() if hasattr(config, field)}
    said |= {"rope.dimension_count": config.head_dim, **changes}
    values = [number(f"{name}.{key}", value) for key, value in said.items() if value is not None]
    return [metadata("general.architecture", 8, string(name)), *values]


def tensors(case: str) -> dict[str, Any]:
    """The weights of a case as a GGUF file has them."""
    model = make(case)
    kind = model.config
    names = SANDWICH_NAMES if all(kind.NORMS) else PACKED_NAMES if kind.PACKED else NAMES
    back = {own: theirs for theirs, own in names.items()}
    out = {}
    for name, parameter in model.named_parameters():
        value = parameter.detach().numpy()
        parts = name.split(".")
        if parts[1] == "layers":
            key = f"blk.{parts[2]}.{back['.'.join(parts[3:-1])]}.{parts[-1]}"
        else:
            key = f"{back['.'.join(parts[:-1])]}.{parts[-1]}"
        if KINDS[case] == "llama" and parts[-2] in ("q_proj", "k_proj"):
            # Its rows go from halves to pairs: number 2 i was i, number 2 i + 1 was i + size / 2.
            size = model.config.head_dim
            halves = value.reshape(-1, 2, size // 2, *value.shape[1:])
            value = np.moveaxis(halves, 1, 2).reshape(value.shape)
        out[key] = value + 1 if "gemma" in case and "norm" in key else value
    return out


def file(case: str, extra: dict[str, Any] | None = None, **changes: Any) -> bytes:
    infos, data = [], b""
    for name, value in {**tensors(case), **(extra or {})}.items():
        infos.append(info(name, value.shape, 0, len(data)))
        data += np.ascontiguousarray(value, np.float32).tobytes()
        data += bytes(-len(data) % 32)
    return file_of([*settings(case, **changes), *vocabulary()], infos, data)


def logits(model: Any) -> Any:
    with lamina.no_grad():
        return model(lamina.from_numpy(IDS)).logits.numpy()


@pytest.mark.parametrize("case", KINDS)
def test_a_file_holds_the_same_model(case: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(file(case))
    model, tokenizer = load_gguf_model(path)
    assert type(model) is type(make(case)) and not model.training
    expected = make(case)
    for layer in expected.model.layers if case == "gemma2" else ():
        layer.self_attn.scale = 12**-0.5  # files do not say it
    np.testing.assert_allclose(logits(model), logits(expected), atol=1e-5)
    assert isinstance(tokenizer, BPETokenizer) and tokenizer.encode("hi<|end|>") == [97, 98]
    assert model.config.eos_token_id == 98
    assert (logits(model_from_pretrained(path)) == logits(model)).all()
    assert tokenizer_from_pretrained(path).encode("hi") == [97]


def test_factors_of_frequencies(tmp_path: Path) -> None:
    """A factor on every frequency is the linear scaling."""
    path = tmp_path / "model.gguf"
    extra = {"rope_freqs.weight": np.full(4, 2.5)}
    path.write_bytes(file("llama", extra, **{"rope.freq_base": 500.0}))
    np.testing.assert_allclose(logits(load_gguf_model(path)[0]), logits(make("llama-linear")), atol=1e-5)
    path.write_bytes(file("llama", {"rope_freqs.weight": np.zeros(4)}))
    with pytest.raises(lamina.FileFormatError, match="expected 4 positive factors"):
        load_gguf_model(path)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"attention.head_count": 5}, "num_attention_heads=5"),
        ({"attention.head_count_kv": 3}, "num_key_value_heads=3"),
        ({"attention.head_count": 0}, "num_attention_heads must be a positive"),
        ({"block_count": 2}, "layers.2"),
        ({"block_count": 5}, "the file lacks model.layers.3"),
        ({"embedding_length": 64}, "by the configuration"),
        ({"feed_forward_length": 47}, r"\(48, 32\) in the file, \(47, 32\)"),
        ({"rope.dimension_count": 4}, "4 of 8 numbers of a head"),
        ({"embedding_length": None}, "does not say hidden_size"),
        ({"rope.freq_base": -5.0}, "rope_theta"),
    ],
)
def test_metadata_that_does_not_fit(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(file("llama", **changes))
    with pytest.raises(lamina.FileFormatError, match=message):
        load_gguf_model(path)


def test_unknown_tensors_architectures_and_truncation(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(file("llama", {"blk.0.attn_sinks.weight": np.zeros(4)}))
    with pytest.raises(lamina.FileFormatError, match=r"unknown tensor 'blk\.0\.attn_sinks\.weight'"):
        load_gguf_model(path)
    whole = file("llama")
    path.write_bytes(whole.replace(b"llama", b"mamba"))
    with pytest.raises(lamina.FileFormatError, match="architecture 'mamba' is none of"):
        load_gguf_model(path)
    for length in [0, 3, 8, 23, 24, *range(25, len(whole), len(whole) // 40), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(lamina.FileFormatError):
            load_gguf_model(path)
    with pytest.raises(TypeError, match="takes no changes"):
        model_from_pretrained(path, vocab_size=3)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"tokens": None}, "no vocabulary"),
        ({"tokens": [1, 2]}, "no vocabulary"),
        ({"model": "magic"}, "neither gpt2 nor llama"),
        ({"merges": None}, "no merges"),
        ({"merges": ["ab"]}, "merge 0 is no pair"),
        ({"token_type": [1]}, "one type for each token"),
        ({"eos_token_id": 7}, "the eos token is 7, but there are 2"),
        ({"pre": "gpt-9"}, "unknown way to cut"),
        ({"model": "llama", "scores": [1.0]}, "2 tokens, but 1 scores"),
    ],
)
def test_vocabularies_that_cannot_be(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"model": "gpt2", "tokens": ["a", "b"], "merges": []}
    said = {f"tokenizer.ggml.{key}": value for key, value in {**good, **change}.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        tokenizer_of(said)


def test_there_are_cases_of_every_pairing() -> None:
    assert {CASES[case][1] for case in KINDS} >= {"LlamaConfig", "Qwen3Config", "Gemma2Config"}
