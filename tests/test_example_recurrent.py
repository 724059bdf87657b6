"""The examples about recurrent networks, run as a reader runs them, on little data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from test_example_text import PLAY, run


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_char_rnn_learns_and_writes(tmp_path: Path, cell: str) -> None:
    pytest.importorskip("tqdm")
    (tmp_path / "play.txt").write_text(PLAY * 60)
    small = ["--texts", tmp_path, "--size", 32, "--layers", 1, "--epochs", 12, "--batch", 8, "--length", 16]
    said = run("char_rnn.py", *small, "--cell", cell, "--rate", 0.01, "--write", 40, "--temperature", 0.3)
    values = [float(value) for value in re.findall(r"perplexity ([\d.]+)", said)]
    assert len(values) == 12 and values[-1] < 1.5 < values[0] < len(set(PLAY))
    assert said.count("HAMLET") == 0  # letters that the text does not have are left out of the prompt
    # What it has learnt by heart, it writes.
    assert any(word in said.split("epoch 12")[1] for word in ("question", "Hamlet", "night", "be, or not"))


def test_language_of_names_is_better_than_chance(tmp_path: Path) -> None:
    pytest.importorskip("babel")
    pytest.importorskip("tqdm")
    said = run("language_of_names.py", "--epochs", 2, "--size", 48, "--out", tmp_path, "Maďarsko")
    assert float(re.findall(r"test accuracy ([\d.]+)%", said)[-1]) > 40.0  # of 14 languages
    assert "Maďarsko: Czech" in said


def test_vanishing_gradient_vanishes_and_is_cured(tmp_path: Path) -> None:
    said = run("vanishing_gradient.py", "--steps", 60, "--size", 32, "--out", tmp_path)
    left = {
        m[1].strip(): float(m[2]) for m in re.finditer(r"^(\w.*?)\s+([\d.e+-]+)\s+[\d.e+-]+$", said, re.M)
    }
    assert left["RNN"] < 1e-4 and left["GRU"] < 1e-4
    assert left["RNN, orthogonal"] > 1e-2 and left["LSTM, forget gate open"] > 1e-2
    assert left["RNN, weights x 3"] > 1.0
    if "picture" in said:
        assert (tmp_path / "vanishing_gradient.png").read_bytes()[:4] == b"\x89PNG"
