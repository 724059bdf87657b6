"""Folders as they lie on the hub: what generation_config.json says, heads apart, names of kin, long texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
import lamina.models.text as text
from lamina.io import safetensors
from text_model import IDS, make


def folder(case: str, path: Path, **files: dict[str, Any]) -> Path:
    """A model of ``text_model`` on disk, with JSON files changed or added."""
    make(case).save_pretrained(path)
    for name, content in files.items():
        file = path / f"{name}.json"
        before = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**before, **content}))
    return path


def write(model: Any, **options: Any) -> list[int]:
    return model.generate(lamina.from_numpy(IDS[:1]), max_new_tokens=8, **options)[0].tolist()


def test_generation_config_says_where_texts_end(tmp_path: Path) -> None:
    free = write(make("llama"))
    ends = [98, free[len(IDS[0]) + 3]]
    path = folder("llama", tmp_path, generation_config={"eos_token_id": ends, "do_sample": True})
    model = lamina.models.text.model_from_pretrained(path)
    stopped = write(model)
    assert stopped == free[: free.index(ends[1], len(IDS[0])) + 1] and len(stopped) < len(free)
    assert write(model, eos_token_id=[]) == free
    model.save_pretrained(tmp_path / "again")
    assert write(text.LlamaForCausalLM.from_pretrained(tmp_path / "again")) == stopped
    assert write(text.LlamaForCausalLM.from_pretrained(path, eos_token_id=97)) == free


def test_generation_config_says_what_is_forced(tmp_path: Path) -> None:
    path = folder("bart", tmp_path, generation_config={"forced_bos_token_id": 7, "decoder_start_token_id": 5})
    ids = write(text.BartForConditionalGeneration.from_pretrained(path), eos_token_id=[])
    assert ids[:2] == [5, 7] and ids[-1] != 2  # the end that config.json forces is not named here
    assert write(make("bart"), eos_token_id=[])[-1] == 2


@pytest.mark.parametrize("value", ["5", 1.5, [1, None], True, 1 << 40])
def test_a_broken_generation_config_is_refused(value: Any, tmp_path: Path) -> None:
    path = folder("llama", tmp_path, generation_config={"eos_token_id": value})
    with pytest.raises(
        lamina.FileFormatError, match=r"generation_config\.json: eos_token_id must be a token"
    ):
        text.LlamaForCausalLM.from_pretrained(path)


@pytest.mark.parametrize(
    "case, head, table",
    [
        ("t5", "lm_head.weight", "shared.weight"),
        ("llama-biased-tied", "lm_head.weight", "model.embed_tokens.weight"),
    ],
)
def test_a_head_of_its_own_is_not_tied(case: str, head: str, table: str, tmp_path: Path) -> None:
    """config.json ties them (transformers writes so of T5 1.1), but the file has both, and they differ."""
    path = folder(case, tmp_path)
    state = lamina.load(path / "model.safetensors")
    own = lamina.randn(state[table].shape) if table in state else lamina.randn(99, 32)
    state = {**state, head: own}
    safetensors.save_file(state, path / "model.safetensors")
    model = text.model_from_pretrained(path)
    assert (model.lm_head.weight == own).all()
    assert (model.get_parameter(table) == state[table]).all()
    state[head] = state[table].clone()
    safetensors.save_file(state, path / "model.safetensors")
    model = text.model_from_pretrained(path)
    assert model.lm_head.weight is model.get_parameter(table)


@pytest.mark.parametrize("kin", ["XLMRoberta", "Camembert"])
def test_kin_of_roberta(kin: str, tmp_path: Path) -> None:
    kinds = {"XLMRoberta": "xlm-roberta", "Camembert": "camembert"}
    config = {"architectures": [f"{kin}ForMaskedLM"], "model_type": kinds[kin]}
    model = text.model_from_pretrained(folder("roberta-mlm", tmp_path, config=config))
    assert type(model) is text.RobertaForMaskedLM
    folder("roberta", tmp_path, config={"architectures": ["Unknown"], "model_type": kinds[kin]})
    assert type(text.model_from_pretrained(tmp_path)) is text.RobertaModel


@pytest.mark.parametrize("left", [0, 3])
def test_a_text_that_grows_long_turns_as_one_that_was(left: int) -> None:
    """Beyond 12 tokens longrope's other factors hold for all of them, those in the cache included."""
    model = make("phi3-short")
    ids = lamina.from_numpy(np.pad(IDS, ((0, 0), (left, 0)), constant_values=0))
    mask = lamina.from_numpy(np.pad(np.ones_like(IDS), ((0, 0), (left, 0)), constant_values=0))
    written = model.generate(ids, mask, max_new_tokens=8)
    for _ in range(8):
        places = (mask.cumsum(1) - 1).clamp(min=0)
        with lamina.no_grad():
            logits = model(ids, attention_mask=mask, position_ids=places).logits[:, -1]
        ids = lamina.cat([ids, logits.argmax(-1, keepdim=True)], 1)
        mask = lamina.cat([mask, lamina.ones(2, 1, dtype=lamina.int64)], 1)
    assert (written == ids).all()
