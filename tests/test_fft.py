"""Fourier transforms: values judged by NumPy and by the definition, gradients by differences, PyTorch where
installed."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

import lamina
from test_complex import close, gradient_by_differences, numbers, weigh

ONE = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
MANY = ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"]
REAL = {"rfft", "ihfft", "rfft2", "rfftn"}
NORMS = ["backward", "ortho", "forward", None]


def sample(name: str, *shape: int) -> np.ndarray:
    return numbers(*shape).real.copy() if name in REAL else numbers(*shape)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ONE)
def test_one_dimension(name, norm):
    for options in ({}, {"n": 4}, {"n": 9}, {"axis": 0}):
        x = sample(name, 5, 6)
        named = {{"axis": "dim"}.get(k, k): v for k, v in options.items()}
        found = getattr(lamina.fft, name)(lamina.from_numpy(x), norm=norm, **named)
        close(found, getattr(np.fft, name)(x, norm=norm, **options))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", MANY)
def test_several_dimensions(name, norm):
    x = sample(name, 3, 4, 5)
    function, reference = getattr(lamina.fft, name), getattr(np.fft, name)
    close(function(lamina.from_numpy(x), norm=norm), reference(x, norm=norm))
    for s, dims in (((2, 6), (0, 2)), ((7, 3), (-1, 0))):
        close(function(lamina.from_numpy(x), s, dims, norm), reference(x, s, dims, norm))


def test_dtypes_follow_the_input():
    fft = lamina.fft
    assert fft.fft(lamina.ones(4)).dtype is fft.rfft(lamina.ones(4)).dtype is lamina.complex64
    assert fft.irfft(lamina.ones(4, dtype=lamina.cfloat)).dtype is lamina.float32
    assert fft.fft(lamina.ones(4, dtype=lamina.float64)).dtype is lamina.complex128
    assert fft.rfft(lamina.arange(4)).dtype is lamina.complex64
    x = np.random.default_rng(0).normal(size=1000).astype("float32")
    wide = np.fft.rfft(x.astype("float64"))
    assert np.abs(fft.rfft(lamina.from_numpy(x)).numpy() - wide).max() < 1e-4


@pytest.mark.parametrize("name", [*ONE, *MANY, "hfft2", "ihfft2", "hfftn", "ihfftn"])
def test_gradients_by_differences(name):
    x = sample(name, 3, 4) if name not in ("ihfft2", "ihfftn") else numbers(3, 4).real.copy()
    function = getattr(lamina.fft, name)
    for norm in ("backward", "ortho"):
        t = lamina.from_numpy(x.copy()).requires_grad_()
        y = function(t, norm=norm)
        w = numbers(*y.shape, seed=1)
        weigh(y, lamina.from_numpy(w)).backward()

        def loss(v: np.ndarray, norm: str = norm, w: np.ndarray = w) -> Any:
            v = v if np.iscomplexobj(x) else v.real.copy()
            return weigh(function(lamina.from_numpy(v), norm=norm), lamina.from_numpy(w)).item()

        expected = gradient_by_differences(loss, x.astype(complex))
        close(t.grad, expected if np.iscomplexobj(x) else expected.real, 1e-7)


def test_second_derivatives():
    """L = sum |F x|^4: its gradient's gradient, by differences."""
    x, w = np.random.default_rng(0).normal(size=5), np.random.default_rng(1).normal(size=5)

    def slope(v: Any) -> Any:
        (g,) = lamina.autograd.grad((lamina.fft.rfft(v).abs() ** 4).sum(), v, create_graph=True)
        return (lamina.fft.irfft(lamina.fft.rfft(g), 5) * lamina.from_numpy(w)).sum()

    t = lamina.from_numpy(x.copy()).requires_grad_()
    slope(t).backward()
    expected = gradient_by_differences(
        lambda v: slope(lamina.from_numpy(v.real.copy()).requires_grad_()).item(), x.astype(complex)
    )
    np.testing.assert_allclose(t.grad.numpy(), expected.real, rtol=1e-6)


