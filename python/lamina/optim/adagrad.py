"""Adagrad. The arithmetic is one pass over all parameters in the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lamina
from lamina import _core

from .groupwise import GroupwiseOptimizer, check, way

if TYPE_CHECKING:
    from .groupwise import Tensors
    from .optimizer import Group, Params, State


class Adagrad(GroupwiseOptimizer):
    """Adagrad (Duchi, Hazan and Singer, 2011).

    With s the sum of squared gradients so far and t the step from 1:
    ``p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)``.

    Raises:
        ValueError: a negative option.

    >>> optimizer = lamina.optim.Adagrad(model.parameters(), lr=1e-2)
    >>> loss.backward(); optimizer.step()
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        fused: bool | None = None,
    ) -> None:
        check("learning rate", lr)
        check("lr_decay value", lr_decay)
        check("weight_decay value", weight_decay)
        check("initial_accumulator_value value", initial_accumulator_value)
        check("epsilon value", eps)
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "maximize": maximize,
                **way(foreach=foreach, fused=fused),
            },
        )

    def add_param_group(self, param_group: Group) -> None:
        super().add_param_group(param_group)
        params = self.param_groups[-1]["params"]  # the state exists before the first step, as in PyTorch
        self._start_missing(self.param_groups[-1], params, [self.state[param] for param in params])

    def _start(self, param: Any, group: Group) -> State:
        return {"sum": lamina.full_like(param, group["initial_accumulator_value"])}

    def _update(self, group: Group, params: Tensors, grads: Tensors, states: list[State], step: int) -> None:
        _core.adagrad_step(
            params,
            grads,
            [entry["sum"] for entry in states],
            step,
            group["lr"],
            group["lr_decay"],
            group["eps"],
            group["weight_decay"],
            group["maximize"],
        )
