"""Functions that run before and after a module's forward and backward.

The call that runs them when there are any is here too; the short way without hooks is ``Module.__call__``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from lamina import _core
from lamina._core import Tensor
from lamina.utils.hooks import RemovableHandle


def as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


class Hooks:
    """Registration and running of forward and backward hooks; inherited by ``Module``."""

    forward: Callable[..., Any]
    _forward_pre_hooks: dict[int, Any]
    _forward_hooks: dict[int, Any]
    _forward_pre_hooks_with_kwargs: dict[int, bool]  # which of them want the keywords, by key
    _forward_hooks_with_kwargs: dict[int, bool]
    _forward_hooks_always_called: dict[int, bool]
    _backward_pre_hooks: dict[int, Any]
    _backward_hooks: dict[int, Any]

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before each forward; its result, if not None, replaces the arguments.

        With ``with_kwargs`` it is ``hook(module, args, kwargs)`` and returns None or ``(args, kwargs)``.
        """
        handle = RemovableHandle.register(self._forward_pre_hooks, hook, prepend)
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        return handle

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after each forward; its result, if not None, replaces the
        output.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``. With ``always_call`` it runs even
        if forward raised, with None as output.

        >>> layer = lamina.nn.Linear(2, 2)
        >>> handle = layer.register_forward_hook(lambda module, args, output: output * 0)
        >>> layer(lamina.ones(1, 2)).sum().item()
        0.0
        """
        handle = RemovableHandle.register(self._forward_hooks, hook, prepend)
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        return handle

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before backward; what it returns, if not None, replaces that."""
        return RemovableHandle.register(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the inputs are known.

        Both are tuples, with None where there is no gradient; the hook may return another ``grad_input``.
        Only positional arguments count as inputs.
        """
        return RemovableHandle.register(self._backward_hooks, hook, prepend)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        done: set[int] = set()
        output = None
        try:
            args, kwargs = self._run_pre_hooks(args, kwargs)
            backward = None
            if self._backward_hooks or self._backward_pre_hooks:
                backward = BackwardCall(self)
                args = backward.tie_inputs(args)
            output = self.forward(*args, **kwargs)
            for key, hook in list(self._forward_hooks.items()):
                done.add(key)
                output = self._run_hook(key, hook, args, kwargs, output)
            return output if backward is None else backward.tie_output(output)
        except Exception:
            for key, hook in list(self._forward_hooks.items()):
                if key in self._forward_hooks_always_called and key not in done:
                    try:
                        output = self._run_hook(key, hook, args, kwargs, output)
                    except Exception as error:
                        warnings.warn(
                            f"forward hook raised {error!r} while another exception is under way",
                            stacklevel=2,
                        )
            raise

    def _run_hook(self, key: int, hook: Any, args: Any, kwargs: Any, output: Any) -> Any:
        named = (kwargs,) if key in self._forward_hooks_with_kwargs else ()
        result = hook(self, args, *named, output)
        return output if result is None else result

    def _run_pre_hooks(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        for key, hook in list(self._forward_pre_hooks.items()):
            named = key in self._forward_pre_hooks_with_kwargs
            result = hook(self, args, kwargs) if named else hook(self, args)
            if result is None:
                continue
            if not named:
                args = as_tuple(result)
            elif isinstance(result, tuple) and len(result) == 2:
                args, kwargs = result
            else:
                raise RuntimeError(f"forward pre-hook must return None or (args, kwargs), but got {result}")
        return args, kwargs


class BackwardCall:
    """The backward hooks of one call, run where its inputs and outputs are tied to points of the graph.

    The gradient that passes such a point is this call's own, whatever else uses the same tensors.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.input_count = 0
        self.input_places: list[int] = []
        self.output_count = 0
        self.output_places: list[int] = []
        self.grad_output: tuple[Any, ...] | None = None

    def tie_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.input_count = len(args)
        self.input_places = _places(args)
        return _tie(args, self.input_places, self.on_grad_input)

    def tie_output(self, output: Any) -> Any:
        outputs = as_tuple(output)
        self.output_count = len(outputs)
        self.output_places = _places(outputs)
        outputs = _tie(outputs, self.output_places, self.on_grad_output)
        return outputs if isinstance(output, tuple) else outputs[0]

    def on_grad_output(self, grads: list[Any]) -> list[Any]:
        full = _spread(grads, self.output_places, self.output_count)
        for hook in list(self.module._backward_pre_hooks.values()):
            full = _checked(full, hook(self.module, full), "backward pre-hook")
        self.grad_output = full
        if not self.input_places:
            nothing = (None,) * self.input_count
            for hook in list(self.module._backward_hooks.values()):
                result = hook(self.module, nothing, full)
                if result is not None and any(grad is not None for grad in as_tuple(result)):
                    raise RuntimeError("backward hook: no input requires a gradient, so it must return None")
        return [full[place] for place in self.output_places]

    def on_grad_input(self, grads: list[Any]) -> list[Any]:
        if self.grad_output is None:
            return grads
        full = _spread(grads, self.input_places, self.input_count)
        for hook in list(self.module._backward_hooks.values()):
            full = _checked(full, hook(self.module, full, self.grad_output), "backward hook")
        return [full[place] for place in self.input_places]


def _places(values: tuple[Any, ...]) -> list[int]:
    return [i for i, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]


def _spread(grads: list[Any], places: list[int], count: int) -> tuple[Any, ...]:
    full: list[Any] = [None] * count
    for place, grad in zip(places, grads, strict=True):
        full[place] = grad
    return tuple(full)


def _checked(old: tuple[Any, ...], result: Any, word: str) -> tuple[Any, ...]:
    if result is None:
        return old
    result = as_tuple(result)
    if len(result) != len(old):
        raise RuntimeError(f"{word}: expected {len(old)} gradients to be returned, got {len(result)}")
    return result


def _tie(
    values: tuple[Any, ...], places: list[int], react: Callable[[list[Any]], list[Any]]
) -> tuple[Any, ...]:
    """``values`` with those at ``places`` led through one node of the graph, whose way back is ``react``."""
    if not places:
        return values
    tensors = [values[place] for place in places]
    aliases = [tensor.detach() for tensor in tensors]
    _core.record_function("ModuleHook", tensors, aliases, backward=lambda *grads: react(list(grads)))
    tied = list(values)
    for place, alias in zip(places, aliases, strict=True):
        tied[place] = alias
    return tuple(tied)
