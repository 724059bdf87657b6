"""Adam and AdamW. The arithmetic is one pass over all parameters in the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lamina
from lamina import _core

from .groupwise import GroupwiseOptimizer, check, way

if TYPE_CHECKING:
    from .groupwise import Tensors
    from .optimizer import Group, Params, State


def check_adam(lr: float, betas: tuple[float, float], eps: float, weight_decay: float) -> None:
    """Raise ValueError for options outside the range that Adam and its kin are defined for."""
    check("learning rate", lr)
    check("epsilon value", eps)
    check("beta parameter at index 0", betas[0], below=1.0)
    check("beta parameter at index 1", betas[1], below=1.0)
    check("weight_decay value", weight_decay)


class Adam(GroupwiseOptimizer):
    """Adam (Kingma and Ba, 2015, arXiv:1412.6980); ``amsgrad`` is Reddi et al., 2018.

    With m and v the decaying means of the gradient and of its square, freed of their start at zero:
    ``p -= lr * m / (sqrt(v) + eps)``. ``weight_decay`` adds ``weight_decay * p`` to the gradient, or, with
    ``decoupled_weight_decay``, shrinks p by ``lr * weight_decay`` instead.

    Raises:
        ValueError: a negative option, or a beta outside [0, 1).

    >>> optimizer = lamina.optim.Adam(model.parameters(), lr=1e-3)
    >>> loss.backward(); optimizer.step()
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_adam(lr, betas, eps, weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                **way(foreach=foreach, fused=fused),
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def _start(self, param: Any, group: Group) -> State:
        state = {"exp_avg": lamina.zeros_like(param), "exp_avg_sq": lamina.zeros_like(param)}
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = lamina.zeros_like(param)
        return state

    def _update(self, group: Group, params: Tensors, grads: Tensors, states: list[State], step: int) -> None:
        beta1, beta2 = group["betas"]
        _core.adam_step(
            params,
            grads,
            [entry["exp_avg"] for entry in states],
            [entry["exp_avg_sq"] for entry in states],
            [entry["max_exp_avg_sq"] for entry in states] if group["amsgrad"] else [],
            step,
            group["lr"],
            beta1,
            beta2,
            group["eps"],
            group["weight_decay"],
            group["decoupled_weight_decay"],
            group["amsgrad"],
            group["maximize"],
        )


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019, arXiv:1711.05101).

    As :class:`Adam`, but each step first shrinks p by ``lr * weight_decay * p``.

    >>> optimizer = lamina.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1)
    >>> loss.backward(); optimizer.step()
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            fused=fused,
            decoupled_weight_decay=True,
        )
