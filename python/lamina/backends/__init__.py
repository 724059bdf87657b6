"""What computes underneath: the CPU's instruction set; and switches of libraries that are not here.

A script may set those switches as it does with PyTorch on a CPU, where they change nothing either.
"""

from __future__ import annotations

from lamina.backends import cpu, cuda, cudnn, mkl, mkldnn, mps, openmp

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]
