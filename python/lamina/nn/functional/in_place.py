"""The way in which a law that has no in-place form of its own is written over its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lamina
from lamina._core import Tensor


def overwrite(input: Tensor, law: Callable[..., Tensor], *args: Any) -> Tensor:
    """Write ``law(input, *args)`` over ``input``, gradients included, and return ``input``.

    While recording, the law reads a copy: what it saves for backward must outlive the old values.
    """
    source = input.clone() if input.requires_grad and lamina.is_grad_enabled() else input
    return input._assign(law(source, *args))
