"""Figures of a training in files: a CSV table, or TensorBoard's event files."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .callback import Callback

if TYPE_CHECKING:
    from .trainer import Trainer


class CSVLogger(Callback):
    """A row per epoch in a CSV file; a resumed training adds to it.

    >>> Trainer(model, optimizer, loss, callbacks=[CSVLogger("run/log.csv")])
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def epoch_end(self, trainer: Trainer, logs: dict[str, Any]) -> None:
        row: dict[str, Any] = {"epoch": trainer.epoch, "step": trainer.step}
        row |= {name: value for name, value in logs.items() if isinstance(value, (int, float))}
        rows: list[dict[str, Any]] = [row]
        if trainer.epoch > 1 and self.path.exists():
            with open(self.path, newline="") as file:
                rows = [one for one in csv.DictReader(file) if int(one["epoch"]) < trainer.epoch] + rows
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "w", newline="") as file:
            writer = csv.DictWriter(file, list(row), restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)


class TensorBoardLogger(Callback):
    """The loss after every step, and all figures after every epoch, for TensorBoard.

    Raises:
        ImportError: tensorboardX is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError('TensorBoardLogger needs tensorboardX: pip install "lamina[train]"') from error
        self._writer = SummaryWriter(os.fspath(folder))

    def after_step(self, trainer: Trainer, loss: float) -> None:
        self._writer.add_scalar("step/loss", loss, trainer.step)
        self._writer.add_scalar("step/learning rate", trainer.optimizer.param_groups[0]["lr"], trainer.step)

    def epoch_end(self, trainer: Trainer, logs: dict[str, Any]) -> None:
        for name, value in logs.items():
            if isinstance(value, (int, float)):
                self._writer.add_scalar(f"epoch/{name}", value, trainer.epoch)
        self._writer.flush()

    def fit_end(self, trainer: Trainer) -> None:
        self._writer.flush()
