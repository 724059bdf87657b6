"""Reading and writing files: ``save`` and ``load`` for checkpoints, ``safetensors`` for files of tensors.

No reader executes anything that a file contains.
"""

from . import safetensors
from .checkpoint import load, save

__all__ = ["load", "safetensors", "save"]
