"""How tensors are printed: golden texts, and PyTorch's on random tensors where it is installed."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import lamina
from lamina import printing


@pytest.fixture(autouse=True)
def _default_options():
    yield
    printing.set_printoptions(profile="default")


def text(values, **kwargs):
    return repr(lamina.tensor(values, **kwargs))


GOLDEN = [
    (lambda: text(3), "tensor(3)"),
    (lambda: text(2.5), "tensor(2.5000)"),
    (lambda: text(2.0), "tensor(2.)"),
    (lambda: text(True), "tensor(True)"),
    (lambda: text([True, False]), "tensor([ True, False])"),
    (lambda: text([1, -20, 300]), "tensor([  1, -20, 300])"),
    (lambda: text([1.0, 2.0, -3.0]), "tensor([ 1.,  2., -3.])"),
    (lambda: text([0.5, 100.25]), "tensor([  0.5000, 100.2500])"),
    (lambda: text([0.0, 0.0]), "tensor([0., 0.])"),
    (lambda: text([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
    (lambda: text([1.0, 1001.0]), "tensor([1.0000e+00, 1.0010e+03])"),
    (lambda: text([1.0, 1000.0]), "tensor([   1., 1000.])"),
    (lambda: text([2e8]), "tensor([2.0000e+08])"),
    (lambda: text([math.nan, math.inf, -math.inf, 1.5]), "tensor([   nan,    inf,   -inf, 1.5000])"),
    (lambda: text([math.nan, 0.0]), "tensor([nan, 0.])"),
    (lambda: text([[1, 2], [3, 4]]), "tensor([[1, 2],\n        [3, 4]])"),
    (
        lambda: text([[[1], [2]], [[3], [4]]]),
        "tensor([[[1],\n         [2]],\n\n        [[3],\n         [4]]])",
    ),
    (lambda: text([]), "tensor([])"),
    (lambda: repr(lamina.zeros(0, 3)), "tensor([], size=(0, 3))"),
    (lambda: repr(lamina.zeros(2, 0, dtype=lamina.int64)), "tensor([], size=(2, 0), dtype=lamina.int64)"),
    (lambda: text([1.5], dtype=lamina.float64), "tensor([1.5000], dtype=lamina.float64)"),
    (lambda: text([1, 2], dtype=lamina.uint8), "tensor([1, 2], dtype=lamina.uint8)"),
    (lambda: repr(lamina.ones(2).to(lamina.bfloat16)), "tensor([1., 1.], dtype=lamina.bfloat16)"),
    (lambda: repr(lamina.ones(2).requires_grad_()), "tensor([1., 1.], requires_grad=True)"),
    (lambda: repr(lamina.ones(1).requires_grad_() + 1), "tensor([2.], grad_fn=<AddBackward0>)"),
    (
        lambda: repr(lamina.nn.Parameter(lamina.ones(2))),
        "Parameter containing:\ntensor([1., 1.], requires_grad=True)",
    ),
    (lambda: repr(lamina.arange(1001)), "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    (
        lambda: repr(lamina.arange(20)),
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n        18, 19])",
    ),
    (
        lambda: repr(lamina.arange(2002).reshape(1001, 2)),
        "tensor([[   0,    1],\n        [   2,    3],\n        [   4,    5],\n        ...,\n"
        "        [1996, 1997],\n        [1998, 1999],\n        [2000, 2001]])",
    ),
]


@pytest.mark.parametrize(("make", "expected"), GOLDEN, ids=[str(i) for i in range(len(GOLDEN))])
def test_golden(make, expected):
    assert make() == expected


def test_only_what_is_shown_decides_the_format():
    x = lamina.zeros(2000)
    x[1000] = 1e-9
    assert repr(x) == "tensor([0., 0., 0.,  ..., 0., 0., 0.])"
    assert str(x) == repr(x) == f"{x}"


def test_a_subclass_goes_by_its_name():
    class Image(lamina.nn.Parameter):
        pass

    assert printing.format_tensor(Image(lamina.ones(2))) == "Image([1., 1.], requires_grad=True)"
    assert repr(lamina.nn.Buffer(lamina.ones(2))) == "tensor([1., 1.])"


def test_options():
    x = lamina.tensor([[1.23456, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]])
    printing.set_printoptions(precision=1)
    assert repr(x) == "tensor([[1.2, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]])"
    printing.set_printoptions(linewidth=20)
    assert repr(x) == "tensor([[1.2, 2.0,\n         3.0, 4.0,\n         5.0, 6.0,\n         7.0]])"
    printing.set_printoptions(profile="default", threshold=5, edgeitems=1)
    assert repr(x) == "tensor([[1.2346,  ..., 7.0000]])"
    printing.set_printoptions(edgeitems=0)
    assert repr(x) == "tensor([...], size=(1, 7))"
    printing.set_printoptions(profile="full")
    assert len(repr(lamina.zeros(5000)).split(",")) == 5000
    printing.set_printoptions(profile="short", sci_mode=True)
    assert repr(x[0, :2]) == "tensor([1.23e+00, 2.00e+00])"
    printing.set_printoptions()  # sci_mode alone goes back
    assert repr(x[0, :2]) == "tensor([1.23, 2.00])"
    with pytest.raises(ValueError, match="profile must be one of default, short, full, but got 'wide'"):
        printing.set_printoptions(profile="wide")


OPTIONS = [
    {"profile": "default"},
    {"precision": 2},
    {"precision": 6, "linewidth": 40},
    {"profile": "short"},
    {"profile": "default", "edgeitems": 1, "threshold": 5},
    {"profile": "default", "sci_mode": True},
    {"profile": "default", "sci_mode": False},
    {"profile": "full"},
    {"profile": "default", "edgeitems": 0, "threshold": 10},
]


def random_array(rng):
    dimensions = int(rng.integers(0, 5))
    top = 14 if rng.random() < 0.3 else 5
    shape = tuple(int(n) for n in rng.integers(0 if rng.random() < 0.15 else 1, top, dimensions))
    if dimensions == 1 and rng.random() < 0.3:
        shape = (int(rng.integers(900, 1200)),)
    normal = rng.standard_normal(shape)
    kind = int(rng.integers(0, 8))
    if kind == 0:
        return np.asarray(rng.integers(-(10 ** rng.integers(1, 15)), 10 ** rng.integers(1, 15), shape))
    if kind == 1:
        return np.asarray(rng.random(shape) < 0.5)
    if kind == 2:
        return np.asarray(normal * 10.0 ** rng.integers(-8, 10, shape), np.float32)
    if kind == 3:
        return np.asarray(rng.integers(-1000, 1000, shape) * 10.0 ** rng.integers(0, 9), np.float64)
    if kind == 4:
        special = rng.choice([np.nan, np.inf, -np.inf, 0.0, 1.0], shape)
        return np.asarray(np.where(special == 1.0, normal, special), np.float32)
    if kind == 5:
        return np.asarray(normal * 10.0 ** rng.integers(-3, 3), np.float16)
    if kind == 6:
        return np.asarray(rng.integers(0, 100, shape), rng.choice([np.int32, np.uint8, np.int8, np.int16]))
    return np.asarray(normal, np.float32)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_like_pytorch(options):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(len(str(options)))
    torch.set_printoptions(**options)
    printing.set_printoptions(**options)
    try:
        for _ in range(150):
            array = random_array(rng)
            if options.get("profile") == "full" and array.size > 3000:
                continue
            ours, theirs = lamina.from_numpy(array.copy()), torch.from_numpy(array.copy())
            if array.dtype.kind == "f" and rng.random() < 0.4:
                ours, theirs = ours.requires_grad_(), theirs.requires_grad_()
                if rng.random() < 0.5:
                    ours, theirs = ours * 2, theirs * 2
            got, expected = repr(ours), repr(theirs).replace("torch.", "lamina.")
            if "dtype=" in expected:  # a name one letter longer may begin a new line
                got, expected = (re.sub(r",\s+(?=dtype|grad|req)", ", ", each) for each in (got, expected))
            assert got == expected
    finally:
        torch.set_printoptions(profile="default")
