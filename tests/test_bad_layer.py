"""Layers for lines, images and volumes say what is wrong with their options and input, and never crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F

HUGE = 2**62


def image(*lead: int, dims: int, size: int = 5) -> Any:
    return lamina.ones(*lead, *[size] * dims)


def layer(name: str, dims: int, *args: Any, **options: Any) -> Any:
    return getattr(nn, f"{name}{dims}d")(*args, **options)


def function(name: str, dims: int) -> Any:
    return getattr(F, f"{name}{dims}d")


# What is wrong, in every number of dimensions d, and words that the text must have: {d} is that number, {s}
# the sizes (5, 5) of an image.
Wrong = Callable[[int], Any]
CONVOLUTIONS: dict[str, tuple[Wrong, str]] = {
    "kernel over input": (lambda d: layer("Conv", d, 2, 3, 7)(image(1, 2, dims=d)), "conv{d}d"),
    "spread over input": (lambda d: layer("Conv", d, 2, 3, 3, dilation=4)(image(1, 2, dims=d)), "conv{d}d"),
    "groups of inputs": (lambda d: layer("Conv", d, 3, 4, 3, groups=2), "in_channels"),
    "groups of outputs": (lambda d: layer("Conv", d, 4, 3, 3, groups=2), "out_channels"),
    "groups of a weight": (
        lambda d: function("conv", d)(image(1, 3, dims=d), image(4, 1, dims=d), groups=2),
        "conv{d}d",
    ),
    "no groups": (lambda d: layer("Conv", d, 2, 2, 3, groups=0), "groups"),
    "zero channels": (lambda d: layer("Conv", d, 0, 3, 3)(image(1, 0, dims=d)), "channels"),
    "zero outputs": (lambda d: layer("Conv", d, 2, 0, 3)(image(1, 2, dims=d)), "channels"),
    "zero places": (lambda d: layer("Conv", d, 2, 3, 3, padding=2)(image(1, 2, dims=d, size=0)), "conv{d}d"),
    "zero kernel": (lambda d: layer("Conv", d, 2, 3, 0)(image(1, 2, dims=d)), "conv{d}d"),
    "other channels": (lambda d: layer("Conv", d, 2, 3, 3)(image(1, 4, dims=d)), "conv{d}d"),
    "too few dimensions": (lambda d: layer("Conv", d, 2, 3, 3)(image(dims=d)), "conv{d}d"),
    "too many dimensions": (lambda d: layer("Conv", d, 2, 3, 3)(image(1, 1, 2, dims=d)), "conv{d}d"),
    "stride": (lambda d: layer("Conv", d, 2, 3, 3, stride=0)(image(1, 2, dims=d)), "stride"),
    "dilation": (lambda d: layer("Conv", d, 2, 3, 3, dilation=0)(image(1, 2, dims=d)), "dilation"),
    "padding": (lambda d: layer("Conv", d, 2, 3, 3, padding=-1)(image(1, 2, dims=d)), "pad"),
    "overflow": (lambda d: layer("Conv", d, 2, 3, 3, padding=HUGE)(image(1, 2, dims=d)), "conv{d}d|empty"),
    "bias": (lambda d: function("conv", d)(image(1, 2, dims=d), image(3, 2, dims=d), lamina.ones(4)), "bias"),
    "transposed channels": (lambda d: layer("ConvTranspose", d, 2, 3, 3)(image(1, 4, dims=d)), "channels"),
    "transposed zero channels": (
        lambda d: layer("ConvTranspose", d, 0, 3, 3)(image(1, 0, dims=d)),
        "conv_transpose{d}d",
    ),
    "transposed zero outputs": (
        lambda d: layer("ConvTranspose", d, 2, 0, 3)(image(1, 2, dims=d)),
        "conv_transpose{d}d",
    ),
    "transposed padding": (
        lambda d: layer("ConvTranspose", d, 2, 3, 1, padding=4)(image(1, 2, dims=d)),
        "conv_transpose{d}d",
    ),
    "transposed overflow": (
        lambda d: layer("ConvTranspose", d, 2, 3, 3, stride=HUGE)(image(1, 2, dims=d)),
        "conv_transpose{d}d",
    ),
    "output padding": (
        lambda d: layer("ConvTranspose", d, 2, 3, 3, output_padding=2)(image(1, 2, dims=d)),
        "output padding",
    ),
}
POOLS: dict[str, tuple[Wrong, str]] = {
    f"{kind} {what}": (lambda d, kind=kind, make=make: make(f"{kind}Pool", d), kind.lower())
    for kind in ("Max", "Avg")
    for what, make in {
        "window over input": lambda name, d: layer(name, d, 7)(image(1, 2, dims=d)),
        "half": lambda name, d: layer(name, d, 2, padding=2)(image(1, 2, dims=d)),
        "zero channels": lambda name, d: layer(name, d, 2)(image(1, 0, dims=d)),
        "zero places": lambda name, d: layer(name, d, 2)(image(1, 2, dims=d, size=0)),
        "window of 0": lambda name, d: layer(name, d, 0)(image(1, 2, dims=d)),
        "stride of 0": lambda name, d: layer(name, d, 2, stride=0)(image(1, 2, dims=d)),
        "too few dimensions": lambda name, d: layer(name, d, 2)(image(dims=d)),
        "too many dimensions": lambda name, d: layer(name, d, 2)(image(1, 1, 2, dims=d)),
        "overflow": lambda name, d: layer(name, d, HUGE)(image(1, 2, dims=d)),
        "adaptive negative": lambda name, d: layer("Adaptive" + name, d, -1)(image(1, 2, dims=d)),
        "adaptive zero places": lambda name, d: layer("Adaptive" + name, d, 2)(image(1, 2, dims=d, size=0)),
        "adaptive too many dimensions": lambda name, d: layer("Adaptive" + name, d, 2)(
            image(1, 1, 2, dims=d)
        ),
    }.items()
}
NORMS: dict[str, tuple[Wrong, str]] = {
    "batch norm of one value": (
        lambda d: layer("BatchNorm", d, 2)(image(1, 2, dims=d, size=1)),
        "batch_norm",
    ),
    "batch norm channels": (lambda d: layer("BatchNorm", d, 3)(image(2, 2, dims=d)), "batch_norm"),
    "batch norm channels in eval": (
        lambda d: layer("BatchNorm", d, 3).eval()(image(2, 2, dims=d)),
        "batch_norm",
    ),
    "instance norm of one value": (
        lambda d: layer("InstanceNorm", d, 2)(image(1, 2, dims=d, size=1)),
        "instance_norm",
    ),
    "reflection over input": (lambda d: layer("ReflectionPad", d, 6)(image(1, 2, dims=d)), "pad"),
    "replication overflow": (lambda d: layer("ReplicationPad", d, HUGE)(image(1, 2, dims=d)), "pad"),
    "zeros overflow": (lambda d: layer("ZeroPad", d, HUGE)(image(1, 2, dims=d)), "pad"),
    "cut over input": (lambda d: layer("ZeroPad", d, -3)(image(1, 2, dims=d)), "pad"),
}


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("what", [*CONVOLUTIONS, *POOLS, *NORMS])
def test_shapes_are_refused_by_name(what: str, dims: int) -> None:
    make, words = {**CONVOLUTIONS, **POOLS, **NORMS}[what]
    with pytest.raises((lamina.ShapeError, MemoryError), match=words.format(d=dims)):
        make(dims)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("name", ["Conv", "ConvTranspose", "AdaptiveAvgPool", "BatchNorm"])
def test_types_are_refused_by_name(name: str, dims: int) -> None:
    made = layer(name, dims, *((2, 3, 3) if name.startswith("Conv") else (2,)))
    x = image(1, 2, dims=dims)
    with pytest.raises(TypeError, match=r"one dtype|floating dtype"):
        made(x.long())
    for odd in ("x", np.ones((1, 2, *[5] * dims), np.float32), [1.0], None):
        with pytest.raises(TypeError):
            made(odd)
    if name.startswith("Conv"):
        with pytest.raises(TypeError, match="float64"):
            made(x.double())


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    "name",
    ["Conv", "ConvTranspose", "MaxPool", "AvgPool", "AdaptiveMaxPool", "AdaptiveAvgPool", "InstanceNorm"],
)
def test_an_empty_batch_stays_empty(name: str, dims: int) -> None:
    made = layer(name, dims, *((2, 3, 3) if name.startswith("Conv") else (2,)))
    x = image(0, 2, dims=dims).requires_grad_()
    y = made(x)
    assert y.shape == (0, *made(image(1, 2, dims=dims)).shape[1:])
    y.sum().backward()
    assert x.grad is not None and x.grad.shape == x.shape
    for parameter in made.parameters():
        assert parameter.grad is not None and not parameter.grad.any()


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_what_would_not_fit_into_memory_is_refused_at_once(dims: int) -> None:
    for make in (
        lambda: layer("Conv", dims, 2, 3, 3, padding=2**40)(image(1, 2, dims=dims)),
        lambda: layer("AdaptiveAvgPool", dims, 2**50)(image(1, 2, dims=dims)),
        lambda: layer("AdaptiveMaxPool", dims, 2**50)(image(1, 2, dims=dims)),
        lambda: layer("ReplicationPad", dims, 2**45)(image(1, 2, dims=dims)),
        lambda: F.interpolate(image(1, 2, dims=dims), scale_factor=1e14),
        lambda: F.interpolate(image(1, 2, dims=dims), scale_factor=1e14, mode="area"),
    ):
        with pytest.raises((lamina.ShapeError, MemoryError)):
            make()
    assert F.max_pool1d(image(1, 2, dims=1), 2, HUGE, ceil_mode=True).shape == (1, 2, 1)


OTHERS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: F.max_unpool2d(image(1, 2, dims=2), lamina.full((1, 2, 5, 5), -1), 2), IndexError, "negative"),
    (lambda: F.max_unpool2d(image(1, 2, dims=2), lamina.full((1, 2, 5, 5), 999), 2), IndexError, "999"),
    (lambda: nn.GroupNorm(3, 4), ValueError, "divisible"),
    (lambda: nn.GroupNorm(2, 4)(image(1, 6, dims=1)), ValueError, "6"),
    (lambda: nn.GroupNorm(4, 4)(lamina.ones(1, 4)), ValueError, "more than 1 value per"),
    (lambda: nn.LayerNorm(3)(image(1, dims=1)), ValueError, "5"),
    (lambda: nn.PixelShuffle(3)(image(1, 4, dims=2)), ValueError, "pixel_shuffle"),
    (lambda: nn.PixelUnshuffle(2)(image(1, 4, dims=2)), ValueError, "pixel_unshuffle"),
    (lambda: nn.ChannelShuffle(3)(image(1, 4, dims=2)), ValueError, "divisible"),
    (lambda: F.fold(lamina.ones(1, 4, 8), (4, 4), 2), ValueError, "fold"),
    (lambda: F.fold(lamina.ones(1, 4, 9), (4, 4), (0, 2)), ValueError, "fold.*zero"),
    (lambda: F.unfold(image(1, 1, dims=2), 0), ValueError, "unfold.*zero"),
    (lambda: F.unfold(image(1, 1, dims=2), 2, stride=0), ValueError, "unfold.*zero"),
    (lambda: F.unfold(image(1, 0, dims=2), 2), ValueError, "unfold.*channels"),
    (lambda: F.interpolate(image(1, 1, dims=2), scale_factor=float("inf")), ValueError, "finite"),
    (lambda: F.interpolate(image(1, 1, dims=2), scale_factor=float("nan")), ValueError, "finite"),
    (lambda: F.interpolate("x", 2), TypeError, "interpolate.*str"),
    (lambda: F.grid_sample(image(1, 1, dims=2), lamina.zeros(1, 2, 2, 2).double()), TypeError, "float64"),
    (lambda: F.grid_sample(image(1, 1, dims=2).long(), lamina.zeros(1, 2, 2, 2)), TypeError, "int64"),
]


@pytest.mark.parametrize("case", range(len(OTHERS)))
def test_other_layers_refuse_by_name(case: int) -> None:
    make, kind, words = OTHERS[case]
    with pytest.raises(kind, match=words):
        make()
