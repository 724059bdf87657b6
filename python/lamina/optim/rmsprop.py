"""RMSprop. The arithmetic is one pass over all parameters in the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lamina
from lamina import _core

from .groupwise import GroupwiseOptimizer, check, way

if TYPE_CHECKING:
    from .groupwise import Tensors
    from .optimizer import Group, Params, State


class RMSprop(GroupwiseOptimizer):
    """RMSprop (Hinton, 2012, lecture 6e; ``centered`` is Graves, 2013, arXiv:1308.0850).

    With v the decaying mean of the squared gradient (less the square of its mean, if ``centered``): ``p -=
    lr * g / (sqrt(v) + eps)``, or with momentum ``b = momentum * b + g / (sqrt(v) + eps)``, ``p -= lr *
    b``.

    Raises:
        ValueError: a negative option.

    >>> optimizer = lamina.optim.RMSprop(model.parameters(), lr=1e-3)
    >>> loss.backward(); optimizer.step()
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check("learning rate", lr)
        check("epsilon value", eps)
        check("momentum value", momentum)
        check("weight_decay value", weight_decay)
        check("alpha value", alpha)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "maximize": maximize,
                **way(foreach=foreach),
            },
        )

    def _start(self, param: Any, group: Group) -> State:
        state = {"square_avg": lamina.zeros_like(param)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = lamina.zeros_like(param)
        if group["centered"]:
            state["grad_avg"] = lamina.zeros_like(param)
        return state

    def _update(self, group: Group, params: Tensors, grads: Tensors, states: list[State], step: int) -> None:
        _core.rmsprop_step(
            params,
            grads,
            [entry["square_avg"] for entry in states],
            [entry["grad_avg"] for entry in states] if group["centered"] else [],
            [entry["momentum_buffer"] for entry in states] if group["momentum"] > 0 else [],
            group["lr"],
            group["alpha"],
            group["eps"],
            group["weight_decay"],
            group["momentum"],
            group["centered"],
            group["maximize"],
        )
