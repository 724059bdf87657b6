"""``functional_call`` under the name that it had before ``lamina.func``."""

from __future__ import annotations

from typing import Any

from lamina.nn.modules.module import Module


def functional_call(
    module: Module,
    parameters_and_buffers: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``lamina.func.functional_call``."""
    from lamina.func import functional_call as call

    return call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)
