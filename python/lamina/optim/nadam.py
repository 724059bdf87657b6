"""NAdam, composed of tensor operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lamina

from .adam import check_adam
from .groupwise import GroupwiseOptimizer, check, descent, way

if TYPE_CHECKING:
    from .groupwise import Tensors
    from .optimizer import Group, Params, State


class NAdam(GroupwiseOptimizer):
    """NAdam: Adam with Nesterov momentum (Dozat, 2016).

    The momentum at step t is ``mu = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))``; the numerator mixes
    the gradient, weighted by ``1 - mu``, with the decaying mean, weighted by the momentum of the next step.

    Raises:
        ValueError: a negative option, or a beta outside [0, 1).

    >>> optimizer = lamina.optim.NAdam(model.parameters(), lr=2e-3)
    >>> loss.backward(); optimizer.step()
    """

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_adam(lr, betas, eps, weight_decay)
        check("momentum_decay value", momentum_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
                **way(foreach=foreach),
            },
        )

    def _start(self, param: Any, group: Group) -> State:
        return {
            "mu_product": lamina.ones((), dtype=lamina.float32),
            "exp_avg": lamina.zeros_like(param),
            "exp_avg_sq": lamina.zeros_like(param),
        }

    def _update(self, group: Group, params: Tensors, grads: Tensors, states: list[State], step: int) -> None:
        beta1, beta2 = group["betas"]
        lr = group["lr"]
        mu = beta1 * (1 - 0.5 * 0.96 ** (step * group["momentum_decay"]))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((step + 1) * group["momentum_decay"]))
        for param, grad, state in zip(params, grads, states, strict=True):
            grad = descent(grad, param, group)
            mu_product = float(state["mu_product"].mul_(mu).item())
            mean, square = state["exp_avg"], state["exp_avg_sq"]
            mean.lerp_(grad, 1 - beta1)
            square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
            denominator = (square / (1 - beta2**step)).sqrt_().add_(group["eps"])
            param.addcdiv_(grad, denominator, value=-lr * (1 - mu) / (1 - mu_product))
            param.addcdiv_(mean, denominator, value=-lr * mu_next / (1 - mu_product * mu_next))
