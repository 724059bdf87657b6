"""How other packages meet lamina's tensors: einops, which finds a back end by the framework's name."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_file_location
from typing import Any

LAYERS = "einops.layers.lamina"  # beside einops.layers.torch


class _Introduction:
    """Waits for einops: when it is imported, it learns of lamina. Until then nothing of it is loaded."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name == LAYERS:
            return spec_from_file_location(name, __file__.replace("__init__", "einops_layer"))
        if name != "einops._backends" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)  # whoever comes behind finds the real one
        try:
            spec = find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def introduce(module: Any) -> None:
            load(module)
            from lamina.interop import einops_backend

            einops_backend.register(module)

        spec.loader.exec_module = introduce  # type: ignore[method-assign]
        return spec


def wait_for_einops() -> None:
    """Let einops know of lamina, now or when it is imported."""
    sys.meta_path.insert(0, _Introduction())
    known = sys.modules.get("einops._backends")
    if known is not None:
        from lamina.interop import einops_backend

        einops_backend.register(known)
