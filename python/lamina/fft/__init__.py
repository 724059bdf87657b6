"""Discrete Fourier transforms under PyTorch's names.

``norm`` says where the factor 1/n stands: ``"backward"`` (the inverse transform has it), ``"forward"``, or
``"ortho"`` (both have its root). float32 gives complex64 and the other way round; integers are taken as the
default float. Along every transformed dimension of size ``n`` (or ``s``) the input is cut, or filled up with
zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lamina import _core
from lamina._core import DtypeError, ShapeError, Tensor
from lamina.elementwise import inexact
from lamina.fft.transform import ADJOINT, Complex, FromHalf, ToHalf, resized
from lamina.shape import as_tuple, roll, wrap

if TYPE_CHECKING:
    from lamina._core import dtype as Dtype

__all__ = (
    "fft fft2 fftfreq fftn fftshift hfft hfft2 hfftn ifft ifft2 ifftn ifftshift ihfft ihfft2 ihfftn irfft "
    "irfft2 irfftn rfft rfft2 rfftfreq rfftn"
).split()

Sizes = int | Sequence[int] | None


def _input(word: str, x: Tensor, real: bool = False) -> Tensor:
    """What can be transformed: float32, float64 or complex.

    Raises:
        TypeError: halves, or complex numbers where only real ones have a meaning.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"fft.{word}: expected a Tensor, got {type(x).__name__}")
    if real and x.is_complex():
        raise DtypeError(f"fft.{word}: expects a real input tensor, but got {x.dtype}")
    x = inexact(x)
    if x.dtype in (_core.float16, _core.bfloat16):
        raise DtypeError(f"fft.{word}: expected float32, float64 or complex numbers, got {x.dtype}")
    return x


def _norm(word: str, norm: str | None) -> str:
    norm = "backward" if norm is None else norm
    if norm not in ADJOINT:
        raise ShapeError(f"fft.{word}: Invalid normalization mode: {norm!r}; expected {', '.join(ADJOINT)}")
    return norm


def _plan(word: str, x: Tensor, s: Sizes, dim: Sizes) -> tuple[list[int | None], tuple[int, ...]]:
    """The sizes (None: as it is) and the dimensions that are transformed."""
    sizes = None if s is None else [None if n == -1 else n for n in as_tuple(s)]
    if dim is not None:
        dims = tuple(wrap(d, x.ndim, f"fft.{word}") for d in as_tuple(dim))
    else:
        dims = tuple(range(0 if sizes is None else x.ndim - len(sizes), x.ndim))
    if (sizes is not None and len(sizes) != len(dims)) or (dims and min(dims) < 0):
        raise ShapeError(
            f"fft.{word}: When given, dim and s must have the same length, and fit the shape "
            f"{tuple(x.shape)}; got s={s} and dim={dim}"
        )
    if len(set(dims)) != len(dims):
        raise ShapeError(f"fft.{word}: FFT dims must be unique, got {dim}")
    return sizes or [None] * len(dims), dims


def _fit(word: str, x: Tensor, sizes: Sequence[int | None], dims: Sequence[int]) -> Tensor:
    for n, d in zip(sizes, dims, strict=True):
        if x.ndim == 0 or (x.shape[d] if n is None else n) < 1:
            raise ShapeError(f"fft.{word}: Invalid number of data points ({n}) for shape {tuple(x.shape)}")
        x = x if n is None else resized(x, d, n)
    return x


def _whole(word: str, x: Tensor, s: Sizes, dim: Sizes, norm: str | None, inverse: bool) -> Tensor:
    x = _input(word, x)
    way = _norm(word, norm)
    sizes, dims = _plan(word, x, s, dim)
    x = _fit(word, x.to(x.dtype.to_complex()), sizes, dims)
    return Complex.apply(x, dims, way, inverse) if dims else x


def _to_half(word: str, x: Tensor, s: Sizes, dim: Sizes, norm: str | None) -> Tensor:
    x = _input(word, x, real=True)
    way = _norm(word, norm)
    sizes, dims = _plan(word, x, s, dim)
    if not dims:
        raise ShapeError(f"fft.{word}: must transform at least one axis")
    return ToHalf.apply(_fit(word, x, sizes, dims), dims, way)


