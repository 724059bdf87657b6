"""``lamina bench``: what this machine makes of a few operations, in a quarter of a minute."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import lamina
from lamina.nn import functional as F

EXAMPLES = """\
  lamina bench --seconds 5
  lamina bench --threads 1"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--threads", type=int, help="to compute with (all cores)")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each row (1)")


def run(args: argparse.Namespace) -> int:
    """Print a row for each operation: the least time of many, and what that means."""
    if args.threads is not None:
        lamina.set_num_threads(args.threads)
    print(f"lamina {lamina.version.lamina}, {lamina._core.isa()}, {lamina.get_num_threads()} threads")
    with lamina.no_grad():
        for name, step, amount, unit in rows():
            seconds = least(step, args.seconds)
            print(f"{name:42} {seconds * 1e3:9.3f} ms  {amount / seconds / 1e9:8.1f} {unit}", flush=True)
    return 0


def rows() -> Iterator[tuple[str, Callable[[], Any], float, str]]:
    """Name, one step, and its work in multiply-adds counted twice, or in bytes."""
    a, b = lamina.rand(1024, 1024), lamina.rand(1024, 1024)
    yield "matmul 1024", lambda: a @ b, 2 * 1024**3, "GFLOP/s"
    x, w = lamina.rand(8, 64, 56, 56), lamina.rand(64, 64, 3, 3)
    yield "conv2d 3x3, 8x64x56x56", lambda: F.conv2d(x, w, padding=1), 2 * 8 * 64 * 56**2 * 576, "GFLOP/s"
    q = lamina.rand(1, 8, 1024, 64)
    attend = lambda: F.scaled_dot_product_attention(q, q, q, is_causal=True)  # noqa: E731
    yield "attention, causal, 8 heads of 64, 1024", attend, 2 * 8 * 64 * 1024**2, "GFLOP/s"
    v = lamina.rand(16 * 2**20)
    yield "add of 16M floats", lambda: v + v, 8 * v.numel(), "GB/s"
    yield "sum of 16M floats", lambda: v.sum(), 4 * v.numel(), "GB/s"
    yield "softmax 4096x4096", lambda: v.view(4096, 4096).softmax(1), 8 * v.numel(), "GB/s"


def least(step: Callable[[], Any], seconds: float) -> float:
    """The least time that ``step`` takes, tried for so long."""
    step()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        step()
        best = min(best, time.perf_counter() - start)
    return best
