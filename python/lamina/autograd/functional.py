"""Derivatives of functions rather than of tensors: Jacobians, Hessians and their products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.autograd import grad
from lamina.autograd.grad_mode import enable_grad

Tensors = tuple[Tensor, ...]
Function = Callable[..., Any]

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _tuple(given: Any, word: str) -> tuple[bool, Tensors]:
    """Whether it was a tuple, and the tuple."""
    group = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    if not group or not all(isinstance(x, Tensor) for x in group):
        raise TypeError(f"{word}: expected a Tensor or a non-empty tuple of them, got {type(given).__name__}")
    return isinstance(given, (tuple, list)), group


def _like(is_tuple: bool, group: Any) -> Any:
    return group if is_tuple else group[0]


def _leaves(inputs: Tensors, create_graph: bool) -> Tensors:
    """Inputs of one call of the function: themselves seen through a view, or copies cut off."""
    if create_graph:
        return tuple(x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in inputs)
    return tuple(x.detach().requires_grad_() for x in inputs)


def _vector(v: Any, like: Tensors, word: str) -> Tensors:
    if v is None:
        if len(like) == 1 and like[0].numel() == 1:
            return (_core.full_like(like[0], 1),)
        raise ShapeError(f"{word}: the vector v can only be left out where there is a single element")
    group = _tuple(v, word)[1]
    if [x.shape for x in group] != [x.shape for x in like]:
        raise ShapeError(
            f"{word}: expected v of shapes {[tuple(x.shape) for x in like]}, "
            f"got {[tuple(x.shape) for x in group]}"
        )
    return group


def _gradients(
    outputs: Tensors, inputs: Tensors, starts: Tensors, create_graph: bool, strict: bool, word: str
) -> Tensors:
    """As ``grad``, with zeros for what does not depend on an input, or with strict an error."""
    pairs = [(y, g) for y, g in zip(outputs, starts, strict=True) if y.requires_grad]
    found: tuple[Tensor | None, ...] = (None,) * len(inputs)
    if pairs:
        roots, grads = zip(*pairs, strict=True)
        found = grad(roots, inputs, grads, create_graph=create_graph, retain_graph=True, allow_unused=True)
    if strict and any(g is None for g in found):
        raise RuntimeError(f"{word}: an output does not depend on an input, which strict=True does not allow")
    return tuple(_core.full_like(x, 0) if g is None else g for g, x in zip(found, inputs, strict=True))


def _settled(group: Any, create_graph: bool) -> Any:
    return group if create_graph else tuple(x.detach() for x in group)


def vjp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``(func(*inputs), v @ Jacobian)``: one walk back, whatever the number of inputs.

    Raises:
        ShapeError: ``v`` is not of the outputs' shapes.

    >>> lamina.autograd.functional.vjp(lamina.exp, lamina.zeros(2), lamina.ones(2))[1].tolist()
    [1.0, 1.0]
    """
    with enable_grad():
        many_in, given = _tuple(inputs, "vjp")
        leaves = _leaves(given, create_graph)
        many_out, outputs = _tuple(func(*leaves), "vjp")
        vector = _vector(v, outputs, "vjp")
        result = _gradients(outputs, leaves, vector, create_graph, strict, "vjp")
    return _like(many_out, _settled(outputs, create_graph)), _like(many_in, _settled(result, create_graph))


def jvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``(func(*inputs), Jacobian @ v)``, as the derivative of a vjp by its vector, which it is linear in."""
    with enable_grad():
        _, given = _tuple(inputs, "jvp")
        vector = _vector(v, given, "jvp")
        leaves = _leaves(given, create_graph)
        many_out, outputs = _tuple(func(*leaves), "jvp")
        starts = tuple(_core.full_like(y, 0).requires_grad_() for y in outputs)
        back = _gradients(outputs, leaves, starts, True, strict, "jvp")
        result = _gradients(back, starts, vector, create_graph, strict, "jvp")
    return _like(many_out, _settled(outputs, create_graph)), _like(many_out, _settled(result, create_graph))


def jacobian(func: Function, inputs: Any, create_graph: bool = False, strict: bool = False) -> Any:
    """The derivative of every element of the outputs by every element of the inputs.

    One tensor of shape (*output, *input); for tuples of inputs or outputs, tuples of such tensors, outputs
    first.

    >>> lamina.autograd.functional.jacobian(lamina.square, lamina.tensor([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    with enable_grad():
        many_in, given = _tuple(inputs, "jacobian")
        leaves = _leaves(given, create_graph)
        many_out, outputs = _tuple(func(*leaves), "jacobian")
        rows = tuple(_like(many_in, _rows(y, leaves, create_graph, strict)) for y in outputs)
    return _like(many_out, rows)


def _rows(y: Tensor, leaves: Tensors, create_graph: bool, strict: bool) -> Tensors:
    """The Jacobians of one output, a walk back per element."""
    flat = y.reshape(-1)
    found: list[list[Tensor]] = [[] for _ in leaves]
    for i in range(flat.numel()):
        start = (_core.full((), 1, y.dtype),)
        for rows, g in zip(
            found, _gradients((flat[i],), leaves, start, create_graph, strict, "jacobian"), strict=True
        ):
            rows.append(g if create_graph else g.detach())
    return tuple(
        (_core.stack(rows) if rows else _core.empty((0, *x.shape), x.dtype)).reshape(*y.shape, *x.shape)
        for rows, x in zip(found, leaves, strict=True)
    )


def _scalar(func: Function, word: str) -> Function:
    def checked(*inputs: Tensor) -> Tensor:
        y = func(*inputs)
        if not isinstance(y, Tensor) or y.numel() != 1:
            raise ShapeError(f"{word}: expected a function that returns a single element")
        return y.reshape(())

    return checked


def hessian(func: Function, inputs: Any, create_graph: bool = False, strict: bool = False) -> Any:
    """The second derivatives of a function with one element as its result: (*input, *input), or tuples of
    tuples.

    >>> lamina.autograd.functional.hessian(lambda x: (x**3).sum(), lamina.ones(1)).tolist()
    [[6.0]]
    """
    many, _ = _tuple(inputs, "hessian")
    function = _scalar(func, "hessian")

    def first(*x: Tensor) -> Any:
        return jacobian(function, x if many else x[0], create_graph=True)

    return jacobian(first, inputs, create_graph=create_graph, strict=strict)


def vhp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``(func(*inputs), v @ Hessian)``: two walks back, whatever the number of inputs."""
    with enable_grad():
        many, given = _tuple(inputs, "vhp")
        vector = _vector(v, given, "vhp")
        leaves = _leaves(given, create_graph)
        y = _scalar(func, "vhp")(*leaves)
        first = _gradients((y,), leaves, (_core.full_like(y, 1),), True, strict, "vhp")
        result = _gradients(first, leaves, vector, create_graph, strict, "vhp")
    return _settled((y,), create_graph)[0], _like(many, _settled(result, create_graph))


def hvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``(func(*inputs), Hessian @ v)``; the Hessian is symmetric, so this is ``vhp``."""
    return vhp(func, inputs, v, create_graph, strict)
