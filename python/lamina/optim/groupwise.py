"""The walk shared by most optimizers: one call per parameter group and step, and the counting of steps.

The update rules are left to one file per optimizer; the arithmetic of the common ones to the core.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import lamina

from .optimizer import Optimizer

if TYPE_CHECKING:
    from lamina import Tensor

    from .optimizer import Group, State

    Tensors = list[Any]


class GroupwiseOptimizer(Optimizer):
    """An optimizer that updates a group with one call: subclasses give the first state and the update.

    Parameters that step together share the tensor ``state[p]["step"]``, so that counting costs one addition
    per group rather than one per parameter. A parameter that misses a step (its ``grad`` is None) gets its
    own.
    """

    def _start(self, param: Tensor, group: Group) -> State:
        """The state of a parameter before its first step, without ``step``."""
        raise NotImplementedError

    def _update(self, group: Group, params: Tensors, grads: Tensors, states: list[State], step: int) -> None:
        """Move ``params``, all of which take their ``step``-th step (from 1), along ``grads``."""
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; ``closure`` recomputes the loss, which is returned."""
        loss = None
        if closure is not None:
            with lamina.enable_grad():
                loss = closure()
        with lamina.no_grad():
            for group in self.param_groups:
                self._step_group(group)
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for entry in self.state.values():
            if isinstance(entry.get("step"), (int, float)):  # as in checkpoints of old PyTorch
                entry["step"] = _counter(int(entry["step"]))

    def _step_group(self, group: Group) -> None:
        params, grads = with_grad(group)
        if not grads:
            return
        state = self.state
        states = [state[param] for param in params]
        if not all(states):
            self._start_missing(group, params, states)
        counter = states[0]["step"]
        shared = len({id(entry["step"]) for entry in states}) == 1
        if shared and len(params) < len(group["params"]):
            absent = (state.get(param, {}) for param in group["params"] if param.grad is None)
            shared = not any(entry.get("step") is counter for entry in absent)
        if shared:
            step = int(counter.item()) + 1
            self._update(group, params, grads, states, step)
            counter.fill_(step)
            return
        for step, rows in _by_step(states):
            chosen = [states[row] for row in rows]
            self._update(group, [params[row] for row in rows], [grads[row] for row in rows], chosen, step)
            own = _counter(step)
            for entry in chosen:
                entry["step"] = own

    def _start_missing(self, group: Group, params: list[Any], states: list[State]) -> None:
        counter = _counter(0)
        for param, entry in zip(params, states, strict=True):
            if not entry:
                entry.update(step=counter, **self._start(param, group))


def with_grad(group: Group) -> tuple[list[Any], list[Any]]:
    """The parameters of a group that have a gradient, and these gradients."""
    params = group["params"]
    grads = [grad for param in params if (grad := param.grad) is not None]
    if len(grads) != len(params):
        params = [param for param in params if param.grad is not None]
    return params, grads


def descent(grad: Tensor, param: Tensor, group: Group) -> Tensor:
    """The gradient to descend along: turned round by ``maximize``, weight decay added or applied."""
    grad = -grad if group["maximize"] else grad
    if group["weight_decay"] == 0:
        return grad
    if group.get("decoupled_weight_decay"):
        param.mul_(1 - group["lr"] * group["weight_decay"])
        return grad
    return grad.add(param, alpha=group["weight_decay"])


def way(**choices: bool | None) -> Group:
    """``foreach`` and ``fused``, by which PyTorch chooses among its ways of taking a step, for the group.

    lamina has one way, a pass over a whole group, and takes it whatever they say.
    """
    for word, value in choices.items():
        if value is not None and not isinstance(value, bool):
            raise TypeError(f"{word}: expected a bool or None, got {value!r}")
    if all(choices.values()) and len(choices) > 1:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    return choices


def _counter(step: int) -> Tensor:
    return lamina.tensor(float(step), dtype=lamina.float32)


def _by_step(states: list[State]) -> Iterator[tuple[int, list[int]]]:
    """The number of the coming step, and the positions of the states that take it."""
    values: dict[int, int] = {}
    rows: defaultdict[int, list[int]] = defaultdict(list)
    for row, entry in enumerate(states):
        counter = entry["step"]
        if id(counter) not in values:
            values[id(counter)] = int(counter.item()) + 1
        rows[values[id(counter)]].append(row)
    return iter(rows.items())


def check(word: str, value: Any, below: float | None = None) -> None:
    """Raise ValueError unless ``value`` is at least 0 and less than ``below``; NaN is refused too."""
    if isinstance(value, lamina.Tensor):
        raise TypeError(f"{word} must be a number, but got a Tensor")
    if not value >= 0.0 or (below is not None and not value < below):
        raise ValueError(f"Invalid {word}: {value}")
