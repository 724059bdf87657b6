"""lamina finetune, predict and bench: from folders of pictures to a classifier, run as a user does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina.models import vision

Image = pytest.importorskip("PIL.Image")


def lamina_(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "lamina", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes that colour tells apart, one broken picture, a class with one picture, and weights."""
    root = tmp_path_factory.mktemp("finetune")
    random = np.random.default_rng(0)
    for name, colour in (("red", (200, 40, 40)), ("blue", (40, 40, 200))):
        (root / "photos" / name).mkdir(parents=True)
        for i in range(12):
            pixels = np.clip(random.normal(colour, 25, (48, 56, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / "photos" / name / f"{i}.png")
    (root / "photos/red/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (root / "photos/lonely").mkdir()
    Image.new("RGB", (40, 40)).save(root / "photos/lonely/1.png")
    lamina.manual_seed(0)
    lamina.save({"state_dict": vision.squeezenet1_1().state_dict()}, root / "weights.pt")
    return root


@pytest.fixture(scope="module")
def finished(place: Path) -> tuple[Path, subprocess.CompletedProcess]:
    out = place / "model.safetensors"
    options = ("--size", 48, "--batch", 6, "--epochs", 12, "--lr", 1e-3, "--weights", place / "weights.pt")
    options += ("--workers", 0)  # with more, the crops come in no fixed order
    return out, lamina_("finetune", place / "photos", "--out", out, *options)


def test_finetune_learns_and_says_what_it_did(finished: tuple[Path, subprocess.CompletedProcess]) -> None:
    out, done = finished
    assert done.returncode == 0, done.stderr
    assert "squeezenet1_1, which told 1000 classes apart" in done.stdout
    assert "2 classes; 20 photographs to learn from, 4 to judge by" in done.stdout
    assert "epoch 12: train loss" in done.stdout and f"the classifier is {out}" in done.stdout
    assert "broken.jpg" in done.stderr and "lonely has 1 images" in done.stderr
    assert (out.with_suffix(".run") / "log.csv").read_text().count("\n") == 13


def test_predict_tells_red_from_blue(place: Path, finished: tuple[Path, subprocess.CompletedProcess]) -> None:
    photos = place / "photos"
    done = lamina_(
        "predict", finished[0], photos / "red/1.png", photos / "red/broken.jpg", photos / "blue/1.png"
    )
    lines = done.stdout.splitlines()
    assert "1.png: red" in lines[0] and "1.png: blue" in lines[1] and len(lines) == 2
    assert done.returncode == 1 and "broken.jpg" in done.stderr


def test_finetune_goes_on_to_the_same_weights(
    place: Path, finished: tuple[Path, subprocess.CompletedProcess]
) -> None:
    out = place / "again.safetensors"
    options = ("--size", 48, "--batch", 6, "--lr", 3e-3, "--weights", place / "weights.pt", "--workers", 0)
    first = lamina_("finetune", place / "photos", "--out", out, *options, "--epochs", 1, "--frozen")
    assert first.returncode == 0, first.stderr
    body = lamina.load(out)["model"]["features.0.weight"]
    assert lamina.equal(body, lamina.load(place / "weights.pt")["state_dict"]["features.0.weight"])
    more = lamina_(
        "finetune", place / "photos", "--out", out, *options, "--epochs", 1, "--frozen", "--resume"
    )
    assert more.returncode == 0 and "resumed from" in more.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("nowhere", "--weights", "weights.pt"), "no such folder"),
        (("photos/red", "--weights", "weights.pt"), "no class folder|class folder in"),
        (("photos",), "either --weights or --architecture"),
        (("photos", "--weights", "weights.pt", "--epochs", "0"), "--epochs must be at least 1"),
        (("photos", "--weights", "weights.pt", "--out", "no/where.safetensors"), "--out cannot be written"),
        (("photos", "--architecture", "resnet19"), "no constructor 'resnet19'"),
        (("photos", "--weights", "photos/red/broken.jpg"), "broken.jpg"),
    ],
)
def test_what_cannot_be_is_refused_at_once(place: Path, options: tuple[str, ...], words: str) -> None:
    given = [
        place / word if "/" in word or word in ("photos", "nowhere", "weights.pt") else word
        for word in options
    ]
    done = lamina_("finetune", *given)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert any(word in done.stderr for word in words.split("|")), done.stderr


def test_predict_refuses_other_files(place: Path) -> None:
    done = lamina_("predict", place / "weights.pt", place / "photos/red/1.png")
    assert done.returncode == 1 and "no classifier that lamina finetune wrote" in done.stderr


def test_bench_prints_its_rows() -> None:
    done = lamina_("bench", "--seconds", 0.01, "--threads", 1)
    assert done.returncode == 0 and "1 threads" in done.stdout
    assert [line.split()[-1] for line in done.stdout.splitlines()[1:]] == ["GFLOP/s"] * 3 + ["GB/s"] * 3
