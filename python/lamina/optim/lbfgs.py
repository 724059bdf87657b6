"""L-BFGS, composed of tensor operations on one flat vector of all parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import lamina

from .groupwise import check
from .line_search import Point, strong_wolfe
from .optimizer import Optimizer

if TYPE_CHECKING:
    from lamina import Tensor

    from .optimizer import Params, State


class LBFGS(Optimizer):
    """Limited-memory BFGS (Nocedal and Wright, 2006, algorithm 7.5).

    ``step`` needs a closure, which it calls up to ``max_eval`` times (default: 1.25 ``max_iter``) over at
    most ``max_iter`` iterations; it stops early when no gradient exceeds ``tolerance_grad``, or neither the
    parameters nor the loss change by more than ``tolerance_change``. ``line_search_fn`` is None (steps of
    ``lr``) or ``"strong_wolfe"``. Memory: ``history_size`` + 4 copies of the parameters, twice over.

    Raises:
        ValueError: a negative ``lr``, or more than one parameter group.
        RuntimeError: an unknown ``line_search_fn``.

    >>> optimizer = lamina.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")
    >>> optimizer.step(closure)  # closure: zero_grad, compute the loss, backward, return the loss
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check("learning rate", lr)
        if line_search_fn not in (None, "strong_wolfe"):
            raise RuntimeError(f"only 'strong_wolfe' is supported, but got {line_search_fn!r}")
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Minimise the loss for up to ``max_iter`` iterations; return its value before the first."""
        with lamina.no_grad():
            return self._minimise(closure)

    def _minimise(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = _evaluate(closure)
        loss, grad = float(first_loss), self._flat_grad()
        evaluations = 1
        state["func_evals"] += 1
        for iteration in range(1, group["max_iter"] + 1):
            if _largest(grad) <= group["tolerance_grad"]:
                break
            state["n_iter"] += 1
            self._remember(state, grad)
            direction = state["d"] = _direction(state, grad)
            state["prev_flat_grad"], state["prev_loss"] = grad, loss
            state["t"] = group["lr"]
            if state["n_iter"] == 1:
                state["t"] *= min(1.0, 1.0 / float(grad.abs().sum()))
            slope = float(grad @ direction)
            if slope > -group["tolerance_change"]:
                break
            if group["line_search_fn"] is not None:
                start = Point(0.0, loss, grad, slope)
                limit = group["max_eval"] - evaluations
                found, looks = self._search(closure, start, direction, state["t"], limit)
                state["t"], loss, grad = found.step, found.loss, found.grad
                self._move(direction, state["t"])
            else:
                self._move(direction, state["t"])
                looks = int(iteration < group["max_iter"])  # the last loss would not be used
                if looks:
                    loss, grad = float(_evaluate(closure)), self._flat_grad()
            evaluations += looks
            state["func_evals"] += looks
            still = _largest(direction) * state["t"] <= group["tolerance_change"]
            if evaluations >= group["max_eval"] or still:
                break
            if abs(loss - state["prev_loss"]) < group["tolerance_change"]:
                break
        return first_loss

    def _remember(self, state: State, grad: Tensor) -> None:
        """Add the last step and its change of gradient to the history, if curvature is positive."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return
        change = grad - state["prev_flat_grad"]
        step = state["d"] * float(state["t"])
        curvature = float(change @ step)
        if curvature <= 1e-10:
            return
        if len(state["old_dirs"]) == self.param_groups[0]["history_size"]:
            for history in (state["old_dirs"], state["old_stps"], state["ro"]):
                history.pop(0)
        state["old_dirs"].append(change)
        state["old_stps"].append(step)
        state["ro"].append(1.0 / curvature)
        state["H_diag"] = curvature / float(change @ change)

    def _search(
        self, closure: Callable[[], Any], start: Point, direction: Tensor, step: float, limit: int
    ) -> tuple[Point, int]:
        params = self.param_groups[0]["params"]
        home = [param.detach().clone() for param in params]

        def look(length: float) -> Point:
            self._move(direction, length)
            loss = float(_evaluate(closure))
            grad = self._flat_grad()
            for param, value in zip(params, home, strict=True):
                param.copy_(value)
            return Point(length, loss, grad, float(grad @ direction))

        return strong_wolfe(look, start, step, limit, _largest(direction))

    def _flat_grad(self) -> Tensor:
        params = self.param_groups[0]["params"]
        parts = [(lamina.zeros_like(p) if p.grad is None else p.grad.detach()).reshape(-1) for p in params]
        return lamina.cat(parts)

    def _move(self, direction: Tensor, step: float) -> None:
        offset = 0
        for param in self.param_groups[0]["params"]:
            part = direction[offset : offset + param.numel()]
            param.add_(part.reshape(param.shape), alpha=step)
            offset += param.numel()


def _direction(state: State, grad: Tensor) -> Tensor:
    """The two-loop recursion: minus the approximate inverse Hessian times the gradient."""
    history = list(zip(state["old_dirs"], state["old_stps"], map(float, state["ro"]), strict=True))
    direction = -grad
    weights = []
    for change, step, ro in reversed(history):
        weights.append(float(step @ direction) * ro)
        direction.add_(change, alpha=-weights[-1])
    direction = direction * float(state["H_diag"])
    for change, step, ro in history:
        direction.add_(step, alpha=weights.pop() - float(change @ direction) * ro)
    return direction


def _evaluate(closure: Callable[[], Any]) -> Any:
    with lamina.enable_grad():
        return closure()


def _largest(vector: Tensor) -> float:
    return float(vector.abs().max())
