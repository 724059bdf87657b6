"""The core's whole stack of layers against the layers run one by one, plain and quantised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import _core
from lamina.models.text import LlamaConfig, LlamaForCausalLM
from lamina.models.text.plan import lay_out, plan_of, products
from lamina.nn import quantized
from text_model import IDS, LLAMA, make

KINDS = ("mistral", "phi3", "phi3-short", "qwen2", "qwen3", "gemma", "gemma3")
PIECES = (4, 1, 3, 1)  # tokens that are read together


def read(model: Any, planned: bool, mask: Any = None) -> list[Any]:
    """The logits after each piece, with the whole stack or, where gradients could be asked for, without."""
    cache = model.make_cache(2, 9)
    found, start = [], 0
    for count in PIECES:
        ids = lamina.from_numpy(IDS[:, start : start + count])
        start += count
        seen = None if mask is None else lamina.from_numpy(mask[:, :start])
        places = None
        if seen is not None:
            places = (seen.cumsum(1) - 1).clamp(min=0)[:, -count:]
        with lamina.set_grad_enabled(False):
            if not planned:
                cache.plan = None
            out = model(ids, attention_mask=seen, position_ids=places, past_key_values=cache)
        found.append(out.logits.numpy())
    assert (cache.plan is not None) == planned
    return found


def check(model: Any, tolerance: float = 1e-5) -> None:
    """Quantised layers round what goes in, so that a last bit can become a 1/64516 of a group's largest."""
    left = np.array([[1] * 9, [0, 0] + [1] * 7])
    for mask in (None, left):
        for whole, single in zip(read(model, True, mask), read(model, False, mask), strict=True):
            hidden = 0 if mask is None else 2  # what padding says of itself nobody reads
            real = slice(None) if single.shape[1] < 4 else slice(hidden, None)
            np.testing.assert_allclose(whole[:, real], single[:, real], atol=tolerance)


@pytest.mark.parametrize(
    "case",
    ["llama", "llama-biased-tied", "llama-linear", "llama-yarn", "llama-dynamic", *KINDS],
)
def test_the_whole_stack_is_its_layers(case: str) -> None:
    check(make(case))


@pytest.mark.parametrize("type", ["q8_0", "q4_0", "q4_1"])
@pytest.mark.parametrize("joined", [False, True])
def test_quantised_layers_in_the_stack(type: str, joined: bool) -> None:
    model = LlamaForCausalLM(LlamaConfig.from_dict({**LLAMA, "hidden_size": 64, "head_dim": 16})).eval()
    quantized.quantize_(model, type)
    if joined:
        before = [layer.mlp.up_proj.blocks.clone() for layer in model.model.layers]
        lay_out(model)
        for layer, blocks in zip(model.model.layers, before, strict=True):
            assert (layer.mlp.up_proj.blocks == blocks).all()
    count = len(products(model.model.layers[0].self_attn, "q_proj", "k_proj", "v_proj") or ())
    assert count == (1 if joined else 3)
    check(model, 5e-4)


def test_rows_that_fill_no_block_are_not_joined() -> None:
    model = make("llama")  # keys have 16 rows, the gate 48, but the MLP of the next has 40
    model.model.layers[0].mlp.gate_proj = lamina.nn.Linear(32, 40, bias=False)
    model.model.layers[0].mlp.up_proj = lamina.nn.Linear(32, 40, bias=False)
    model.model.layers[0].mlp.down_proj = lamina.nn.Linear(40, 32, bias=False)
    quantized.quantize_(model, "q8_0")
    lay_out(model)
    assert len(products(model.model.layers[0].mlp, "gate_proj", "up_proj") or ()) == 2
    check(model, 5e-4)


@pytest.mark.parametrize("case", ["gemma2", "phi3-partial", "smollm3", "granite", "olmo2"])
def test_what_the_stack_lacks_runs_layer_by_layer(case: str) -> None:
    assert plan_of(make(case).model) is None
    assert plan_of(make("llama").train().model) is None


def test_another_layer_in_the_place_of_one_is_seen_by_the_next_text() -> None:
    model = make("llama")
    before = model.generate(lamina.from_numpy(IDS), max_new_tokens=6)
    model.model.layers[1].mlp.up_proj = lamina.nn.Linear(32, 48, bias=False)
    after = model.generate(lamina.from_numpy(IDS), max_new_tokens=6)
    with lamina.no_grad():
        expected = model(after[:, :-1]).logits.argmax(-1)[:, -6:]
    assert (after[:, -6:] == expected).all() and (after != before).any()


def test_bad_sizes() -> None:
    with pytest.raises(ValueError, match="4 heads of size 8 cannot share 3 keys"):
        _core.Decoder(4, 3, 8, 1e-5)
    with pytest.raises(ValueError, match="cannot share"):
        _core.Decoder(4, 2, 7, 1e-5)
    plan = plan_of(make("llama").model)
    assert len(plan) == 3
    x, turns = lamina.zeros(1, 2, 32), lamina.ones(1, 2, 1, 8)
    view = [(turns, turns, None, False)]
    tables = [lamina.zeros(1, 2, 4, 8) for _ in range(3)]
    with pytest.raises(ValueError, match="3 layers, but keys of 2"):
        plan.run(x, tables[:2], tables, 0, view)
    with pytest.raises(ValueError, match="room for 4 tokens, got 3 and 2 more"):
        plan.run(x, tables, tables, 3, view)
    with pytest.raises(ValueError, match="expected keys of shape"):
        plan.run(x, [t[:, :1] for t in tables], tables, 0, view)
    with pytest.raises(ValueError, match=r"expected an input \(n, l, hidden\)"):
        plan.run(x[0], tables, tables, 0, view)
    with pytest.raises(ValueError):
        plan.run(x[:, :, :30], tables, tables, 0, [(turns, turns, None, True)])
    weight = (lamina.zeros(8, 32), None, "", 8)
    with pytest.raises(ValueError, match="have 8 numbers, but the heads ask for 64"):
        plan.add([None] * 4, None, None, [weight], weight, [weight], weight)
    heads = (lamina.zeros(64, 32), None, "", 64)
    for norms, one, kind in (([None] * 3, None, 0), ([None] * 4, lamina.ones(8), 0), ([None] * 4, None, -1)):
        with pytest.raises(ValueError, match="expected 4 normalisations"):
            plan.add(norms, one, None, [heads], weight, [weight], weight, kind)
    with pytest.raises(ValueError, match="a layer of kind 0, but 0 views"):
        plan.run(x, tables, tables, 0, [])
    with pytest.raises(ValueError, match="must be silu or gelu, got relu"):
        _core.Decoder(4, 2, 8, 1e-5, activation="relu")
