"""Adamax, composed of tensor operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lamina

from .adam import check_adam
from .groupwise import GroupwiseOptimizer, descent, way

if TYPE_CHECKING:
    from .groupwise import Tensors
    from .optimizer import Group, Params, State


class Adamax(GroupwiseOptimizer):
    """Adamax: Adam with the infinity norm (Kingma and Ba, 2015, arXiv:1412.6980, section 7.1).

    With m the decaying mean of the gradient and ``u = max(beta2 * u, |g| + eps)``, at step t:
    ``p -= lr / (1 - beta1**t) * m / u``.

    Raises:
        ValueError: a negative option, or a beta outside [0, 1).

    >>> optimizer = lamina.optim.Adamax(model.parameters(), lr=2e-3)
    >>> loss.backward(); optimizer.step()
    """

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_adam(lr, betas, eps, weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                **way(foreach=foreach),
            },
        )

    def _start(self, param: Any, group: Group) -> State:
        return {"exp_avg": lamina.zeros_like(param), "exp_inf": lamina.zeros_like(param)}

    def _update(self, group: Group, params: Tensors, grads: Tensors, states: list[State], step: int) -> None:
        beta1, beta2 = group["betas"]
        rate = group["lr"] / (1 - beta1**step)
        for param, grad, state in zip(params, grads, states, strict=True):
            grad = descent(grad, param, group)
            mean, largest = state["exp_avg"], state["exp_inf"]
            mean.lerp_(grad, 1 - beta1)
            lamina.maximum(largest.mul_(beta2), grad.abs().add_(group["eps"]), out=largest)
            param.addcdiv_(mean, largest, value=-rate)
