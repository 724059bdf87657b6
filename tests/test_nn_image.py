"""Convolution, pooling, padding and resizing against plain loops in NumPy, gradients against differences."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F
from nn_check import array, check_gradient, close, tensor


def windows(x: np.ndarray, kernel: Any, stride: Any, padding: Any, dilation: Any, fill: float) -> np.ndarray:
    """(n, c, h, w) -> (n, c, oh, ow, kh, kw)."""
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2), constant_values=fill)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, spans, (2, 3))
    return view[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def conv(x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> np.ndarray:
    parts = []
    for x_part, w_part in zip(np.split(x, groups, 1), np.split(weight, groups, 0), strict=True):
        view = windows(x_part, weight.shape[2:], stride, padding, dilation, 0.0)
        parts.append(np.einsum("ncijkl,ockl->noij", view, w_part))
    return np.concatenate(parts, 1) + bias[:, None, None]


CONVOLUTIONS = [
    ((3, 3), (1, 1), (0, 0), (1, 1), 1),
    ((3, 2), (2, 1), (1, 0), (1, 2), 1),
    ((1, 1), (2, 2), (0, 0), (1, 1), 2),
    ((2, 3), (1, 2), (2, 1), (2, 1), 4),
]


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation", "groups"), CONVOLUTIONS)
def test_conv2d(kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> None:
    x, bias = array(2, 4, 6, 5, seed=1), array(8, seed=3)
    weight = array(8, 4 // groups, *kernel, seed=2)
    options = (stride, padding, dilation, groups)
    close(F.conv2d(tensor(x), tensor(weight), tensor(bias), *options), conv(x, weight, bias, *options))
    check_gradient(lambda a, b, c: F.conv2d(a, b, c, *options), x[:1], weight, bias)
    single = F.conv2d(tensor(x[0]), tensor(weight), None, *options)
    close(single, conv(x, weight, 0 * bias, *options)[0])


def test_conv2d_paddings_by_name() -> None:
    x, weight, bias = array(1, 2, 6, 5), array(3, 2, 3, 4), np.zeros(3)
    wide = np.pad(x, ((0, 0), (0, 0), (2, 2), (1, 2)))
    same = F.conv2d(tensor(x), tensor(weight), padding="same", dilation=(2, 1))
    close(same, conv(wide, weight, bias, (1, 1), (0, 0), (2, 1), 1))
    valid = F.conv2d(tensor(x), tensor(weight), padding="valid", stride=2)
    close(valid, conv(x, weight, bias, (2, 2), (0, 0), (1, 1), 1))
    with pytest.raises(ValueError, match="not supported for strided"):
        F.conv2d(tensor(x), tensor(weight), padding="same", stride=2)
    with pytest.raises(ValueError, match="expected padding"):
        F.conv2d(tensor(x), tensor(weight), padding="full")


def test_conv1d() -> None:
    x, weight, bias = array(2, 4, 9), array(6, 2, 3), array(6)
    expected = conv(x[:, :, None], weight[:, :, None], bias, (1, 2), (0, 1), (1, 2), 2)[:, :, 0]
    close(F.conv1d(tensor(x), tensor(weight), tensor(bias), 2, 1, 2, 2), expected)
    close(F.conv1d(tensor(x[0]), tensor(weight), tensor(bias), 2, (1,), 2, 2), expected[0])
    assert F.conv1d(tensor(x), tensor(array(6, 4, 4)), padding="same").shape[2] == 9
    check_gradient(lambda a, b, c: F.conv1d(a, b, c, 2, 1, 2, 2), x, weight, bias)
    with pytest.raises(ValueError, match="conv1d: expected"):
        F.conv1d(tensor(x), tensor(array(6, 4, 3, 3)))


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_conv_layers_pad_by_mode(mode: str) -> None:
    numpy_mode = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    layer = nn.Conv2d(2, 3, (3, 2), padding=(1, 2), padding_mode=mode).double()
    x = array(2, 2, 5, 4)
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)), mode=numpy_mode)
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    close(layer(tensor(x)), conv(wide, weight, bias, (1, 1), (0, 0), (1, 1), 1))
    layer = nn.Conv1d(2, 3, 4, padding="same", padding_mode=mode).double()
    wide = np.pad(x[:, :, 0], ((0, 0), (0, 0), (1, 2)), mode=numpy_mode)
    close(layer(tensor(x[:, :, 0])), F.conv1d(tensor(wide), layer.weight, layer.bias).detach().numpy())


def test_conv_layers_refuse_what_cannot_be() -> None:
    for options in (
        {"groups": 3},
        {"groups": 0},
        {"padding": "full"},
        {"padding": "same", "stride": 2},
        {"padding_mode": "wrap"},
        {"stride": (1, 2, 3)},
    ):
        with pytest.raises(ValueError):
            nn.Conv2d(4, 6, 3, **options)
    with pytest.raises(ValueError):
        nn.Conv2d(4, 5, 3, groups=2)
    with pytest.raises((ValueError, RuntimeError)):
        nn.Conv2d(4, 6, 3)(lamina.zeros(1, 3, 5, 5))


POOLS = [((2, 2), (2, 2), (0, 0), (1, 1)), ((3, 2), (2, 1), (1, 1), (1, 1)), ((2, 2), (1, 2), (1, 0), (2, 1))]


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation"), POOLS)
def test_pools(kernel: Any, stride: Any, padding: Any, dilation: Any) -> None:
    x = array(2, 3, 7, 6)
    view = windows(x, kernel, stride, padding, dilation, -np.inf)
    output, places = F.max_pool2d(tensor(x), kernel, stride, padding, dilation, return_indices=True)
    close(output, view.max((-2, -1)))
    planes = x.reshape(2, 3, 42)
    close(
        np.take_along_axis(planes, places.numpy().reshape(2, 3, -1), 2).reshape(output.shape),
        view.max((-2, -1)),
    )
    check_gradient(lambda t: F.max_pool2d(t, kernel, stride, padding, dilation), x)
    if dilation != (1, 1):
        return
    zeros = windows(x, kernel, stride, padding, dilation, 0.0)
    counts = windows(np.ones_like(x), kernel, stride, padding, dilation, 0.0).sum((-2, -1))
    close(F.avg_pool2d(tensor(x), kernel, stride, padding), zeros.mean((-2, -1)))
    close(F.avg_pool2d(tensor(x), kernel, stride, padding, False, False), zeros.sum((-2, -1)) / counts)
    close(F.avg_pool2d(tensor(x), kernel, stride, padding, divisor_override=3), zeros.sum((-2, -1)) / 3)
    check_gradient(lambda t: F.avg_pool2d(t, kernel, stride, padding, False, False), x)


def test_pools_of_one_dimension() -> None:
    x = array(2, 3, 9)
    view = windows(x[:, :, None], (1, 3), (1, 2), (0, 1), (1, 1), -np.inf)[:, :, 0, :, 0]
    output, places = F.max_pool1d(tensor(x), 3, 2, 1, return_indices=True)
    close(output, view.max(-1))
    close(np.take_along_axis(x, places.numpy(), 2), view.max(-1))
    close(F.max_pool1d(tensor(x[0]), 3), x[0].reshape(3, 3, 3).max(-1))
    close(F.avg_pool1d(tensor(x), 3), x.reshape(2, 3, 3, 3).mean(-1))
    assert F.max_pool1d(tensor(x), 2, ceil_mode=True).shape[2] == 5
    with pytest.raises(ValueError, match="max_pool1d: expected"):
        F.max_pool1d(tensor(x[0, 0]), 2)


@pytest.mark.parametrize("wanted", [(1, 1), (2, 3), (3, 4), (7, 6), (9, 8), (None, 4), 5])
def test_adaptive_pools(wanted: Any) -> None:
    x = array(2, 3, 7, 6)
    pair = wanted if isinstance(wanted, tuple) else (wanted, wanted)
    sizes = [old if new is None else new for new, old in zip(pair, (7, 6), strict=True)]
    mean, largest, places = np.zeros((2, 3, *sizes)), np.zeros((2, 3, *sizes)), np.zeros((2, 3, *sizes), int)
    for i, j in itertools.product(*map(range, sizes)):
        rows = slice(i * 7 // sizes[0], -(-(i + 1) * 7 // sizes[0]))
        columns = slice(j * 6 // sizes[1], -(-(j + 1) * 6 // sizes[1]))
        mean[:, :, i, j] = x[:, :, rows, columns].mean((2, 3))
        hidden = np.full_like(x, -np.inf)
        hidden[:, :, rows, columns] = x[:, :, rows, columns]
        largest[:, :, i, j] = hidden.max((2, 3))
        places[:, :, i, j] = hidden.reshape(2, 3, -1).argmax(-1)
    close(F.adaptive_avg_pool2d(tensor(x), wanted), mean)
    output, indices = F.adaptive_max_pool2d(tensor(x), wanted, return_indices=True)
    close(output, largest)
    assert np.array_equal(indices.numpy(), places)
    check_gradient(lambda t: F.adaptive_avg_pool2d(t, wanted), x[0])
    check_gradient(lambda t: F.adaptive_max_pool2d(t, wanted), x[0])


def test_adaptive_pools_of_one_dimension() -> None:
    x = array(2, 3, 7)
    close(F.adaptive_avg_pool1d(tensor(x), 1), x.mean(-1, keepdims=True))
    output, places = F.adaptive_max_pool1d(tensor(x), 1, return_indices=True)
    close(output, x.max(-1, keepdims=True))
    assert np.array_equal(places.numpy()[..., 0], x.argmax(-1))
    with pytest.raises(ValueError, match="cannot make"):
        F.adaptive_avg_pool2d(lamina.zeros(1, 1, 0, 3), 2)
    with pytest.raises(ValueError, match="adaptive_max_pool2d: expected"):
        F.adaptive_max_pool2d(lamina.zeros(3), 2)


def test_pad() -> None:
    x = array(2, 3, 5, 4)
    close(
        F.pad(tensor(x), (1, 2, 0, 3), value=7.0),
        np.pad(x, ((0, 0), (0, 0), (0, 3), (1, 2)), constant_values=7),
    )
    close(F.pad(tensor(x), (0, 0, 0, 0, 1, 0)), np.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0))))
    close(F.pad(tensor(x), (-1, 2, 1, -2)), np.pad(x[:, :, :3, 1:], ((0, 0), (0, 0), (1, 0), (0, 2))))
    close(F.pad(tensor(np.arange(3)), (1, 0), value=9), [9, 0, 1, 2])
    for mode, name in (("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")):
        expected = np.pad(x, ((0, 0), (0, 0), (2, 1), (3, 0)), mode=name)
        close(F.pad(tensor(x), (3, 0, 2, 1), mode), expected)
        close(F.pad(tensor(x[0]), (3, 0, 2, 1), mode), expected[0])
        check_gradient(lambda t, mode=mode: F.pad(t, (1, 2, 2, 1), mode), x[:1])
    close(F.pad(tensor(x), (-1, 0, 0, -2), "reflect"), x[:, :, :3, 1:])
    check_gradient(lambda t: F.pad(t, (1, 2, -1, 1), value=3.0), x[:1])


def test_pad_refuses_what_cannot_be() -> None:
    x = tensor(array(2, 3, 5, 4))
    for arguments in (
        ((1,),),
        ((1, 1) * 5,),
        ((4, 0), "reflect"),
        ((5, 0), "circular"),
        ((1, 1), "replicate"),
        ((1, 1, 1, 1), "reflect", 3.0),
        ((-3, -2),),
    ):
        with pytest.raises(ValueError):
            F.pad(x, *arguments)
    with pytest.raises(NotImplementedError, match="unknown mode 'mirror'"):
        F.pad(x, (1, 1), "mirror")


def test_unfold_makes_columns_of_windows() -> None:
    x = array(2, 3, 6, 5)
    view = windows(x, (2, 3), (2, 1), (1, 1), (2, 1), 0.0)
    expected = view.transpose(0, 1, 4, 5, 2, 3).reshape(2, 18, -1)
    close(F.unfold(tensor(x), (2, 3), (2, 1), 1, (2, 1)), expected)
    close(F.unfold(tensor(x[0]), (2, 3), (2, 1), 1, (2, 1)), expected[0])
    check_gradient(lambda t: F.unfold(t, (2, 3), (2, 1), 1, (2, 1)), x)
    with pytest.raises(ValueError, match="do not fit"):
        F.unfold(tensor(x), 7)


def test_pixel_shuffle_and_back() -> None:
    x = array(2, 8, 3, 2)
    output = F.pixel_shuffle(tensor(x), 2)
    for c, i, j in itertools.product(range(2), range(6), range(4)):
        assert np.array_equal(output[:, c, i, j].numpy(), x[:, 4 * c + 2 * (i % 2) + j % 2, i // 2, j // 2])
    close(F.pixel_unshuffle(output, 2), x)
    with pytest.raises(ValueError):
        F.pixel_shuffle(tensor(x), 3)
    with pytest.raises(ValueError):
        F.pixel_unshuffle(tensor(x), 2)


def keys(x: float, a: float = -0.75) -> float:
    """The cubic kernel of Keys, 1981."""
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def test_interpolate() -> None:
    x = array(1, 2, 4, 3)
    close(F.interpolate(tensor(x), scale_factor=2), x.repeat(2, 2).repeat(2, 3))
    close(F.interpolate(tensor(x), size=(2, 3)), x[:, :, ::2])
    line = np.array([[[0.0, 1.0, 4.0]]])
    close(
        F.interpolate(tensor(line), size=5, mode="linear", align_corners=True), [[[0.0, 0.5, 1.0, 2.5, 4.0]]]
    )
    close(F.interpolate(tensor(line), size=6, mode="linear"), [[[0.0, 0.25, 0.75, 1.75, 3.25, 4.0]]])
    close(F.interpolate(tensor(line), size=2, mode="nearest-exact"), [[[0.0, 4.0]]])
    close(F.interpolate(tensor(x), size=(2, 3), mode="area"), x.reshape(1, 2, 2, 2, 3).mean(3))
    # One line in both directions of a cubic picture; its edges are repeated.
    row = array(8, seed=3)
    picture = tensor(row.reshape(1, 1, 1, 8).repeat(8, 2))
    expected = [
        sum(keys(abs(place - k)) * row[min(max(k, 0), 7)] for k in range(-3, 11))
        for place in np.arange(16) / 2 - 0.25
    ]
    close(F.interpolate(picture, scale_factor=2, mode="bicubic")[0, 0, 5], expected)
    for mode in ("nearest", "bilinear", "bicubic", "area"):
        check_gradient(lambda t, mode=mode: F.interpolate(t, (5, 2), mode=mode), x)
    assert F.interpolate(tensor(x), scale_factor=1.4, recompute_scale_factor=True).shape[2] == 5
    close(F.upsample(tensor(x), scale_factor=2), F.interpolate(tensor(x), scale_factor=2).numpy())


def test_interpolate_refuses_what_cannot_be() -> None:
    x = lamina.zeros(1, 1, 3, 3)
    for options in (
        {},
        {"size": 2, "scale_factor": 2},
        {"size": 2, "mode": "linear"},
        {"size": 2, "mode": "cubic"},
        {"size": 2, "align_corners": True},
        {"size": 2, "recompute_scale_factor": True},
        {"scale_factor": 0.1},
        {"size": (1, 2, 3)},
    ):
        with pytest.raises(ValueError):
            F.interpolate(x, **options)
