"""What every test stands on: a seed of its own, and a heading that says what is being tested."""

from __future__ import annotations

import importlib.util
import signal

import hypothesis
import numpy as np
import pytest

import lamina

# Timings vary with the machine; examples must not, or a failure could not be looked at again.
hypothesis.settings.register_profile("lamina", deadline=None, derandomize=True)
hypothesis.settings.load_profile("lamina")
# A shell's background jobs ignore Ctrl-C, and would hand that on to the tests of Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def seed() -> None:
    lamina.manual_seed(0)
    np.random.seed(0)


def pytest_report_header() -> str:
    torch = (
        "PyTorch is installed" if importlib.util.find_spec("torch") else "no PyTorch: its tests are skipped"
    )
    isa, threads = lamina._core.isa(), lamina.get_num_threads()
    return f"lamina {lamina.version.lamina}, {isa}, {threads} threads, {torch}"