def test_frequencies_and_shifts():
    for n in (1, 4, 5):
        close(lamina.fft.fftfreq(n, 0.5, dtype=lamina.float64), np.fft.fftfreq(n, 0.5))
        close(lamina.fft.rfftfreq(n, 0.5, dtype=lamina.float64), np.fft.rfftfreq(n, 0.5))
    x = np.arange(20.0).reshape(4, 5)
    for dims in (None, 1, (0, 1)):
        close(lamina.fft.fftshift(lamina.from_numpy(x), dims), np.fft.fftshift(x, dims))
        close(lamina.fft.ifftshift(lamina.from_numpy(x), dims), np.fft.ifftshift(x, dims))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda f, x: f.fft(x, 0), ValueError),
        (lambda f, x: f.fft(x, norm="half"), ValueError),
        (lambda f, x: f.fft(x, dim=2), IndexError),
        (lambda f, x: f.fftn(x, (2,), (0, 1)), ValueError),
        (lambda f, x: f.fftn(x, dim=(0, 0)), ValueError),
        (lambda f, x: f.fftn(x, (2, 2, 2)), ValueError),
        (lambda f, x: f.rfft(x * 1j), TypeError),
        (lambda f, x: f.ihfft(x * 1j), TypeError),
        (lambda f, x: f.fft(x.half()), TypeError),
        (lambda f, x: f.irfft(x[:, :1]), ValueError),
        (lambda f, x: f.fft(lamina.tensor(1.0)), ValueError),
        (lambda f, x: f.fft([1.0]), TypeError),
    ],
)
def test_what_cannot_be_transformed_is_refused(call, error):
    with pytest.raises(error, match="fft"):
        call(lamina.fft, lamina.ones(3, 4))


# ---- short-time transforms


def frames_of(x: np.ndarray, n: int, hop: int) -> np.ndarray:
    return np.stack([x[at : at + n] for at in range(0, len(x) - n + 1, hop)])


def test_stft_by_its_definition():
    x, window = np.random.default_rng(0).normal(size=50), np.hanning(8)
    found = lamina.stft(lamina.from_numpy(x), 8, 3, window=lamina.from_numpy(window), return_complex=True)
    padded = np.pad(x, 4, mode="reflect")
    close(found, np.fft.rfft(frames_of(padded, 8, 3) * window).T)
    plain = lamina.stft(lamina.from_numpy(x), 8, 4, 6, center=False, normalized=True, return_complex=False)
    inner = np.pad(np.ones(6), 1)
    expected = np.fft.rfft(frames_of(x, 8, 4) * inner, norm="ortho").T
    close(plain, np.stack([expected.real, expected.imag], -1))


def test_istft_undoes_stft():
    x = lamina.from_numpy(np.random.default_rng(0).normal(size=(2, 100)))
    window = lamina.hann_window(16, dtype=lamina.float64)
    for center, normalized, onesided in ((True, False, True), (True, True, False)):
        spectra = x.stft(16, 4, None, window, center, "reflect", normalized, onesided, return_complex=True)
        again = spectra.istft(16, 4, None, window, center, normalized, onesided, length=100)
        close(again, x.numpy(), 1e-10)
    with pytest.raises(ValueError, match="gap"):
        lamina.istft(spectra, 16, 16, None, window, onesided=False, center=False)


def test_gradient_of_both_by_differences():
    x, w = np.random.default_rng(0).normal(size=24), np.random.default_rng(1).normal(size=20)
    window = lamina.hann_window(8, dtype=lamina.float64)

    def loss(t: Any) -> Any:
        spectra = lamina.stft(t, 8, 2, window=window, return_complex=True)
        return (
            lamina.istft(spectra * spectra.abs(), 8, 2, window=window, length=20) * lamina.from_numpy(w)
        ).sum()

    t = lamina.from_numpy(x.copy()).requires_grad_()
    loss(t).backward()
    expected = gradient_by_differences(
        lambda v: loss(lamina.from_numpy(v.real.copy())).item(), x.astype(complex)
    )
    np.testing.assert_allclose(t.grad.numpy(), expected.real, rtol=1e-6, atol=1e-7)


