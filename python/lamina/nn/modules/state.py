"""state_dict and load_state_dict: a module's tensors out to a flat dictionary of dotted names, and back in.

Loading is all or nothing: values are written only after every name and shape was found right."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import lamina
from lamina._core import Tensor
from lamina.nn.modules.member import Members, kind_of
from lamina.nn.modules.state_report import Rename, advice, renamed, unwrapped
from lamina.nn.parameter import Parameter
from lamina.utils.hooks import RemovableHandle

EXTRA_STATE = "_extra_state"


class _Keys(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]


class IncompatibleKeys(_Keys):
    """What ``load_state_dict`` returns: the names that were missing and those that nobody asked for."""

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()


class State(Members):
    """``state_dict`` and ``load_state_dict`` with their hooks; inherited by ``Module``."""

    _version: int = 1
    _state_dict_pre_hooks: dict[int, Callable[..., Any]]
    _state_dict_hooks: dict[int, Callable[..., Any]]
    _load_state_dict_pre_hooks: dict[int, Callable[..., Any]]
    _load_state_dict_post_hooks: dict[int, Callable[..., Any]]

    # Out

    def state_dict(self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """All parameters and persistent buffers by their dotted names, as an ordered dictionary.

        The tensors share memory with the module; they are detached unless ``keep_vars``. Names get
        ``prefix``, and go into ``destination`` if one is given.

        >>> list(lamina.nn.Linear(2, 3).state_dict())
        ['weight', 'bias']
        """
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in list(self._state_dict_hooks.values()):
            replaced = hook(self, destination, prefix, local_metadata)
            destination = destination if replaced is None else replaced
        return destination

    def _own_state(self) -> Iterator[tuple[str, Tensor]]:
        """This module's own parameters and persistent buffers that have a value."""
        for table in (self._parameters, self._buffers):
            for name, value in table.items():
                if value is not None and name not in self._non_persistent_buffers_set:
                    yield name, value

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, value in self._own_state():
            destination[prefix + name] = value if keep_vars else value.detach()
        if type(self).get_extra_state is not State.get_extra_state:
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def get_extra_state(self) -> Any:
        """What else belongs into ``state_dict``; a module that has such state overrides this and the next."""
        raise RuntimeError(
            f"{kind_of(self)} has no extra state: override get_extra_state and set_extra_state"
        )

    def set_extra_state(self, state: Any) -> None:
        """Take back what ``get_extra_state`` gave."""
        raise RuntimeError(
            f"{kind_of(self)} has no extra state: override get_extra_state and set_extra_state"
        )

    # In

    def load_state_dict(
        self,
        state_dict: Mapping[str, Any],
        strict: bool = True,
        assign: bool = False,
        *,
        rename: Rename | None = None,
    ) -> IncompatibleKeys:
        """Copy values from ``state_dict`` into the parameters and buffers of the same names.

        With ``strict`` names must match exactly; without it the result lists what was skipped. With
        ``assign`` the tensors themselves are taken over, with their dtype, instead of being copied into those
        that are there. A ``module.`` before every name, as DataParallel leaves it, is dropped.

        Args:
            rename: names or prefixes in ``state_dict`` and what they are called here, None to leave them
            out; or a function that does the same for one name.

        Raises:
            TypeError: ``state_dict`` is no mapping.
            ValueError: ``rename`` makes two names one.
            RuntimeError: names or shapes do not match; all are listed with the nearest names, and nothing is
            changed.

        >>> layer = lamina.nn.Linear(2, 3)
        >>> layer.load_state_dict(layer.state_dict())
        <All keys matched successfully>
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        # A copy, because hooks rename keys in it.
        state = renamed(state_dict, getattr(state_dict, "_metadata", {}), rename)
        state = unwrapped(state, "module" in self._modules)
        metadata = state._metadata
        keys = IncompatibleKeys([], [])
        errors: list[str] = []
        writes: list[Callable[[], Any]] = []
        self._collect_writes(state, "", metadata, {"assign": assign, "writes": writes}, keys, errors)

        # Hooks that run after loading may forgive keys, so where there are any the values go in first.
        hooked = [(m, list(m._load_state_dict_post_hooks.values())) for m in self.modules()]
        hooked = [(module, hooks) for module, hooks in reversed(hooked) if hooks]
        if not errors and (hooked or not strict or not any(keys)):
            with lamina.no_grad():
                for write in writes:
                    write()
            for module, hooks in hooked:
                for hook in hooks:
                    if hook(module, keys) is not None:
                        raise RuntimeError("load_state_dict post hook: expected None to be returned")
        if strict:
            errors = _key_errors(keys) + errors
        if errors:
            if strict:
                errors += advice(keys.missing_keys, keys.unexpected_keys, self.state_dict(), state)
            listed = "\n\t".join(errors)
            raise RuntimeError(f"Error(s) in loading state_dict for {kind_of(self)}:\n\t{listed}")
        return keys

    def _collect_writes(
        self,
        state: Any,
        prefix: str,
        metadata: Any,
        orders: dict[str, Any],
        keys: IncompatibleKeys,
        errors: list[str],
    ) -> None:
        local_metadata = {**metadata.get(prefix[:-1], {}), "assign_to_params_buffers": orders["assign"]}
        local_metadata["pending_writes"] = orders["writes"]
        self._load_from_state_dict(
            state, prefix, local_metadata, True, keys.missing_keys, keys.unexpected_keys, errors
        )
        for name, module in self._modules.items():
            if module is not None:
                child_prefix = f"{prefix}{name}."
                child_state = OrderedDict((k, v) for k, v in state.items() if k.startswith(child_prefix))
                module._collect_writes(child_state, child_prefix, metadata, orders, keys, errors)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load what belongs to this module alone; layers with an older layout of names override it."""
        for hook in list(self._load_state_dict_pre_hooks.values()):
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        writes: list[Callable[[], Any]] = []
        for name, own in self._own_state():
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            value = state_dict[key]
            if isinstance(value, Tensor) and own.ndim == 0 and tuple(value.shape) == (1,):
                value = value[0]  # scalars were once stored as vectors of one element
            error = _mismatch(key, own, value)
            if error:
                error_msgs.append(error)
            elif local_metadata.get("assign_to_params_buffers", False):
                writes.append(partial(self._assign, name, own, value))
            else:
                writes.append(partial(own.copy_, value))
        extra_key = prefix + EXTRA_STATE
        if type(self).set_extra_state is not State.set_extra_state:
            if extra_key in state_dict:
                writes.append(partial(self.set_extra_state, state_dict[extra_key]))
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)
        if strict:
            unexpected_keys.extend(self._unexpected(state_dict, prefix))
        if "pending_writes" in local_metadata:
            local_metadata["pending_writes"].extend(writes)
        else:
            with lamina.no_grad():
                for write in writes:
                    write()

    def _unexpected(self, state_dict: Any, prefix: str) -> Iterator[str]:
        """The keys below ``prefix`` whose next part is nothing that this module has."""
        own = {name for name, _ in self._own_state()} | {EXTRA_STATE}
        for key in state_dict:
            if key.startswith(prefix):
                first, dot, _ = key[len(prefix) :].partition(".")
                if first not in (self._module_names if dot else own):
                    yield key

    def _assign(self, name: str, own: Tensor, value: Tensor) -> None:
        if isinstance(own, Parameter) and not isinstance(value, Parameter):
            value = Parameter(value, requires_grad=own.requires_grad)
        setattr(self, name, value)

    # Hooks

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before ``state_dict`` collects."""
        return RemovableHandle.register(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after; it edits ``state_dict``."""

        def checked(*args: Any) -> None:
            if hook(*args) is not None:
                raise RuntimeError("state_dict post hook: expected None to be returned")

        return RemovableHandle.register(self._state_dict_hooks, checked)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """As ``register_state_dict_post_hook``, but the hook may return another dictionary."""
        return RemovableHandle.register(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors)``."""
        return RemovableHandle.register(self._load_state_dict_pre_hooks, partial(hook, self))

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        """As ``register_load_state_dict_pre_hook``, but the hook gets the module only ``with_module``."""
        return RemovableHandle.register(
            self._load_state_dict_pre_hooks, partial(hook, self) if with_module else hook
        )

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after loading; it may change the two lists in place."""
        return RemovableHandle.register(self._load_state_dict_post_hooks, hook)


def _mismatch(key: str, own: Tensor, value: Any) -> str | None:
    if not isinstance(value, Tensor):
        return f'While copying the parameter named "{key}", expected a Tensor but received {type(value)}'
    if value.shape != own.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {own.shape}."
        )
    return None


def _key_errors(keys: IncompatibleKeys) -> list[str]:
    errors = []
    for word, names in (("Missing", keys.missing_keys), ("Unexpected", keys.unexpected_keys)):
        if names:
            listed = ", ".join(f'"{name}"' for name in names)
            errors.append(f"{word} key(s) in state_dict: {listed}. ")
    return errors
