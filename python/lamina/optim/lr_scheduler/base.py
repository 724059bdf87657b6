"""The base of all learning-rate schedules: counting, writing to the optimizer, checkpoints, warnings.

What the rate should be is left to the subclasses.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..optimizer import Optimizer


class LRScheduler:
    """Base class of schedules; derive from it and write ``get_lr``, which returns a rate per parameter group.

    Making a scheduler takes the first step: it remembers each group's ``initial_lr`` and sets ``lr`` for
    epoch 0. ``last_epoch`` is the epoch to go on after; groups must then have ``initial_lr``.

    Raises:
        TypeError: ``optimizer`` is not an :class:`Optimizer`.
        KeyError: resuming, and a group has no ``initial_lr``.

    >>> scheduler = lamina.optim.lr_scheduler.StepLR(optimizer, step_size=30)
    >>> for epoch in range(100): train(); scheduler.step()
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = check_optimizer(optimizer)
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{index}] when resuming a scheduler "
                    f"with last_epoch={last_epoch}: load the optimizer first, or leave it at -1"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_last_lr(self) -> list[float]:
        """The rates last set, one per parameter group."""
        return self._last_lr

    def get_lr(self) -> list[float]:
        """The rates of ``last_epoch``, for ``step``. To read the current ones use ``get_last_lr``."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=2,
            )
        return self._next_lr()

    def _next_lr(self) -> list[float]:
        raise NotImplementedError(f"{type(self).__name__} does not define get_lr()")

    def step(self, epoch: int | None = None) -> None:
        """Go on by one epoch, after ``optimizer.step()``. Giving ``epoch`` is deprecated: it jumps there."""
        if self._step_count == 1:
            self._warn_of_order()
        self._step_count += 1
        if epoch is not None:
            warn_of_epoch()
        self._update_lr(epoch)

    def _warn_of_order(self) -> None:
        if not hasattr(self.optimizer.step, "hooked"):
            warnings.warn(
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
                "initialization. Please, make sure to call `optimizer.step()` before `lr_scheduler.step()`.",
                UserWarning,
                stacklevel=3,
            )
        elif not self.optimizer._opt_called:
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in the opposite "
                "order: otherwise the first value of the learning rate schedule is skipped.",
                UserWarning,
                stacklevel=3,
            )

    def _update_lr(self, epoch: int | None = None) -> None:
        closed_form: Callable[[], list[float]] | None = None
        if epoch is None:
            self.last_epoch += 1
        else:
            self.last_epoch = epoch
            closed_form = getattr(self, "_get_closed_form_lr", None)
        with self._stepping():
            self._write(self.get_lr() if closed_form is None else closed_form())

    def _write(self, values: list[float]) -> None:
        groups = self.optimizer.param_groups
        if len(values) != len(groups):
            raise ValueError(
                f"{type(self).__name__} gives {len(values)} learning rates, but the optimizer has "
                f"{len(groups)} parameter groups; make the scheduler after the last add_param_group"
            )
        for group, value in zip(groups, values, strict=True):
            group["lr"] = value
        self._last_lr = self._current()

    def _current(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _scaled(self, factor: float) -> list[float]:
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def _scaled_base(self, factor: float) -> list[float]:
        return [base * factor for base in self.base_lrs]

    @contextmanager
    def _stepping(self) -> Iterator[None]:
        self._get_lr_called_within_step = True
        try:
            yield
        finally:
            self._get_lr_called_within_step = False

    def state_dict(self) -> dict[str, Any]:
        """Everything the scheduler remembers except the optimizer, whose state is saved separately."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave."""
        self.__dict__.update(state_dict)


def check_optimizer(optimizer: Any) -> Optimizer:
    """Return ``optimizer``; raise TypeError if it is not one."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


def warn_of_epoch() -> None:
    """Warn that the epoch argument of ``step`` is deprecated."""
    warnings.warn(
        "The epoch parameter in `scheduler.step()` is deprecated; use `scheduler.step()`. Where the schedule "
        "has a closed form, giving an epoch uses it instead of the chainable form.",
        UserWarning,
        stacklevel=3,
    )


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value per parameter group: a list of the right length as it is, a single value repeated."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, "
            f"param_groups has {count}."
        )
    return list(value)


def function_state(function: Any) -> dict[str, Any] | None:
    """What to save of a callable: the attributes of an object; nothing of a function."""
    is_object = hasattr(function, "__dict__") and not hasattr(function, "__code__")
    return dict(function.__dict__) if is_object else None
