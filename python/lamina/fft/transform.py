"""The three discrete Fourier transforms as differentiable functions: complex to complex, real to half of a
complex spectrum, and back. NumPy's pocketfft computes them; the gradient of each is another one.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from lamina import _core
from lamina._core import Tensor
from lamina.autograd.function import Function

Dims = tuple[int, ...]
# The transform back, without or with the same factor.
Norm = Literal["backward", "ortho", "forward"]
ADJOINT: dict[str, Norm] = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _tensor(array: np.ndarray[Any, Any], dtype: Any) -> Tensor:
    return _core.from_numpy(np.ascontiguousarray(array)).to(dtype)


class Complex(Function):
    """Complex to complex along ``dims``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dims: Dims, norm: Norm, inverse: bool) -> Tensor:
        ctx.how = dims, norm, inverse
        routine = np.fft.ifftn if inverse else np.fft.fftn
        return _tensor(routine(x.detach().numpy(), axes=dims, norm=norm), x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        dims, norm, inverse = ctx.how
        return Complex.apply(grad, dims, ADJOINT[norm], not inverse), None, None, None


class ToHalf(Function):
    """Real to the first n // 2 + 1 values along the last of ``dims``; the others are their conjugates."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dims: Dims, norm: Norm) -> Tensor:
        ctx.how = dims, norm, x.shape[dims[-1]]
        return _tensor(np.fft.rfftn(x.detach().numpy(), axes=dims, norm=norm), x.dtype.to_complex())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        dims, norm, n = ctx.how
        whole = resized(grad, dims[-1], n)  # the half that is not given feels nothing
        return _core.real(Complex.apply(whole, dims, ADJOINT[norm], True)), None, None


class FromHalf(Function):
    """Back to n real values along the last of ``dims`` (an inverse transform)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dims: Dims, norm: Norm, n: int) -> Tensor:
        ctx.how = dims, norm, n
        sizes = [x.shape[d] for d in dims[:-1]] + [n]
        found = np.fft.irfftn(x.detach().numpy(), s=sizes, axes=dims, norm=norm)
        return _tensor(found, x.dtype.to_real())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        dims, norm, n = ctx.how
        half = ToHalf.apply(grad, dims, ADJOINT[norm])
        # All but the first, and the middle one where there is one, stand for their conjugates too.
        twice = np.ones(n // 2 + 1)
        twice[1 : (n + 1) // 2] = 2
        shape = [-1 if d == dims[-1] else 1 for d in range(grad.ndim)]
        return half * _core.from_numpy(twice).to(grad.dtype).reshape(shape), None, None, None


def resized(x: Tensor, dim: int, n: int) -> Tensor:
    """``x`` with n values along ``dim``: the first ones, or zeros behind."""
    size = x.shape[dim]
    if size >= n:
        return x if size == n else x.narrow(dim, 0, n)
    shape = list(x.shape)
    shape[dim] = n - size
    return _core.cat([x, _core.full(shape, 0, x.dtype)], dim)
