"""The layers, one file per kind, under PyTorch's paths where it has them; import from ``lamina.nn``."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

# Where PyTorch has classes that stand here in files of their own.
_ALSO = {
    "activation": "attention",
    "adaptive": "large_loss",
    "batchnorm": "lazy",
    "channelshuffle": "resize",
    "container": "parameter_container",
    "conv": "conv_transpose lazy",
    "fold": "resize",
    "instancenorm": "lazy",
    "linear": "lazy",
    "loss": "margin_loss large_loss",
    "pixelshuffle": "resize",
    "pooling": "pooling3d",
    "rnn": "rnn_cell",
    "transformer": "transformer_layer",
    "upsampling": "resize",
}


def settle() -> None:
    """Let the paths of PyTorch's files lead to the classes, once all of them are loaded."""
    for home, files in _ALSO.items():
        path = f"{__name__}.{home}"
        module = sys.modules.setdefault(path, ModuleType(path, f"Where PyTorch has parts of {files}."))
        globals()[home] = module
        for file in files.split():
            for name, item in vars(sys.modules[f"{__name__}.{file}"]).items():
                if isinstance(item, type) and item.__module__ == f"{__name__}.{file}" and name[0] != "_":
                    vars(module).setdefault(name, item)


def __getattr__(name: str) -> Any:  # lamina.nn has them all, and imports this package
    from lamina import nn

    if name == "__all__":
        kinds = ((word, getattr(nn, word)) for word in nn.__all__)
        return [word for word, kind in kinds if isinstance(kind, type) and issubclass(kind, nn.Module)]
    if name.startswith("_") or name not in nn.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(nn, name)
