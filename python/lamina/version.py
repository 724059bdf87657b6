"""Which version this is, and of CUDA and ROCm, which are not here."""

from lamina._core import __version__

cuda = None
hip = None
debug = False

__all__ = ["__version__", "cuda", "debug", "hip"]
