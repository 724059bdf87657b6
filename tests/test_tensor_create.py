"""New tensors: from data, of a shape, at random."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina

DATA: list[tuple[Any, str, tuple[int, ...]]] = [
    (3, "int64", ()),
    (3.5, "float32", ()),
    (True, "bool", ()),
    ([1, 2], "int64", (2,)),
    ((1, 2.5), "float32", (2,)),
    ([[True, False]], "bool", (1, 2)),
    ([], "float32", (0,)),
    ([[], []], "float32", (2, 0)),
    (range(4), "int64", (4,)),
    (np.float64(2), "float64", ()),
    (np.float32(2), "float32", ()),
    ([np.int8(1)], "int8", (1,)),
    (np.ones((2, 2), np.float16), "float16", (2, 2)),
    ([np.ones(2), np.zeros(2)], "float64", (2, 2)),
    ([True, 2], "int64", (2,)),
    ([True, 2.5], "float32", (2,)),
]


@pytest.mark.parametrize(("data", "dtype", "shape"), DATA, ids=[repr(d[0]) for d in DATA])
def test_tensor_from_data(data: Any, dtype: str, shape: tuple[int, ...]) -> None:
    for make in (lamina.tensor, lamina.as_tensor, lamina.asarray):
        x = make(data)
        assert x.dtype is getattr(lamina, dtype) and x.shape == shape
        assert np.allclose(np.asarray(x.tolist()), np.asarray(data))
    assert lamina.tensor(data, dtype=lamina.float64).dtype is lamina.float64


def test_tensor_from_tensors_copies() -> None:
    x = lamina.ones(2)
    assert lamina.tensor(x).data_ptr() != x.data_ptr() and lamina.as_tensor(x) is x
    assert lamina.tensor([lamina.tensor(1), lamina.tensor(2.5)]).tolist() == [1.0, 2.5]
    assert lamina.tensor([[lamina.tensor(1.0, dtype=lamina.float64), 2]]).dtype is lamina.float64
    a = np.ones(2)
    lamina.tensor(a)[0] = 5
    assert a[0] == 1
    lamina.as_tensor(a)[0] = 5
    assert a[0] == 5
    assert lamina.tensor([1.0], requires_grad=True).requires_grad
    for wrong in (
        lambda: lamina.asarray([1], copy=False),
        lambda: lamina.asarray(a, dtype=lamina.int32, copy=False),
    ):
        with pytest.raises(ValueError, match="without a copy"):
            wrong()
    assert lamina.asarray(a, copy=False).data_ptr() == a.ctypes.data
    assert lamina.asarray(a, copy=True).data_ptr() != a.ctypes.data


@pytest.mark.parametrize(
    "data",
    [
        "a",
        None,
        [None],
        {},
        {1},
        [1, None],
        object(),
        [object()],
        b"ab",
        np.array(["a"]),
        [[1], "a"],
    ],
    ids=repr,
)
def test_data_that_is_no_number(data: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        lamina.tensor(data)


@pytest.mark.parametrize(
    "data", [[[1], [1, 2]], [1, [2]], [[1, 2], 3], [[[1], [2]], [[1], [2, 3]]]], ids=repr
)
def test_ragged_data(data: Any) -> None:
    with pytest.raises(ValueError, match=r"expected .* at dim"):
        lamina.tensor(data)


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (2**63, None),
        ([2**64], None),
        ([300], "uint8"),
        ([-256], "uint8"),
        (128, "int8"),
        (float("nan"), "int64"),
        ([float("inf")], "int32"),
        (2**31, "int32"),
    ],
)
def test_numbers_that_do_not_fit_are_not_wrapped_around(data: Any, dtype: str | None) -> None:
    with pytest.raises((ValueError, TypeError)):
        lamina.tensor(data, dtype=dtype and getattr(lamina, dtype))


def test_what_fits_exactly() -> None:
    for value in (2**63 - 1, -(2**63)):
        assert lamina.tensor(value).item() == value and lamina.tensor([value]).tolist() == [value]
    assert lamina.tensor([255, 0], dtype=lamina.uint8).tolist() == [255, 0]
    assert lamina.tensor([1.9, -1.9], dtype=lamina.int32).tolist() == [1, -1]
    assert lamina.tensor([0.0, 0.5, 2], dtype=lamina.bool).tolist() == [False, True, True]


def test_old_constructors() -> None:
    assert lamina.Tensor(2, 3).shape == (2, 3) and lamina.Tensor([2, 3]).tolist() == [2.0, 3.0]
    assert lamina.Tensor().shape == (0,) and lamina.Tensor(lamina.Size([2])).shape == (2,)
    assert lamina.LongTensor([1, 2]).dtype is lamina.int64 and lamina.BoolTensor(2).dtype is lamina.bool
    assert isinstance(lamina.zeros(1), lamina.FloatTensor) and not isinstance(
        lamina.zeros(1), lamina.DoubleTensor
    )
    with pytest.raises(TypeError):
        lamina.Tensor(lamina.tensor([1]))
    with pytest.raises(TypeError):
        lamina.Tensor(2, dtype=lamina.int64)


# ---- of a shape


@pytest.mark.parametrize("name", ["empty", "zeros", "ones", "rand", "randn"])
def test_every_way_to_say_a_shape(name: str) -> None:
    make = getattr(lamina, name)
    for x in (make(2, 3), make((2, 3)), make([2, 3]), make(size=(2, 3)), make(lamina.Size([2, 3]))):
        assert x.shape == (2, 3) and x.dtype is lamina.float32 and x.is_contiguous()
    assert make(()).shape == () and make(0, 3).shape == (0, 3)
    x = make(2, dtype=lamina.float64, requires_grad=True)
    assert x.dtype is lamina.float64 and x.requires_grad and x.is_leaf
    out = lamina.full((2, 2), 7.0)
    assert make(2, 2, out=out) is out
    for wrong, error in (
        ((-1,), ValueError),
        (("a",), TypeError),
        ((1.5,), TypeError),
        ((), TypeError),
        ((2**40, 2**40), ValueError),
    ):
        with pytest.raises((error, MemoryError)):
            make(*wrong)


def test_like_and_new() -> None:
    x = lamina.zeros(2, 3, dtype=lamina.int32)
    for name in ("zeros_like", "ones_like", "empty_like", "rand_like", "randn_like"):
        dtype = None if "rand" not in name else lamina.float64
        y = getattr(lamina, name)(x, dtype=dtype)
        assert y.shape == x.shape and y.dtype is (dtype or lamina.int32)
    assert (
        lamina.full_like(x, 3).tolist() == [[3] * 3] * 2 and lamina.randint_like(x, 5).dtype is lamina.int32
    )
    assert x.new_zeros(4).dtype is lamina.int32 and x.new_full((2,), 5).tolist() == [5, 5]
    assert (
        x.new_tensor([1.5]).dtype is lamina.int32
        and x.new_ones(2, dtype=lamina.float32).dtype is lamina.float32
    )
    assert x.new_empty((2, 2)).shape == (2, 2) and x.new(2, 2).dtype is lamina.int32
    t = lamina.zeros(4, 3).t()
    assert lamina.zeros_like(t).stride() == t.stride()


def test_ranges_are_exact() -> None:
    assert lamina.arange(2**53, 2**53 + 3).tolist() == [2**53, 2**53 + 1, 2**53 + 2]
    assert lamina.linspace(0, 1, 11, dtype=lamina.float64)[-1].item() == 1.0
    assert lamina.linspace(0.1, 0.7, 7)[-1].item() == np.float32(0.7)
    assert len(lamina.arange(0, 1, 0.1)) == 10 and lamina.arange(3.0).dtype is lamina.float32
    assert lamina.arange(5, dtype=lamina.float16).dtype is lamina.float16
    for args in ((0, 5, 0), (0, 5, -1), (5, 0, 1), (0, float("inf")), (float("nan"), 1)):
        with pytest.raises(ValueError, match="arange"):
            lamina.arange(*args)
    with pytest.raises(ValueError, match="linspace"):
        lamina.linspace(0, 1, -1)


# ---- at random


def test_a_seed_repeats_every_distribution() -> None:
    draws: list[Any] = [
        lambda: lamina.rand(10),
        lambda: lamina.randn(10),
        lambda: lamina.randint(100, (10,)),
        lambda: lamina.randperm(10),
        lambda: lamina.normal(0.0, lamina.ones(10)),
        lambda: lamina.bernoulli(lamina.full((10,), 0.5)),
        lambda: lamina.multinomial(lamina.ones(10), 5),
        lambda: lamina.empty(10).exponential_(),
        lambda: lamina.empty(10).cauchy_(),
        lambda: lamina.empty(10).log_normal_(),
        lambda: lamina.empty(10).geometric_(0.3),
        lambda: lamina.empty(10).random_(50),
        lambda: lamina.empty(10).bernoulli_(0.5),
        lambda: lamina.empty(10).uniform_(2, 3),
    ]
    for draw in draws:
        lamina.manual_seed(7)
        first, second = draw().tolist(), draw().tolist()
        lamina.manual_seed(7)
        assert draw().tolist() == first
        assert first != second or len(set(first)) <= 2


def test_generators_have_states_of_their_own() -> None:
    g = lamina.Generator()
    assert g.manual_seed(3) is g and g.initial_seed() == 3 and g.device.type == "cpu"
    state = g.get_state()
    first = lamina.rand(5, generator=g).tolist()
    before = lamina.get_rng_state().tolist()
    g.set_state(state)
    assert lamina.rand(5, generator=g).tolist() == first and lamina.get_rng_state().tolist() == before
    assert lamina.initial_seed() == 0 and isinstance(lamina.seed(), int)
    state = lamina.get_rng_state()
    with lamina.random.fork_rng():
        lamina.rand(3)
    assert lamina.get_rng_state().tolist() == state.tolist()
    for wrong in (lamina.zeros(16), lamina.zeros(3, dtype=lamina.uint8)):
        with pytest.raises(ValueError, match="state"):
            lamina.set_rng_state(wrong)


def test_distributions_have_their_moments() -> None:
    n = 200_000
    for x, mean, std in (
        (lamina.rand(n), 0.5, 12**-0.5),
        (lamina.randn(n), 0.0, 1.0),
        (lamina.empty(n).exponential_(2.0), 0.5, 0.5),
        (lamina.empty(n).normal_(3, 2), 3.0, 2.0),
        (lamina.empty(n).bernoulli_(0.3), 0.3, 0.21**0.5),
        (lamina.empty(n).geometric_(0.25), 4.0, 12**0.5),
        (lamina.randint(0, 10, (n,)).double(), 4.5, 8.25**0.5),
        (lamina.empty(n).log_normal_(0, 0.5), np.exp(0.125), (np.exp(0.5) - np.exp(0.25)) ** 0.5),
    ):
        assert x.mean().item() == pytest.approx(mean, abs=5 * std / n**0.5)
        assert x.std().item() == pytest.approx(std, rel=0.03)
    assert lamina.empty(n).cauchy_(1.0, 2.0).median().item() == pytest.approx(1.0, abs=0.05)
    counts = lamina.multinomial(lamina.tensor([1.0, 0.0, 3.0]), n, replacement=True).bincount()
    assert counts[1].item() == 0 and counts[2].item() / n == pytest.approx(0.75, abs=0.01)
    firsts = lamina.multinomial(lamina.tensor([[1.0, 0.0, 3.0]] * 20_000), 2)
    assert not (firsts == 1).any() and (firsts[:, 0] == 2).double().mean().item() == pytest.approx(
        0.75, abs=0.02
    )


def test_permutations_and_integers_cover_their_range() -> None:
    assert sorted(lamina.randperm(1000).tolist()) == list(range(1000)) and lamina.randperm(0).shape == (0,)
    assert set(lamina.randint(3, 6, (1000,)).tolist()) == {3, 4, 5}
    assert lamina.randint(2, (3,), dtype=lamina.uint8).dtype is lamina.uint8
    assert lamina.empty(100, dtype=lamina.uint8).random_().max().item() > 100
    for wrong in (
        lambda: lamina.randint(5, 5, (2,)),
        lambda: lamina.randperm(-1),
        lambda: lamina.rand(1).uniform_(2, 1),
        lambda: lamina.rand(1).normal_(0, -1),
        lambda: lamina.bernoulli(lamina.tensor([1.5])),
        lambda: lamina.multinomial(lamina.zeros(3), 1),
        lambda: lamina.multinomial(lamina.ones(3), 4),
        lambda: lamina.multinomial(lamina.tensor([1.0, -1.0]), 1),
        lambda: lamina.rand(1).exponential_(0),
        lambda: lamina.multinomial(lamina.tensor([float("nan")]), 1),
        lambda: lamina.rand(1).geometric_(1.5),
    ):
        with pytest.raises(ValueError):
            wrong()
    with pytest.raises(TypeError):
        lamina.zeros(2, dtype=lamina.int64).normal_()
