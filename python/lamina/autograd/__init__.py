"""Automatic differentiation: gradients of recorded computations, and what a computation with its own gradient
is.

The walk back is the core's; ``functional`` and ``gradcheck`` are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lamina import _core
from lamina._core import Tensor
from lamina.autograd import grad_mode
from lamina.autograd.function import Function, once_differentiable
from lamina.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled

if TYPE_CHECKING:
    from lamina.autograd import functional, graph
    from lamina.autograd.anomaly import detect_anomaly, set_detect_anomaly
    from lamina.autograd.difference import gradcheck, gradgradcheck
    from lamina.autograd.drawing import graph_of

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "graph_of",
    "inference_mode",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
]

Group = Tensor | Sequence[Tensor]


def __getattr__(name: str) -> Any:
    if name in ("gradcheck", "gradgradcheck"):
        found = getattr(importlib.import_module("lamina.autograd.difference"), name)
    elif name in ("detect_anomaly", "set_detect_anomaly"):
        found = getattr(importlib.import_module("lamina.autograd.anomaly"), name)
    elif name == "graph_of":
        found = importlib.import_module("lamina.autograd.drawing").graph_of
    elif name in ("functional", "graph"):
        found = importlib.import_module(f"lamina.autograd.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def Variable(data: Tensor, requires_grad: bool = False) -> Tensor:
    """``data`` over the same memory: what tensors were wrapped in before they recorded by themselves."""
    return data.detach().requires_grad_(requires_grad)


def _group(given: Group) -> tuple[Tensor, ...]:
    return (given,) if isinstance(given, Tensor) else tuple(given)


def _grads(word: str, given: Any, count: int) -> list[Tensor | None]:
    """One gradient, or None, per output."""
    grads: list[Tensor | None] = [None] * count
    if given is not None:
        grads = [given] if isinstance(given, Tensor) else list(given)
    if len(grads) != count:
        raise _core.ShapeError(f"{word}: got {count} tensors and {len(grads)} gradients")
    return grads


def backward(
    tensors: Group,
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Group | None = None,
) -> None:
    """Add the gradients of ``sum(tensors * grad_tensors)`` to the ``.grad`` of its leaves, or of ``inputs``
    alone.

    Raises:
        RuntimeError: a tensor without a graph, a graph that was freed, or a saved tensor that was changed.

    >>> x = lamina.ones(1, requires_grad=True); lamina.autograd.backward(3 * x); x.grad.item()
    3.0
    """
    roots = _group(tensors)
    targets = [] if inputs is None else list(_group(inputs))
    if inputs is not None and not targets:
        raise RuntimeError("backward: 'inputs' cannot be empty")
    keep = create_graph if retain_graph is None else retain_graph
    _core.backward(roots, _grads("backward", grad_tensors, len(roots)), targets, keep, create_graph, True)


def grad(
    outputs: Group,
    inputs: Group,
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``sum(outputs * grad_outputs)`` for each of ``inputs``; no ``.grad`` changes.

    With ``create_graph`` they can be differentiated in turn. Inputs that do not matter raise, unless
    ``allow_unused`` gives None for them or ``materialize_grads`` zeros. With ``is_grads_batched`` each of
    ``grad_outputs`` has a dimension more in front, and so has each gradient: one walk for each index of it.

    Raises:
        RuntimeError: an input that does not matter, or does not require grad.
        ValueError: ``only_inputs`` is not True; other leaves get their gradient from ``backward``.

    >>> x = lamina.tensor(3.0, requires_grad=True); lamina.autograd.grad(x * x, x)[0].item()
    6.0
    """
    if not only_inputs:
        raise ValueError("grad: expected only_inputs=True; backward gives other leaves their gradient")
    if is_grads_batched:
        options = (retain_graph, create_graph, True, allow_unused, False, materialize_grads)
        return _batched_grad(_group(outputs), inputs, grad_outputs, options)
    roots, targets = _group(outputs), _group(inputs)
    if materialize_grads and allow_unused is False:
        raise _core.ShapeError("grad: allow_unused cannot be False where materialize_grads is True")
    if not targets:
        raise _core.ShapeError("grad: expected at least one input")
    keep = create_graph if retain_graph is None else retain_graph
    starts = _grads("grad", grad_outputs, len(roots))
    found: list[Tensor | None] = _core.backward(roots, starts, targets, keep, create_graph, False)
    if materialize_grads:
        found = [_core.full_like(x, 0) if g is None else g for g, x in zip(found, targets, strict=True)]
    if not allow_unused and any(g is None for g in found):
        raise RuntimeError(
            "grad: One of the differentiated Tensors appears to not have been used in the graph. "
            "Set allow_unused=True if this is the desired behavior."
        )
    return tuple(found)


def _batched_grad(roots: Group, inputs: Group, starts: Any, options: tuple[Any, ...]) -> tuple[Any, ...]:
    """``grad`` for each index of the first dimension of ``starts``, stacked."""
    rows = _grads("grad", starts, len(roots))
    counts = {len(row) for row in rows if row is not None}
    if len(counts) != 1:
        raise _core.ShapeError(f"grad: is_grads_batched expects grad_outputs of one length, got {counts}")
    (count,) = counts
    walks = [
        grad(
            roots,
            inputs,
            [None if row is None else row[at] for row in rows],
            True if at + 1 < count else options[0],
            *options[1:],
        )
        for at in range(count)
    ]
    columns = zip(*walks, strict=True)
    return tuple(None if column[0] is None else _core.stack(column) for column in columns)
