"""How a function that NumPy computes in float64 becomes a differentiable function of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina import _core
from lamina._core import Tensor
from lamina.autograd.function import Function
from lamina.elementwise import floating

Slope = Callable[[Tensor], Tensor]


class _Computed(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, compute: Any, slope: Any) -> Tensor:
        ctx.save_for_backward(x)
        ctx.slope = slope
        return evaluated(compute, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        if ctx.slope is None:
            raise NotImplementedError("special: this function has no derivative here")
        return grad * ctx.slope(ctx.saved_tensors[0]), None, None


def evaluated(compute: Callable[..., Any], *inputs: Tensor) -> Tensor:
    """``compute`` on float64 arrays of the inputs, in the first one's dtype."""
    with np.errstate(all="ignore"):
        found = compute(*(x.detach().to(_core.float64).numpy() for x in inputs))
    return _core.from_numpy(np.asarray(found, np.float64)).to(inputs[0].dtype)


def computed(
    name: str, doc: str, compute: Callable[[np.ndarray], np.ndarray], slope: Slope | None = None
) -> Callable[..., Tensor]:
    """The function ``name(input, *, out=None)``; integers are taken as the default float."""

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        x = floating(input, name)
        return _core._into_out(_Computed.apply(x, compute, slope), out)

    function.__name__ = name
    function.__doc__ = doc
    return function
