"""What every optimizer has: parameter groups, state, checkpoints, hooks. Stepping is left to subclasses."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import lamina

from ..utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from lamina import Tensor

    State = dict[str, Any]
    Group = dict[str, Any]
    Params = Iterable[Tensor] | Iterable[Group] | Iterable[tuple[str, Tensor]]


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()  # a default that is none: each group must state the option


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a class's ``step`` so that pre- and post-hooks run and schedulers can see that it was called."""

    @functools.wraps(step)
    def hooked(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if type(self).step is not hooked:  # reached through super(): the outer step runs the hooks
            return step(self, *args, **kwargs)
        for hook in tuple(self._optimizer_step_pre_hooks.values()):
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(f"a step pre-hook must return None or (args, kwargs), got {changed!r}")
                args, kwargs = changed
        result = step(self, *args, **kwargs)
        self._opt_called = True
        for hook in tuple(self._optimizer_step_post_hooks.values()):
            hook(self, args, kwargs)
        return result

    hooked.hooked = True  # type: ignore[attr-defined]
    return hooked


class Optimizer:
    """Base class of all optimizers; derive from it and write ``step``.

    Args:
        params: tensors, ``(name, tensor)`` pairs, or dicts with a ``params`` key (one per group) whose other
            keys override ``defaults`` for that group.
        defaults: the options of a group that does not state them.

    Raises:
        TypeError: ``params`` is a single tensor, or holds something that is not a tensor.
        ValueError: no parameters, a parameter given twice, or one that is not a leaf.

    >>> optimizer = lamina.optim.SGD([{"params": body}, {"params": head, "lr": 1e-2}], lr=1e-3)
    >>> optimizer.zero_grad(); loss.backward(); optimizer.step()
    """

    _opt_called = False
    # An optimizer around another one may do without our __init__: it has no hooks.
    _optimizer_step_pre_hooks: Any = MappingProxyType({})
    _optimizer_step_post_hooks = _optimizer_step_pre_hooks
    _optimizer_state_dict_pre_hooks = _optimizer_step_pre_hooks
    _optimizer_state_dict_post_hooks = _optimizer_step_pre_hooks
    _optimizer_load_state_dict_pre_hooks = _optimizer_step_pre_hooks
    _optimizer_load_state_dict_post_hooks = _optimizer_step_pre_hooks

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, lamina.Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"{type(params).__name__}"
            )
        self.defaults = defaults
        self.state: defaultdict[Any, State] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._optimizer_step_pre_hooks = {}
        self._optimizer_step_post_hooks = {}
        self._optimizer_state_dict_pre_hooks = {}
        self._optimizer_state_dict_post_hooks = {}
        self._optimizer_load_state_dict_pre_hooks = {}
        self._optimizer_load_state_dict_post_hooks = {}
        entries: list[Any] = [{"params": params}] if isinstance(params, set) else list(params)
        if not entries:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(entries[0], dict):
            entries = [{"params": entries}]
        for entry in entries:
            self.add_param_group(entry)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for index, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {index}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
            lines.append("")
        return "\n".join(lines[:-1]) + "\n)"

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; ``closure`` recomputes the loss, which is returned."""
        raise NotImplementedError(f"{type(self).__name__} does not define step()")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or set them to zero where ``set_to_none`` is False."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    grad = param.grad.detach()
                    grad.zero_()
                    param.grad = grad

    def add_param_group(self, param_group: Group) -> None:
        """Add a dict with ``params`` and the options in which it differs from the defaults."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group).__name__}")
        group = _named_group(param_group)
        for param in group["params"]:
            if not isinstance(param, lamina.Tensor):
                kind = type(param).__name__
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {kind}")
            if not (param.is_leaf or param.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        for key, value in self.defaults.items():
            if value is required and key not in group:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {key}"
                )
            group.setdefault(key, value)
        new = {id(param) for param in group["params"]}
        if len(new) != len(group["params"]):
            raise ValueError("a parameter group holds the same parameter twice")
        for other in self.param_groups:
            if ("param_names" in other) != ("param_names" in group):
                raise ValueError("all optimizer param groups should be with names, or all without names")
            if not new.isdisjoint(id(param) for param in other["params"]):
                raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(group)

    def state_dict(self) -> dict[str, Any]:
        """The state as plain data: ``{"state": {index: {...}}, "param_groups": [{..., "params": [index]}]}``.

        Parameters are numbered in the order of the groups. Tensors are not copied.
        """
        for hook in tuple(self._optimizer_state_dict_pre_hooks.values()):
            hook(self)
        number = {id(p): i for i, p in enumerate(chain.from_iterable(g["params"] for g in self.param_groups))}
        result: dict[str, Any] = {
            "state": {
                number[id(key)] if isinstance(key, lamina.Tensor) else key: value
                for key, value in self.state.items()
            },
            "param_groups": [
                {**_without_params(group), "params": [number[id(p)] for p in group["params"]]}
                for group in self.param_groups
            ],
        }
        for hook in tuple(self._optimizer_state_dict_post_hooks.values()):
            changed = hook(self, result)
            result = result if changed is None else changed
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a copy of what ``state_dict()`` gave, here or in PyTorch.

        Floating-point state takes the dtype of its parameter. Nothing changes if the groups do not match.

        Raises:
            ValueError: the number of groups, or of parameters in a group, differs.
        """
        state_dict = dict(state_dict)
        for hook in tuple(self._optimizer_load_state_dict_pre_hooks.values()):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise ValueError(
                f"loaded state dict has a different number of parameter groups: {len(saved)}, "
                f"expected {len(self.param_groups)}"
            )
        by_number: dict[Any, Tensor] = {}
        for index, (old, new) in enumerate(zip(self.param_groups, saved, strict=True)):
            if len(old["params"]) != len(new["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's "
                    f"group: group {index} has {len(new['params'])}, expected {len(old['params'])}"
                )
            by_number.update(zip(new["params"], old["params"], strict=True))
        state: defaultdict[Any, State] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in by_number:
                state[by_number[key]] = _fit(by_number[key], value)
            else:
                state[key] = deepcopy(value)
        self.param_groups = [
            {**self.defaults, **_names(old), **deepcopy(_without_params(new)), "params": old["params"]}
            for old, new in zip(self.param_groups, saved, strict=True)
        ]
        self.state = state
        for hook in tuple(self._optimizer_load_state_dict_post_hooks.values()):
            hook(self)

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; it may return new ``(args, kwargs)``."""
        return RemovableHandle.register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return RemovableHandle.register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer)`` before ``state_dict`` collects."""
        return RemovableHandle.register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` on the result; it may return another."""
        return RemovableHandle.register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before loading; it may return another to load."""
        return RemovableHandle.register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer)`` after loading."""
        return RemovableHandle.register(self._optimizer_load_state_dict_post_hooks, hook, prepend)


