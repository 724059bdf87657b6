"""The accelerator of this machine, as ``torch.accelerator`` names it: lamina computes on the CPU and has
none.
"""

from __future__ import annotations


def is_available() -> bool:
    """Whether there is an accelerator: no."""
    return False


def device_count() -> int:
    """How many accelerators there are: none."""
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """The device of the accelerator: None."""
