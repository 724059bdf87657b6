"""Tries an installed wheel in an environment that has NumPy and nothing else: python -I tests/smoke.py WHEEL.

`make wheel` runs it from outside of the source tree. It proves that the wheel is whole; that its results are
right is proved by the test suite.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

MAX_WHEEL_MB = 5.0

IMPORT_COST = Path(__file__).resolve().parents[1] / "bench/import_cost.py"


def main() -> None:
    if len(sys.argv) == 1:
        train()
        return
    wheel = Path(sys.argv[1])
    check_environment()
    import_every_module()
    for isa in ("", "scalar"):  # the best this machine runs, and the one that every machine runs
        environment = {**os.environ, "LAMINA_ISA": isa} if isa else dict(os.environ)
        subprocess.run([sys.executable, "-I", __file__], check=True, env=environment)
    report(wheel)


def check_environment() -> None:
    import lamina

    assert Path(lamina.__file__).is_relative_to(sys.prefix), f"lamina comes from {lamina.__file__}"
    installed = {d.metadata["Name"].lower() for d in importlib.metadata.distributions()}
    assert installed <= {"lamina", "numpy", "pip", "setuptools"}, f"more than NumPy is installed: {installed}"
    assert importlib.metadata.version("lamina") == lamina.version.lamina


def import_every_module() -> None:
    import lamina

    names = [module.name for module in pkgutil.walk_packages(lamina.__path__, "lamina.")]
    for name in names:
        if name.endswith("__main__"):
            continue
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != "einops":  # whose classes the bridge to it derives from
                raise
    print(f"{len(names)} modules import with NumPy alone")


def train() -> None:
    """A small network learns exclusive or, survives its file, and refuses a wrong shape."""
    import lamina
    from lamina import nn

    lamina.manual_seed(0)
    x = lamina.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    label = lamina.tensor([0, 1, 1, 0])
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    optimizer = lamina.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), label)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05, f"the loss is still {loss.item()}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        lamina.save(model.state_dict(), path)
        copy = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
        copy.load_state_dict(lamina.load(path))
    assert model(x).argmax(1).tolist() == copy(x).argmax(1).tolist() == label.tolist()
    try:
        model(lamina.ones(4, 3))
    except lamina.ShapeError as error:
        print(f"trained to a loss of {loss.item():.4f}; a wrong shape raises: {error}")
    else:
        raise AssertionError("a wrong shape did not raise")


def report(wheel: Path) -> None:
    command = [sys.executable, "-I", IMPORT_COST, "lamina"]
    runs = [subprocess.check_output(command, text=True).split() for _ in range(5)]
    milliseconds, megabytes = (min(map(float, column)) for column in zip(*runs, strict=True))
    print(f"import lamina over import numpy: {milliseconds:.1f} ms, {megabytes:.1f} MB")
    size = wheel.stat().st_size / 1e6
    print(f"{wheel.name}: {size:.2f} MB")
    if size > MAX_WHEEL_MB:
        sys.exit(f"the wheel is over {MAX_WHEEL_MB:.0f} MB")


if __name__ == "__main__":
    main()
