"""The CPU as a device, under the names that ``lamina.cuda`` has for GPUs."""

from __future__ import annotations

from lamina.cpu import amp

__all__ = ["amp", "current_device", "device_count", "is_available", "synchronize"]


def is_available() -> bool:
    """Whether there is a CPU: yes."""
    return True


def device_count() -> int:
    """How many CPUs count as devices: one."""
    return 1


def current_device() -> str:
    """The name of the current device: ``cpu``."""
    return "cpu"


def synchronize(device: object = None) -> None:
    """Wait until the CPU has done what it was asked for; every call of lamina has already waited."""
