"""Averages of a model's weights over a training: stochastic weight averaging and exponential moving averages.

Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import lamina
from lamina import nn
from lamina._core import Tensor

from .lr_scheduler import LRScheduler
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average = Callable[[Tensor, Tensor, Any], Tensor]
MultiAverage = Callable[[Any, Any, Any], None]


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """``decay * average + (1 - decay) * current``, tensor by tensor.

    Raises:
        ValueError: ``decay`` is outside of [0, 1].
    """
    _check_decay(decay)

    @lamina.no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Average:
    """The mean of all weights so far, tensor by tensor."""

    @lamina.no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """As :func:`get_ema_avg_fn`, in place, for lists of tensors."""
    _check_decay(decay)

    @lamina.no_grad()
    def ema_update(ema_param_list: Any, current_param_list: Any, _: Any) -> None:
        for average, current in zip(ema_param_list, current_param_list, strict=True):
            if average.is_floating_point():
                average.lerp_(current, 1 - decay)
            else:
                average.copy_(decay * average + (1 - decay) * current)

    return ema_update


def get_swa_multi_avg_fn() -> MultiAverage:
    """As :func:`get_swa_avg_fn`, in place, for lists of tensors."""

    @lamina.no_grad()
    def swa_update(averaged_param_list: Any, current_param_list: Any, num_averaged: Any) -> None:
        for average, current in zip(averaged_param_list, current_param_list, strict=True):
            if average.is_floating_point():
                average.lerp_(current, 1 / (float(num_averaged) + 1))
            else:
                average.add_((current - average) // (num_averaged + 1))

    return swa_update


class AveragedModel(nn.Module):
    """A copy of a model whose weights are an average, by default the mean, of those it is shown.

    Args:
        model: copied; call ``update_parameters`` with it after its steps.
        device: "cpu" or None.
        avg_fn: ``(average, current, count) -> average`` for one tensor.
        multi_avg_fn: ``(averages, currents, count)``, in place, for all.
        use_buffers: average the buffers too, instead of copying them.

    Raises:
        AssertionError: both functions are given.

    >>> averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    >>> optimizer.step(); averaged.update_parameters(model)
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: nn.Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: MultiAverage | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        assert avg_fn is None or multi_avg_fn is None, (
            "Only one of avg_fn and multi_avg_fn should be provided"
        )
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", lamina.tensor(0, dtype=lamina.int64))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def _tensors(self, model: nn.Module) -> list[Tensor]:
        found: list[Tensor] = [one.detach() for one in model.parameters()]
        return found + [one.detach() for one in model.buffers()] if self.use_buffers else found

    @lamina.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take the weights that ``model`` has now into the average; the first ones are copied."""
        own, given = self._tensors(self.module), self._tensors(model)
        if self.n_averaged.item() == 0:
            for average, current in zip(own, given, strict=True):
                average.copy_(current)
        elif self.avg_fn is not None:
            for average, current in zip(own, given, strict=True):
                average.copy_(self.avg_fn(average, current, self.n_averaged))
        else:
            (self.multi_avg_fn or get_swa_multi_avg_fn())(own, given, self.n_averaged)
        if not self.use_buffers:
            for average, current in zip(self.module.buffers(), model.buffers(), strict=True):
                average.copy_(current)
        self.n_averaged += 1


@lamina.no_grad()
def update_bn(loader: Iterable[Any], model: nn.Module, device: Any = None) -> None:
    """Make the running statistics of all batch norms anew from one pass over ``loader``.

    Of a batch that is a list or tuple the first element is the model's input.
    """
    norms = {
        one: one.momentum
        for one in model.modules()
        if isinstance(one, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d))
    }
    if not norms:
        return
    mode = model.training
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    for batch in loader:
        x = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(x if device is None else x.to(device))
    for norm, momentum in norms.items():
        norm.momentum = momentum
    model.train(mode)


class SWALR(LRScheduler):
    """Goes from the rates at hand to ``swa_lr`` within ``anneal_epochs`` steps, and stays there.

    Args:
        optimizer: whose groups it changes.
        swa_lr: one rate, or one for each group.
        anneal_epochs: steps until it is reached.
        anneal_strategy: "cos" or "linear".

    Raises:
        ValueError: another strategy, a negative number of epochs, or not one rate per group.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = swa_lr if isinstance(swa_lr, (list, tuple)) else [swa_lr] * len(optimizer.param_groups)
        if len(rates) != len(optimizer.param_groups):
            raise ValueError(f"swa_lr must have {len(optimizer.param_groups)} values, got {len(rates)}")
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = float(rate)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self.anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[Any]:
        """The rates of this step; the way there is taken back with the last step's share, as others may
        have changed the rates."""
        step = self.last_epoch
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, share = self._share(max(0, step - 1)), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            start = group["lr"] if before == 1 else (group["lr"] - before * group["swa_lr"]) / (1 - before)
            rates.append(group["swa_lr"] * share + start * (1 - share))
        return rates
