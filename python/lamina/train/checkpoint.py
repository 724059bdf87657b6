"""Writing the state of a training to disk while it goes on: the last and the best, each as a whole."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lamina

from . import state as training_state
from .callback import Best, Callback

if TYPE_CHECKING:
    from .trainer import Trainer


class Checkpoint(Callback):
    """Keeps ``last.safetensors`` (everything) and ``best.safetensors`` (the weights alone) in a folder.

    Both are written beside the old file and then renamed, so at any moment there is a whole one. A full disk
    does not end the training: it is reported, and tried again at the next occasion.

    Args:
        folder: made if it is not there.
        monitor: the figure whose best epoch is kept; None keeps the last alone.
        mode: "min" or "max"; by the name of the figure unless given.
        every_steps: also write the last one after every so many steps, not only after epochs.

    >>> trainer.fit(loader, epochs=10, resume="run")  # goes on from run/last.safetensors where it is
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        monitor: str | None = "validation loss",
        mode: str | None = None,
        every_steps: int | None = None,
    ) -> None:
        if every_steps is not None and every_steps < 1:
            raise ValueError(f"Checkpoint: every_steps must be at least 1, got {every_steps}")
        self.folder = Path(folder)
        self._best = None if monitor is None else Best(monitor, mode)
        self.every_steps = every_steps
        self.error: OSError | None = None  # of the last try to write

    @property
    def last(self) -> Path:
        """Where the whole state is."""
        return self.folder / "last.safetensors"

    @property
    def best(self) -> Path:
        """Where the weights of the best epoch are."""
        return self.folder / "best.safetensors"

    def fit_begin(self, trainer: Trainer) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def after_step(self, trainer: Trainer, loss: float) -> None:
        if self.every_steps is not None and trainer.step % self.every_steps == 0:
            self.write(trainer)

    def epoch_end(self, trainer: Trainer, logs: dict[str, Any]) -> None:
        if self._best is None:
            return
        name = self._best.monitor
        if name not in logs and name.replace("validation", "train") in logs:  # there is no validation
            self._best.monitor = name.replace("validation", "train")
        if self._best.improved(logs):
            self._save(trainer.model.state_dict(), self.best)

    def write(self, trainer: Trainer) -> None:
        """Write the whole state now."""
        self._save(training_state.capture(trainer), self.last)

    def _save(self, what: Any, path: Path) -> None:
        try:
            lamina.save(what, path)
            self.error = None
        except OSError as error:
            self.error = error
            warnings.warn(
                f"the checkpoint {path} was not written ({error}); the one before it is untouched, and the "
                "training goes on",
                stacklevel=2,
            )

    def state_dict(self) -> dict[str, Any]:
        return {"best": None if self._best is None else self._best.value}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self._best is not None:
            self._best.value = state["best"]


def find(resume: str | os.PathLike[str]) -> Path | None:
    """The checkpoint that ``resume`` means: a file, or the last in a folder; None if there is none yet."""
    path = Path(resume)
    if path.is_file():
        return path
    last = path / "last.safetensors"
    return last if last.is_file() else None
