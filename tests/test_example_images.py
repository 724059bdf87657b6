"""The second lesson, examples/cifar_style.py, run as a reader runs it: it learns, saves and draws."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lamina

EXAMPLE = Path(__file__).resolve().parents[1] / "examples/cifar_style.py"


def test_it_learns_saves_and_draws(tmp_path: Path) -> None:
    for name in ("skimage", "PIL", "tqdm", "matplotlib"):
        pytest.importorskip(name)
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, str(EXAMPLE), "--epochs", "2", "--threads", "2", "--out", str(tmp_path)]
    finished = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert "176,026 trainable" in finished.stdout
    epochs = re.findall(r"^epoch +(\d+): .*test accuracy ([\d.]+)%", finished.stdout, flags=re.M)
    assert [int(number) for number, _ in epochs] == [1, 2]
    assert float(epochs[1][1]) > 45.0  # of ten classes
    state = lamina.load(tmp_path / "small_resnet.safetensors")
    assert tuple(state["conv1.weight"].shape) == (16, 3, 5, 5)
    for name in ("squares", "filters", "feature_maps", "grad_cam"):
        picture = (tmp_path / f"{name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG") and len(picture) > 5_000


def test_no_square_is_both_learned_and_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE.parent))
    import cifar_style

    numbers = np.arange(200 * 260).reshape(200, 260)
    learned, examined = cifar_style.squares(numbers, 0)
    assert len(learned) == 300 and len(examined) == 60
    assert all(square.shape == (32, 32) for square in learned + examined)
    assert not set(np.concatenate(learned).ravel()) & set(np.concatenate(examined).ravel())
