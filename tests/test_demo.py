"""The first lesson, examples/mnist_lenet.py, run as a reader runs it: it learns, draws, repeats itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lamina

EXAMPLE = Path(__file__).resolve().parents[1] / "examples/mnist_lenet.py"


def run(out, *options):
    # Threads that spin while they wait make each other wait where other programs use the cores too.
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, str(EXAMPLE), "--out", str(out), *options]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


@pytest.fixture(scope="module")
def two_epochs(tmp_path_factory):
    for name in ("mlxtend", "tqdm", "matplotlib"):
        pytest.importorskip(name)
    out = tmp_path_factory.mktemp("demo")
    finished = run(out, "--epochs", "2", "--threads", "2")
    assert finished.returncode == 0, finished.stderr
    return out, finished


def test_it_learns_and_says_so_once_per_epoch(two_epochs):
    out, finished = two_epochs
    epochs = re.findall(r"^epoch +(\d+): .*test accuracy ([\d.]+)%", finished.stdout, flags=re.M)
    assert [int(number) for number, _ in epochs] == [1, 2]
    assert float(epochs[1][1]) > 90.0
    assert f"loaded back: test accuracy {epochs[1][1]}%" in finished.stdout
    assert str(out / "report.png") in finished.stdout and str(out / "lenet.safetensors") in finished.stdout


def test_it_leaves_a_model_and_a_picture(two_epochs):
    out, _ = two_epochs
    state = lamina.load(out / "lenet.safetensors")
    assert {name: tuple(tensor.shape) for name, tensor in state.items()}["conv2.weight"] == (32, 16, 5, 5)
    picture = (out / "report.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 20_000


def test_the_same_weights_with_one_thread(two_epochs, tmp_path):
    out, first = two_epochs
    second = run(tmp_path, "--epochs", "2", "--threads", "1")
    assert second.returncode == 0, second.stderr
    assert (tmp_path / "lenet.safetensors").read_bytes() == (out / "lenet.safetensors").read_bytes()
    assert re.findall(r"sha256 \w+", second.stdout) == re.findall(r"sha256 \w+", first.stdout)


def test_it_says_what_to_install(tmp_path):
    (tmp_path / "mlxtend.py").write_text("raise ImportError('as if it were not there')")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
    }
    finished = subprocess.run(
        [sys.executable, str(EXAMPLE)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert finished.returncode != 0 and 'pip install "lamina[demo]"' in finished.stderr
