"""Building blocks of text models: positions, masks, activations and the cache, against NumPy in float64."""

from __future__ import annotations

import doctest
import importlib
import math
import pkgutil
from typing import Any

import numpy as np
import pytest

import lamina
import lamina.models as models
from lamina.models.text import (
    GatedMLP,
    KVCache,
    RelativePositionBias,
    RotaryEmbedding,
    alibi_bias,
    alibi_slopes,
    apply_rotary,
    attend,
    causal_mask,
    inverse_frequencies,
    sinusoidal_positions,
)
from lamina.models.text.activation import activation

FILES = sorted(info.name for info in pkgutil.walk_packages(models.__path__, "lamina.models."))
# These load what only a user has: folders with weights.
READS_FILES = {
    "Conversation",
    "from_pretrained",
    "load_gguf_model",
    "model_from_pretrained",
    "tokenizer_from_pretrained",
}


@pytest.mark.parametrize("name", [name for name in FILES if ".text" in name or name.count(".") == 2])
def test_examples_run(name: str) -> None:
    module = importlib.import_module(name)
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    for test in finder.find(module, extraglobs={"lamina": lamina}):
        if test.name.split(".")[-1] not in READS_FILES:
            runner.run(test)
    assert runner.summarize().failed == 0


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("size", [8, 12])
def test_rotary_is_a_turn_of_complex_numbers(interleaved: bool, size: int) -> None:
    """Written as Su et al. do: pair number i times exp(i p f_i)."""
    x = np.random.standard_normal((2, 3, 5, size))
    rotary = RotaryEmbedding(8, 100.0, interleaved=interleaved)
    cosine, sine = rotary.span(3, 8)
    found = rotary(lamina.from_numpy(x), cosine.double(), sine.double()).numpy()
    first, second = (x[..., 0:8:2], x[..., 1:8:2]) if interleaved else (x[..., :4], x[..., 4:8])
    turned = (first + 1j * second) * np.exp(1j * np.arange(3, 8)[:, None] * 100.0 ** -(np.arange(4) / 4))
    expected = x.copy()
    if interleaved:
        expected[..., 0:8:2], expected[..., 1:8:2] = turned.real, turned.imag
    else:
        expected[..., :4], expected[..., 4:8] = turned.real, turned.imag
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rotary_products_depend_on_the_distance_alone_and_have_gradients() -> None:
    rotary = RotaryEmbedding(16)
    q, k = lamina.randn(1, 1, 1, 16), lamina.randn(1, 1, 1, 16)

    def product(i: int, j: int) -> float:
        return float((rotary(q, *rotary.span(i, i + 1)) * rotary(k, *rotary.span(j, j + 1))).sum())

    assert abs(product(3, 1) - product(1003, 1001)) < 1e-3
    x = lamina.randn(2, 3, 4, dtype=lamina.float64, requires_grad=True)
    for interleaved in (False, True):
        tables = [t.double() for t in RotaryEmbedding(4).span(0, 3)]
        turn = lambda x, tables=tables, pairs=interleaved: apply_rotary(x, *tables, pairs)  # noqa: E731
        assert lamina.autograd.gradcheck(turn, (x,))


def test_long_positions_keep_their_precision() -> None:
    """In float32 the angle itself would be wrong by 0.03 at position one million."""
    cosine, _ = RotaryEmbedding(4).tables(lamina.tensor([1_000_003]))
    np.testing.assert_allclose(cosine[0].numpy(), np.cos(1_000_003 * np.array([1.0, 0.01])), atol=1e-6)


