"""OpenMP as a library of PyTorch's, which is not here: kernels share their work through lamina's threads."""

from __future__ import annotations


def is_available() -> bool:
    """Whether that library is here: no."""
    return False
