"""Reading and writing files: ``save`` and ``load`` for checkpoints of every kind, ``load_gguf`` for those of
llama.cpp with their metadata, ``load_folder`` for Hugging Face's, ``safetensors`` for files of tensors.

No reader executes anything that a file contains.
"""

from . import safetensors
from .folder import load_folder
from .format import load, save
from .gguf import QuantizedTensor, load_gguf
from .state import weights_in
from .unpickler import UnpicklingError

__all__ = [
    "QuantizedTensor",
    "UnpicklingError",
    "load",
    "load_folder",
    "load_gguf",
    "safetensors",
    "save",
    "weights_in",
]
