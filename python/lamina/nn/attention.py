"""Which way ``scaled_dot_product_attention`` is computed: on the CPU of lamina there is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(Enum):
    """The ways that PyTorch names. Their results are the same up to rounding."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3


@contextmanager
def sdpa_kernel(backends: SDPBackend | Sequence[SDPBackend], set_priority: bool = False) -> Iterator[None]:
    """Allow these ways inside. One of those that a CPU has must be among them.

    Raises:
        RuntimeError: only ways of GPUs are allowed.
    """
    allowed = {backends} if isinstance(backends, SDPBackend) else set(backends)
    if not allowed & {SDPBackend.MATH, SDPBackend.FLASH_ATTENTION}:
        raise RuntimeError(f"sdpa_kernel: no available kernel: the CPU has none of {allowed}")
    yield
