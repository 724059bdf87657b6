"""The learning-rate range test: raise the rate at each step and see where the loss falls fastest.

Smith, "Cyclical Learning Rates for Training Neural Networks", 2017.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import state as training_state

if TYPE_CHECKING:
    from .trainer import Trainer


@dataclass
class RateCurve:
    """The rates that were tried, the smoothed loss at each, and the rate where it falls fastest."""

    rates: list[float]
    losses: list[float]
    suggestion: float

    def plot(self, figure: Any = None) -> Any:
        """Loss against rate, the suggestion marked. Needs matplotlib."""
        from lamina.viz import new_figure

        figure = new_figure(5, 3.5) if figure is None else figure
        axes = figure.subplots()
        axes.semilogx(self.rates, self.losses)
        axes.axvline(self.suggestion, linestyle="--", color="grey", label=f"{self.suggestion:.1e}")
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss")
        axes.legend(frameon=False)
        return figure


def find_learning_rate(
    trainer: Trainer, loader: Iterable[Any], lowest: float = 1e-6, highest: float = 1.0, steps: int = 100
) -> RateCurve:
    """Try rates from ``lowest`` to ``highest``, one per step, and put the trainer back to where it was.

    Ends early when the loss is four times its least value or not a number.

    Raises:
        ValueError: rates or steps out of range, or no batches.

    >>> curve = find_learning_rate(trainer, loader)
    >>> trainer.optimizer.param_groups[0]["lr"] = curve.suggestion
    """
    if not 0 < lowest < highest or steps < 2:
        raise ValueError(f"find_learning_rate: got rates {lowest} to {highest} and {steps} steps")
    before = training_state.copy_of(training_state.capture(trainer))
    mode = trainer.model.training
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    trainer.model.train()
    try:
        batches = itertools.chain.from_iterable(iter(loader) for _ in range(steps))
        for i, batch in enumerate(itertools.islice(batches, steps)):
            rate = lowest * (highest / lowest) ** (i / (steps - 1))
            for group in trainer.optimizer.param_groups:
                group["lr"] = rate
            trainer.optimizer.zero_grad()
            loss, _, _ = trainer.forward(batch)
            value = float(loss.item())
            mean = 0.9 * mean + 0.1 * value
            smooth = mean / (1 - 0.9 ** (i + 1))
            if not math.isfinite(value) or (losses and smooth > 4 * min(losses)):
                break
            rates.append(rate)
            losses.append(smooth)
            loss.backward()
            trainer.optimizer.step()
    finally:
        trainer.optimizer.zero_grad()
        training_state.restore(trainer, before)
        trainer.model.train(mode)
    if len(losses) < 2:
        raise ValueError("find_learning_rate: fewer than two steps with a finite loss; lower `lowest`")
    span = max(1, len(losses) // 8)  # a fall that lasts, not the luck of one batch
    falls = [losses[i + span] - losses[i] for i in range(len(losses) - span)]
    steepest = min(range(len(falls)), key=falls.__getitem__)
    return RateCurve(rates, losses, rates[steepest + span // 2])
