"""Reading and writing files: ``save`` and ``load`` for checkpoints, ``safetensors`` for files of tensors, and
``load_gguf`` for the files of llama.cpp.

No reader executes anything that a file contains.
"""

from . import safetensors
from .checkpoint import load, save
from .gguf import QuantizedTensor, load_gguf

__all__ = ["QuantizedTensor", "load", "load_gguf", "safetensors", "save"]
