"""Phi-3, whose layers of one input are one layer: the same as a Llama with its weights cut apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.models.text import (
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    model_from_pretrained,
)
from text_model import IDS, LLAMA, MASK, fill


def packed(**changes: Any) -> Any:
    model = Phi3ForCausalLM(Phi3Config.from_dict({**LLAMA, **changes})).eval()
    with lamina.no_grad():
        fill(model.named_parameters(), lambda parameter, values: parameter.copy_(lamina.from_numpy(values)))
    return model


def apart(model: Any) -> Any:
    """A Llama with the same weights."""
    state = {}
    for name, value in model.state_dict().items():
        if "qkv_proj" in name:
            for part, rows in zip("qkv", value.split([32, 16, 16]), strict=True):
                state[name.replace("qkv_proj", f"{part}_proj")] = rows
        elif "gate_up_proj" in name:
            for part, rows in zip(("gate", "up"), value.split(48), strict=True):
                state[name.replace("gate_up_proj", f"{part}_proj")] = rows
        else:
            state[name] = value
    other = LlamaForCausalLM(
        LlamaConfig.from_dict({**LLAMA, "rms_norm_eps": model.config.rms_norm_eps})
    ).eval()
    other.load_state_dict(state)
    return other


def test_it_is_a_llama_whose_weights_are_packed(tmp_path: Path) -> None:
    model = packed()
    other = apart(model)
    ids, mask = lamina.from_numpy(IDS), lamina.from_numpy(MASK)
    with lamina.no_grad():
        ours, theirs = (each(ids, attention_mask=mask).logits.numpy()[MASK > 0] for each in (model, other))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    written = [each.generate(ids[:1], max_new_tokens=8, eos_token_id=[]).tolist() for each in (model, other)]
    assert written[0] == written[1]
    model.save_pretrained(tmp_path)
    again = model_from_pretrained(tmp_path)
    assert type(again) is Phi3ForCausalLM and (again(ids).logits == model(ids).logits).all()


def test_its_window_hides_what_is_far() -> None:
    near, far = lamina.from_numpy(IDS[:1]), lamina.from_numpy(IDS[:1].copy())
    far[0, 0] = 1
    with lamina.no_grad():
        for window, same in ((None, False), (2, True)):
            model = packed(sliding_window=window, num_hidden_layers=1)
            last = [model(ids).logits[0, -1] for ids in (near, far)]
            assert bool((last[0] == last[1]).all()) == same


@pytest.mark.parametrize("long", [[1.0] * 3, [1.0, 1.0, 1.0, 0.0], None, "1111"])
def test_its_scaling_is_refused_by_name(long: Any) -> None:
    with pytest.raises(lamina.ShapeError, match="long_factor must hold 4 positive numbers"):
        packed(rope_scaling={"type": "longrope", "short_factor": [1.0] * 4, "long_factor": long})
