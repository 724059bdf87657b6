"""Which version this is: of PyTorch's interface, as scripts ask before they choose a name, and of lamina.

``__version__`` says both, as PyTorch's own says ``2.13.0+cpu``: the interface, then who built it."""

from lamina._core import __version__ as lamina
from lamina.torch_version import TorchVersion

__version__ = TorchVersion(f"2.13.0+lamina.{lamina}")
cuda = None
hip = None
debug = False

__all__ = ["__version__", "cuda", "debug", "hip", "lamina"]
