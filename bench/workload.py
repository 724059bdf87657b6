"""The workloads that compare.py times, each written once for every library that has PyTorch's names.

A workload says how much arithmetic or memory traffic it cannot avoid, so that its time can be held against
the machine. How it is timed and printed is left to compare.py.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

Step = Callable[[], Any]
Make = Callable[[ModuleType], Step]

ELEMENTS = 1 << 24  # 64 MB of float32: several times the cache of a core


@dataclass(frozen=True)
class Workload:
    """One row of the table: `make(torch)` returns the step to time, where torch is PyTorch or lamina.

    `work` of one step is counted in floating-point operations where `limit` is "fma", in bytes where it is
    "read" or "copy". `goal` is the least speed relative to PyTorch, `share_goal` the least share of the
    machine's limit. `repeat` is the number of operations inside one step; times are printed for one of them.
    `onnx` makes the step of ONNX Runtime, and `onnx_goal` is the least speed relative to it.
    """

    name: str
    make: Make
    numpy: Callable[[], Step] | None = None
    limit: str = ""
    work: float = 0.0
    goal: float | None = None
    share_goal: float | None = None
    repeat: int = 1
    onnx: Callable[[int], Step | None] | None = None  # of the number of threads
    onnx_goal: float | None = None


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def apply(name: str, *shapes: tuple[int, ...], **options: Any) -> Make:
    """The function of that name on tensors of standard normal numbers."""

    def make(torch: ModuleType) -> Step:
        op = operator.attrgetter(name)(torch)
        inputs = [torch.from_numpy(normal(*shape)) for shape in shapes]
        return lambda: op(*inputs, **options)

    return make


def apply_numpy(op: Callable[..., Any], *shapes: tuple[int, ...], **options: Any) -> Callable[[], Step]:
    def make() -> Step:
        inputs = [normal(*shape) for shape in shapes]
        return lambda: op(*inputs, **options)

    return make


def softmax_numpy(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(1, keepdims=True))
    e /= e.sum(1, keepdims=True)
    return e


def add_scalars(torch: ModuleType) -> Step:
    a, b = torch.tensor([1.5]), torch.tensor([2.5])

    def step() -> None:
        for _ in range(1000):
            a + b

    return step


def add_scalars_numpy() -> Step:
    a, b = np.float32([1.5]), np.float32([2.5])

    def step() -> None:
        for _ in range(1000):
            a + b

    return step


def add_chain(torch: ModuleType) -> Step:
    x, one = torch.tensor([1.5], requires_grad=True), torch.tensor([1.0])

    def step() -> None:
        x.grad = None
        y = x
        for _ in range(200):
            y = y + one
        y.backward()

    return step


def train_mlp(torch: ModuleType) -> Step:
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    loss_fn, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.01)
    x = torch.from_numpy(normal(64, 784))
    label = torch.from_numpy(np.arange(64) % 10)

    def step() -> None:
        optimizer.zero_grad()
        loss_fn(model(x), label).backward()
        optimizer.step()

    return step


def adamw(fused: bool) -> Make:
    """AdamW over 300 tensors from 2,000 to 100,000 numbers, 10 million in all."""
    sizes = np.geomspace(1, 50, 300)
    sizes = np.rint(sizes / sizes.sum() * 1e7).astype(int).tolist()

    def make(torch: ModuleType) -> Step:
        parameters = [torch.nn.Parameter(torch.from_numpy(normal(n))) for n in sizes]
        for p in parameters:
            p.grad = torch.from_numpy(normal(*p.shape))
        options = {"fused": True} if fused and torch.__name__ == "torch" else {}
        return torch.optim.AdamW(parameters, lr=1e-3, **options).step

    return make


def matmul(n: int, share_goal: float | None = None) -> Workload:
    square = (n, n)
    return Workload(
        f"matmul {n}", apply("matmul", square, square),
        apply_numpy(np.matmul, square, square), "fma", 2.0 * n**3, 1.1, share_goal,
    )  # fmt: skip


def elementwise(name: str, make: Make, numpy: Callable[[], Step] | None, inputs: int = 1) -> Workload:
    return Workload(f"{name} 16M", make, numpy, "copy", 4.0 * ELEMENTS * (inputs + 1), 3.0, 0.6)


VECTOR = (ELEMENTS,)
SQUARE = (4096, 4096)
WORKLOADS = [
    matmul(256),
    matmul(1024, 0.9),
    matmul(2048, 0.9),
    Workload(
        "matvec 4096", apply("matmul", SQUARE, (4096,)),
        apply_numpy(np.matmul, SQUARE, (4096,)), "read", 4.0 * ELEMENTS, 1.0, 0.85,
    ),
    elementwise("add", apply("add", VECTOR, VECTOR), apply_numpy(np.add, VECTOR, VECTOR), 2),
    elementwise("exp", apply("exp", VECTOR), apply_numpy(np.exp, VECTOR)),
    elementwise("gelu", apply("nn.functional.gelu", VECTOR), None),
    elementwise("tanh", apply("tanh", VECTOR), apply_numpy(np.tanh, VECTOR)),
    Workload(
        "softmax 4096x4096", apply("softmax", SQUARE, dim=1),
        apply_numpy(softmax_numpy, SQUARE), "copy", 8.0 * ELEMENTS, 2.0, 0.6,
    ),
    *(
        Workload(
            f"sum 4096x4096 dim={dim}", apply("sum", SQUARE, dim=dim),
            apply_numpy(np.sum, SQUARE, axis=dim), "read", 4.0 * ELEMENTS, 2.0, 0.6,
        )
        for dim in (0, 1)
    ),
    Workload("add of one element", add_scalars, add_scalars_numpy, goal=1.0, repeat=1000),
    Workload("200 adds, backward", add_chain, goal=1.0),
    Workload("MLP training step", train_mlp, goal=1.5),
    Workload("AdamW 10M in 300", adamw(fused=False), None, "copy", 28e7, 2.0),
    Workload("AdamW, PyTorch's fused", adamw(fused=True), None, "copy", 28e7),
]  # fmt: skip
