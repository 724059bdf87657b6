"""Derivatives as functions of functions: grad, vjp, jvp, Jacobians, Hessians; they can be nested.

Each is made of walks back: a column of a Jacobian costs two of them, a row one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import lamina
from lamina._core import ShapeError, Tensor
from lamina.func.tree import mapped, rebuilt, tensors_of

Function = Callable[..., Any]
_depth = 0  # of derivatives of derivatives


class _Level:
    """Inside, operations are recorded; further derivatives are recorded themselves."""

    def __enter__(self) -> _Level:
        global _depth
        _depth += 1
        self.mode = lamina.enable_grad()
        self.mode.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        global _depth
        _depth -= 1
        self.mode.__exit__(*exception)


def _face(x: Any) -> Any:
    """A tensor of this derivative's own, connected to the outer one's."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        return x
    return x.view_as(x) if x.requires_grad else x.detach().requires_grad_()


def _leads_outside(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> bool:
    """Whether somebody else can want the derivative of a result: an outer derivative, or a leaf that is none
    of ``inputs``."""
    if _depth > 1:
        return True
    own = {x.grad_fn for x in inputs if x.grad_fn is not None}
    if own:
        return True  # an input was given a history by somebody
    seen: set[Any] = set()
    todo = [y.grad_fn for y in outputs if y.grad_fn is not None]
    count = 0
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        count += node.name() == "AccumulateGrad"
        todo += [to for to, _ in node.next_functions if to is not None]
    return count > len(inputs)


def _grads(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], starts: Sequence[Tensor | None], record: bool
) -> list[Tensor]:
    """Gradients of the inputs, zeros where there are none."""
    pairs = [(y, g) for y, g in zip(outputs, starts, strict=True) if y.requires_grad]
    wanted = [x for x in inputs if x.requires_grad]
    found: dict[int, Tensor | None] = {}
    if pairs and wanted:
        roots, grads = zip(*pairs, strict=True)
        given = lamina.autograd.grad(
            roots, wanted, grads, create_graph=record, retain_graph=True, allow_unused=True
        )
        found = {id(x): g for x, g in zip(wanted, given, strict=True)}
    each = [(found.get(id(x)), x) for x in inputs]
    return [lamina.zeros_like(x) if g is None else g for g, x in each]


def _settled(tree: Any, record: bool) -> Any:
    return tree if record else mapped(lambda x: x.detach() if isinstance(x, Tensor) else x, tree)


def _chosen(args: tuple[Any, ...], argnums: Any, word: str) -> tuple[int, ...]:
    places = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for place in places:
        if not isinstance(place, int) or not -len(args) <= place < len(args):
            raise ShapeError(f"{word}: argnums {argnums} does not fit {len(args)} arguments")
    return tuple(place % len(args) for place in places)


def _with_faces(args: tuple[Any, ...], places: tuple[int, ...]) -> tuple[list[Any], list[Any]]:
    """The arguments with fresh faces at ``places``, and those alone."""
    renewed = list(args)
    for place in places:
        renewed[place] = mapped(_face, args[place])
    return renewed, [renewed[place] for place in places]


def _split_aux(result: Any, has_aux: bool, word: str) -> tuple[Any, Any]:
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(f"{word}: with has_aux=True the function must return (output, aux)")
    return result


def grad_and_value(func: Function, argnums: Any = 0, has_aux: bool = False) -> Function:
    """A function that gives ``(gradient, value)``; with ``has_aux`` ``(gradient, (value, aux))``.

    ``func`` returns one number; ``argnums`` says for which arguments, which may be nests of tensors, the
    gradient is taken.

    Raises:
        RuntimeError: ``func`` returns something else.

    >>> lamina.func.grad_and_value(lamina.sin)(lamina.tensor(0.0))
    (tensor(1.), tensor(0.))
    """

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        places = _chosen(args, argnums, "grad")
        with _Level():
            renewed, wanted = _with_faces(args, places)
            value, aux = _split_aux(func(*renewed, **kwargs), has_aux, "grad")
            if not isinstance(value, Tensor) or value.numel() != 1 or value.ndim:
                got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise RuntimeError(f"grad: expected the function to return a scalar tensor, got {got}")
            inputs = tensors_of(wanted, "grad")
            record = _leads_outside([value], inputs)
            slopes = _grads([value], inputs, [None], record)
        grads = rebuilt(wanted, iter(_settled(slopes, record)))
        value, aux = _settled(value, record), _settled(aux, record)
        result = grads[0] if isinstance(argnums, int) else tuple(grads)
        return result, (value, aux) if has_aux else value

    return wrapped


