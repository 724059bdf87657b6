"""What code says to PyTorch's tracer, which is not here: ``wrap``, a remark that changes nothing, and
``Proxy``, by which code asks whether it is being traced."""

from __future__ import annotations

from typing import Any

__all__ = ["Proxy", "wrap"]


class Proxy:
    """What a tracer passes instead of a tensor: nothing is one here.

    Raises:
        RuntimeError: always.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("Proxy: lamina has no tracer")


def wrap(fn_or_name: Any) -> Any:
    """A remark for the tracer, that the function is one step of what it traces; the function is returned.

    Raises:
        TypeError: neither a function nor the name of one.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise TypeError(f"wrap: expected a function or a name, got {fn_or_name!r}")
    return fn_or_name
