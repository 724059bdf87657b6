"""Stochastic gradient descent. The arithmetic is one pass over all parameters in the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lamina
from lamina import _core

from .groupwise import GroupwiseOptimizer, check, way, with_grad

if TYPE_CHECKING:
    from .optimizer import Group, Params


class SGD(GroupwiseOptimizer):
    """Stochastic gradient descent with momentum (Sutskever et al., 2013) and Nesterov's variant.

    With g the gradient plus ``weight_decay * p``: ``v = momentum * v + (1 - dampening) * g`` (at
    first ``v = g``) and ``p -= lr * v``; with ``nesterov``, ``p -= lr * (g + momentum * v)``.

    Raises:
        ValueError: a negative option, or ``nesterov`` without momentum or with dampening.

    >>> optimizer = lamina.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    >>> loss.backward(); optimizer.step()
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        fused: bool | None = None,
    ) -> None:
        check("learning rate", lr)
        check("momentum value", momentum)
        check("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                **way(foreach=foreach, fused=fused),
            },
        )

    def _step_group(self, group: Group) -> None:
        params, grads = with_grad(group)
        entries = [self.state[param] for param in params] if group["momentum"] != 0 else []
        buffers: list[Any] = [entry.get("momentum_buffer") for entry in entries]
        first = [buffer is None for buffer in buffers]
        if any(first):
            buffers = [lamina.empty_like(p) if b is None else b for p, b in zip(params, buffers, strict=True)]
        _core.sgd_step(
            params,
            grads,
            buffers,
            group["lr"],
            group["momentum"],
            group["dampening"],
            group["weight_decay"],
            group["nesterov"],
            group["maximize"],
            first,
        )
        if any(first):  # only now that the core has filled them
            for entry, buffer in zip(entries, buffers, strict=True):
                entry["momentum_buffer"] = buffer
