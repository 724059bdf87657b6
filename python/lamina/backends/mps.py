"""Apple's Metal, which is not here."""

from __future__ import annotations


def is_available() -> bool:
    """Whether Metal is here: no."""
    return False


def is_built() -> bool:
    """Whether lamina was built with Metal: no."""
    return False
