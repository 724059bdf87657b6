"""NVIDIA's cuDNN, which is not here. Its switches can be set and read, and change nothing."""

from __future__ import annotations

enabled = True
benchmark = False
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """Whether cuDNN is here: no."""
    return False


def version() -> None:
    """The version of cuDNN: None."""
