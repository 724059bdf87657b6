"""Adadelta, composed of tensor operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lamina

from .groupwise import GroupwiseOptimizer, check, descent, way

if TYPE_CHECKING:
    from .groupwise import Tensors
    from .optimizer import Group, Params, State


class Adadelta(GroupwiseOptimizer):
    """Adadelta (Zeiler, 2012, arXiv:1212.5701).

    With v and u the decaying means (by ``rho``) of the squared gradient and of the squared step d:
    ``d = sqrt(u + eps) / sqrt(v + eps) * g`` and ``p -= lr * d``.

    Raises:
        ValueError: a negative option, or ``rho`` above 1.

    >>> optimizer = lamina.optim.Adadelta(model.parameters())
    >>> loss.backward(); optimizer.step()
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check("learning rate", lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check("epsilon value", eps)
        check("weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                **way(foreach=foreach),
            },
        )

    def _start(self, param: Any, group: Group) -> State:
        return {"square_avg": lamina.zeros_like(param), "acc_delta": lamina.zeros_like(param)}

    def _update(self, group: Group, params: Tensors, grads: Tensors, states: list[State], step: int) -> None:
        rho, eps = group["rho"], group["eps"]
        for param, grad, state in zip(params, grads, states, strict=True):
            grad = descent(grad, param, group)
            square_avg, acc_delta = state["square_avg"], state["acc_delta"]
            square_avg.mul_(rho).addcmul_(grad, grad, value=1 - rho)
            delta = (acc_delta + eps).sqrt_().div_((square_avg + eps).sqrt_()).mul_(grad)
            acc_delta.mul_(rho).addcmul_(delta, delta, value=1 - rho)
            param.add_(delta, alpha=-group["lr"])
