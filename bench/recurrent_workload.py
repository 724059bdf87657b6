"""Recurrent layers and a network of letters: workloads of compare.py, written as those of workload.py are.

Work counts the products alone, three times as much with the way back. For short steps of one sequence the
weights come from the second-level cache at each step, so no share of the multiply-add limit is asked for.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from workload import Step, Workload, normal

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
LETTERS = 84


def layer(
    cell: str, size: int, batch: int, steps: int, backward: bool, goal: float, share: float | None
) -> Workload:
    work = 2.0 * steps * batch * GATES[cell] * size * 2 * size * (3 if backward else 1)

    def make(torch: ModuleType) -> Step:
        network = getattr(torch.nn, cell)(size, size)
        x = torch.from_numpy(normal(steps, batch, size)).requires_grad_(backward)
        gradient = torch.ones(steps, batch, size)

        def forward() -> Any:
            with torch.no_grad():
                return network(x)

        def both() -> None:
            network.zero_grad()
            x.grad = None
            network(x)[0].backward(gradient)

        return both if backward else forward

    name = f"{cell} {size}, batch {batch}, {steps} steps{', backward' if backward else ''}"
    return Workload(name, make, None, "fma", work, goal, share)


def packed(cell: str = "LSTM", size: int = 256, batch: int = 32, steps: int = 128) -> Workload:
    """Lengths spread evenly from 1 to ``steps``: half of the work of the full batch."""
    lengths = np.linspace(steps, 1, batch).round().astype(int)
    work = 2.0 * int(lengths.sum()) * GATES[cell] * size * 2 * size

    def make(torch: ModuleType) -> Step:
        network = getattr(torch.nn, cell)(size, size)
        x = torch.from_numpy(normal(steps, batch, size))
        given = torch.nn.utils.rnn.pack_padded_sequence(x, torch.from_numpy(lengths.astype(np.int64)))

        def step() -> Any:
            with torch.no_grad():
                return network(given)

        return step

    return Workload(f"{cell} {size}, packed 1 to {steps} steps", make, None, "fma", work, 1.0)


def letters(cell: str, goal: float, size: int = 512, batch: int = 32, steps: int = 64) -> Workload:
    """A training step of two layers, with clipping and AdamW."""
    work = 6.0 * steps * batch * (2 * GATES[cell] * size * 2 * size + size * LETTERS)

    def make(torch: ModuleType) -> Step:
        class Network(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.embedding = torch.nn.Embedding(LETTERS, size)
                self.layers = getattr(torch.nn, cell)(size, size, 2)
                self.scores = torch.nn.Linear(size, LETTERS)

            def forward(self, x: Any) -> Any:
                return self.scores(self.layers(self.embedding(x))[0])

        network = Network()
        optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
        text = np.random.default_rng(0).integers(0, LETTERS, (steps + 1, batch))
        x, target = torch.from_numpy(text[:-1]), torch.from_numpy(text[1:].reshape(-1))

        def step() -> None:
            loss = torch.nn.functional.cross_entropy(network(x).reshape(-1, LETTERS), target)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()

        return step

    return Workload(f"letters, 2 x {cell} {size}, training step", make, None, "fma", work, goal)


def ctc(steps: int = 200, batch: int = 32, classes: int = 80, labels: int = 40) -> Workload:
    def make(torch: ModuleType) -> Step:
        scores = torch.from_numpy(normal(steps, batch, classes))
        log_probs = scores.log_softmax(2).detach().requires_grad_()
        targets = torch.from_numpy(np.random.default_rng(0).integers(1, classes, (batch, labels)))
        lengths = torch.full((batch,), steps), torch.full((batch,), labels)

        def step() -> None:
            log_probs.grad = None
            torch.nn.functional.ctc_loss(log_probs, targets, *lengths).backward()

        return step

    return Workload(f"CTC {labels} labels in {steps} steps, batch {batch}, backward", make, goal=2.0)


WORKLOADS = [
    layer("LSTM", 256, 32, 128, False, 1.0, 0.85),
    layer("LSTM", 256, 32, 128, True, 1.0, 0.8),
    layer("GRU", 256, 32, 128, False, 1.0, 0.85),
    layer("GRU", 256, 32, 128, True, 1.0, 0.8),
    layer("RNN", 256, 32, 128, False, 1.0, 0.8),
    layer("RNN", 256, 32, 128, True, 1.0, 0.75),
    layer("RNN", 128, 1, 256, False, 4.0, None),
    layer("LSTM", 128, 1, 256, False, 4.0, None),
    layer("GRU", 128, 1, 256, False, 4.0, None),
    packed(),
    ctc(),
    letters("LSTM", 1.25),
    letters("GRU", 2.0),
]
