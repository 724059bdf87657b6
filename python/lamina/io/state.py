"""The weights inside of a checkpoint, which may hold them one level down beside an optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import lamina

if TYPE_CHECKING:
    from lamina import Tensor

WRAPPERS = ("module.", "_orig_mod.", "model.")  # what wrappers put before every name


def weights_in(loaded: Any, where: str = "the file") -> dict[str, Tensor]:
    """The tensors of a model in what ``lamina.load`` gave: perhaps one level down, perhaps under ``module.``.

    Training programs put the model beside an optimizer and counters; wrappers put a word before its names.

    Raises:
        FileFormatError: there is no dict of tensors.

    >>> sorted(lamina.io.weights_in({"epoch": 3, "state_dict": {"module.weight": lamina.ones(1)}}))
    ['weight']
    """
    found = _tensors(loaded)
    if not found and isinstance(loaded, Mapping):
        inner = [_tensors(value) for key, value in loaded.items() if "optim" not in str(key)]
        found = max(inner, key=len, default={})
    if not found:
        raise lamina.FileFormatError(f"{where} holds no dict of named tensors")
    for prefix in WRAPPERS:
        if all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): value for name, value in found.items()}
    return found


def _tensors(value: Any) -> dict[str, Tensor]:
    if not isinstance(value, Mapping):
        return {}
    if not all(isinstance(name, str) for name in value):
        return {}
    found = {name: one for name, one in value.items() if lamina.is_tensor(one)}
    return found if len(found) * 2 > len(value) else {}
