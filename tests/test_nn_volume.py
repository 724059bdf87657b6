"""Layers over volumes, pools at random places, lazy layers: judged by NumPy, transposes and differences."""

from __future__ import annotations

import copy
import itertools
import pickle
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F
from nn_check import array, check_gradient, close, tensor


def windows(x: np.ndarray, kernel: Any, step: Any, border: Any, spacing: Any, fill: float) -> Any:
    """(place of the window, its values, their flat places or -1) of every window of (d, h, w)."""
    wide = np.pad(x, [(b, b) for b in border], constant_values=fill)
    places = np.pad(np.arange(x.size).reshape(x.shape), [(b, b) for b in border], constant_values=-1)
    counts = [
        (size - s * (k - 1) - 1) // t + 1
        for size, k, t, s in zip(wide.shape, kernel, step, spacing, strict=True)
    ]
    for at in itertools.product(*map(range, counts)):
        cut = tuple(
            slice(i * t, i * t + s * (k - 1) + 1, s)
            for i, k, t, s in zip(at, kernel, step, spacing, strict=True)
        )
        yield at, counts, wide[cut].reshape(-1), places[cut].reshape(-1)


WINDOW: Any = ((2, 3, 2), (1, 2, 2), (1, 1, 0), (1, 1, 2))


def test_max_pool3d_and_its_places() -> None:
    x = array(2, 3, 5, 6, 7)
    output, indices = F.max_pool3d(tensor(x), *WINDOW, return_indices=True)
    flat = x.reshape(6, 5, 6, 7)
    for i in range(6):
        for at, counts, values, places in windows(flat[i], *WINDOW, fill=-np.inf):
            assert tuple(output.shape[2:]) == tuple(counts)
            assert output.reshape(6, *counts)[(i, *at)].item() == values.max()
            assert indices.reshape(6, *counts)[(i, *at)].item() == places[values.argmax()]
    close(F.max_pool3d(tensor(x[0]), *WINDOW), output[0].numpy())
    check_gradient(lambda v: F.max_pool3d(v, 2, ceil_mode=True), array(1, 2, 3, 4, 3))


def test_avg_pool3d_counts_the_border_or_not() -> None:
    x = array(1, 2, 5, 6, 7)
    kernel, step, border = (2, 3, 2), (1, 2, 2), (1, 1, 1)
    for include, divisor in ((True, None), (False, None), (True, 5)):
        output = F.avg_pool3d(tensor(x), kernel, step, border, False, include, divisor)
        for i in range(2):
            for at, _, values, places in windows(x[0, i], kernel, step, border, (1, 1, 1), 0.0):
                count = divisor or (len(values) if include else (places >= 0).sum())
                assert abs(output[(0, i, *at)].item() - values.sum() / count) < 1e-12
    check_gradient(lambda v: F.avg_pool3d(v, 2, 1, 1, True, False), array(1, 1, 3, 4, 3))


def test_adaptive_pools_of_volumes() -> None:
    x = array(1, 2, 5, 6, 4)
    means = F.adaptive_avg_pool3d(tensor(x), (3, None, 2))
    tops, indices = F.adaptive_max_pool3d(tensor(x), (3, None, 2), return_indices=True)
    assert tuple(means.shape) == tuple(tops.shape) == (1, 2, 3, 6, 2)
    for c, i, j, k in itertools.product(range(2), range(3), range(6), range(2)):
        first, stop = i * 5 // 3, -(-(i + 1) * 5 // 3)
        block = x[0, c, first:stop, j : j + 1, 2 * k : 2 * k + 2]
        assert abs(means[0, c, i, j, k].item() - block.mean()) < 1e-12
        assert tops[0, c, i, j, k].item() == block.max()
        assert x[0, c].reshape(-1)[indices[0, c, i, j, k].item()] == block.max()
    check_gradient(lambda v: F.adaptive_avg_pool3d(v, (2, 3, 2)), array(1, 1, 3, 4, 3))


