"""Transposed and three-dimensional convolutions, fold, unpooling, bags of embeddings and their kin: plain
loops in NumPy, gradients by differences, and beside PyTorch."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F
from nn_check import array, check_gradient, close, tensor

# kernel, stride, padding, output_padding, groups, dilation
TRANSPOSED = [
    ((3, 3), (1, 1), (0, 0), (0, 0), 1, (1, 1)),
    ((3, 2), (2, 3), (1, 0), (1, 2), 1, (1, 2)),
    ((2, 4), (3, 1), (0, 1), (0, 1), 2, (2, 2)),
    ((1, 1), (2, 2), (0, 0), (1, 0), 4, (1, 1)),
]


def conv_transpose(x: Any, weight: Any, bias: Any, options: tuple[Any, ...]) -> np.ndarray:
    """Every input adds its window, scaled, to the output."""
    stride, padding, extra, groups, dilation = options
    n, c, *size = x.shape
    per = weight.shape[1]
    full = [
        (size[i] - 1) * stride[i] + dilation[i] * (weight.shape[2 + i] - 1) + extra[i] + 1 for i in (0, 1)
    ]
    out = np.zeros((n, groups * per, *full))
    for ci, i, j in itertools.product(range(c), range(size[0]), range(size[1])):
        group = slice(ci // (c // groups) * per, (ci // (c // groups) + 1) * per)
        for a, b in itertools.product(range(weight.shape[2]), range(weight.shape[3])):
            row, column = i * stride[0] + a * dilation[0], j * stride[1] + b * dilation[1]
            out[:, group, row, column] += x[:, ci, i, j, None] * weight[ci, :, a, b]
    inner = [slice(padding[i], full[i] - padding[i]) for i in (0, 1)]
    return out[:, :, inner[0], inner[1]] + bias[:, None, None]


@pytest.mark.parametrize(("kernel", "stride", "padding", "extra", "groups", "dilation"), TRANSPOSED)
def test_conv_transpose2d(
    kernel: Any, stride: Any, padding: Any, extra: Any, groups: int, dilation: Any
) -> None:
    options = (stride, padding, extra, groups, dilation)
    x, weight, bias = array(2, 4, 3, 4), array(4, 2, *kernel, seed=1), array(2 * groups, seed=2)
    output = F.conv_transpose2d(tensor(x), tensor(weight), tensor(bias), *options)
    close(output, conv_transpose(x, weight, bias, options))
    check_gradient(lambda a, b, c: F.conv_transpose2d(a, b, c, *options), x[:1], weight, bias)
    single = F.conv_transpose2d(tensor(x[0]), tensor(weight), None, *options)
    close(single, conv_transpose(x, weight, 0 * bias, options)[0])
    # Over one dimension it is what happens in each row.
    flat = ((1, stride[1]), (0, padding[1]), (0, extra[1]), groups, (1, dilation[1]))
    wanted = conv_transpose(x[:, :, :1], weight[:, :, :1], bias, flat)[:, :, 0]
    line = (stride[1], padding[1], extra[1], groups, dilation[1])
    close(F.conv_transpose1d(tensor(x[:, :, 0]), tensor(weight[:, :, 0]), tensor(bias), *line), wanted)


def test_output_size_chooses_among_the_sizes_that_shrink_to_the_input() -> None:
    layer = nn.ConvTranspose2d(2, 3, 3, stride=3, padding=1, output_padding=1).double()
    x = tensor(array(1, 2, 4, 5))
    for height, width in itertools.product((10, 11, 12), (13, 14, 15)):
        for size in ((height, width), (1, 3, height, width)):
            y = layer(x, output_size=size)
            assert y.shape[2:] == (height, width)
            back = F.conv2d(y, layer.weight, stride=3, padding=1)
            assert back.shape == x.shape
    assert layer(x).shape[2:] == (11, 14)
    assert nn.ConvTranspose1d(2, 3, 3, 2).double()(x[0, :, 0], output_size=[12]).shape == (3, 12)


def fold(columns: np.ndarray, size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> np.ndarray:
    n, channels = columns.shape[0], columns.shape[1] // (kernel[0] * kernel[1])
    full = [size[i] + 2 * padding[i] for i in (0, 1)]
    counts = [(full[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in (0, 1)]
    parts = columns.reshape(n, channels, *kernel, *counts)
    out = np.zeros((n, channels, *full))
    for a, b, i, j in itertools.product(*map(range, (*kernel, *counts))):
        out[:, :, i * stride[0] + a * dilation[0], j * stride[1] + b * dilation[1]] += parts[:, :, a, b, i, j]
    return out[:, :, padding[0] : full[0] - padding[0], padding[1] : full[1] - padding[1]]


def test_fold_adds_up_what_unfold_takes_apart() -> None:
    options = ((2, 3), (2, 1), (1, 0), (1, 2))
    columns = array(2, 18, 12)
    output = F.fold(tensor(columns), (6, 5), *options)
    close(output, fold(columns, (6, 5), *options))
    close(F.fold(tensor(columns[0]), (6, 5), *options), output[0].numpy())
    check_gradient(lambda t: F.fold(t, (6, 5), *options), columns)
    image = array(1, 3, 6, 5)
    counted = F.fold(F.unfold(lamina.ones(1, 3, 6, 5, dtype=lamina.float64), *options), (6, 5), *options)
    close(F.fold(F.unfold(tensor(image), *options), (6, 5), *options), image * counted.numpy())


def test_unpooling_puts_values_back() -> None:
    x = array(2, 3, 6, 7)
    values, places = F.max_pool2d(tensor(x), 2, return_indices=True)
    output = F.max_unpool2d(values, places, 2, output_size=(2, 3, 6, 7)).numpy()
    kept = output != 0
    assert kept.sum() == values.numel()
    close(output[kept], x[kept])
    close(F.max_pool2d(tensor(np.where(kept, output, -9.0)), 2), values.numpy())
    assert F.max_unpool2d(values[0], places[0] // 7 * 6 + places[0] % 7, 2).shape == (3, 6, 6)
    check_gradient(lambda t: F.max_unpool2d(t, places, 2, output_size=(6, 7)), values.numpy())
    line, spots = F.max_pool1d(tensor(x[0]).reshape(3, 42), 3, return_indices=True)
    back = F.max_unpool1d(line, spots, 3)
    assert back.shape == (3, 42) and (back != 0).sum() == line.numel()
    close(back.gather(-1, spots), line.numpy())


def test_lp_pools_take_norms_of_windows() -> None:
    x = array(2, 3, 6, 4)
    wanted = np.sqrt(np.square(x).reshape(2, 3, 3, 2, 2, 2).sum((3, 5)))
    close(F.lp_pool2d(tensor(x), 2, 2), wanted)
    cubes = (np.abs(x[0]) ** 3).reshape(3, 8, 3).sum(-1) ** (1 / 3)
    close(F.lp_pool1d(tensor(np.abs(x[0]).reshape(3, 24)), 3.0, 3), cubes)
    check_gradient(lambda t: F.lp_pool2d(t, 2.0, (2, 3), 1), x)


def test_channel_shuffle_deals_channels_out() -> None:
    x = array(2, 6, 3)
    close(F.channel_shuffle(tensor(x), 2), x[:, [0, 3, 1, 4, 2, 5]])
    close(F.channel_shuffle(tensor(x), 3), x[:, [0, 2, 4, 1, 3, 5]])


def test_multilabel_margin_loss() -> None:
    x = array(3, 4)
    labels = np.array([[3, 0, -1, 1], [-1, 2, 2, 2], [1, 2, 0, 3]])
    rows = []
    for row, listed in zip(x, ([3, 0], [], [1, 2, 0, 3]), strict=True):
        others = [i for i in range(4) if i not in listed]
        rows.append(sum(max(0.0, 1 - row[y] + row[i]) for y in listed for i in others) / 4)
    close(F.multilabel_margin_loss(tensor(x), tensor(labels), reduction="none"), rows)
    close(F.multilabel_margin_loss(tensor(x[0]), tensor(labels[0])), rows[0])
    check_gradient(lambda t: F.multilabel_margin_loss(t, tensor(labels)), x)


BAGS = [[2, 0, 2], [], [1], [3, 4, 0, 2, 1]]


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 2, -3])
def test_embedding_bag(mode: str, padding_idx: int | None) -> None:
    weight = array(5, 3)
    flat = np.concatenate([np.array(bag, np.int64) for bag in BAGS])
    starts = [0, 3, 3, 4]
    wanted = np.zeros((4, 3))
    for i, bag in enumerate(BAGS):
        rows = weight[[k for k in bag if padding_idx is None or k != 2]]
        if len(rows):
            wanted[i] = getattr(rows, mode)(0)

    def run(w: Any) -> Any:
        return F.embedding_bag(tensor(flat), w, lamina.tensor(starts), mode=mode, padding_idx=padding_idx)

    close(run(tensor(weight)), wanted)
    check_gradient(run, weight) if padding_idx is None else None
    closed = lamina.tensor([*starts, 9])
    layer = nn.EmbeddingBag.from_pretrained(
        tensor(weight), mode=mode, include_last_offset=True, padding_idx=padding_idx
    )
    close(layer(tensor(flat), closed), wanted)
    assert not layer.weight.requires_grad
    even = F.embedding_bag(lamina.tensor([BAGS[0], [1, 1, 3]]), tensor(weight), mode=mode)
    close(even, [getattr(weight[bag], mode)(0) for bag in (BAGS[0], [1, 1, 3])])


def test_embedding_bag_with_factors_and_limits() -> None:
    weight, factors = array(5, 3), array(2, 3, seed=1)
    bags = np.array([[2, 0, 2], [1, 4, 3]])
    wanted = np.einsum("bk,bkd->bd", factors, weight[bags])

    def run(w: Any, f: Any) -> Any:
        return F.embedding_bag(tensor(bags), w, mode="sum", per_sample_weights=f)

    close(run(tensor(weight), tensor(factors)), wanted)
    check_gradient(run, weight, factors)
    limited = tensor(weight)
    F.embedding_bag(tensor(bags[:1]), limited, max_norm=0.5, mode="sum")
    norms = np.linalg.norm(limited.numpy(), axis=1)
    assert (norms[[0, 2]] <= 0.5).all()
    close(limited[3:], weight[3:])


def test_conv3d_slides_over_volumes() -> None:
    x, weight, bias = array(2, 4, 6, 5, 4), array(6, 2, 2, 3, 2, seed=1), array(6, seed=2)
    stride, padding, dilation = (2, 1, 2), (1, 0, 2), (2, 1, 1)
    wide = np.pad(x, ((0, 0), (0, 0), *((border, border) for border in padding)))
    spans = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(wide, spans, (2, 3, 4))
    view = view[:, :, ::2, ::1, ::2, ::2, ::1, ::1]
    halves = [
        np.einsum("ncxyzijk,ocijk->noxyz", part, w)
        for part, w in zip(np.split(view, 2, 1), np.split(weight, 2, 0), strict=True)
    ]
    options = (stride, padding, dilation, 2)
    wanted = np.concatenate(halves, 1) + bias[:, None, None, None]
    close(F.conv3d(tensor(x), tensor(weight), tensor(bias), *options), wanted)
    close(F.conv3d(tensor(x[0]), tensor(weight), tensor(bias), *options), wanted[0])
    check_gradient(lambda a, b, c: F.conv3d(a, b, c, *options), x[:1], weight, bias)


REFUSED: list[tuple[str, Callable[[], Any]]] = [
    ("zeros", lambda: nn.ConvTranspose2d(2, 2, 3, padding_mode="reflect")),
    ("valid sizes range", lambda: nn.ConvTranspose1d(1, 1, 3, 2)(lamina.zeros(1, 1, 4), [11])),
    ("elements", lambda: nn.ConvTranspose1d(1, 1, 3, 2)(lamina.zeros(1, 1, 4), [9, 9])),
    ("output padding", lambda: nn.ConvTranspose2d(1, 1, 3, 2, output_padding=2)(lamina.zeros(1, 4, 4))),
    ("conv_transpose1d: expected", lambda: F.conv_transpose1d(lamina.zeros(3), lamina.zeros(1, 1, 2))),
    ("conv3d: expected", lambda: F.conv3d(lamina.zeros(3, 3, 3), lamina.zeros(1, 1, 2, 2, 2))),
    ("do not fit", lambda: F.conv3d(lamina.zeros(1, 1, 3, 3), lamina.zeros(1, 1, 2, 2, 2))),
    ("not supported for strided", lambda: nn.Conv3d(1, 1, 3, 2, "same")),
    ("divisible by the product", lambda: F.fold(lamina.zeros(1, 5, 4), 3, 2)),
    (r"blocks 2 \* 2 = 4", lambda: F.fold(lamina.zeros(1, 4, 5), 3, 2)),
    ("blocks", lambda: F.fold(lamina.zeros(1, 9, 0), 2, 3)),
    ("max_unpool2d: expected", lambda: F.max_unpool2d(lamina.zeros(3), lamina.zeros(3), 2)),
    (
        "invalid output_size",
        lambda: F.max_unpool1d(
            lamina.zeros(1, 3), lamina.zeros(1, 3, dtype=lamina.int64), 2, output_size=[9]
        ),
    ),
    (
        "should be a sequence",
        lambda: F.max_unpool1d(
            lamina.zeros(1, 3), lamina.zeros(1, 3, dtype=lamina.int64), 2, output_size=[1, 2]
        ),
    ),
    ("> 2 dims", lambda: F.channel_shuffle(lamina.zeros(2, 4), 2)),
    ("divisible by groups", lambda: F.channel_shuffle(lamina.zeros(2, 3, 1), 2)),
    ("must be positive", lambda: nn.ChannelShuffle(0)(lamina.zeros(2, 3, 1))),
    ("inconsistent target", lambda: F.multilabel_margin_loss(lamina.zeros(2, 3), lamina.zeros(2, 2))),
    ("mode has to be", lambda: F.embedding_bag(lamina.tensor([[0]]), lamina.eye(2), mode="min")),
    ("1D or 2D", lambda: F.embedding_bag(lamina.tensor([[[0]]]), lamina.eye(2))),
    ("2D Tensor", lambda: F.embedding_bag(lamina.tensor([[0]]), lamina.ones(2))),
    (
        "offsets has to be None",
        lambda: F.embedding_bag(lamina.tensor([[0]]), lamina.eye(2), lamina.tensor([0])),
    ),
    ("1D Tensor but got None", lambda: F.embedding_bag(lamina.tensor([0]), lamina.eye(2))),
    ("has to be 0", lambda: F.embedding_bag(lamina.tensor([0]), lamina.eye(2), lamina.tensor([1]))),
    ("rise from 0", lambda: F.embedding_bag(lamina.tensor([0]), lamina.eye(2), lamina.tensor([0, 2]))),
    ("rise from 0", lambda: F.embedding_bag(lamina.tensor([0, 1]), lamina.eye(2), lamina.tensor([0, 2, 1]))),
    (
        "same shape",
        lambda: F.embedding_bag(
            lamina.tensor([[0]]), lamina.eye(2), mode="sum", per_sample_weights=lamina.ones(1)
        ),
    ),
    (
        "only supported for mode='sum'",
        lambda: F.embedding_bag(lamina.tensor([[0]]), lamina.eye(2), per_sample_weights=lamina.ones(1, 1)),
    ),
    ("must be within", lambda: nn.EmbeddingBag(3, 2, padding_idx=3)),
    ("max mode", lambda: nn.EmbeddingBag(3, 2, scale_grad_by_freq=True, mode="max")(lamina.tensor([[1]]))),
    ("padding_idx", lambda: F.embedding_bag(lamina.tensor([[0]]), lamina.eye(2), padding_idx=2)),
]


@pytest.mark.parametrize(("text", "attempt"), REFUSED, ids=[text for text, _ in REFUSED])
def test_refusals(text: str, attempt: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=text):
        attempt()


def test_indices_out_of_range_and_named_paddings_are_refused() -> None:
    with pytest.raises(TypeError, match="padding in numbers"):
        nn.ConvTranspose2d(2, 2, 3, padding="same")
    with pytest.raises(IndexError):
        F.embedding_bag(lamina.tensor([[2]]), lamina.eye(2))
    with pytest.raises(IndexError):
        F.max_unpool1d(lamina.ones(1, 1), lamina.tensor([[5]]), 2)


# Beside PyTorch: what makes a layer and the shapes of its inputs; lists are int64 numbers.
LAYERS: list[tuple[str, list[Any]]] = [
    ("ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)", [(2, 4, 5)]),
    ("ConvTranspose1d(2, 3, 4, bias=False, dilation=2)", [(2, 5)]),
    ("ConvTranspose2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0))", [(2, 2, 4, 5)]),
    ("ConvTranspose2d(4, 4, 3, 2, 1, 1, groups=4, dilation=(1, 2))", [(1, 4, 3, 4)]),
    ("Conv3d(4, 6, (3, 2, 1), stride=(2, 1, 1), padding=1, dilation=(1, 2, 1), groups=2)", [(2, 4, 5, 6, 3)]),
    ("Conv3d(2, 3, 3, padding='same', bias=False)", [(2, 4, 3, 5)]),
    ("Conv3d(2, 3, 2, padding=1, padding_mode='circular')", [(1, 2, 3, 4, 3)]),
    ("Conv3d(2, 3, 2, padding=1, padding_mode='reflect')", [(1, 2, 3, 4, 3)]),
    ("Fold((4, 5), (2, 3), padding=1, stride=(2, 1))", [(2, 12, 15)]),
    ("Fold(3, 2)", [(4, 4)]),
    ("LPPool1d(2, 3, stride=2)", [(2, 3, 9)]),
    ("LPPool2d(2.0, (2, 3), ceil_mode=True)", [(2, 3, 7, 7)]),
    ("ChannelShuffle(2)", [(2, 6, 3, 2)]),
    ("PixelUnshuffle(2)", [(2, 2, 4, 6)]),
    ("AdaptiveMaxPool1d(4)", [(2, 3, 10)]),
    ("AdaptiveMaxPool2d((3, None))", [(3, 10, 7)]),
    ("MultiLabelMarginLoss()", [(2, 3), [[0, 2, -1], [1, -1, 0]]]),
    ("MultiLabelMarginLoss(reduction='sum')", [(3,), [2, 0, -1]]),
    ("MaxUnpool1d(2)", [(1, 3), [[1, 2, 4]]]),
    ("MaxUnpool2d((2, 1), stride=2, padding=0)", [(1, 1, 2), [[[0, 3]]]]),
    ("EmbeddingBag(5, 3)", [[[2, 0, 2], [1, 4, 3]]]),
    ("EmbeddingBag(5, 3, mode='max')", [[[2, 0, 2], [1, 4, 3]]]),
    ("EmbeddingBag(5, 3, mode='max', padding_idx=4)", [[4, 0, 2, 1, 4, 3], [0, 1, 1, 4]]),
    ("EmbeddingBag(5, 3, mode='sum', padding_idx=-1, max_norm=0.5)", [[2, 0, 2, 1, 4, 3], [0, 4, 4]]),
    ("EmbeddingBag(5, 3, norm_type=1.0, include_last_offset=True)", [[2, 0, 2, 1], [0, 2, 4]]),
    ("EmbeddingBag(5, 3, mode='sum')", [[[2, 0]], None, (1, 2)]),
]


@pytest.mark.parametrize(("expression", "wanted"), LAYERS, ids=[f"{e} {w}" for e, w in LAYERS])
def test_layers_agree_with_pytorch(expression: str, wanted: list[Any]) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = (eval(expression, dict(vars(of))).double() for of in (nn, torch.nn))
    assert repr(ours) == repr(theirs)
    assert [(n, tuple(v.shape)) for n, v in ours.state_dict().items()] == [
        (n, tuple(v.shape)) for n, v in theirs.state_dict().items()
    ]
    found = []
    for of, layer in ((lamina, ours), (torch, theirs)):
        layer.load_state_dict({n: of.tensor(array(*v.shape, seed=9)) for n, v in layer.state_dict().items()})
        inputs = []
        for i, one in enumerate(wanted):
            floating = isinstance(one, tuple)
            inputs.append(of.tensor(array(*one, seed=i)).requires_grad_() if floating else one)
            if isinstance(one, list):
                inputs[-1] = of.tensor(one)
        output = layer(*inputs)
        (output * of.tensor(array(*output.shape, seed=7))).sum().backward()
        leaves = [x for x in inputs if x is not None and x.is_floating_point()]
        found.append([output, *(x.grad for x in (*leaves, *layer.parameters()))])
    for mine, other in zip(*found, strict=True):
        close(mine, other.detach().numpy())
