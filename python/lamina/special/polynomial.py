"""Orthogonal polynomials, by their recurrences; the degree is a number or one per element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina import _core
from lamina._core import Tensor
from lamina.elementwise import real_type

# What makes degree k + 1 from degrees k and k - 1, and degree 1 from x.
Step = Callable[[Tensor, Tensor, Tensor, int], Tensor]


def _chebyshev(x: Tensor, now: Tensor, before: Tensor, k: int) -> Tensor:
    return 2 * x * now - before


FAMILIES: dict[str, tuple[Callable[[Tensor], Tensor], Step]] = {
    "chebyshev_polynomial_t": (lambda x: x, _chebyshev),
    "chebyshev_polynomial_u": (lambda x: 2 * x, _chebyshev),
    "chebyshev_polynomial_v": (lambda x: 2 * x - 1, _chebyshev),
    "chebyshev_polynomial_w": (lambda x: 2 * x + 1, _chebyshev),
    "hermite_polynomial_h": (lambda x: 2 * x, lambda x, now, before, k: 2 * x * now - 2 * k * before),
    "hermite_polynomial_he": (lambda x: x, lambda x, now, before, k: x * now - k * before),
    "laguerre_polynomial_l": (
        lambda x: 1 - x,
        lambda x, now, before, k: ((2 * k + 1 - x) * now - k * before) / (k + 1),
    ),
    "legendre_polynomial_p": (
        lambda x: x,
        lambda x, now, before, k: ((2 * k + 1) * x * now - k * before) / (k + 1),
    ),
}


def _polynomial(name: str, first: Callable[[Tensor], Tensor], step: Step, shifted: bool) -> Any:
    def polynomial(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
        if not (isinstance(input, Tensor) or isinstance(n, Tensor)):
            raise TypeError(f"special.{name}: expected a tensor, got two numbers")
        dtype = real_type(name, input, n)
        x, degree = (v.to(dtype) if isinstance(v, Tensor) else _core.full((), v, dtype) for v in (input, n))
        degree = degree.detach().trunc()
        wide = x.to(_core.float64)
        wide = 2 * wide - 1 if shifted else wide
        before, now = _core.full_like(wide, 1), first(wide)
        result = _core.where(degree == 0, before, _core.where(degree == 1, now, 0.0))
        highest = int(degree.max()) if degree.numel() else 0
        for k in range(1, highest):
            before, now = now, step(wide, now, before, k)
            result = _core.where(degree == k + 1, now, result)
        return _core._into_out(result.to(dtype), out)

    polynomial.__name__ = name
    polynomial.__doc__ = f"The {name.replace('_', ' ')} of degree ``n`` at ``input``; 0 for negative degrees."
    return polynomial


for _name, (_first, _step) in FAMILIES.items():
    globals()[_name] = _polynomial(_name, _first, _step, False)
    if _name.startswith("chebyshev"):
        globals()[f"shifted_{_name}"] = _polynomial(f"shifted_{_name}", _first, _step, True)
__all__ = [*FAMILIES, *(f"shifted_{name}" for name in FAMILIES if name.startswith("chebyshev"))]
