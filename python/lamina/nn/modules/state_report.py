"""What to say when names do not match, and how to rename them: the helpers of ``load_state_dict``."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lamina._core import Tensor

Rename = Mapping[str, "str | None"] | Callable[[str], "str | None"]
SHOWN = 8  # suggestions
COMPARED = 400  # names of one kind that are looked at
WRAPPER = "module."  # what DataParallel puts before every name


def renamed(state: Mapping[str, Any], metadata: Mapping[str, Any], rename: Rename | None) -> Any:
    """A copy of ``state`` under new names, with ``_metadata`` that follows them.

    Raises:
        ValueError: two names become one.
    """
    new_name = _renamer(rename)
    result: Any = OrderedDict()
    origin: dict[str, str] = {}
    for key, value in state.items():
        name = new_name(key)
        if name is None:
            continue
        if name in result:
            raise ValueError(f"load_state_dict: rename turns {origin[name]!r} and {key!r} both into {name!r}")
        origin[name] = key
        result[name] = value
    result._metadata = {}
    for prefix, data in metadata.items():
        name = new_name(f"{prefix}.") if prefix else ""
        if name is not None:
            result._metadata[name.rstrip(".")] = data
    return result


def _renamer(rename: Rename | None) -> Callable[[str], str | None]:
    if rename is None:
        return lambda key: key
    if not isinstance(rename, Mapping):
        return rename
    table = dict(rename)
    prefixes = sorted(table, key=len, reverse=True)

    def new_name(key: str) -> str | None:
        for old in prefixes:
            if key == old or (key.startswith(old) and (old.endswith(".") or not old or key[len(old)] == ".")):
                new = table[old]
                return None if new is None else new + key[len(old) :]
        return key

    return new_name


def unwrapped(state: Any, has_module: bool) -> Any:
    """``state`` without the ``module.`` of DataParallel, where every name has it and the model does not."""
    if has_module or not state or not all(str(key).startswith(WRAPPER) for key in state):
        return state
    return renamed(state, state._metadata, {WRAPPER: "", WRAPPER[:-1]: ""})


def advice(
    missing: list[str], unexpected: list[str], wanted: Mapping[str, Any], state: Mapping[str, Any]
) -> list[str]:
    """Lines that may help: where the weights are, which prefix differs, which names are near."""
    inside = [key for key, value in state.items() if isinstance(value, Mapping) and _is_state(value)]
    if inside:
        listed = " or ".join(f"state_dict[{key!r}]" for key in inside[:SHOWN])
        return [f"This dictionary holds weights one level down: load {listed}."]
    if not missing or not unexpected:
        return []
    prefix = _prefix(missing, unexpected)
    if prefix:
        return [f"All of these differ by a prefix alone: try rename={prefix!r}."]
    lines = []
    for key in missing[:SHOWN]:
        near = _nearest(key, unexpected[:COMPARED], wanted, state)
        if near:
            lines.append(f'"{key}" may be "{near}".')
    return lines


def _is_state(value: Mapping[Any, Any]) -> bool:
    return bool(value) and all(isinstance(key, str) and isinstance(x, Tensor) for key, x in value.items())


def _prefix(missing: Iterable[str], unexpected: Iterable[str]) -> dict[str, str]:
    """The rename that makes the missing names of the unexpected ones, if one prefix does it."""
    wanted, given = set(missing), sorted(unexpected)
    first = given[0]
    for want in sorted(wanted):
        if first.endswith(want):
            old, new = first[: len(first) - len(want)], ""
        elif want.endswith(first):
            old, new = "", want[: len(want) - len(first)]
        else:
            continue
        if (old or new).endswith(".") and wanted <= {
            new + key[len(old) :] for key in given if key.startswith(old)
        }:
            return {old: new}
    return {}


def _nearest(key: str, names: list[str], wanted: Mapping[str, Any], state: Mapping[str, Any]) -> str | None:
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(b=key, autojunk=False)
    best, best_score = None, 0.6
    for name in names:
        value = state.get(name)
        same_shape = isinstance(value, Tensor) and key in wanted and value.shape == wanted[key].shape
        matcher.set_seq1(name)
        bonus = 0.1 * same_shape + 0.1 * (name.rpartition(".")[2] == key.rpartition(".")[2])
        if matcher.quick_ratio() + bonus > best_score and matcher.ratio() + bonus > best_score:
            best, best_score = name, matcher.ratio() + bonus
    return best
