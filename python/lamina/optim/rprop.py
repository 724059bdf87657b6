"""Rprop, composed of tensor operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lamina

from .groupwise import GroupwiseOptimizer, check, way

if TYPE_CHECKING:
    from .groupwise import Tensors
    from .optimizer import Group, Params, State


class Rprop(GroupwiseOptimizer):
    """Resilient propagation (Riedmiller and Braun, 1993): only the sign of a gradient counts.

    Each number has a step of its own, growing by ``etas[1]`` while the gradient keeps its sign and shrinking
    by ``etas[0]`` where it turns; there the number stays for a step. It stays within ``step_sizes``.

    Raises:
        ValueError: a negative rate, or not ``0 < etas[0] < 1 < etas[1]``.

    >>> optimizer = lamina.optim.Rprop(model.parameters(), lr=0.01)
    >>> loss.backward(); optimizer.step()
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check("learning rate", lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        options = {"lr": lr, "etas": tuple(etas), "step_sizes": tuple(step_sizes), "maximize": maximize}
        super().__init__(params, {**options, **way(foreach=foreach)})

    def _start(self, param: Any, group: Group) -> State:
        return {"prev": lamina.zeros_like(param), "step_size": lamina.full_like(param, group["lr"])}

    def _update(self, group: Group, params: Tensors, grads: Tensors, states: list[State], step: int) -> None:
        shrink, grow = group["etas"]
        for param, grad, state in zip(params, grads, states, strict=True):
            grad = -grad if group["maximize"] else grad
            turned = (grad * state["prev"]).sign()
            factor = lamina.where(turned > 0, grow, lamina.where(turned < 0, shrink, 1.0)).to(param.dtype)
            state["step_size"].mul_(factor).clamp_(*group["step_sizes"])
            grad = grad.masked_fill(turned < 0, 0)
            param.addcmul_(grad.sign(), state["step_size"], value=-1)
            state["prev"].copy_(grad)
