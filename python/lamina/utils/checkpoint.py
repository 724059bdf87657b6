"""checkpoint: part of a model keeps nothing for the way back, and is computed once more when its turn comes.

Source: Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.autograd.function import Function

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential", "noop_context_fn"]


class CheckpointError(RuntimeError):
    """What was computed the second time does not fit what was computed the first time."""


def noop_context_fn() -> tuple[Any, Any]:
    """The contexts of the first and the second computation unless others are given: none."""
    return nullcontext(), nullcontext()


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """The accelerators on which the tensors among ``args`` lie, and their random states: there are none."""
    return [], []


def set_device_states(devices: Sequence[int], states: Sequence[Tensor]) -> None:
    """Set the random states of accelerators to what ``get_device_states`` gave, which is for none.

    Raises:
        RuntimeError: ``devices`` names one.
    """
    if devices:
        raise RuntimeError(f"set_device_states: there are no accelerators, got {list(devices)}")


class _State:
    """What a computation depends on besides its arguments: random numbers, and autocast."""

    def __init__(self, preserve_rng_state: bool) -> None:
        self.random = lamina.get_rng_state() if preserve_rng_state else None
        self.autocast = _core.autocast_mode()

    @contextmanager
    def restored(self) -> Any:
        enabled, dtype, cache = self.autocast
        autocast = lamina.autocast("cpu", dtype, enabled, cache)
        with lamina.random.fork_rng(enabled=self.random is not None), autocast:
            if self.random is not None:
                lamina.set_rng_state(self.random)
            yield


# ---- keeping nothing: each saved tensor is a place in the order of what is saved


class _Kept:
    """The place of a saved tensor. Its value is here between the second computation and its use."""

    __slots__ = ("__weakref__", "form", "value")

    def __init__(self, form: tuple[Any, ...]) -> None:
        self.form = form
        self.value: Tensor | None = None


class _Enough(Exception):
    """All tensors that the way back needs are there again."""


def _form(x: Tensor) -> tuple[Any, ...]:
    return tuple(x.shape), x.dtype


class _Frame:
    """One checkpointed call."""

    def __init__(
        self, again: Callable[[], Any], state: _State, context: Any, check: bool, early_stop: bool
    ) -> None:
        self.again, self.state, self.context = again, state, context
        self.check, self.early_stop = check, early_stop
        self.places: list[weakref.ref[_Kept]] = []

    def pack(self, x: Tensor) -> tuple[_Frame, _Kept]:
        kept = _Kept(_form(x))
        self.places.append(weakref.ref(kept))
        return self, kept

    @staticmethod
    def unpack(packed: tuple[_Frame, _Kept]) -> Tensor:
        frame, kept = packed
        if kept.value is None:
            frame.recompute()
        if kept.value is None:
            raise CheckpointError("checkpoint: the second computation saved fewer tensors than the first")
        return kept.value

    def recompute(self) -> None:
        count = 0

        def pack(x: Tensor) -> None:
            nonlocal count
            if count == len(self.places):
                raise CheckpointError("checkpoint: the second computation saved more tensors than the first")
            kept = self.places[count]()
            count += 1
            if kept is not None:
                if self.check and kept.form != _form(x):
                    raise CheckpointError(
                        f"checkpoint: saved tensor {count - 1} had shape and dtype {kept.form} at first, "
                        f"and {_form(x)} when it was computed again"
                    )
                kept.value = x.detach()
            if self.early_stop and count == len(self.places):
                raise _Enough

        hooks = lamina.autograd.graph.saved_tensors_hooks(pack, _nothing)
        try:
            with self.state.restored(), lamina.enable_grad(), self.context, hooks:
                self.again()
        except _Enough:
            pass


def _nothing(packed: Any) -> Any:
    raise CheckpointError("checkpoint: backward was called inside of the second computation")


def _without_reentrant(
    function: Callable[..., Any],
    preserve_rng_state: bool,
    context_fn: Callable[[], tuple[Any, Any]],
    check: bool,
    early_stop: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    first, second = context_fn()
    state = _State(preserve_rng_state)
    frame = _Frame(lambda: function(*args, **kwargs), state, second, check, early_stop)
    with first, lamina.autograd.graph.saved_tensors_hooks(frame.pack, _Frame.unpack):
        return function(*args, **kwargs)


# ---- reentrant: one node, whose way back computes again and runs a backward of its own


class _Checkpoint(Function):
    @staticmethod
    def forward(ctx: Any, function: Any, preserve: bool, *args: Any) -> Any:
        ctx.function, ctx.state = function, _State(preserve)
        ctx.args = [None if isinstance(x, Tensor) else x for x in args]
        ctx.places = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        if _core.walking_for_inputs():
            raise RuntimeError(
                "checkpoint: with use_reentrant=True it does not work with autograd.grad() nor with "
                "backward(inputs=...); use .backward() or use_reentrant=False"
            )
        args = list(ctx.args)
        for place, x in zip(ctx.places, ctx.saved_tensors, strict=True):
            args[place] = x.detach().requires_grad_(x.requires_grad)
        with ctx.state.restored(), lamina.enable_grad():
            result = ctx.function(*args)
        results = (result,) if isinstance(result, Tensor) else tuple(result)
        pairs = [
            (y, g) for y, g in zip(results, grads, strict=True) if isinstance(y, Tensor) and y.requires_grad
        ]
        if not pairs:
            raise RuntimeError("checkpoint: none of output has requires_grad=True, it is not necessary")
        lamina.autograd.backward([y for y, _ in pairs], [g for _, g in pairs])
        return None, None, *(x.grad if isinstance(x, Tensor) else None for x in args)


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = "default",
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)`` without keeping its intermediate tensors: backward computes it again.

    With ``use_reentrant=False`` (recommended) everything that autograd does works: keywords,
    ``autograd.grad``, second derivatives, nested results. With True, which is also what None stands for (and
    warns), at least one argument must require grad, only ``backward()`` works, and keywords raise.
    ``preserve_rng_state`` makes the second computation draw the same random numbers. ``context_fn`` gives two
    context managers, for the first and the second computation. ``determinism_check="none"`` does not compare
    shapes and dtypes of the two; ``early_stop=False`` runs the second one to its end.

    Raises:
        ValueError: keywords or ``context_fn`` with ``use_reentrant=True``, an unknown check.
        CheckpointError: the second computation differs from the first.

    >>> layer = lamina.nn.Linear(2, 2)
    >>> y = lamina.utils.checkpoint.checkpoint(layer, lamina.ones(1, 2), use_reentrant=False)
    """
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"checkpoint: expected determinism_check 'default' or 'none', got {determinism_check!r}"
        )
    if use_reentrant is None:
        warnings.warn(
            "checkpoint: the use_reentrant parameter should be passed explicitly; use_reentrant=False is "
            "recommended, True is assumed",
            stacklevel=2,
        )
        use_reentrant = True
    if not use_reentrant:
        check = determinism_check == "default"
        return _without_reentrant(function, preserve_rng_state, context_fn, check, early_stop, args, kwargs)
    if kwargs:
        raise ValueError("checkpoint: Unexpected keyword arguments: " + ",".join(kwargs))
    if context_fn is not noop_context_fn:
        raise ValueError("checkpoint: context_fn is only supported when use_reentrant=False")
    if lamina.is_grad_enabled() and not any(isinstance(x, Tensor) and x.requires_grad for x in args):
        warnings.warn(
            "checkpoint: None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2
        )
    return _Checkpoint.apply(function, preserve_rng_state, *args)


def checkpoint_sequential(
    functions: Iterable[Callable[[Any], Any]],
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    *,
    preserve_rng_state: bool = True,
) -> Any:
    """Modules or functions one behind the other (a ``Sequential`` or a list), of which all ``segments`` but
    the last are checkpointed.

    Raises:
        ValueError: more segments than functions, or none.

    >>> net = lamina.nn.Sequential(lamina.nn.Linear(2, 2), lamina.nn.ReLU(), lamina.nn.Linear(2, 1))
    >>> y = lamina.utils.checkpoint.checkpoint_sequential(net, 2, lamina.ones(1, 2), use_reentrant=False)
    """
    steps = list(functions.children()) if isinstance(functions, lamina.nn.Sequential) else list(functions)
    if not 0 < segments <= max(len(steps), 1):
        raise ValueError(f"checkpoint_sequential: {segments} segments for {len(steps)} functions")
    size = len(steps) // segments

    def run(part: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
        def through(x: Any) -> Any:
            for step in part:
                x = step(x)
            return x

        return through

    for start in range(0, size * (segments - 1), size):
        input = checkpoint(
            run(steps[start : start + size]),
            input,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve_rng_state,
        )
    return run(steps[size * (segments - 1) :])(input)
