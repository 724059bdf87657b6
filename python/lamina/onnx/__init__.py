"""ONNX graphs as modules: ``load`` gives one that runs and can be trained; ``pip install lamina[onnx]``.

The operators are in op_*.py, a function each; which there are, ``operators()`` says.
"""

from .graph import GraphModule
from .reader import load
from .registry import operators

__all__ = ["GraphModule", "load", "operators"]
