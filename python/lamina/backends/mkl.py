"""Intel's MKL, which is not here: kernels are lamina's own."""

from __future__ import annotations


def is_available() -> bool:
    """Whether MKL is here: no."""
    return False