def test_scalings_by_their_formulas() -> None:
    plain = 10000.0 ** -(np.arange(0, 64, 2) / 64)
    linear, _ = inverse_frequencies(64, scaling={"type": "linear", "factor": 4})
    np.testing.assert_allclose(linear, plain / 4)
    dynamic = {"rope_type": "dynamic", "factor": 2.0, "original_max_position_embeddings": 100}
    np.testing.assert_allclose(inverse_frequencies(64, scaling=dynamic, length=90)[0], plain)
    grown, _ = inverse_frequencies(64, scaling=dynamic, length=300)
    np.testing.assert_allclose(grown, (10000 * 5 ** (64 / 62)) ** -(np.arange(0, 64, 2) / 64))
    yarn = {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 4096}
    found, magnitude = inverse_frequencies(64, scaling=yarn)
    assert abs(magnitude - (0.1 * math.log(8) + 1)) < 1e-12
    turns = 4096 * plain / (2 * math.pi)  # fast planes stay, slow ones are stretched
    np.testing.assert_allclose(found[turns > 40], plain[turns > 40])
    np.testing.assert_allclose(found[turns < 0.7], plain[turns < 0.7] / 8)
    assert (np.diff(found) < 0).all()
    llama3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    found, _ = inverse_frequencies(64, scaling={**llama3, "original_max_position_embeddings": 4096})
    np.testing.assert_allclose(found[turns > 4], plain[turns > 4])
    np.testing.assert_allclose(found[turns < 1], plain[turns < 1] / 8)


def test_sinusoids_and_alibi() -> None:
    table = sinusoidal_positions(20, 6).numpy()
    for p, i in ((3, 0), (17, 2), (19, 4)):
        assert abs(table[p, i] - math.sin(p / 10000 ** (i / 6))) < 1e-6
        assert abs(table[p, i + 1] - math.cos(p / 10000 ** (i / 6))) < 1e-6
    split = sinusoidal_positions(20, 6, split=True).numpy()
    np.testing.assert_array_equal(split, np.concatenate([table[:, 0::2], table[:, 1::2]], 1))
    # The slopes that the paper and its published code give for 8 and for 12 heads.
    np.testing.assert_allclose(alibi_slopes(8).numpy(), 2.0 ** -np.arange(1, 9))
    np.testing.assert_allclose(alibi_slopes(12).numpy()[8:], 2.0 ** -np.array([0.5, 1.5, 2.5, 3.5]))
    whole = alibi_bias(2, 4).numpy()
    np.testing.assert_allclose(alibi_bias(2, 1, 4).numpy()[:, 0], whole[:, 3])
    assert whole[0, 3, 1] == -2 / 16


def test_buckets_of_distances() -> None:
    """By the words of the paper: half of the buckets for single steps, the rest logarithmic to 128."""
    bias = RelativePositionBias(1, bidirectional=False)
    bias.relative_attention_bias.weight.data.copy_(lamina.arange(32.0)[:, None])
    found = bias(1, 200, start=199)[0, 0, 0].detach().numpy()[::-1]  # by distance
    assert found[:16].tolist() == list(range(16))
    borders = 16 * 8 ** (np.arange(1, 16) / 16)  # where the next bucket begins
    for k, border in enumerate(borders):
        assert found[math.ceil(border - 1e-3) - 1] == 16 + k and found[math.ceil(border + 1e-3)] == 17 + k
    assert (found[128:] == 31).all()
    both = RelativePositionBias(1, bidirectional=True)
    both.relative_attention_bias.weight.data.copy_(lamina.arange(32.0)[:, None])
    row = both(3, 3)[0, 0, 1].tolist()
    assert row == [1.0, 0.0, 17.0]


def test_masks() -> None:
    assert causal_mask(4, 4) == (None, True) and causal_mask(1, 9) == (None, False)
    padding = lamina.tensor([[0, 1, 1, 1]])[:, None, None] != 0
    for length in (1, 2, 4):
        for pad in (None, padding):
            for window in (None, 2, 9):
                mask, causal = causal_mask(length, 4, pad, window)
                i, j = np.indices((length, 4))
                behind = i + 4 - length - j
                expected = (behind >= 0) & (behind < (window or 99))
                if pad is not None:
                    expected = expected & np.array([False, True, True, True])
                if mask is None:
                    assert expected.all() or causal
                else:
                    full = np.broadcast_to(mask.numpy(), (1, 1, length, 4))[0, 0]
                    assert (full == expected).all() and not causal


