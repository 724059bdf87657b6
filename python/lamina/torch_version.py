"""A version as text that compares as numbers, so that 2.13 comes after 2.4."""

from __future__ import annotations

from typing import Any

__all__ = ["TorchVersion"]


def _release(version: Any) -> tuple[int, ...]:
    """The numbers of ``2.13.0+cpu`` or ``(2, 13)``, without zeros at the end: 2 is 2.0."""
    text = str(version).partition("+")[0].split(".")
    parts = version if isinstance(version, tuple) else [part for part in text if part.isdigit()]
    numbers = [int(part) for part in parts]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


class TorchVersion(str):
    """Text of a version that is ordered by its numbers, against text, a tuple or another version.

    >>> lamina.__version__ > "2.4", lamina.__version__ < (3,)
    (True, True)
    """

    def __lt__(self, other: Any) -> bool:
        return _release(self) < _release(other)

    def __le__(self, other: Any) -> bool:
        return _release(self) <= _release(other)

    def __gt__(self, other: Any) -> bool:
        return _release(self) > _release(other)

    def __ge__(self, other: Any) -> bool:
        return _release(self) >= _release(other)
