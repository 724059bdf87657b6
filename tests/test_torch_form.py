"""Functions in the form that torch itself has beside the layers' one, and arguments by their rarer names."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from harness import numbers
from lamina import special
from lamina.nn import functional as F


def tensor(*shape: int, seed: int = 0) -> Any:
    return lamina.from_numpy(numbers(*shape, low=-2, high=2, seed=seed))


def same(actual: Any, expected: Any) -> None:
    assert actual.dtype is expected.dtype and actual.shape == expected.shape
    np.testing.assert_array_equal(actual.numpy(), expected.numpy())


def test_pools_and_grids_have_torchs_own_form() -> None:
    x, line = tensor(2, 3, 6, 6), tensor(2, 3, 8)
    same(lamina.max_pool2d(x, 2), F.max_pool2d(x, 2))
    values, places = lamina.max_pool1d_with_indices(line, 2)
    same(line.gather(-1, places), values)
    values, places = lamina.adaptive_max_pool1d(line, 4)
    same(line.gather(-1, places), values)
    still = lamina.eye(3, dtype=x.dtype)[:2].repeat(2, 1, 1)
    grid = lamina.affine_grid_generator(still, x.shape, True)
    np.testing.assert_allclose(lamina.grid_sampler(x, grid, 0, 0, True).numpy(), x.numpy(), atol=1e-12)
    with pytest.raises(ValueError, match="modes are 0, 1 and 2"):
        lamina.grid_sampler_2d(x, grid, 3, 0, True)


def test_dropout_has_torchs_own_form() -> None:
    lamina.manual_seed(0)
    x = lamina.ones(40, 50)
    kept, mask = lamina.native_dropout(x, 0.25, True)
    same(kept, mask.to(x.dtype) / 0.75)
    assert 0.7 < mask.float().mean().item() < 0.8
    whole, mask = lamina.native_dropout(x, 0.25, False)
    assert mask.all() and (whole == x).all()
    channels = lamina.feature_dropout(lamina.ones(8, 16, 5), 0.5, True)
    assert (channels == channels[..., :1]).all() and set(channels.reshape(-1).tolist()) == {0.0, 2.0}
    assert lamina.alpha_dropout(x, 0.5, False) is x and lamina.feature_alpha_dropout(x, 0.5, False) is x
    for drop in (lamina.dropout_, lamina.alpha_dropout_):
        assert drop(y := x.clone(), 0.5, True) is y and (y != x).any()
    for drop in (lamina.feature_dropout_, lamina.feature_alpha_dropout_):
        assert drop(y := x.clone(), 0.5, True) is y and (y != x).any()
    with pytest.raises(ValueError, match="expected"):
        lamina.feature_dropout(lamina.ones(3), 0.5, True)


def test_methods_in_place_are_functions_too() -> None:
    x = lamina.tensor([float("nan"), 2.0])
    assert lamina.nan_to_num_(x, 1.0) is x and x.tolist() == [1.0, 2.0]
    assert lamina.clamp_max_(x, 1.5) is x and x.tolist() == [1.0, 1.5]
    assert lamina.detach(x).tolist() == x.tolist()
    assert lamina.index_put_(x, (lamina.tensor([0]),), lamina.tensor([5.0])).tolist() == [5.0, 1.5]


def test_layout() -> None:
    assert lamina.ones(1).layout is lamina.strided and isinstance(lamina.strided, lamina.layout)
    assert pickle.loads(pickle.dumps(lamina.strided)) is lamina.strided
    assert repr(lamina.strided) == "lamina.strided"


MAKERS: dict[str, Callable[..., Any]] = {
    "zeros": lambda **place: lamina.zeros(2, **place),
    "empty": lambda **place: lamina.empty(2, **place),
    "full": lambda **place: lamina.full((2,), 1.0, **place),
    "ones_like": lambda **place: lamina.ones_like(lamina.ones(2), **place),
    "arange": lambda **place: lamina.arange(2, **place),
    "linspace": lambda **place: lamina.linspace(0, 1, 2, **place),
    "rand": lambda **place: lamina.rand(2, **place),
    "randint": lambda **place: lamina.randint(0, 2, (2,), **place),
    "randn_like": lambda **place: lamina.randn_like(lamina.ones(2), **place),
    "new_zeros": lambda **place: lamina.ones(1).new_zeros(2, **place),
}


@pytest.mark.parametrize("name", MAKERS)
def test_where_and_how_new_tensors_lie(name: str) -> None:
    made = MAKERS[name](layout=lamina.strided, pin_memory=False, device="cpu")
    assert made.shape == (2,) and made.layout is lamina.strided
    with pytest.raises(RuntimeError, match="pin_memory"):
        MAKERS[name](pin_memory=True)
    with pytest.raises(TypeError, match="layout"):
        MAKERS[name](layout="strided")


def test_norms_of_halves_do_not_overflow() -> None:
    x = lamina.full((100,), 300.0, dtype=lamina.float16)
    assert x.norm().item() == 3000.0
    assert abs(lamina.linalg.vector_norm(x, 4).item() - 300 * 100**0.25) < 1


def test_norms_of_slices() -> None:
    x = tensor(3, 4)
    np.testing.assert_allclose(
        lamina.norm_except_dim(x).numpy()[:, 0], np.linalg.norm(x.numpy(), axis=1), rtol=1e-12
    )
    assert lamina.norm_except_dim(x, 2, -1).shape == ()


def test_empty_permuted() -> None:
    made = lamina.empty_permuted((2, 3, 4), (2, 0, 1), dtype=lamina.int32)
    assert made.shape == (2, 3, 4) and made.stride() == (3, 1, 6) and made.dtype is lamina.int32
    with pytest.raises(ValueError, match="once"):
        lamina.empty_permuted((2, 3), (0, 0))


def test_debug_mode_of_determinism() -> None:
    for mode, number in (("warn", 1), (2, 2), ("default", 0)):
        lamina.set_deterministic_debug_mode(mode)
        assert lamina.get_deterministic_debug_mode() == number
        assert lamina.are_deterministic_algorithms_enabled() == (number > 0)
        assert lamina.is_deterministic_algorithms_warn_only_enabled() == (number == 1)
    with pytest.raises(ValueError, match="expected"):
        lamina.set_deterministic_debug_mode("never")
    assert lamina.get_num_interop_threads() == 1 and lamina.set_flush_denormal(True) is False


# Abramowitz & Stegun, table 10.11 (and Ai(0) = 3**(-2/3) / gamma(2/3)).
AIRY = {
    0.0: 0.35502805,
    0.5: 0.23169361,
    1.0: 0.13529242,
    -1.0: 0.53556088,
    -5.0: 0.35076101,
    -10.0: 0.04024124,
}


def test_airy_function() -> None:
    x = lamina.tensor(list(AIRY), dtype=lamina.float64)
    np.testing.assert_allclose(special.airy_ai(x).numpy(), list(AIRY.values()), atol=6e-9)
    # y'' = x y, by differences, on both sides of where one formula hands over to another.
    for middle in (-20.0, -7.5, 1.0, 5.0):
        h = 1e-3
        near = lamina.tensor([middle - h, middle, middle + h], dtype=lamina.float64)
        left, y, right = special.airy_ai(near).tolist()
        assert abs((left - 2 * y + right) / h**2 - middle * y) < 2e-4


FORMS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "arange": lambda: (lamina.arange(end=3), lamina.arange(3)),
    "arange of whole numbers": lambda: (
        lamina.arange(1.7, 5.9, 1.3, dtype=lamina.int64),
        lamina.tensor([1, 2, 3, 4]),
    ),
    "bernoulli": lambda: (lamina.ones(3).bernoulli(0.0), lamina.zeros(3)),
    "gather": lambda: (
        lamina.ones(3).gather(0, lamina.tensor([1]), sparse_grad=False),
        lamina.ones(1),
    ),
    "max of a number in a tensor": lambda: (
        lamina.max(lamina.tensor([1, 5]), lamina.tensor(3)),
        lamina.tensor([3, 5]),
    ),
    "repeat": lambda: (lamina.ones(2).repeat(repeats=(2,)), lamina.ones(4)),
    "tile": lambda: (lamina.ones(2).tile(dims=(2,)), lamina.ones(4)),
    "swapaxes": lambda: (lamina.ones(2, 3).swapaxes(axis0=0, axis1=1), lamina.ones(3, 2)),
    "tensor_split": lambda: (lamina.tensor_split(lamina.arange(3), indices=[2])[1], lamina.tensor([2])),
    "hsplit": lambda: (lamina.hsplit(lamina.arange(4), sections=2)[1], lamina.tensor([2, 3])),
    "gelu": lambda: (F.gelu(lamina.zeros(2), out=lamina.ones(2)), lamina.zeros(2)),
    "avg_pool2d": lambda: (
        F.avg_pool2d(lamina.arange(16).reshape(1, 1, 4, 4), 2, out=lamina.ones(1, dtype=lamina.int64)),
        lamina.tensor([[[[2, 4], [10, 12]]]]),
    ),
    "conv2d of integers": lambda: (
        F.conv2d(lamina.arange(9).reshape(1, 1, 3, 3), lamina.ones(1, 1, 2, 2, dtype=lamina.int64)),
        lamina.tensor([[[[8, 12], [20, 24]]]]),
    ),
    "addmv of integers": lambda: (
        lamina.addmv(
            *(lamina.ones(*s, dtype=lamina.int64) for s in ((2,), (2, 2), (2,))), beta=1.6, alpha=2.6
        ),
        lamina.tensor([5, 5]),
    ),
    "linspace of whole numbers": lambda: (
        lamina.linspace(4.3, 0, 5, dtype=lamina.int64),
        lamina.tensor([4, 3, 2, 1, 0]),
    ),
    "any of bytes": lambda: (lamina.ones(2, dtype=lamina.uint8).any(), lamina.tensor(1, dtype=lamina.uint8)),
    "negative bytes": lambda: (
        lamina.tensor(-5, dtype=lamina.uint8),
        lamina.tensor(251, dtype=lamina.uint8),
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_arguments(name: str) -> None:
    same(*FORMS[name]())


WRONG: dict[str, tuple[Callable[[], Any], Any]] = {
    "gather": (
        lambda: lamina.ones(3).gather(0, lamina.tensor([1]), sparse_grad=True),
        NotImplementedError,
    ),
    "tensor_split": (lambda: lamina.tensor_split(lamina.ones(3)), TypeError),
    "arange": (lambda: lamina.arange(), TypeError),
    "repeat": (lambda: lamina.ones(3).repeat(times=2), TypeError),
    "heaviside": (lambda: lamina.heaviside(lamina.ones(1), 2), TypeError),  # type: ignore[arg-type]
    "conv2d": (
        lambda: F.conv2d(lamina.ones(1, 1, 3, 3, dtype=lamina.int64), lamina.ones(1, 1, 2, 2)),
        TypeError,
    ),
    "narrow": (lambda: lamina.ones(3).narrow(0, 4, 0), IndexError),
    "unbind": (lambda: lamina.tensor(1.0).unbind(), IndexError),
    "window": (lambda: lamina.signal.windows.hann(3, dtype=lamina.bfloat16), ValueError),
    "cross": (lambda: lamina.linalg.cross(lamina.ones(2, 3), lamina.ones(2, 1)), ValueError),
    "ormqr": (lambda: lamina.ormqr(lamina.ones(3, 3), lamina.ones(2), lamina.ones(3, 3)), ValueError),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments(name: str) -> None:
    call, kind = WRONG[name]
    with pytest.raises(kind):
        call()
