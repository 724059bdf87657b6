"""Intel's oneDNN, which is not here: kernels are lamina's own. Its switch can be set, and changes nothing."""

from __future__ import annotations

enabled = True


def is_available() -> bool:
    """Whether oneDNN is here: no."""
    return False