def test_unpooling_puts_values_back() -> None:
    x = array(2, 2, 4, 4, 4)
    output, indices = F.max_pool3d(tensor(x), 2, return_indices=True)
    back = F.max_unpool3d(output, indices, 2)
    kept = back.numpy() != 0
    assert kept.sum() == output.numel() and (back.numpy()[kept] == x[kept]).all()


def test_lp_pool3d() -> None:
    x = array(1, 1, 4, 4, 4, low=0.1)
    expected = (x.reshape(2, 2, 2, 2, 2, 2) ** 3).sum((1, 3, 5)) ** (1 / 3)
    close(F.lp_pool3d(tensor(x), 3.0, 2), expected[None, None])


@pytest.mark.parametrize(
    "options",
    [{}, {"stride": 2, "padding": 1, "output_padding": (1, 0, 1)}, {"dilation": (2, 1, 2), "groups": 2}],
)
def test_conv_transpose3d_is_the_transpose_of_conv3d(options: dict[str, Any]) -> None:
    groups = options.get("groups", 1)
    x, w = array(2, 4, 3, 4, 3), array(4, 6 // groups, 2, 3, 2)
    y = F.conv_transpose3d(tensor(x), tensor(w), **options)
    other = array(*y.shape, seed=3)
    straight = {key: value for key, value in options.items() if key != "output_padding"}
    back = F.conv3d(tensor(other), tensor(w), **straight)
    close((y.numpy() * other).sum(), (x * back.numpy()).sum())
    check_gradient(
        lambda *v: F.conv_transpose3d(v[0], v[1], v[2], stride=2),
        array(1, 2, 2, 3, 2),
        array(2, 1, 2, 2, 3),
        array(1),
    )


def test_fractional_pools_cover_the_input_in_order() -> None:
    x = lamina.arange(49.0).reshape(1, 1, 7, 7)
    output, indices = F.fractional_max_pool2d(x, 2, output_size=(4, 3), return_indices=True)
    rows, columns = indices[0, 0].numpy() // 7, indices[0, 0].numpy() % 7
    assert (output[0, 0].numpy() == indices[0, 0].numpy()).all()
    assert (np.diff(rows[:, 0]) > 0).all() and (np.diff(columns[0]) > 0).all()
    assert rows[-1, 0] == 6 and columns[0, -1] == 6  # the last windows lie at the end
    samples = tensor(np.array([[[0.5, 0.0]]]))
    placed = F.fractional_max_pool2d(x.double(), 2, (4, 3), return_indices=True, _random_samples=samples)[1]
    # Steps of 5/3 from 0 downwards, of 5/2 from half a step on across.
    assert placed[0, 0].numpy().tolist() == [[7 * r + c for c in (1, 3, 6)] for r in (1, 2, 4, 6)]
    assert tuple(nn.FractionalMaxPool3d(2, output_ratio=0.5)(lamina.rand(2, 3, 8, 6, 7)).shape) == (
        2,
        3,
        4,
        3,
        3,
    )


def test_lazy_layers_become_ordinary_ones() -> None:
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2)).double()
    assert repr(net[0].weight) == "<UninitializedParameter>"
    optimizer = lamina.optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(RuntimeError, match="uninitialized"):
        _ = net[3].weight.shape
    twin = copy.deepcopy(net)
    output = net(lamina.rand(5, 3, 6, 6, dtype=lamina.float64))
    assert [type(layer) for layer in net] == [nn.Conv2d, nn.BatchNorm2d, nn.Flatten, nn.Linear]
    assert type(net[0].weight) is nn.Parameter and net[3].in_features == 64
    assert output.dtype == net[1].running_mean.dtype == lamina.float64
    assert tuple(net[1].running_mean.shape) == (4,) and net[1].num_batches_tracked.item() == 1
    before = net[3].weight.detach().clone()
    output.sum().backward()
    optimizer.step()  # made before there were shapes
    assert not (net[3].weight == before).all()
    twin.load_state_dict(net.state_dict())
    x = lamina.rand(5, 3, 6, 6, dtype=lamina.float64)
    close(twin.eval()(x), net.eval()(x).detach().numpy())
    assert type(twin[3]) is nn.Linear and twin[3].in_features == 64
    again = pickle.loads(pickle.dumps(nn.LazyLinear(3)))
    assert again(lamina.ones(1, 2)).shape[1] == 3


