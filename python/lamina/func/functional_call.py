"""functional_call: a module run with other parameters than its own; stack_module_state: many modules' as
one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import lamina
from lamina._core import Tensor
from lamina.nn.modules.module import Module


def _owned(module: Module) -> dict[str, tuple[Module, str]]:
    """Where each parameter and buffer lives, by its dotted name, shared ones under all their names."""
    places = {}
    for prefix, owner in module.named_modules(remove_duplicate=False):
        for table in (owner._parameters, owner._buffers):
            for name, value in table.items():
                if value is not None:
                    places[f"{prefix}.{name}" if prefix else name] = (owner, name)
    return places


def _with_ties(given: dict[str, Any], places: dict[str, tuple[Module, str]]) -> dict[str, Any]:
    """The given values under all names of the tensors that they replace.

    Raises:
        ValueError: one tensor was given two values under two names.
    """
    groups: dict[int, list[str]] = {}
    for name, (owner, attribute) in places.items():
        groups.setdefault(id(owner.__dict__[attribute]), []).append(name)
    full = dict(given)
    for names in groups.values():
        values = [given[name] for name in names if name in given]
        if values and any(value is not values[0] for value in values):
            raise lamina.ShapeError(f"functional_call: different values for the tied tensors {names}")
        full.update((name, values[0]) for name in names if values)
    return full


@contextmanager
def _replaced(module: Module, given: dict[str, Any], tie_weights: bool, strict: bool) -> Iterator[None]:
    places = _owned(module)
    unexpected = [name for name in given if name not in places]
    full = _with_ties({k: v for k, v in given.items() if k in places}, places) if tie_weights else given
    missing = [name for name in places if name not in full]
    if unexpected or (strict and missing):
        facts = f"Unexpected key(s): {unexpected}." + (f" Missing key(s): {missing}." if strict else "")
        raise RuntimeError(f"functional_call: error for {type(module).__name__}: {facts}")
    before = []
    try:
        for name, value in full.items():
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"functional_call: expected a tensor for '{name}', got {type(value).__name__}"
                )
            owner, attribute = places[name]
            before.append((owner, attribute, owner.__dict__[attribute]))
            owner.__dict__[attribute] = value
        yield
    finally:
        for owner, attribute, value in reversed(before):
            owner.__dict__[attribute] = value


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with the given tensors in place of its own, by dotted names; what is not
    given stays. The module is as before afterwards.

    ``args`` is a tuple, or one argument. Tensors that the module uses under several names are replaced under
    all of them, unless ``tie_weights`` is false. ``strict`` demands all names.

    Raises:
        RuntimeError: names that the module lacks, or with ``strict`` missing ones.
        ValueError: a name in two dictionaries, or two values for one shared tensor.

    >>> net = lamina.nn.Linear(2, 1, bias=False)
    >>> lamina.func.functional_call(net, {"weight": lamina.ones(1, 2)}, (lamina.ones(2),)).item()
    2.0
    """
    dicts = (
        [parameter_and_buffer_dicts]
        if isinstance(parameter_and_buffer_dicts, Mapping)
        else list(parameter_and_buffer_dicts)
    )
    given: dict[str, Any] = {}
    for group in dicts:
        twice = [name for name in group if name in given]
        if twice:
            raise lamina.ShapeError(f"functional_call: {twice} appeared in multiple dictionaries")
        given.update(group)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, given, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters and buffers of modules of one kind, stacked along a new dimension 0 by their names, for
    ``vmap`` over ``functional_call``. The stacked parameters are leaves of their own.

    Raises:
        RuntimeError: no modules, different kinds, or different modes.

    >>> params, buffers = lamina.func.stack_module_state([lamina.nn.Linear(2, 3) for _ in range(4)])
    >>> params["weight"].shape
    lamina.Size([4, 3, 2])
    """
    if not models:
        raise RuntimeError("stack_module_state: expected at least one model, got 0.")
    if len({model.training for model in models}) > 1:
        raise RuntimeError("stack_module_state: expected all models to have the same training/eval mode.")
    if len({type(model) for model in models}) > 1:
        raise RuntimeError("stack_module_state: expected all models to be of the same class.")

    def stacked(tables: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        made = {}
        for name, first in tables[0].items():
            whole = lamina.stack([table[name].detach() for table in tables])
            made[name] = whole.requires_grad_(first.requires_grad)
        return made

    return (
        stacked([dict(model.named_parameters()) for model in models]),
        stacked([dict(model.named_buffers()) for model in models]),
    )
