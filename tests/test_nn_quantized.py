"""Weights in blocks of few bits: products against the numbers that blocks stand for, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.io.gguf_block import BY_NAME, dequantize
from lamina.nn import quantized
from nn_check import array


def random_blocks(type: str, rows: int, columns: int) -> Any:
    """Any bytes are blocks; their scales are made to be of ordinary size."""
    block, generator = BY_NAME[type], np.random.default_rng(3)
    blocks = generator.integers(0, 256, (rows, columns // block.numbers, block.bytes), np.uint8)
    scales = {"Q4_0": [0], "Q4_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q6_K": [208]}[type]
    for at in scales:
        half = generator.uniform(-0.02, 0.02, (*blocks.shape[:2], 1)).astype(np.float16)
        blocks[..., at : at + 2] = half.view(np.uint8)
    return blocks.reshape(rows, -1)


@pytest.mark.parametrize("type", quantized.FIELDS)
@pytest.mark.parametrize("rows", [(), (1,), (2, 3), (9,)])
def test_products_are_those_of_the_numbers(type: str, rows: Any) -> None:
    blocks = random_blocks(type, 37, 512)
    weight = dequantize(BY_NAME[type], blocks).reshape(37, 512).astype(np.float64)
    bias, x = array(37, seed=1).astype(np.float32), array(*rows, 512, seed=2).astype(np.float32)
    layer = quantized.Linear.from_blocks(type, lamina.from_numpy(blocks), 512, lamina.from_numpy(bias))
    y = layer(lamina.from_numpy(x)).numpy()
    # x is two rows of bytes, 32 to a scale: what is lost is 1/64516 of the largest of 32.
    size = np.abs(x) @ np.abs(weight).T
    assert np.abs(y - (x @ weight.T + bias)).max() < 3e-5 * size.max()
    assert np.array_equal(layer.dequantize().numpy(), weight.astype(np.float32))
    single = [layer(lamina.from_numpy(row)).numpy() for row in x.reshape(-1, 512)]
    assert np.array_equal(np.array(single), y.reshape(-1, 37))


def test_one_large_number_does_not_drown_the_others() -> None:
    """Language models have such numbers; in one byte the others beside 1000 would be rounded to 0 or 8."""
    blocks = random_blocks("Q4_1", 16, 32)
    weight = dequantize(BY_NAME["Q4_1"], blocks).reshape(16, 32).astype(np.float64)
    x = array(32, seed=2).astype(np.float32)
    x[5] = 1000.0
    y = quantized.Linear.from_blocks("Q4_1", lamina.from_numpy(blocks), 32)(lamina.from_numpy(x)).numpy()
    others = np.delete(x, 5) @ np.delete(weight, 5, 1).T
    assert np.abs(y - weight[:, 5] * 1000 - others).max() < 0.02 * np.abs(others).max()


@pytest.mark.parametrize(("type", "error"), [("int8", 0.03), ("q4_0", 0.15), ("q4_1", 0.12)])
def test_a_model_is_quantised_in_place(type: str, error: float) -> None:
    lamina.manual_seed(0)
    model = nn.Sequential(nn.Linear(50, 70), nn.ReLU(), nn.Sequential(nn.Linear(70, 10, bias=False)))
    x = lamina.randn(4, 50)
    right = model(x).detach().numpy()
    assert quantized.quantize_(model, type) is model
    with lamina.no_grad():
        y = model(x).numpy()
    assert 0 < np.abs(y - right).max() < error * np.abs(right).max()
    assert list(model.state_dict()) == ["0.blocks", "0.bias", "2.0.blocks"]
    again = nn.Sequential(quantized.Linear(50, 70, type=quantized.WORDS[type]))
    again[0].load_state_dict(model[0].state_dict())
    assert np.array_equal(again[0](x).numpy(), model[0](x).numpy())
    assert list(model.parameters()) == []


def test_rounding_is_to_the_nearest_number_that_a_block_has() -> None:
    weight = array(3, 64).astype(np.float32)
    for type, steps in (("Q8_0", 254), ("Q4_0", 15), ("Q4_1", 15)):
        found = dequantize(BY_NAME[type], quantized.quantize(weight, type)).reshape(3, 64)
        step = (weight.reshape(3, 2, 32).max(-1) - weight.reshape(3, 2, 32).min(-1)).max() / steps
        assert np.abs(found - weight).max() <= step * (1.1 if type == "Q4_0" else 0.75)
    zero = quantized.Linear.from_float(nn.Linear(32, 4).requires_grad_(False))
    assert zero(lamina.zeros(1, 32)).shape == (1, 4)


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    layer = quantized.Linear.from_float(nn.Linear(512, 700), "Q4_0")
    x, threads, found = lamina.randn(3, 512), lamina.get_num_threads(), []
    for count in (1, 3):
        lamina.set_num_threads(count)
        found.append(layer(x).numpy().tobytes())
    lamina.set_num_threads(threads)
    assert found[0] == found[1]


def test_what_is_not_a_number_stays_in_its_row() -> None:
    layer = quantized.Linear.from_float(nn.Linear(64, 5))
    x = lamina.randn(3, 64)
    x[1, 40] = float("nan")
    y = layer(x)
    assert y[1].isnan().all()
    assert y[[0, 2]].isfinite().all()


def test_embedding_reads_rows() -> None:
    blocks = random_blocks("Q4_K", 9, 256)
    layer = quantized.Embedding("Q4_K", lamina.from_numpy(blocks), 256)
    wanted = dequantize(BY_NAME["Q4_K"], blocks).reshape(9, 256)
    assert np.array_equal(layer(lamina.tensor([[8, 0, 8]])).numpy(), wanted[[[8, 0, 8]]])
    with pytest.raises(IndexError):
        layer(lamina.tensor([9]))


def test_what_does_not_fit_is_refused() -> None:
    layer = quantized.Linear(64, 5)
    with pytest.raises(ValueError, match="quantized_linear"):
        layer(lamina.ones(2, 32))
    with pytest.raises(TypeError, match="floating"):
        layer(lamina.ones(2, 64, dtype=lamina.int64))
    with pytest.raises(RuntimeError, match="derivative"):
        layer(lamina.ones(2, 64).requires_grad_())
    with pytest.raises(ValueError, match="type"):
        quantized.Linear(64, 5, type="Q3_K")
    with pytest.raises(ValueError, match="rows of"):
        quantized.Linear.from_blocks("Q8_0", lamina.zeros(5, 33, dtype=lamina.uint8), 32)
    with pytest.raises(ValueError, match="q4_0"):
        quantized.quantize_(nn.Sequential(), "int3")
    with pytest.raises(ValueError, match="infinite"):
        quantized.quantize(np.full((1, 32), np.inf, np.float32), "Q8_0")