def test_a_lazy_module_of_ones_own() -> None:
    class Scale(nn.modules.lazy.LazyModuleMixin):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.UninitializedParameter()

        def initialize_parameters(self, x: Any) -> None:
            if self.has_uninitialized_params():
                self.factor.materialize((x.shape[1],))
                self.factor.fill_(2.0)

        def forward(self, x: Any) -> Any:
            return x * self.factor

    scale = Scale()
    assert scale(lamina.ones(1, 3)).tolist() == [[2.0, 2.0, 2.0]]
    with pytest.raises(RuntimeError):
        scale(lamina.ones(1, 4))  # now the shape is fixed


def test_adaptive_log_softmax_is_a_distribution() -> None:
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [3, 9], div_value=2.0).double()
    x, target = tensor(array(6, 8)), lamina.tensor([0, 2, 3, 8, 9, 19])
    chances = layer.log_prob(x)
    close(chances.exp().sum(1), np.ones(6))
    output, loss = layer(x, target)
    close(output, chances.gather(1, target.unsqueeze(1)).squeeze(1).detach().numpy())
    close(loss, -output.detach().numpy().mean())
    assert layer.predict(x).tolist() == chances.argmax(1).tolist()
    with pytest.raises(ValueError, match="cutoffs"):
        nn.AdaptiveLogSoftmaxWithLoss(8, 20, [9, 3])
    with pytest.raises(lamina.ShapeError, match="Target values"):
        layer(x, target + 1)


def test_antialias_keeps_the_mean_and_smooths_stripes() -> None:
    x = lamina.zeros(1, 1, 16, 16, dtype=lamina.float64)
    x[..., ::2] = 1.0
    for mode in ("bilinear", "bicubic"):
        smooth = F.interpolate(x, size=(4, 4), mode=mode, antialias=True)
        close(smooth, np.full((1, 1, 4, 4), 0.5), 0.04)
        sharp = F.interpolate(x, size=(4, 4), mode=mode, antialias=False)
        assert sharp.shape == smooth.shape

        def smaller(v: Any, mode: str = mode) -> Any:
            return F.interpolate(v, size=(3, 4), mode=mode, antialias=True)

        check_gradient(smaller, array(1, 1, 5, 6))
    with pytest.raises(lamina.ShapeError, match="antialias"):
        F.interpolate(x, size=(4, 4), mode="nearest", antialias=True)


REFUSED = [
    ("max_pool3d: expected", lambda: F.max_pool3d(lamina.zeros(2, 3, 4), 2)),
    ("divisor must be not zero", lambda: F.avg_pool3d(lamina.zeros(1, 2, 2, 2), 2, divisor_override=0)),
    ("channels and sizes above 0", lambda: F.adaptive_max_pool3d(lamina.zeros(1, 1, 0, 2, 2), 1)),
    ("do not fit", lambda: F.fractional_max_pool2d(lamina.zeros(1, 4, 4), 3, output_size=3)),
    ("only one of them", lambda: nn.FractionalMaxPool2d(3)),
    ("conv_transpose3d: expected", lambda: F.conv_transpose3d(lamina.zeros(1, 2, 2), lamina.zeros(1, 1, 1))),
    (
        "output padding",
        lambda: F.conv_transpose3d(
            lamina.zeros(1, 1, 2, 2, 2), lamina.zeros(1, 1, 1, 1, 1), output_padding=1
        ),
    ),
    ("Expected 3D", lambda: nn.LazyConv2d(1, 1)(lamina.zeros(2, 2))),
    ("divisible by groups", lambda: nn.LazyConv2d(2, 1, groups=2)(lamina.zeros(1, 3, 2, 2))),
]


@pytest.mark.parametrize(("text", "attempt"), REFUSED, ids=[text for text, _ in REFUSED])
def test_refusals(text: str, attempt: Any) -> None:
    with pytest.raises(lamina.ShapeError, match=text):
        attempt()
