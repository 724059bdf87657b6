"""Averaged stochastic gradient descent, composed of tensor operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lamina

from .groupwise import GroupwiseOptimizer, check, descent, way

if TYPE_CHECKING:
    from .groupwise import Tensors
    from .optimizer import Group, Params, State


class ASGD(GroupwiseOptimizer):
    """Averaged stochastic gradient descent (Polyak and Juditsky, 1992).

    The rate of step t (from 1) is ``lr / (1 + lambd * lr * (t - 1)) ** alpha``, and each step shrinks p by
    ``1 - lambd * rate``. From step ``t0`` on ``state[p]["ax"]`` is the mean of the values that p had.

    Raises:
        ValueError: a negative rate or weight decay.

    >>> optimizer = lamina.optim.ASGD(model.parameters(), lr=0.01)
    >>> loss.backward(); optimizer.step()
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check("learning rate", lr)
        check("weight_decay value", weight_decay)
        options = {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0}
        options |= {"weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, {**options, **way(foreach=foreach)})

    def _start(self, param: Any, group: Group) -> State:
        eta, mu = lamina.tensor(float(group["lr"])), lamina.ones(())
        return {"eta": eta, "mu": mu, "ax": lamina.zeros_like(param)}

    def _update(self, group: Group, params: Tensors, grads: Tensors, states: list[State], step: int) -> None:
        for param, grad, state in zip(params, grads, states, strict=True):
            grad = descent(grad, param, group)
            rate, share = float(state["eta"]), float(state["mu"])
            param.mul_(1 - group["lambd"] * rate).add_(grad, alpha=-rate)
            if share == 1:
                state["ax"].copy_(param)
            else:
                state["ax"].add_(param - state["ax"], alpha=share)
            state["eta"].fill_(group["lr"] / (1 + group["lambd"] * group["lr"] * step) ** group["alpha"])
            state["mu"].fill_(1 / max(1, step - group["t0"]))
