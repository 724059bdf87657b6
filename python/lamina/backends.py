"""What computes underneath: the CPU's instruction set; and switches of libraries that are not here.

A script may set those switches as it does with PyTorch on a CPU, where they change nothing either.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from lamina import _core


class _Absent(SimpleNamespace):
    """A library that is not here. Its switches can be set and read."""

    def is_available(self) -> bool:
        return False


class _Cpu:
    def get_cpu_capability(self) -> str:
        """The instruction set that kernels use: SCALAR, AVX2, AVX512, NEON."""
        return _core.isa().upper()


cpu = _Cpu()
openmp: Any = _Absent()  # kernels share their work through threads of lamina's own
cudnn: Any = _Absent(enabled=True, benchmark=False, deterministic=False, allow_tf32=True)
cuda: Any = _Absent(matmul=SimpleNamespace(allow_tf32=False))
mps: Any = _Absent()
mkldnn: Any = _Absent(enabled=True)