@pytest.mark.parametrize("causal, kind", [(False, "none"), (True, "none"), (False, "bool"), (False, "float")])
def test_attention_with_and_without_weights(causal: bool, kind: str) -> None:
    q, k, v = lamina.randn(2, 4, 5, 8), lamina.randn(2, 2, 5, 8), lamina.randn(2, 2, 5, 8)
    mask: Any = None
    if kind == "bool":
        mask = lamina.rand(2, 1, 5, 5) > 0.4
        mask[0, 0, 2] = False  # a query that sees nothing
    elif kind == "float":
        mask = lamina.randn(1, 4, 5, 5)
    fused, _ = attend(q, k, v, mask, causal, scale=0.3)
    plain, weights = attend(q, k, v, mask, causal, scale=0.3, need_weights=True)
    np.testing.assert_allclose(fused.numpy(), plain.numpy(), atol=1e-5)
    q64, k64, v64 = (x.double().numpy() for x in (q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)))
    for cap in (None, 0.5):
        scores = q64 @ k64.swapaxes(-1, -2) * 0.3
        scores = scores if cap is None else np.tanh(scores / cap) * cap
        if causal:
            scores = np.where(np.tril(np.ones((5, 5))) > 0, scores, -np.inf)
        elif kind == "bool":
            scores = np.where(mask.numpy(), scores, -np.inf)
        elif kind == "float":
            scores = scores + mask.numpy()
        with np.errstate(invalid="ignore"):
            chances = np.exp(scores - scores.max(-1, keepdims=True))
            chances = np.nan_to_num(chances / chances.sum(-1, keepdims=True))
        found, weights = attend(q, k, v, mask, causal, scale=0.3, need_weights=True, softcap=cap)
        assert weights is not None
        np.testing.assert_allclose(weights.numpy(), chances, atol=1e-5)
        np.testing.assert_allclose(found.numpy(), chances @ v64, atol=1e-5)


def test_activations_and_gates() -> None:
    x = lamina.linspace(-3, 3, 31)
    z = x.double().numpy()
    erf = np.vectorize(math.erf)
    cube = np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))
    laws = {
        "gelu": z * (1 + erf(z / math.sqrt(2))) / 2,
        "gelu_new": z * (1 + cube) / 2,
        "quick_gelu": z / (1 + np.exp(-1.702 * z)),
        "silu": z / (1 + np.exp(-z)),
        "relu": np.maximum(z, 0),
    }
    for name, law in laws.items():
        np.testing.assert_allclose(activation(name)(x).numpy(), law, atol=1e-6)
    gated = GatedMLP(4, 6, "gelu", bias=True).double()
    x = lamina.randn(3, 4, dtype=lamina.float64)
    w = {name: p.detach().numpy() for name, p in gated.named_parameters()}
    gate = x.numpy() @ w["gate_proj.weight"].T + w["gate_proj.bias"]
    up = x.numpy() @ w["up_proj.weight"].T + w["up_proj.bias"]
    law = (gate * (1 + erf(gate / math.sqrt(2))) / 2 * up) @ w["down_proj.weight"].T + w["down_proj.bias"]
    np.testing.assert_allclose(gated(x).detach().numpy(), law, atol=1e-12)


def test_the_cache() -> None:
    cache = KVCache(2, 2, 1, 4, 3)
    keys = lamina.randn(2, 1, 3, 3)
    for layer in range(2):
        cache.update(layer, keys, keys + 1)
    cache.advance(3)
    seen, values = cache.update(1, keys[:, :, :1], keys[:, :, :1])
    assert (seen == lamina.cat([keys, keys[:, :, :1]], 2)).all() and tuple(values.shape) == (2, 1, 4, 3)
    cache.advance(1)
    cache.reorder(lamina.tensor([1, 1]))
    assert (cache.keys[0][0] == cache.keys[0][1]).all()
    with pytest.raises(ValueError, match="5 tokens, but there is room for 4"):
        cache.update(0, keys[:, :, :1], keys[:, :, :1])
    cache.crop(2)
    assert cache.used == 2
    with pytest.raises(MemoryError, match=r"need \d+\.\d GB, but \d+\.\d GB are free"):
        KVCache(100, 64, 64, 1_000_000, 128)
    with pytest.raises(ValueError, match="must be positive"):
        KVCache(1, 1, 1, 0, 1)
