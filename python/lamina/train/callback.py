"""What may be done at fixed points of a training, besides training: the base class and the simple ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .trainer import Trainer


class Callback:
    """Base of all callbacks: derive from it and write the moments that you need.

    Each is called with the trainer, whose ``epoch`` (from 1), ``step`` (steps of the optimizer so far),
    ``history`` and ``stop`` (set it to True to end the training after this step) it may read and write.

    >>> class Say(Callback):
    ...     def epoch_end(self, trainer, logs): print(trainer.epoch, logs["train loss"])
    """

    def fit_begin(self, trainer: Trainer) -> None:
        """Before the first epoch."""

    def epoch_begin(self, trainer: Trainer) -> None:
        """Before the first batch of an epoch."""

    def before_step(self, trainer: Trainer, loss: float) -> None:
        """When the gradients are there, before they are clipped and the optimizer uses them."""

    def after_step(self, trainer: Trainer, loss: float) -> None:
        """After the optimizer's step; ``loss`` is that of the batches that made it."""

    def epoch_end(self, trainer: Trainer, logs: dict[str, Any]) -> None:
        """After the validation of an epoch; ``logs`` are its figures, by the names of ``history``."""

    def fit_end(self, trainer: Trainer) -> None:
        """At the end, however it came about."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to hold for this callback to go on as if nothing had happened."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict``."""


class Best:
    """Keeps the best value of one of the figures of ``history``."""

    def __init__(self, monitor: str, mode: str | None, least_gain: float = 0.0) -> None:
        words = ("accuracy", "precision", "recall", "f1")
        if mode is None:
            mode = "max" if any(word in monitor.lower() for word in words) else "min"
        if mode not in ("min", "max"):
            raise ValueError(f"mode must be 'min' or 'max', got {mode!r}")
        self.monitor, self.mode, self.least_gain = monitor, mode, least_gain
        self.value: float | None = None

    def improved(self, logs: dict[str, Any]) -> bool:
        """Take the figure of this epoch; whether it is the best so far.

        Raises:
            KeyError: there is no such figure.
        """
        if self.monitor not in logs:
            raise KeyError(f"there is no figure {self.monitor!r} to watch; there are {sorted(logs)}")
        value = logs[self.monitor]
        if math.isnan(value):
            return False
        if self.value is not None:
            gain = value - self.value if self.mode == "max" else self.value - value
            if gain <= self.least_gain:
                return False
        self.value = value
        return True


class EarlyStopping(Callback):
    """End the training when a figure has not become better for ``patience`` epochs.

    Args:
        monitor: a name of ``history``, such as "validation loss" or "validation accuracy".
        patience: epochs to wait.
        mode: "min" or "max"; by the name of the figure unless given.
        least_gain: what counts as better.
        restore_best: put the weights of the best epoch back at the end.
    """

    def __init__(
        self,
        monitor: str = "validation loss",
        patience: int = 5,
        mode: str | None = None,
        least_gain: float = 0.0,
        restore_best: bool = False,
    ) -> None:
        self._best = Best(monitor, mode, least_gain)
        self.patience = patience
        self.waited = 0
        self.restore_best = restore_best
        self._weights: dict[str, Any] | None = None

    def epoch_end(self, trainer: Trainer, logs: dict[str, Any]) -> None:
        if self._best.improved(logs):
            self.waited = 0
            if self.restore_best:
                self._weights = {name: value.clone() for name, value in trainer.model.state_dict().items()}
            return
        self.waited += 1
        if self.waited >= self.patience:
            best = "never a number" if self._best.value is None else f"{self._best.value:.6g} at best"
            trainer.say(f"stopped early: {self._best.monitor} was {best}, {self.waited} epochs ago")
            trainer.stop = True

    def fit_end(self, trainer: Trainer) -> None:
        if self._weights is not None:
            trainer.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best.value, "waited": self.waited, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._best.value, self.waited, self._weights = state["best"], state["waited"], state["weights"]