def grad(func: Function, argnums: Any = 0, has_aux: bool = False) -> Function:
    """A function that gives the gradient of ``func``; with ``has_aux`` ``(gradient, aux)``.

    >>> lamina.func.grad(lamina.func.grad(lambda x: x**3))(lamina.tensor(2.0)).item()
    12.0
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        slopes, value = both(*args, **kwargs)
        return (slopes, value[1]) if has_aux else slopes

    return wrapped


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """``(func(*primals), vjp_fn)`` where ``vjp_fn(cotangents)`` gives one gradient per primal.

    >>> value, back = lamina.func.vjp(lamina.exp, lamina.zeros(2))
    >>> back(lamina.ones(2))[0].tolist()
    [1.0, 1.0]
    """
    with _Level():
        renewed, _ = _with_faces(primals, tuple(range(len(primals))))
        output, aux = _split_aux(func(*renewed), has_aux, "vjp")
        outputs = tensors_of(output, "vjp")
        inputs = tensors_of(renewed, "vjp")
        record = _leads_outside(outputs, inputs)

    def back(cotangents: Any, *more: Any) -> Any:
        starts = tensors_of((cotangents, *more) if more else cotangents, "vjp")
        if [y.shape for y in outputs] != [g.shape for g in starts]:
            raise ShapeError(
                f"vjp: expected cotangents of shapes {[tuple(y.shape) for y in outputs]}, "
                f"got {[tuple(g.shape) for g in starts]}"
            )
        deeper = record or _depth > 0 or any(g.requires_grad for g in starts)
        with _Level():
            slopes = _grads(outputs, inputs, starts, deeper)
        return tuple(rebuilt(renewed, iter(_settled(slopes, deeper))))

    value = _settled(output, record or _depth > 0)
    return (value, back, _settled(aux, record)) if has_aux else (value, back)


def jvp(func: Function, primals: Any, tangents: Any, *, has_aux: bool = False) -> tuple[Any, ...]:
    """``(func(*primals), Jacobian @ tangents)``, by the derivative of a walk back.

    >>> lamina.func.jvp(lamina.exp, (lamina.zeros(2),), (lamina.ones(2),))[1].tolist()
    [1.0, 1.0]
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise TypeError("jvp: expected tuples of primals and tangents")
    with _Level():
        renewed, _ = _with_faces(primals, tuple(range(len(primals))))
        inputs, directions = tensors_of(renewed, "jvp"), tensors_of(tangents, "jvp")
        if [x.shape for x in inputs] != [v.shape for v in directions]:
            raise ShapeError("jvp: expected tangents of the shapes of the primals")
        output, aux = _split_aux(func(*renewed), has_aux, "jvp")
        outputs = tensors_of(output, "jvp")
        record = _leads_outside(outputs, inputs) or any(v.requires_grad for v in directions)
        # The gradient is linear in the cotangent u; its derivative in u is the Jacobian.
        cotangents = [lamina.zeros_like(y).requires_grad_() for y in outputs]
        slopes = _grads(outputs, inputs, cotangents, True)
        moved = _grads(slopes, cotangents, directions, record)
    value = _settled(output, record)
    tangent = rebuilt(output, iter(_settled(moved, record)))
    return (value, tangent, _settled(aux, record)) if has_aux else (value, tangent)


def jacrev(func: Function, argnums: Any = 0, has_aux: bool = False) -> Function:
    """A function that gives the Jacobian of ``func``, of shape output + input; a walk back per element of the
    output.

    >>> lamina.func.jacrev(lamina.exp)(lamina.zeros(2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        places = _chosen(args, argnums, "jacrev")
        with _Level():
            renewed, wanted = _with_faces(args, places)
            output, aux = _split_aux(func(*renewed, **kwargs), has_aux, "jacrev")
            outputs, inputs = tensors_of(output, "jacrev"), tensors_of(wanted, "jacrev")
            record = _leads_outside(outputs, inputs)
            jacobians = [_rows(y, inputs, record) for y in outputs]
        nested = [rebuilt(wanted, iter(_settled(row, record))) for row in jacobians]
        chosen = [row[0] if isinstance(argnums, int) else tuple(row) for row in nested]
        result = rebuilt(output, iter(chosen))
        return (result, _settled(aux, record)) if has_aux else result

    return wrapped


def _rows(output: Tensor, inputs: list[Tensor], record: bool) -> list[Tensor]:
    rows = []
    for i in range(output.numel()):
        start = lamina.zeros(output.numel(), dtype=output.dtype)
        start[i] = 1
        rows.append(_grads([output], inputs, [start.reshape(output.shape)], record))
    return [
        lamina.stack([row[place] for row in rows]).reshape(output.shape + x.shape)
        if rows
        else x.new_zeros(output.shape + x.shape)
        for place, x in enumerate(inputs)
    ]


def jacfwd(func: Function, argnums: Any = 0, has_aux: bool = False) -> Function:
    """As ``jacrev``, by columns: for functions of few inputs and many outputs.

    >>> lamina.func.jacfwd(lamina.exp)(lamina.zeros(2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        places = _chosen(args, argnums, "jacfwd")
        with _Level():
            renewed, wanted = _with_faces(args, places)
            output, aux = _split_aux(func(*renewed, **kwargs), has_aux, "jacfwd")
            outputs, inputs = tensors_of(output, "jacfwd"), tensors_of(wanted, "jacfwd")
            record = _leads_outside(outputs, inputs)
            cotangents = [lamina.zeros_like(y).requires_grad_() for y in outputs]
            slopes = _grads(outputs, inputs, cotangents, True)
            columns = [_columns(g, x, cotangents, record) for g, x in zip(slopes, inputs, strict=True)]
        jacobians = [[column[i] for column in columns] for i in range(len(outputs))]
        nested = [rebuilt(wanted, iter(_settled(row, record))) for row in jacobians]
        chosen = [row[0] if isinstance(argnums, int) else tuple(row) for row in nested]
        result = rebuilt(output, iter(chosen))
        return (result, _settled(aux, record)) if has_aux else result

    return wrapped


def _columns(slope: Tensor, x: Tensor, cotangents: list[Tensor], record: bool) -> list[Tensor]:
    rows = _rows(slope, cotangents, record)  # each of shape input + output
    n = x.ndim
    return [row.permute((*range(n, row.ndim), *range(n))) for row in rows]


def hessian(func: Function, argnums: Any = 0) -> Function:
    """A function that gives the second derivatives of a scalar function: shape input + input.

    >>> lamina.func.hessian(lambda x: (x**3).sum())(lamina.ones(2)).tolist()
    [[6.0, 0.0], [0.0, 6.0]]
    """
    return jacrev(jacrev(func, argnums), argnums)
