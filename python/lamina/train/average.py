"""The moving average of the weights, kept beside a training; it often judges better than the last weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .callback import Callback

if TYPE_CHECKING:
    from .trainer import Trainer


class WeightAverage(Callback):
    """Averages the weights after every step; ``model`` is the averaged one, for ``evaluate`` or saving.

    Args:
        decay: of the exponential average; None takes the mean of all steps.
        start: the step of the first weights that count.
        apply: put the average into the trained model at the end.

    Raises:
        ValueError: ``decay`` is outside of [0, 1].

    >>> average = WeightAverage(0.99)
    >>> trainer = Trainer(model, optimizer, loss, callbacks=[average])
    """

    def __init__(self, decay: float | None = 0.999, start: int = 0, apply: bool = False) -> None:
        self._function = None if decay is None else get_ema_multi_avg_fn(decay)
        self.start = start
        self.apply = apply
        self._averaged: AveragedModel | None = None
        self._loaded: dict[str, Any] | None = None

    @property
    def model(self) -> Any:
        """The averaged model; the trained one must have been seen by ``fit``."""
        if self._averaged is None:
            raise RuntimeError("WeightAverage: there is no average before fit")
        return self._averaged.module

    def fit_begin(self, trainer: Trainer) -> None:
        if self._averaged is None:
            self._averaged = AveragedModel(trainer.model, multi_avg_fn=self._function, use_buffers=True)
        if self._loaded is not None:
            self._averaged.load_state_dict(self._loaded)
            self._loaded = None

    def after_step(self, trainer: Trainer, loss: float) -> None:
        assert self._averaged is not None
        if trainer.step > self.start:
            self._averaged.update_parameters(trainer.model)

    def fit_end(self, trainer: Trainer) -> None:
        if self._averaged is not None:
            self._averaged.eval()
            if self.apply and self._averaged.n_averaged.item():
                trainer.model.load_state_dict(self._averaged.module.state_dict())

    def state_dict(self) -> dict[str, Any]:
        return {} if self._averaged is None else dict(self._averaged.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._loaded = state or None