def test_stft_refuses_what_does_not_fit():
    x = lamina.ones(10)
    for wrong in (
        lambda: lamina.stft(x, 8),
        lambda: lamina.stft(x, 12, center=False, return_complex=True),
        lambda: lamina.stft(x, 8, window=lamina.ones(5), return_complex=True),
        lambda: lamina.stft(x, 8, 0, return_complex=True),
        lambda: lamina.stft(x * 1j, 8, onesided=True),
        lambda: lamina.istft(x * 1j, 8),
        lambda: lamina.istft(lamina.ones(5, 3), 8),
    ):
        with pytest.raises((ValueError, TypeError), match="stft"):
            wrong()


# ---- programs


def test_a_log_mel_spectrogram_as_speech_models_compute_it():
    torch = pytest.importorskip("torch")
    audio = np.random.default_rng(0).normal(size=16000).astype("float32")
    mel = np.abs(np.random.default_rng(1).normal(size=(80, 201))).astype("float32")

    def spectrogram(t: Any) -> Any:
        window = t.hann_window(400)
        stft = t.stft(t.from_numpy(audio), 400, 160, window=window, return_complex=True)
        magnitudes = stft[..., :-1].abs() ** 2
        log = t.clamp(t.from_numpy(mel) @ magnitudes, min=1e-10).log10()
        log = t.maximum(log, log.max() - 8.0)
        return (log + 4.0) / 4.0

    np.testing.assert_allclose(spectrogram(lamina).numpy(), spectrogram(torch).numpy(), rtol=1e-4, atol=1e-4)


def rotary(t: Any, q: Any) -> Any:
    """Llama's own: pairs of features turned by an angle that grows with the position."""
    freqs = 1.0 / (10000.0 ** (t.arange(0, 8, 2)[:4].float() / 8))
    freqs_cis = t.polar(t.ones(5, 4), t.outer(t.arange(5).float(), freqs))
    turned = t.view_as_complex(q.float().reshape(*q.shape[:-1], -1, 2)) * freqs_cis.view(1, 5, 1, 4)
    return t.view_as_real(turned).flatten(3).type_as(q)


def test_llamas_rotary_embedding():
    q = np.random.default_rng(0).normal(size=(2, 5, 3, 8)).astype("float32")
    found = rotary(lamina, lamina.from_numpy(q)).numpy()
    angle = np.arange(5)[:, None] / 10000.0 ** (np.arange(4) / 4)
    pairs = (q[..., ::2] + 1j * q[..., 1::2]) * np.exp(1j * angle)[None, :, None]
    expected = np.stack([pairs.real, pairs.imag], -1).reshape(q.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def fourier_operator(t: Any, steps: int) -> list[float]:
    """A spectral convolution that learns to differentiate sines, with complex weights under Adam."""
    grid = t.arange(32).float() / 32 * 2 * np.pi
    x = t.stack([t.sin(k * grid) for k in (1, 2, 3)]).unsqueeze(1)
    y = t.stack([k * t.cos(k * grid) for k in (1, 2, 3)]).unsqueeze(1)
    start = (1 + 1j) * np.linspace(0.1, 0.5, 5).reshape(1, 1, 5).astype("complex64")
    weight = t.nn.Parameter(t.from_numpy(start.astype("complex64")))
    optimizer = t.optim.Adam([weight], lr=0.1, weight_decay=1e-4)
    losses = []
    for _ in range(steps):
        spectrum = t.fft.rfft(x)
        out = t.zeros(3, 1, 17, dtype=t.cfloat)
        out[:, :, :5] = t.einsum("bix,iox->box", spectrum[:, :, :5], weight)
        loss = ((t.fft.irfft(out, n=32) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_a_fourier_neural_operator_learns():
    losses = fourier_operator(lamina, 60)
    assert losses[-1] < 0.05 * losses[0]
    if importlib.util.find_spec("torch"):
        import torch

        np.testing.assert_allclose(losses, fourier_operator(torch, 60), rtol=1e-3, atol=1e-5)


def test_fnet_mixing():
    x = np.random.default_rng(0).normal(size=(2, 6, 8))
    t = lamina.from_numpy(x)
    close(lamina.fft.fft(lamina.fft.fft(t, dim=-1), dim=-2).real, np.fft.fft2(x).real)
