"""Windows: weights that fade a stretch of a signal in and out, under the names of ``torch.signal.windows``.

With ``sym=False`` they are periodic: one longer, without its last value, as Fourier transforms want them.
Source: Harris, On the use of windows for harmonic analysis with the discrete Fourier transform, 1978.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.creation import chosen, finish

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]

Law = Callable[[Tensor, int], Tensor]


def _window(word: str, M: int, sym: bool, law: Law, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """``law(n, last)`` at n = 0 ... M - 1, where ``last`` is the place at which the window ends."""
    made = chosen(dtype, device)
    if made not in (_core.float32, _core.float64):
        raise ShapeError(f"{word}: expects float32 or float64 dtypes, got {made}")
    if M < 0:
        raise ShapeError(f"{word}: requires non-negative window length, got M={M}")
    if M < 2:
        return finish(_core.full((M,), 1, made), None, requires_grad)
    places = _core.arange(0, M, 1, _core.float64)
    return finish(law(places, M - 1 if sym else M).to(made), None, requires_grad)


def general_cosine(
    M: int,
    *,
    a: Sequence[float],
    sym: bool = True,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``sum over i of (-1)**i a[i] cos(2 pi i n / last)``.

    Raises:
        ShapeError: ``a`` is empty, or a dtype other than float32 and float64.
    """
    if not len(a):
        raise ShapeError("general_cosine: Coefficients cannot be empty")

    def law(n: Tensor, last: int) -> Tensor:
        turns = n * (2 * math.pi / last)
        result = _core.full_like(n, 0)
        for i, weight in enumerate(a):
            result = result + (-1) ** i * weight * (i * turns).cos()
        return result

    return _window("general_cosine", M, sym, law, dtype, device, requires_grad)


def _cosines(name: str, a: Sequence[float], doc: str) -> Callable[..., Tensor]:
    def window(
        M: int, *, sym: bool = True, dtype: Any = None, device: Any = None, requires_grad: bool = False
    ) -> Tensor:
        return general_cosine(M, a=a, sym=sym, dtype=dtype, device=device, requires_grad=requires_grad)

    window.__name__, window.__doc__ = name, doc
    return window


hann = _cosines("hann", (0.5, 0.5), "A period of a cosine, raised to lie between 0 and 1.")
hamming = _cosines("hamming", (0.54, 0.46), "``hann`` on a pedestal of 0.08.")
blackman = _cosines("blackman", (0.42, 0.5, 0.08), "Three terms of cosines.")
nuttall = _cosines("nuttall", (0.3635819, 0.4891775, 0.1365995, 0.0106411), "Four terms of cosines.")


def general_hamming(
    M: int,
    *,
    alpha: float = 0.54,
    sym: bool = True,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``alpha - (1 - alpha) cos(2 pi n / last)``."""
    return general_cosine(
        M, a=(alpha, 1 - alpha), sym=sym, dtype=dtype, device=device, requires_grad=requires_grad
    )


def bartlett(
    M: int, *, sym: bool = True, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A triangle from 0 to 1 and back."""
    return _window(
        "bartlett", M, sym, lambda n, last: 1 - (2 * n / last - 1).abs(), dtype, device, requires_grad
    )


def cosine(
    M: int, *, sym: bool = True, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Half a period of a sine."""

    def law(n: Tensor, last: int) -> Tensor:
        return (math.pi / (last + 1) * (n + 0.5)).sin()

    return _window("cosine", M, sym, law, dtype, device, requires_grad)


def gaussian(
    M: int,
    *,
    std: float = 1.0,
    sym: bool = True,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``exp(-(x / std)**2 / 2)``, x counted from the middle."""
    if std <= 0:
        raise ShapeError(f"gaussian: standard deviation must be positive, got {std}")

    def law(n: Tensor, last: int) -> Tensor:
        return (-0.5 * ((n - last / 2) / std).square()).exp()

    return _window("gaussian", M, sym, law, dtype, device, requires_grad)


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``exp(-|n - center| / tau)``; a center besides the middle can be given for ``sym=False`` alone."""
    if tau <= 0:
        raise ShapeError(f"exponential: tau must be positive, got {tau}")
    if sym and center is not None:
        raise ShapeError("exponential: center must be None for symmetric windows")

    def law(n: Tensor, last: int) -> Tensor:
        return (-(n - (last / 2 if center is None else center)).abs() / tau).exp()

    return _window("exponential", M, sym, law, dtype, device, requires_grad)


def kaiser(
    M: int,
    *,
    beta: float = 12.0,
    sym: bool = True,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``i0(beta sqrt(1 - x**2)) / i0(beta)``, x from -1 to 1."""
    from lamina.special import i0

    if beta < 0:
        raise ShapeError(f"kaiser: beta must be non-negative, got {beta}")

    def law(n: Tensor, last: int) -> Tensor:
        inside = (1 - (2 * n / last - 1).square()).clamp(min=0).sqrt() * beta
        return i0(inside) / i0(_core.full((), beta, _core.float64))

    return _window("kaiser", M, sym, law, dtype, device, requires_grad)


def _older(name: str, window: Callable[..., Tensor], *words: str) -> Callable[..., Tensor]:
    """``lamina.hann_window`` and its like: periodic unless told otherwise."""

    def older(
        window_length: int,
        periodic: bool = True,
        *values: float,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **options: Any,
    ) -> Tensor:
        named = dict(zip(words, values, strict=False)) | options
        if len(values) > len(words) or not set(named) <= set(words):
            raise TypeError(f"{name}: expected at most {words} behind periodic, got {values} and {options}")
        return window(
            window_length, sym=not periodic, dtype=dtype, device=device, requires_grad=requires_grad, **named
        )

    older.__name__ = name
    older.__doc__ = f"``signal.windows.{window.__name__}``, periodic by default."
    return older


def _alpha_beta(M: int, *, alpha: float = 0.54, beta: float = 0.46, **options: Any) -> Tensor:
    return general_cosine(M, a=(alpha, beta), **options)


bartlett_window = _older("bartlett_window", bartlett)
blackman_window = _older("blackman_window", blackman)
hann_window = _older("hann_window", hann)
hamming_window = _older("hamming_window", _alpha_beta, "alpha", "beta")
kaiser_window = _older("kaiser_window", kaiser, "beta")
