"""The short-time Fourier transform: a spectrum for each of many overlapping stretches of a signal, and back.

Source: Griffin and Lim, Signal estimation from modified short-time Fourier transform, 1984.
"""

from __future__ import annotations

from typing import Any

from lamina import _core
from lamina._core import ShapeError, Tensor
from lamina.fft import fft, ifft, irfft, rfft


def _window(word: str, window: Tensor | None, length: int, n_fft: int, like: Any) -> Tensor:
    """The window, or ones, in the middle of n_fft places."""
    if window is None:
        made = _core.full((length,), 1, like)
    elif window.ndim != 1 or window.shape[0] != length:
        raise ShapeError(f"{word}: expected a 1D window tensor of size {length}, got {tuple(window.shape)}")
    else:
        made = window
    left = (n_fft - length) // 2
    before, behind = (_core.full((n,), 0, made.dtype) for n in (left, n_fft - length - left))
    return _core.cat([before, made, behind]) if length < n_fft else made


def _lengths(word: str, n_fft: int, hop: int | None, win: int | None) -> tuple[int, int]:
    hop, win = n_fft // 4 if hop is None else hop, n_fft if win is None else win
    if n_fft < 1 or hop < 1 or not 0 < win <= n_fft:
        raise ShapeError(
            f"{word}: expected n_fft > 0, hop_length > 0 and 0 < win_length <= n_fft, "
            f"got {n_fft}, {hop}, {win}"
        )
    return hop, win


def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
) -> Tensor:
    """The spectra of signals (b, length) or (length): (b, n_fft // 2 + 1, frames), or n_fft values each
    where the signal or the window is complex or ``onesided`` is False.

    Frame t is centred at ``t * hop_length`` (n_fft // 4), the signal being padded by n_fft // 2; with
    ``center=False`` it begins there. Each is multiplied by ``window`` of ``win_length`` (n_fft) values.
    ``normalized`` divides by the root of n_fft. ``return_complex=False`` gives pairs of reals (..., 2).

    Raises:
        ShapeError: a signal that is too short, a window of another length, or ``return_complex`` left out
            for a real signal.

    >>> lamina.stft(lamina.ones(16), 8, return_complex=True).shape
    lamina.Size([5, 9])
    """
    complex_input = input.is_complex() or (window is not None and window.is_complex())
    if return_complex is None:
        if not complex_input:
            raise ShapeError("stft: requires the return_complex parameter be given for real inputs")
        return_complex = True
    if not (input.is_floating_point() or input.is_complex()) or input.ndim not in (1, 2):
        raise ShapeError(
            "stft: expected a 1D or 2D tensor of floating or complex values, "
            f"got {tuple(input.shape)} of {input.dtype}"
        )
    hop, win = _lengths("stft", n_fft, hop_length, win_length)
    onesided = not complex_input if onesided is None else onesided
    if onesided and complex_input:
        raise ShapeError("stft: Cannot have onesided output if window or input is complex")
    x = input.unsqueeze(0) if input.ndim == 1 else input
    if center:
        from lamina.nn.functional import pad

        half = n_fft // 2
        if pad_mode == "reflect" and 0 < half < x.shape[1]:  # the ends alone are looked up
            x = _core.cat([x[:, 1 : half + 1].flip(1), x, x[:, -half - 1 : -1].flip(1)], 1)
        else:
            x = pad(x.unsqueeze(1), (half, half), pad_mode).squeeze(1)
    if x.shape[1] < n_fft:
        raise ShapeError(f"stft: expected 0 < n_fft <= {x.shape[1]} (the signal's length), got {n_fft}")
    frames = x.unfold(1, n_fft, hop) * _window("stft", window, win, n_fft, input.dtype.to_real())
    norm = "ortho" if normalized else "backward"
    found = (rfft if onesided else fft)(frames, norm=norm).transpose(1, 2)
    found = found.squeeze(0) if input.ndim == 1 else found
    return found if return_complex else _core.view_as_real(found.contiguous())


def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signals (b, length) or (length) whose ``stft`` is nearest to these spectra: frames are laid over
    one another and divided by the sum of the squared windows.

    Without ``return_complex`` the signal is real, and of n_fft values per spectrum the first half counts.

    Raises:
        ShapeError: the spectra do not have the size that n_fft asks for, or the windows leave a gap.
        TypeError: the input is not complex.
    """
    if not input.is_complex():
        raise _core.DtypeError(f"istft: requires a complex-valued input tensor, got {input.dtype}")
    if input.ndim not in (2, 3) or not input.numel():
        raise ShapeError(f"istft: expected a 2D or 3D tensor that is not empty, got {tuple(input.shape)}")
    hop, win = _lengths("istft", n_fft, hop_length, win_length)
    x = input.unsqueeze(0) if input.ndim == 2 else input
    onesided = x.shape[1] != n_fft if onesided is None else onesided
    if x.shape[1] != (n_fft // 2 + 1 if onesided else n_fft):
        raise ShapeError(
            f"istft: {x.shape[1]} values per spectrum do not match n_fft={n_fft}, onesided={onesided}"
        )
    if return_complex and onesided:
        raise ShapeError("istft: cannot have onesided input where a complex signal is asked for")
    weight = _window("istft", window, win, n_fft, input.dtype.to_real())
    if weight.is_complex() and not return_complex:
        raise ShapeError("istft: Complex windows are incompatible with return_complex=False")
    spectra = x.transpose(1, 2)
    norm = "ortho" if normalized else "backward"
    if return_complex:
        frames = ifft(spectra, n_fft, norm=norm)
    else:
        frames = irfft(spectra[..., : n_fft // 2 + 1], n_fft, norm=norm)
    count = frames.shape[1]
    total = n_fft + hop * (count - 1)
    places = (
        _core.arange(0, count, 1, _core.int64).unsqueeze(1) * hop + _core.arange(0, n_fft, 1, _core.int64)
    ).reshape(-1)
    frames = (frames * weight).reshape(x.shape[0], -1)
    signal = _core.full((x.shape[0], total), 0, frames.dtype).index_add(1, places, frames)
    squares = (weight * weight).expand(count, n_fft).reshape(-1)
    envelope = _core.full((total,), 0, weight.dtype).index_add(0, places, squares)
    start = n_fft // 2 if center else 0
    stop = start + length if length is not None else total - (n_fft // 2 if center else 0)
    signal, envelope = signal[:, start:stop], envelope[start:stop]
    if envelope.numel() and not bool((envelope.detach().abs() > 1e-11).all()):
        raise ShapeError("istft: window overlap add min: the windows leave a gap in the signal")
    signal = signal / envelope
    if length is not None and signal.shape[1] < length:
        signal = _core.cat(
            [signal, _core.full((signal.shape[0], length - signal.shape[1]), 0, signal.dtype)], 1
        )
    return signal.squeeze(0) if input.ndim == 2 else signal
