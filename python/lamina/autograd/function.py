"""Function: operations whose way back is written in Python, by the user or by this package (linalg)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lamina import _core
from lamina._core import Tensor
from lamina.autograd.grad_mode import enable_grad, no_grad


class FunctionCtx:
    """What ``forward`` leaves for ``backward``: attributes of any name, and saved tensors.

    ``needs_input_grad`` says, for each argument of ``forward``, whether a gradient is wanted.
    """

    needs_input_grad: tuple[bool, ...] = ()
    materialize_grads = True
    to_save: tuple[Tensor | None, ...] = ()
    dirty: tuple[Tensor, ...] = ()
    without_grad: tuple[Tensor, ...] = ()
    _unpacked: tuple[Tensor | None, ...] | None = None

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs or outputs; a tensor that is changed in place afterwards makes ``backward`` raise."""
        if not all(x is None or isinstance(x, Tensor) for x in tensors):
            raise TypeError(
                "save_for_backward: can only save tensors (or None); use attributes of ctx for the rest"
            )
        self.to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """The tensors given to ``save_for_backward``, connected to the graph."""
        return self.to_save if self._unpacked is None else self._unpacked

    def mark_dirty(self, *args: Tensor) -> None:
        """Say which inputs ``forward`` changed in place; they must be among its outputs."""
        self.dirty = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Say which outputs have no gradient."""
        self.without_grad = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` gets zeros (as is usual) or None for outputs that nobody used."""
        self.materialize_grads = value


class Function:
    """An operation with its own way back. Derive from it, and call ``apply``.

    ``forward(ctx, *args)`` computes; it is not recorded. Or ``forward(*args)`` does, and ``setup_context(ctx,
    inputs, output)`` saves. ``backward(ctx, *grad_outputs)`` returns one gradient, or None, per argument of
    ``forward``; if it is made of differentiable operations, second derivatives exist.

    >>> class Double(lamina.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x): return 2 * x
    ...     @staticmethod
    ...     def backward(ctx, grad): return 2 * grad
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("a Function must define forward")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        raise NotImplementedError("a Function whose forward takes no ctx must define setup_context")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError("a Function must define backward to be differentiated")

    def __new__(cls, *args: Any, **kwargs: Any) -> Function:
        raise TypeError(f"{cls.__name__} is used through {cls.__name__}.apply(...), not as an object")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` and record how to go back.

        Raises:
            RuntimeError: a leaf that requires grad was changed in place.
        """
        ctx = FunctionCtx()
        recording = _core.grad_enabled()
        ctx.needs_input_grad = tuple(recording and isinstance(x, Tensor) and x.requires_grad for x in args)
        with no_grad():
            if cls.setup_context is Function.setup_context:
                result = cls.forward(ctx, *args, **kwargs)
            else:
                result = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, result)
        several = isinstance(result, (tuple, list))
        outputs = list(result) if several else [result]
        if any(ctx.needs_input_grad):
            outputs = _record(cls, ctx, args, outputs)
        return tuple(outputs) if several else outputs[0]


def _among(x: Any, group: tuple[Any, ...]) -> bool:
    return any(x is other for other in group)


def _record(cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], outputs: list[Any]) -> list[Any]:
    """The outputs, made by a node that calls ``cls.backward``."""
    for x in ctx.dirty:
        if x.is_leaf and x.requires_grad:
            raise RuntimeError(
                f"{cls.__name__}: a leaf Variable that requires grad is being used in an in-place operation"
            )
        if not _among(x, tuple(outputs)):
            raise RuntimeError(f"{cls.__name__}: a tensor that was marked dirty must be among the outputs")
    # An input that is handed on (changed or not) gets a face of its own, so that its history stays apart.
    faces = [x.detach() if isinstance(x, Tensor) and _among(x, args) else x for x in outputs]
    known = [
        face if isinstance(x, Tensor) and not _among(x, ctx.without_grad) else None
        for x, face in zip(outputs, faces, strict=True)
    ]
    kept = [next((f for f, o in zip(faces, outputs, strict=True) if o is x), x) for x in ctx.to_save]
    forms = [(x.shape, x.dtype) if isinstance(x, Tensor) else None for x in outputs]
    ctx.to_save, count = (), len(kept)  # the node keeps them: outputs held here would hold themselves

    def back(*given: Tensor | None) -> Any:
        ctx._unpacked, grads = given[:count], given[count:]
        if ctx.materialize_grads:
            grads = tuple(
                _core.full(form[0], 0, form[1]) if g is None and form else g
                for g, form in zip(grads, forms, strict=True)
            )
        try:
            return cls.backward(ctx, *grads)
        finally:
            ctx._unpacked = ()

    tensors = [x if isinstance(x, Tensor) else None for x in args]
    _core.record_function(f"{cls.__name__}Backward", tensors, known, back, kept)
    with enable_grad():
        return [x._assign(f) if _among(x, ctx.dirty) else f for x, f in zip(outputs, faces, strict=True)]


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a ``backward`` that is not made of differentiable operations: its results raise when they are
    differentiated, rather than being wrong."""

    @functools.wraps(backward)
    def once(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            result = backward(ctx, *grads)
        wanted = any(isinstance(g, Tensor) and g.requires_grad for g in grads)
        if not (wanted and _core.grad_enabled()):
            return result

        def refuse(*second: Any) -> Any:
            raise RuntimeError(
                "trying to differentiate twice a function that was marked with @once_differentiable"
            )

        several = isinstance(result, tuple)
        outputs = [x.detach() if isinstance(x, Tensor) else x for x in (result if several else (result,))]
        inputs = [g if isinstance(g, Tensor) else None for g in grads]
        _core.record_function(
            "OnceDifferentiable", inputs, [x if isinstance(x, Tensor) else None for x in outputs], refuse
        )
        return tuple(outputs) if several else outputs[0]

    return once
