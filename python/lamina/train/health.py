"""Warnings during a training that name the layer, the step and the usual cure."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import lamina
from lamina import nn

from .callback import Callback

if TYPE_CHECKING:
    from .trainer import Trainer

VANISHING = "initialise as the activation asks (nn.init), normalise between layers, or add skip connections"
EXPLODING = (
    "clip the gradients (Trainer(clip_norm=1.0)), lower the learning rate, or normalise between layers"
)
DEAD = "lower the learning rate, use LeakyReLU or GELU, or initialise with nn.init.kaiming_normal_"
NOT_A_NUMBER = (
    "lower the learning rate, clip the gradients, or look for log(0), 0/0 and overflow in the input"
)


class TrainingWarning(UserWarning):
    """What :class:`Health` warns with."""


class Health(Callback):
    """Looks at gradients and activations now and then, and at every loss, and warns once of each fault.

    A layer's gradient *vanishes* when its norm over that of its weights is below ``least`` of the largest
    such ratio in the model, and *explodes* when the ratio is above ``most``, each on two looks in a row. A
    ReLU module is *dead* when more than half of its channels gave nothing but zeros between two looks.

    Args:
        every: steps between two looks.
        least, most: see above.
    """

    def __init__(self, every: int = 100, least: float = 1e-6, most: float = 1e3) -> None:
        self.every, self.least, self.most = every, least, most
        self._told: set[str] = set()
        self._suspects: set[str] = set()
        self._alive: dict[str, Any] = {}  # of each ReLU, which channels gave something
        self._handles: list[Any] = []
        self._looking = False

    def fit_begin(self, trainer: Trainer) -> None:
        self._looking = False
        for name, module in trainer.model.named_modules():
            if isinstance(module, nn.ReLU):
                self._handles.append(module.register_forward_hook(self._watch(name)))

    def fit_end(self, trainer: Trainer) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def before_step(self, trainer: Trainer, loss: float) -> None:
        step = trainer.step + 1
        if not math.isfinite(loss):
            self._tell(f"the loss is {loss} at step {step}: {_culprit(trainer)}; {NOT_A_NUMBER}", "nan")
            return
        if step % self.every == 0:
            self._look_at_gradients(trainer, step)
            self._look_at_activations(step)
        # The ten steps before a look show what is alive.
        self._looking = step % self.every >= self.every - 10 or self.every <= 10

    def _look_at_gradients(self, trainer: Trainer, step: int) -> None:
        ratios = {}
        for name, parameter in trainer.model.named_parameters():
            if parameter.grad is not None and parameter.ndim > 1:
                norm = parameter.grad.norm().item()
                ratios[name] = norm / max(parameter.detach().norm().item(), 1e-12)
        if not ratios:
            return
        largest = max(ratios.values())
        loud = {name for name, ratio in ratios.items() if ratio > self.most or not math.isfinite(ratio)}
        quiet = {name for name, ratio in ratios.items() if ratio < self.least * largest} - loud
        for word, suspects, cure in (("explodes", loud, EXPLODING), ("vanishes", quiet, VANISHING)):
            guilty = [name for name in ratios if name in suspects & self._suspects - self._told]
            if guilty:
                self._told.update(guilty)
                norm = f"{ratios[guilty[0]]:.1e} of the weights there, {largest:.1e} where it is largest"
                others = f" (and of {len(guilty) - 1} other layers)" if len(guilty) > 1 else ""
                self._warn(f"the gradient of {guilty[0]}{others} {word} at step {step}: {norm}; {cure}")
        self._suspects = loud | quiet

    def _watch(self, name: str) -> Any:
        def hook(module: nn.Module, arguments: Any, output: Any) -> None:
            if not self._looking or not module.training or output.ndim < 2:
                return
            with lamina.no_grad():
                others = [dim for dim in range(output.ndim) if dim != 1]
                active = output.detach().amax(others) > 0
                seen = self._alive.get(name)
                self._alive[name] = active if seen is None or seen.shape != active.shape else seen | active

        return hook

    def _look_at_activations(self, step: int) -> None:
        for name, alive in self._alive.items():
            dead = alive.numel() - int(alive.sum().item())
            if dead * 2 > alive.numel():
                self._tell(
                    f"{dead} of {alive.numel()} channels of the ReLU {name or 'itself'} are dead at step "
                    f"{step}; {DEAD}",
                    f"relu {name}",
                )
        self._alive.clear()

    def _tell(self, text: str, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._warn(text)

    @staticmethod
    def _warn(text: str) -> None:
        warnings.warn(text, TrainingWarning, stacklevel=4)


def _culprit(trainer: Trainer) -> str:
    """Where the first number that is not finite comes from: a weight, the input, or the output of a layer."""
    for name, parameter in trainer.model.named_parameters():
        if not lamina.isfinite(parameter.detach()).all().item():
            return f"the weights {name} are not finite any more"
    found: list[str] = []

    def look(name: str) -> Any:
        def hook(module: nn.Module, arguments: Any, output: Any) -> None:
            if not found and lamina.is_tensor(output) and not _finite(output):
                given = all(_finite(one) for one in arguments if lamina.is_tensor(one))
                label = name or type(module).__name__
                found.append(
                    f"{label} gives a value that is not finite"
                    if given
                    else f"the input of {label} is not finite"
                )

        return hook

    handles = [
        module.register_forward_hook(look(name))
        for name, module in trainer.model.named_modules()
        if not list(module.children())
    ]
    try:
        with lamina.no_grad(), lamina.random.fork_rng():
            trainer.forward(trainer.last_batch)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else "all layers give finite values, so it is the loss function or the target"


def _finite(tensor: Any) -> bool:
    return not tensor.is_floating_point() or bool(lamina.isfinite(tensor.detach()).all().item())
