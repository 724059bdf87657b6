"""The instruction set of the CPU that kernels use."""

from __future__ import annotations

from lamina import _core


def get_cpu_capability() -> str:
    """The instruction set that kernels use: SCALAR, AVX2, AVX512, NEON."""
    return _core.isa().upper()
