"""Bad input gives the right result or an exception that says what was wrong (random: ..._sweep)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import _core
from lamina.nn import functional as F

z, o = lamina.zeros, lamina.ones
i64 = lamina.tensor([0, 1])

# What is wrong, the exception, and a word that its text must have.
WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: z(2, 3) + z(2, 4), ValueError, "add"),
    (lambda: z(2, 3) @ z(2, 3), ValueError, "matmul"),
    (lambda: z(2) @ lamina.tensor(1.0), ValueError, "matmul"),
    (lambda: lamina.mm(z(2, 3), z(3)), ValueError, "mm"),
    (lambda: lamina.bmm(z(2, 3, 4), z(3, 4, 2)), ValueError, "bmm"),
    (lambda: lamina.dot(z(2), z(3)), ValueError, "dot"),
    (lambda: lamina.cat([z(2, 3), z(3, 2)]), ValueError, "cat"),
    (lambda: lamina.cat([]), ValueError, "cat"),
    (lambda: lamina.stack([z(2), z(3)]), ValueError, "stack"),
    (lambda: z(6).view(4, 2), ValueError, "view"),
    (lambda: z(6).reshape(-1, -1), ValueError, "reshape"),
    (lambda: z(0).reshape(-1, 0), ValueError, "reshape"),
    (lambda: z(2, 3).t().view(6), ValueError, "view"),
    (lambda: z(2, 3).expand(3, 3), ValueError, "expand"),
    (lambda: z(2, 3).permute(0, 0), ValueError, "permute"),
    (lambda: z(2, 3).transpose(0, 2), IndexError, "out of range"),
    (lambda: z(2, 3).sum(2), IndexError, "out of range"),
    (lambda: z(2, 3).sum((0, 0)), ValueError, "multiple times"),
    (lambda: z(0).max(), ValueError, "non-zero"),
    (lambda: z(2, 0).argmax(1), IndexError, "non-zero"),
    (lambda: z(3).softmax(1), IndexError, "out of range"),
    (lambda: z(3).topk(4), ValueError, "k=4"),
    (lambda: z(3).kthvalue(0), ValueError, "k=0"),
    (lambda: z(3).narrow(0, 2, 2), ValueError, "narrow"),
    (lambda: z(3).select(0, 3), IndexError, "out of bounds"),
    (lambda: z(2, 2).gather(0, lamina.tensor([[2, 0]])), IndexError, "out of bounds"),
    (lambda: z(2, 2).gather(0, lamina.tensor([0])), ValueError, "dimensions"),
    (lambda: z(2, 2).gather(0, lamina.tensor([[0.0]])), TypeError, "integer"),
    (lambda: z(2, 2).gather(0, lamina.tensor([[-1]])), IndexError, "out of bounds"),
    (lambda: z(3).scatter(0, lamina.tensor([-1]), 1.0), IndexError, "out of bounds"),
    (lambda: z(3).index_copy(0, lamina.tensor([-1]), o(1)), IndexError, "out of bounds"),
    (lambda: lamina.roll("a", 1), TypeError, "roll: expected a Tensor, got str"),
    (lambda: z(2, 2).mm([1.0]), TypeError, "mm: expected a Tensor, got list"),
    (lambda: F.one_hot(1.5), TypeError, "one_hot: expected a Tensor, got float"),
    (lambda: lamina.linalg.inv(None), TypeError, "inv: expected a Tensor, got NoneType"),
    (lambda: z(()).index_select(0, lamina.tensor([], dtype=lamina.int64)), IndexError, "only 1 value"),
    (lambda: z(()).index_select(0, lamina.tensor([0, 0])), IndexError, "only 1 value"),
    (lambda: z(5, 5)[[0, 1], [0, 1, 2]], IndexError, "broadcast"),
    (lambda: z(2).index_select(0, lamina.tensor([-3])), IndexError, "out of bounds"),
    (lambda: z(2).index_add(0, i64, o(3)), ValueError, "index_add"),
    (lambda: z(2).index_add(0, i64, o(2).double()), TypeError, "dtype"),
    (lambda: z(3).scatter(0, lamina.tensor([5]), 1.0), IndexError, "out of bounds"),
    (lambda: z(2).masked_fill(lamina.tensor([1, 0]), 0), TypeError, "bool"),
    (lambda: z(2).masked_select(lamina.tensor([True, False, True])), ValueError, "masked_select"),
    (lambda: F.embedding(lamina.tensor([4]), o(4, 2)), IndexError, "embedding"),
    (lambda: F.cross_entropy(z(2, 3), lamina.tensor([0, 3])), IndexError, "3"),
    (lambda: F.cross_entropy(z(2, 3), lamina.tensor([-1, 0])), IndexError, "-1"),
    (lambda: F.cross_entropy(z(2, 3), lamina.tensor([0, 1, 2])), ValueError, "nll_loss|cross_entropy"),
    (lambda: F.conv2d(z(1, 3, 5, 5), z(2, 4, 3, 3)), ValueError, "conv2d"),
    (lambda: F.conv2d(z(1, 1, 2, 2), z(1, 1, 3, 3)), ValueError, "conv2d"),
    (lambda: F.conv2d(z(1, 1, 5, 5), z(1, 1, 3, 3), stride=0), ValueError, "stride"),
    (lambda: F.conv2d(z(1, 2, 5, 5), z(3, 1, 3, 3), groups=2), ValueError, "groups"),
    (lambda: F.max_pool2d(z(1, 1, 4, 4), 0), ValueError, "kernel"),
    (lambda: F.max_pool2d(z(1, 1, 4, 4), 2, padding=2), ValueError, "pad"),
    (lambda: F.linear(z(2, 3), z(4, 2)), ValueError, "linear"),
    (lambda: F.layer_norm(z(2, 3), (4,)), ValueError, "layer_norm"),
    (lambda: F.group_norm(z(2, 3), 2), ValueError, "group"),
    (lambda: F.batch_norm(z(2, 3), z(2), o(2), training=True), ValueError, "batch_norm|mean"),
    (lambda: F.dropout(z(2), 1.5), ValueError, "probability"),
    (lambda: lamina.tensor([1]) / lamina.tensor([1.0]).to("mps"), RuntimeError, "mps"),
    (lambda: lamina.tensor([5]) // 0, RuntimeError, "division by zero"),
    (lambda: lamina.tensor([5]) % lamina.tensor([0]), RuntimeError, "division by zero"),
    (lambda: lamina.tensor([2]) ** -1, RuntimeError, "negative integer powers"),
    (lambda: lamina.tensor([1.0]) & lamina.tensor([1.0]), TypeError, "bitwise_and"),
    (lambda: lamina.tensor([True]) - lamina.tensor([True]), TypeError, "sub"),
    (lambda: lamina.tensor([1]).mean(), TypeError, "mean"),
    (lambda: lamina.tensor([1]).add_(1.5), TypeError, "cast"),
    (lambda: lamina.tensor([1]).add(1, alpha=0.5), TypeError, "alpha"),
    (lambda: o(2).add_(o(2, 2)), ValueError, "shape"),
    (lambda: o(1).expand(3).add_(1), RuntimeError, "memory|single"),
    (lambda: lamina.tensor([1.0]).where(lamina.tensor([1]), 2.0), TypeError, "bool"),
    (lambda: lamina.linalg.inv(z(2, 2)), ValueError, "Singular"),
    (lambda: lamina.linalg.cholesky(-lamina.eye(2)), ValueError, "positive definite"),
    (lambda: lamina.linalg.solve(lamina.eye(2), z(3, 1)), ValueError, "fit"),
    (lambda: lamina.linalg.eigh(z(2, 3)), ValueError, "square"),
    (lambda: lamina.linalg.svd(z(2)), ValueError, "matrices"),
    (lambda: lamina.linalg.svd(o(3, 5) * float("inf")), ValueError, "finite"),
    (lambda: lamina.linalg.svdvals(o(3, 3) * float("nan")), ValueError, "finite"),
    (lambda: lamina.linalg.eigh(o(3, 3) * float("inf")), ValueError, "finite"),
    (lambda: lamina.linalg.inv(lamina.eye(2, dtype=lamina.int64)), TypeError, "float32"),
    (lambda: lamina.einsum("ij,jk->il", z(2, 2), z(2, 2)), ValueError, "einsum"),
    (lambda: lamina.einsum("ij", z(2)), ValueError, "einsum"),
    (lambda: lamina.einsum("ij,kj", z(2, 3), z(2, 2)), ValueError, "einsum"),
    (lambda: lamina.exp("a"), TypeError, "exp"),
    (lambda: lamina.exp(None), TypeError, "exp"),
    (lambda: lamina.exp(), TypeError, "exp"),
    (lambda: lamina.add("a", 2), TypeError, "add"),
    (lambda: o(2) + "a", TypeError, "unsupported"),
    (lambda: o(2) @ 3, TypeError, "unsupported"),
    (lambda: o(2).sum("x"), TypeError, "sum"),
    (lambda: o(2).sum(nonsense=1), TypeError, "sum"),
    (lambda: o(2).frobnicate(), AttributeError, "frobnicate"),
    (lambda: lamina.frobnicate, AttributeError, "frobnicate"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_the_text_names_the_op_or_the_fault(number: int) -> None:
    wrong, error, word = WRONG[number]
    with pytest.raises(error, match=word):
        wrong()


@pytest.mark.parametrize(
    "make",
    [
        lambda: lamina.empty(2**62),
        lambda: lamina.empty(2**40, 2**40),
        lambda: z(2**31, 2**31, 2**31),
        lambda: o(1).expand(2**62).exp(),
        lambda: o(1).expand(2**40, 2**23).contiguous(),
        lambda: lamina.eye(2**32),
        lambda: o(1).expand(2**40).repeat(2**20),
        lambda: lamina.arange(2**62),
        lambda: lamina.full((2**50,), 1),
        lambda: o(2**20).unsqueeze(1) + o(2**20),
        lambda: lamina.randperm(2**60),
        lambda: lamina.linspace(0, 1, 2**60),
        lambda: o(1).as_strided((2**62, 4), (1, 1)),
        lambda: F.conv2d(o(1, 1, 1, 1).expand(1, 1, 2**20, 2**20), o(1, 1, 1, 1)),
    ],
)
def test_sizes_beyond_memory(make: Callable[[], Any]) -> None:
    with pytest.raises((MemoryError, ValueError)):
        make()
    assert o(3).sum().item() == 3  # the process goes on


def test_tensors_without_elements() -> None:
    for shape in ((0,), (0, 3), (3, 0), (2, 0, 3)):
        x = z(*shape, requires_grad=True)
        assert (
            x.sum().item() == 0
            and x.prod().item() == 1
            and np.isnan(x.mean().item())
            and x.exp().shape == shape
        )
        assert (x + 1).shape == shape and x.reshape(-1).shape == (0,) and not x.any() and x.all()
        assert lamina.cat([x, x], 0).shape[0] == 2 * shape[0] and x.clone().tolist() == x.tolist()
        x.exp().sum().backward()
        assert x.grad.shape == shape and x.nonzero().shape == (0, len(shape)) and x.unique().shape == (0,)
    assert (z(0, 3) @ z(3, 2)).shape == (0, 2) and (z(2, 0) @ z(0, 3)).tolist() == [[0.0] * 3] * 2
    assert F.linear(z(0, 3), z(2, 3)).shape == (0, 2) and F.conv2d(z(0, 1, 4, 4), z(2, 1, 3, 3)).shape == (
        0,
        2,
        2,
        2,
    )
    assert z(0, 3).sum(0).tolist() == [0.0] * 3 and z(3, 0).sum(1).tolist() == [0.0] * 3
    assert (
        z(0, 3).softmax(1).shape == (0, 3) and z(0).sort()[0].shape == (0,) and z(0).cumsum(0).shape == (0,)
    )


def test_nan_and_infinity_are_not_lost() -> None:
    nan, inf = float("nan"), float("inf")
    x = lamina.tensor([1.0, nan, -inf, inf, 2.0])
    assert np.isnan(
        [x.sum().item(), x.max().item(), x.min().item(), x.mean().item(), x.amax().item(), x.median().item()]
    ).all()
    assert (
        x.argmax().item() == 1
        and x.argmin().item() == 1
        and x.isnan().tolist() == [False, True, False, False, False]
    )
    assert (
        np.isnan(x.sort()[0][-1].item())
        and np.isnan(x.cumsum(0).tolist()[1:]).all()
        and x.topk(1)[1].item() == 1
    )
    assert (
        np.isnan(x.relu()[1].item())
        and np.isnan(x.clamp(0, 1)[1].item())
        and np.isnan(lamina.maximum(x, o(5))[1].item())
    )
    assert (
        lamina.fmax(x, o(5))[1].item() == 1.0
        and np.isnan(x.norm().item())
        and x[2:4].exp().tolist() == [0.0, inf]
    )
    assert (
        lamina.tensor([-inf, -inf]).logsumexp(0).item() == -inf
        and np.isnan(lamina.tensor([-inf] * 2).softmax(0).tolist()).all()
    )
    assert (lamina.tensor([1000.0, 0.0]).softmax(0) == lamina.tensor([1.0, 0.0])).all()
    assert lamina.tensor([0.0]).log().item() == -inf and np.isnan(lamina.tensor([-1.0]).sqrt().item())
    assert (o(1) / 0).item() == inf and np.isnan((z(1) / 0).item()) and (lamina.tensor([1]) / 0).item() == inf
    for isa in _core.isas():
        before = _core.isa()
        _core.use_isa(isa)
        assert (
            np.isnan(lamina.full((100,), nan).exp().tolist()).all()
            and np.isnan((o(40, 40) * nan @ o(40, 40)).tolist()).all()
        )
        _core.use_isa(before)


def test_integers_wrap_around_as_in_c() -> None:
    assert (lamina.tensor([250], dtype=lamina.uint8) + 10).item() == 4
    assert (lamina.tensor([127], dtype=lamina.int8) + 1).item() == -128
    assert (lamina.tensor(2**63 - 1) + 1).item() == -(2**63)
    smallest = lamina.tensor([-(2**63)])
    assert (
        (smallest // -1).item() == -(2**63)
        and (smallest % -1).item() == 0
        and smallest.abs().item() == -(2**63)
    )
    assert (-smallest).item() == -(2**63) and lamina.div(smallest, -1, rounding_mode="trunc").item() == -(
        2**63
    )
    assert lamina.bitwise_left_shift(lamina.tensor([1]), 64).item() in (0, 1)
    assert lamina.tensor([300.7, -1.2, float("nan")]).to(lamina.int32).tolist()[:2] == [300, -1]


def test_aliasing_operands() -> None:
    x = lamina.arange(6.0)
    x[1:].copy_(x[:-1])
    assert x.tolist() == [0, 0, 1, 2, 3, 4]
    x = lamina.arange(6.0)
    x[1:] += x[:-1].clone()
    y = lamina.arange(6.0)
    y[1:].add_(y[:-1])
    assert y.tolist() == x.tolist()
    m = lamina.arange(9.0).reshape(3, 3)
    assert m.add_(m.t()).tolist() == [[0, 4, 8], [4, 8, 12], [8, 12, 16]]
    assert lamina.add(m, m, out=m).tolist()[0] == [0, 8, 16]
    wide = o(3).expand(2, 3)
    assert (wide + 1).tolist() == [[2.0] * 3] * 2
