"""The trainer: the loop over epochs and batches that every script writes, once and well.

What is done besides training is left to callbacks; what a checkpoint holds, to state.py.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import lamina
from lamina import nn

from . import state as training_state
from .batch import iterate_from, length_of, scores_of, split_batch, timed
from .callback import Callback
from .checkpoint import Checkpoint, find
from .health import Health
from .interrupt import Interrupt
from .metric import Metric
from .progress import Progress


class MeanLoss(Metric):
    """The mean loss per sample."""

    def update(self, output: Any, target: Any) -> None:
        self.add(loss=output * target, count=target)

    def compute(self) -> float:
        return self.ratio("loss", "count")


class Trainer:
    """Trains, judges and uses a model.

    A batch is a tuple whose last element is the target and whose others are the model's arguments, or a dict
    of the model's keyword arguments; then the output's ``loss`` is taken unless ``loss`` is given, and
    ``labels`` is the target. For anything else override :meth:`forward`.

    Args:
        model: any ``nn.Module``.
        optimizer: over those of its parameters that are to be learned.
        loss: ``loss(output, target)``, a mean over the batch.
        metrics: by the names that ``history`` is to give them, such as ``{"accuracy": Accuracy()}``.
        scheduler: a learning-rate scheduler; ``ReduceLROnPlateau`` is given the validation loss.
        schedule: "step" (after each step of the optimizer) or "epoch".
        callbacks: see :class:`Callback`; a :class:`Checkpoint` comes last whatever its place.
        clip_norm, clip_value: limits of the gradients' norm, or of each of their elements.
        accumulate: batches whose gradients make one step.
        autocast: a dtype, ``lamina.bfloat16``, to compute products in.
        health: warn of vanishing, exploding, dead and NaN layers, with the cure.
        progress: show a bar or lines.

    Raises:
        ValueError: options out of range.

    >>> trainer = Trainer(model, lamina.optim.AdamW(model.parameters()), nn.CrossEntropyLoss(),
    ...                   metrics={"accuracy": Accuracy()}, callbacks=[Checkpoint("run")])
    >>> history = trainer.fit(train_loader, validation_loader, epochs=5)
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: lamina.optim.Optimizer,
        loss: Callable[[Any, Any], Any] | None = None,
        *,
        metrics: dict[str, Metric] | None = None,
        scheduler: Any = None,
        schedule: str = "step",
        callbacks: Sequence[Callback] = (),
        clip_norm: float | None = None,
        clip_value: float | None = None,
        accumulate: int = 1,
        autocast: Any = None,
        health: bool = True,
        progress: bool = True,
    ) -> None:
        if schedule not in ("step", "epoch"):
            raise ValueError(f"Trainer: schedule must be 'step' or 'epoch', got {schedule!r}")
        if accumulate < 1:
            raise ValueError(f"Trainer: accumulate must be at least 1, got {accumulate}")
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.metrics = dict(metrics or {})
        if "loss" in self.metrics:
            raise ValueError("Trainer: a metric cannot be named 'loss', which is the loss itself")
        self.scheduler, self.schedule = scheduler, schedule
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.accumulate, self.autocast = accumulate, autocast
        given = [*callbacks, *([Health()] if health else [])]
        self.callbacks = sorted(given, key=lambda one: isinstance(one, Checkpoint))
        self.show = Progress(progress)
        self.gathering: dict[str, Metric] = {"loss": MeanLoss(), **self.metrics}
        self.history: dict[str, list[float]] = {}
        self.epoch = self.step = self.batch = 0  # epochs begun, steps made, batches of this epoch used
        self.order: dict[str, Any] | None = None  # what the order of this epoch's batches came from
        self.stop = False
        self.last_batch: Any = None  # for a diagnosis
        self._interrupt = Interrupt(self.say)

    # ---- the three uses

    def fit(
        self,
        loader: Iterable[Any],
        validation: Iterable[Any] | None = None,
        epochs: int = 1,
        *,
        resume: str | os.PathLike[str] | None = None,
    ) -> dict[str, list[float]]:
        """Train until ``epochs`` epochs are done in all; return ``history``: a value per epoch and name.

        Ctrl-C lets the step at hand end, writes a checkpoint if there is a :class:`Checkpoint`, and then
        raises KeyboardInterrupt; a second one raises at once.

        Args:
            loader: batches to learn from; usually a DataLoader.
            validation: batches to judge by after each epoch.
            resume: a checkpoint, or a folder with one, to go on from; with none there yet it begins.

        Raises:
            FileFormatError, ValueError, RuntimeError: the checkpoint is broken or does not fit.
        """
        path = None if resume is None else find(resume)
        if path is not None:
            self.load(path)
            self.say(f"resumed from {path}: epoch {self.epoch}, step {self.step}")
        self.stop = False
        self._call("fit_begin")
        try:
            with self._interrupt:
                while (self.epoch < epochs or self.batch > 0) and not self.stop:
                    self._train_epoch(loader, validation)
                    self._interrupt.check()
        finally:
            self.model.eval()
            self._call("fit_end")
        return self.history

    @lamina.no_grad()
    def evaluate(self, loader: Iterable[Any], title: str = "evaluate") -> dict[str, Any]:
        """The mean loss and all metrics over the batches of ``loader``, with the model in ``eval()``.

        >>> trainer.evaluate(test_loader)["accuracy"]
        """
        mode = self.model.training
        self.model.eval()
        gathered = {name: dict(metric.sums) for name, metric in self.gathering.items()}
        try:
            for metric in self.gathering.values():
                metric.reset()
            for batch in self.show.batches(loader, title, length_of(loader)):
                self._gather(*self._forward(batch))
            return {name: metric.compute() for name, metric in self.gathering.items()}
        finally:
            for name, metric in self.gathering.items():
                metric.sums = gathered[name]
            self.model.train(mode)

    @lamina.no_grad()
    def predict(self, data: Any, batch_size: int = 64) -> Any:
        """The model's outputs, joined, for a tensor of samples or for the batches of a loader.

        Of a batch that is a tuple the last element is taken for the target and left out.

        Raises:
            ValueError: there are no batches.
        """
        mode = self.model.training
        self.model.eval()
        batches = [(part, None) for part in data.split(batch_size)] if lamina.is_tensor(data) else data
        try:
            outputs = []
            for batch in self.show.batches(batches, "predict", length_of(batches)):
                arguments, named, _ = split_batch(batch, self.loss is None)
                with self._casting():
                    outputs.append(scores_of(self.model(*arguments, **named)))
        finally:
            self.model.train(mode)
        if not outputs:
            raise ValueError("predict: there are no batches")
        return lamina.cat(outputs)

    # ---- checkpoints

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything that the training needs to go on, as a whole or not at all."""
        lamina.save(training_state.capture(self), path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Go on from what ``save`` or a :class:`Checkpoint` wrote.

        Raises:
            FileFormatError: the file is broken.
            ValueError, RuntimeError: it is of another model or trainer.
        """
        training_state.restore(self, lamina.load(path))

    def _write_checkpoint(self) -> None:
        for callback in self.callbacks:
            if isinstance(callback, Checkpoint):
                callback.write(self)

    # ---- one batch

    def forward(self, batch: Any) -> tuple[Any, Any, Any]:
        """The loss, the output and the target of a batch; override it for a loss of another kind.

        Raises:
            TypeError: there is no loss, neither the trainer's nor the output's.
        """
        arguments, named, target = split_batch(batch, self.loss is None)
        output = self.model(*arguments, **named)
        if self.loss is not None:
            return self.loss(scores_of(output), target), scores_of(output), target
        loss = output.get("loss") if isinstance(output, dict) else getattr(output, "loss", None)
        if loss is None:
            raise TypeError("Trainer: no loss was given, and the model's output has none")
        return loss, scores_of(output), target

    def _forward(self, batch: Any) -> tuple[Any, Any, Any]:
        with self._casting():
            return self.forward(batch)

    def _casting(self) -> Any:
        if self.autocast is None:
            return contextlib.nullcontext()
        return lamina.amp.autocast("cpu", dtype=self.autocast)

    def _gather(self, loss: Any, output: Any, target: Any) -> float:
        value = float(loss.item())
        count = len(target) if lamina.is_tensor(target) and target.ndim else 1
        self.gathering["loss"].update(value, count)
        if self.metrics:
            with lamina.no_grad():
                for metric in self.metrics.values():
                    metric.update(output.detach(), target)
        return value

    # ---- one epoch

    def _train_epoch(self, loader: Any, validation: Any) -> None:
        begun = time.perf_counter()
        waited = [0.0]
        batches = self._begin_epoch(loader)
        self.model.train()
        title = f"epoch {self.epoch}"
        losses: list[float] = []
        groups = length_of(loader)
        for batch in self.show.batches(timed(batches, waited), title, groups, self.batch):
            self.last_batch = batch
            loss, output, target = self._forward(batch)
            (loss / self.accumulate if self.accumulate > 1 else loss).backward()
            losses.append(self._gather(loss.detach(), output, target))
            self.batch += 1
            if self.batch % self.accumulate and self.batch != groups:
                continue
            self._step(sum(losses) / len(losses))
            losses.clear()
            if self._interrupt.asked:
                self._write_checkpoint()
                self._interrupt.check()
            if self.stop:
                return
        if losses:  # a loader that did not say how long it is
            self._step(sum(losses) / len(losses))
        self._end_epoch(validation, time.perf_counter() - begun, waited[0])

    def _begin_epoch(self, loader: Any) -> Iterator[Any]:
        """The batches that are left of the epoch at hand, or all of the next one."""
        if self.batch:
            here = training_state.random_state()
            if self.order is None:
                raise ValueError("resume: the checkpoint does not say in which order its epoch went")
            training_state.set_order_state(loader, self.order)
            batches = iterate_from(loader, self.batch)
            training_state.set_random_state(here)
            return batches
        self.epoch += 1
        self.order = training_state.order_state(loader)
        for metric in self.gathering.values():
            metric.reset()
        self.optimizer.zero_grad()
        self._call("epoch_begin")
        return iter(loader)

    def _step(self, loss: float) -> None:
        self._call("before_step", loss)
        parameters = [one for group in self.optimizer.param_groups for one in group["params"]]
        if self.clip_value is not None:
            nn.utils.clip_grad_value_(parameters, self.clip_value)
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, self.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.scheduler is not None and self.schedule == "step":
            self.scheduler.step()
        self.step += 1
        self.show.figures(self._figures)
        self._call("after_step", loss)

    def _figures(self) -> dict[str, float]:
        """The loss and the metrics so far that are one number."""
        found = {name: metric.compute() for name, metric in self.gathering.items()}
        return {name: value for name, value in found.items() if isinstance(value, float)}

    def _end_epoch(self, validation: Any, seconds: float, waited: float) -> None:
        logs: dict[str, Any] = {f"train {name}": one.compute() for name, one in self.gathering.items()}
        if validation is not None:
            found = self.evaluate(validation, f"epoch {self.epoch}, validation")
            logs |= {f"validation {name}": value for name, value in found.items()}
        logs["learning rate"] = float(self.optimizer.param_groups[0]["lr"])
        for name, value in logs.items():
            if isinstance(value, (int, float)):
                self.history.setdefault(name, []).append(float(value))
        if self.scheduler is not None and self.schedule == "epoch":
            if isinstance(self.scheduler, lamina.optim.lr_scheduler.ReduceLROnPlateau):
                self.scheduler.step(logs.get("validation loss", logs["train loss"]))
            else:
                self.scheduler.step()
        self.batch = 0
        logs |= {"seconds": seconds, "data wait": waited / seconds if seconds else 0.0}
        shown = ", ".join(
            f"{name} {value:.4g}"
            for name, value in logs.items()
            if isinstance(value, float) and name[0] in "tvl"
        )
        self.say(f"epoch {self.epoch}: {shown}, {seconds:.1f} s, {logs['data wait']:.0%} waiting for data")
        self._call("epoch_end", logs)
        self._write_checkpoint()

    # ---- the rest

    def say(self, text: str) -> None:
        """Print a line, past the progress bar."""
        self.show.say(text)

    def _call(self, moment: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, moment)(self, *arguments)
