"""RAdam, composed of tensor operations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import lamina

from .adam import check_adam
from .groupwise import GroupwiseOptimizer, descent, way

if TYPE_CHECKING:
    from .groupwise import Tensors
    from .optimizer import Group, Params, State


class RAdam(GroupwiseOptimizer):
    """RAdam: Adam whose step is scaled by the certainty of its second moment (Liu et al., 2020).

    arXiv:1908.03265. In the first steps, where that moment has no variance yet, it is SGD with momentum.

    Raises:
        ValueError: a negative option, or a beta outside [0, 1).

    >>> optimizer = lamina.optim.RAdam(model.parameters(), lr=1e-3)
    >>> loss.backward(); optimizer.step()
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
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
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
                **way(foreach=foreach),
            },
        )

    def _start(self, param: Any, group: Group) -> State:
        return {"exp_avg": lamina.zeros_like(param), "exp_avg_sq": lamina.zeros_like(param)}

    def _update(self, group: Group, params: Tensors, grads: Tensors, states: list[State], step: int) -> None:
        beta1, beta2 = group["betas"]
        rate = group["lr"] / (1 - beta1**step)
        correction = 1 - beta2**step
        longest = 2 / (1 - beta2) - 1  # length of the simple moving average that the decaying one stands for
        length = longest - 2 * step * beta2**step / correction
        for param, grad, state in zip(params, grads, states, strict=True):
            grad = descent(grad, param, group)
            mean, square = state["exp_avg"], state["exp_avg_sq"]
            mean.lerp_(grad, 1 - beta1)
            square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
            if length > 5:
                certainty = math.sqrt(
                    (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
                )
                scale = rate * math.sqrt(correction) * certainty
                param.addcdiv_(mean, square.sqrt().add_(group["eps"]), value=-scale)
            else:
                param.add_(mean, alpha=-rate)
