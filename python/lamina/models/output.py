"""What a model returns: fields with names, which can also be counted through like a tuple."""

from __future__ import annotations

from typing import Any


class ModelOutput(dict[str, Any]):
    """Fields by name (``output.logits``, ``output["logits"]``) or by place (``output[0]``).

    Fields that are None are left out; asking for one of them by attribute gives None.

    >>> output = ModelOutput(loss=None, logits=3)
    >>> output.logits, output[0], output.loss
    (3, 3, None)
    """

    def __init__(self, **named: Any) -> None:
        super().__init__({name: value for name, value in named.items() if value is not None})
        self._absent = frozenset(named) - frozenset(self)

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return dict.__getitem__(self, name)
        if not name.startswith("_") and name in self._absent:
            return None
        raise AttributeError(f"this output has {', '.join(self)}, but no {name}")

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else self.to_tuple()[key]

    def to_tuple(self) -> tuple[Any, ...]:
        """All fields in their order."""
        return tuple(self.values())
