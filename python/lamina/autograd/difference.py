"""Gradients judged by differences: what a function's way back gives against what small changes of its inputs
do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.autograd import grad
from lamina.autograd.grad_mode import enable_grad, no_grad
from lamina.elementwise import allclose

Function = Callable[..., Any]


class GradcheckError(RuntimeError):
    """A gradient differs from the differences, or cannot be compared with them."""


def _outputs(func: Function, inputs: tuple[Any, ...]) -> list[Tensor]:
    """The floating results; integers and bools have no derivative."""
    result = func(*inputs)
    group = result if isinstance(result, (tuple, list)) else (result,)
    return [y for y in group if isinstance(y, Tensor) and y.is_floating_point()]


def _checked(inputs: Any, word: str) -> tuple[tuple[Any, ...], list[Tensor]]:
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    wanted = [x for x in given if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ShapeError(f"{word}: expects at least one input tensor to require gradient")
    for x in wanted:
        if x.dtype is not _core.float64:
            raise ShapeError(f"{word}: differences need float64, got an input of {x.dtype}")
        if any(step == 0 and size > 1 for step, size in zip(x.stride(), x.shape, strict=True)):
            raise ShapeError(f"{word}: an input of stride 0 cannot be changed one element at a time")
    return given, wanted


def _numerical(func: Function, given: tuple[Any, ...], x: Tensor, count: int, eps: float) -> list[Tensor]:
    """One Jacobian per output, (elements of x, elements of y), by central differences."""
    columns: list[list[Tensor]] = [[] for _ in range(count)]
    whole = x.detach()
    with no_grad():
        for i in range(x.numel()):
            place = _element(whole, i)
            before = place.item()
            place.fill_(before + eps)
            above = [y.clone() for y in _outputs(func, given)]
            place.fill_(before - eps)
            below = [y.clone() for y in _outputs(func, given)]
            place.fill_(before)
            for column, high, low in zip(columns, above, below, strict=True):
                column.append((high - low).reshape(-1) / (2 * eps))
    return [_core.stack(column) if column else _core.empty((0, 0), x.dtype) for column in columns]


def _element(x: Tensor, i: int) -> Tensor:
    """A 0-d view of element i, counted in row-major order."""
    places = []
    for size in reversed(x.shape):
        i, place = divmod(i, size)
        places.append(place)
    for place in reversed(places):
        x = x.select(0, place)
    return x


def _analytical(y: Tensor, wanted: list[Tensor]) -> list[Tensor]:
    """One Jacobian per input, (elements of x, elements of y), a walk back per element of y."""
    if not y.requires_grad:
        return [_core.full((x.numel(), y.numel()), 0, x.dtype) for x in wanted]
    rows: list[list[Tensor]] = [[] for _ in wanted]
    for i in range(y.numel()):
        start = _core.full((y.numel(),), 0, y.dtype)
        start[i] = 1
        found = grad(y, wanted, start.reshape(y.shape), retain_graph=True, allow_unused=True)
        for row, g, x in zip(rows, found, wanted, strict=True):
            if g is not None and (g.shape != x.shape or g.dtype is not x.dtype):
                raise GradcheckError(
                    f"the gradient for {x.dtype} of shape {tuple(x.shape)} is {g.dtype} of {tuple(g.shape)}"
                )
            row.append((_core.full_like(x, 0) if g is None else g.detach()).reshape(-1))
    return [
        _core.stack(row, 1) if row else _core.empty((x.numel(), 0), x.dtype)
        for row, x in zip(rows, wanted, strict=True)
    ]


def _compare(func: Function, inputs: Any, eps: float, atol: float, rtol: float, nondet_tol: float) -> None:
    given, wanted = _checked(inputs, "gradcheck")
    with enable_grad():
        outputs = _outputs(func, given)
        if not any(y.requires_grad for y in outputs):
            raise ShapeError("gradcheck: no output requires a gradient")
    # Before anything is changed: the way back checks that what it saved is as it was.
    by_way_back = [_analytical(y, wanted) for y in outputs]
    for k, (first, second) in enumerate(
        zip(by_way_back, [_analytical(y, wanted) for y in outputs], strict=True)
    ):
        if any(bool(((a - b).abs() > nondet_tol).any()) for a, b in zip(first, second, strict=True)):
            raise GradcheckError(f"the gradient of output {k} is not the same the second time")
    for i, x in enumerate(wanted):
        for k, expected in enumerate(_numerical(func, given, x, len(outputs), eps)):
            jacobian = by_way_back[k][i]
            if jacobian.numel() and not allclose(jacobian, expected.to(jacobian.dtype), rtol, atol):
                raise GradcheckError(
                    f"Jacobian mismatch for output {k} with respect to input {i},\nnumerical: {expected}\n"
                    f"analytical: {jacobian}"
                )


def gradcheck(
    func: Function,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """Whether the gradients of ``func`` agree with central differences of step ``eps``, within the
    tolerances.

    All ``inputs`` that require grad must be float64. ``nondet_tol`` is how far a second walk back may differ.

    Raises:
        GradcheckError: they do not agree; with ``raise_exception=False`` the result is False instead.

    >>> lamina.autograd.gradcheck(lamina.sin, lamina.ones(2, dtype=lamina.float64, requires_grad=True))
    True
    """
    try:
        _compare(func, inputs, eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Function,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """``gradcheck`` of the gradients of ``func``, by its inputs and by ``grad_outputs``, drawn if None."""
    given, _ = _checked(inputs, "gradgradcheck")
    with enable_grad():
        outputs = [y for y in _outputs(func, given) if y.requires_grad]
    if grad_outputs is None:
        starts = [_core.empty(y.shape, y.dtype).normal_().requires_grad_() for y in outputs]
    else:
        starts = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)

    def first(*args: Any) -> tuple[Tensor, ...]:
        own = args[: len(given)]
        with enable_grad():
            results = [y for y in _outputs(func, own) if y.requires_grad]
            by = [x for x in own if isinstance(x, Tensor) and x.requires_grad]
            found = grad(results, by, args[len(given) :], create_graph=True, allow_unused=True)
        return tuple(_core.full_like(x, 0) if g is None else g for g, x in zip(found, by, strict=True))

    options = {"eps": eps, "atol": atol, "rtol": rtol, "nondet_tol": nondet_tol}
    return gradcheck(first, (*given, *starts), raise_exception=raise_exception, **options)