def _without_params(group: Group) -> Group:
    return {key: value for key, value in group.items() if key != "params"}


def _names(group: Group) -> Group:
    return {"param_names": group["param_names"]} if "param_names" in group else {}


def _named_group(param_group: Group) -> Group:
    """A copy of the group whose ``params`` is a list of tensors, with ``param_names`` if pairs were given."""
    params = param_group["params"]
    if isinstance(params, lamina.Tensor):
        params = [params]
    elif isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the order of tensors in "
            "sets will change between runs. Please use a list instead."
        )
    params = list(params)
    named = [isinstance(param, tuple) for param in params]
    if not any(named):
        return {**param_group, "params": params}
    if not all(named):
        raise ValueError("all optimizer params should be with/without names. Some param names are missing")
    return {
        **param_group,
        "params": [param for _, param in params],
        "param_names": [name for name, _ in params],
    }


def _fit(param: Tensor, value: Any, key: Any = None) -> Any:
    """A copy of saved state; tensors take the dtype of a floating-point parameter, except ``step``."""
    if isinstance(value, lamina.Tensor):
        cast = param.is_floating_point() and key != "step"
        return (value.to(param.dtype) if cast else value).detach().clone()
    if isinstance(value, dict):
        return {name: _fit(param, item, name) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_fit(param, item) for item in value)
    return deepcopy(value)