def _from_half(word: str, x: Tensor, s: Sizes, dim: Sizes, norm: str | None) -> Tensor:
    x = _input(word, x)
    way = _norm(word, norm)
    sizes, dims = _plan(word, x, s, dim)
    if not dims or x.ndim == 0:
        raise ShapeError(f"fft.{word}: must transform at least one axis")
    n = sizes[-1] if sizes[-1] is not None else 2 * (x.shape[dims[-1]] - 1)
    if n < 1:
        raise ShapeError(f"fft.{word}: Invalid number of data points ({n}) specified")
    x = _fit(word, x.to(x.dtype.to_complex()), [*sizes[:-1], n // 2 + 1], dims)
    return FromHalf.apply(x, dims, way, n)


def _other(word: str, norm: str | None) -> str:
    """The norm under which the inverse transform is the transform."""
    return ADJOINT[_norm(word, norm)]


def fft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``sum over j of x[j] exp(-2 pi i j k / n)`` for k = 0 ... n - 1 along ``dim``.

    Raises:
        ShapeError: ``n`` below 1, or another word for ``norm``.
        TypeError: float16 or bfloat16.

    >>> lamina.fft.fft(lamina.tensor([1.0, 0.0])).tolist()
    [(1+0j), (1+0j)]
    """
    return _core._into_out(_whole("fft", input, n, dim, norm, False), out)


def ifft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """What ``fft`` of this is the input."""
    return _core._into_out(_whole("ifft", input, n, dim, norm, True), out)


def fft2(
    input: Tensor,
    s: Sizes = None,
    dim: Sizes = (-2, -1),
    norm: str | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """``fft`` along two dimensions."""
    return _core._into_out(_whole("fft2", input, s, dim, norm, False), out)


def ifft2(
    input: Tensor,
    s: Sizes = None,
    dim: Sizes = (-2, -1),
    norm: str | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """``ifft`` along two dimensions."""
    return _core._into_out(_whole("ifft2", input, s, dim, norm, True), out)


def fftn(
    input: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``fft`` along ``dim``: all dimensions, or the last ``len(s)``, unless given."""
    return _core._into_out(_whole("fftn", input, s, dim, norm, False), out)


def ifftn(
    input: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``ifft`` along ``dim``: all dimensions, or the last ``len(s)``, unless given."""
    return _core._into_out(_whole("ifftn", input, s, dim, norm, True), out)


def rfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``fft`` of real numbers: its first n // 2 + 1 values, whose conjugates the others are.

    Raises:
        TypeError: the input is complex.

    >>> lamina.fft.rfft(lamina.ones(4)).tolist()
    [(4+0j), 0j, 0j]
    """
    return _core._into_out(_to_half("rfft", input, n, dim, norm), out)


def irfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The n real numbers that ``rfft`` makes this of; without ``n`` their count is taken to be even."""
    return _core._into_out(_from_half("irfft", input, n, dim, norm), out)


def rfft2(
    input: Tensor,
    s: Sizes = None,
    dim: Sizes = (-2, -1),
    norm: str | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """``rfft`` along the last of two dimensions, ``fft`` along the other."""
    return _core._into_out(_to_half("rfft2", input, s, dim, norm), out)


def irfft2(
    input: Tensor,
    s: Sizes = None,
    dim: Sizes = (-2, -1),
    norm: str | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """What ``rfft2`` makes this of."""
    return _core._into_out(_from_half("irfft2", input, s, dim, norm), out)


def rfftn(
    input: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``rfft`` along the last of ``dim``, ``fft`` along the others."""
    return _core._into_out(_to_half("rfftn", input, s, dim, norm), out)


def irfftn(
    input: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """What ``rfftn`` makes this of."""
    return _core._into_out(_from_half("irfftn", input, s, dim, norm), out)


def hfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``fft`` of a signal of which the first half is given, the other being its conjugate: n real numbers."""
    return hfftn(input, None if n is None else (n,), (dim,), norm, out=out)


def ihfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """What ``hfft`` makes this of: the first n // 2 + 1 values."""
    return ihfftn(input, None if n is None else (n,), (dim,), norm, out=out)


def hfft2(
    input: Tensor,
    s: Sizes = None,
    dim: Sizes = (-2, -1),
    norm: str | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """``hfft`` along the last of two dimensions, ``fft`` along the other."""
    return hfftn(input, s, dim, norm, out=out)


def ihfft2(
    input: Tensor,
    s: Sizes = None,
    dim: Sizes = (-2, -1),
    norm: str | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """What ``hfft2`` makes this of."""
    return ihfftn(input, s, dim, norm, out=out)


def hfftn(
    input: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``hfft`` along the last of ``dim``, ``fft`` along the others."""
    return _core._into_out(
        _from_half("hfftn", _input("hfftn", input).conj(), s, dim, _other("hfftn", norm)), out
    )


def ihfftn(
    input: Tensor, s: Sizes = None, dim: Sizes = None, norm: str | None = None, *, out: Tensor | None = None
) -> Tensor:
    """What ``hfftn`` makes this of."""
    return _core._into_out(_to_half("ihfftn", input, s, dim, _other("ihfftn", norm)).conj(), out)


def fftfreq(
    n: int, d: float = 1.0, *, out: Tensor | None = None, dtype: Dtype | None = None, **options: Any
) -> Tensor:
    """The frequencies of ``fft``'s n values for samples ``d`` apart: 0, 1, ..., -2, -1, over ``n * d``.

    >>> lamina.fft.fftfreq(4).tolist()
    [0.0, 0.25, -0.5, -0.25]
    """
    from lamina.progression import arange

    places = arange(n, **options)
    return _frequencies(_core.where(places < (n + 1) // 2, places, places - n), n, d, out, dtype)


def rfftfreq(
    n: int, d: float = 1.0, *, out: Tensor | None = None, dtype: Dtype | None = None, **options: Any
) -> Tensor:
    """The frequencies of ``rfft``'s n // 2 + 1 values for samples ``d`` apart."""
    from lamina.progression import arange

    return _frequencies(arange(n // 2 + 1, **options), n, d, out, dtype)


def _frequencies(places: Tensor, n: int, d: float, out: Tensor | None, dtype: Dtype | None) -> Tensor:
    kind = _core.get_default_dtype() if dtype is None else dtype
    grad = places.requires_grad
    made = _core._into_out((places.detach().to(_core.float64) / (n * d)).to(kind), out)
    return made.requires_grad_() if grad else made


def fftshift(input: Tensor, dim: Sizes = None) -> Tensor:
    """Every dimension of ``dim`` (all) turned so that frequency 0 stands in the middle.

    >>> lamina.fft.fftshift(lamina.tensor([0, 1, -2, -1])).tolist()
    [-2, -1, 0, 1]
    """
    dims = tuple(range(input.ndim)) if dim is None else as_tuple(dim)
    return roll(input, [input.shape[d] // 2 for d in dims], dims) if dims else input.clone()


def ifftshift(input: Tensor, dim: Sizes = None) -> Tensor:
    """``fftshift`` undone."""
    dims = tuple(range(input.ndim)) if dim is None else as_tuple(dim)
    return roll(input, [(input.shape[d] + 1) // 2 for d in dims], dims) if dims else input.clone()
