"""Complex tensors as memory, numbers and files: views of their parts, dtypes, optimizers, and what every
function does with a complex argument."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Tensor
from test_complex import DTYPES, close, numbers, weigh

# ---- views


def test_parts_are_views_of_one_memory():
    z = lamina.tensor([1 + 2j, 3 + 4j])
    pairs = lamina.view_as_real(z)
    assert pairs.tolist() == [[1, 2], [3, 4]] and pairs.dtype == lamina.float32
    z.real[0] = 7
    z.imag.mul_(10)
    pairs[1, 0] = -1
    assert z.tolist() == [7 + 20j, -1 + 40j] and lamina.view_as_complex(pairs).tolist() == z.tolist()
    z.imag = lamina.tensor([5.0, 6.0])
    assert z.imag.tolist() == [5, 6] and z._version == pairs._version > 0
    assert lamina.real(pairs) is pairs
    with pytest.raises(TypeError, match="imag"):
        lamina.imag(pairs)


@pytest.mark.parametrize("wrong", [(3, 3), (2, 2, 1), ()])
def test_pairs_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="view_as_complex"):
        lamina.view_as_complex(lamina.zeros(wrong))


def test_changes_of_a_part_reach_the_gradient():
    z, w, v = numbers(3), numbers(3, seed=1), np.random.default_rng(3).random(3)
    x = lamina.from_numpy(z.copy()).requires_grad_()
    r = lamina.from_numpy(v.copy()).requires_grad_()
    y = x * 1
    y.real.mul_(r)
    weigh(y, lamina.from_numpy(w)).backward()
    close(x.grad, w.real * v - 1j * w.imag)
    close(r.grad, w.real * z.real)
    pairs = lamina.from_numpy(np.stack([z.real, z.imag], -1)).requires_grad_()
    q = pairs * 1
    lamina.view_as_complex(q).mul_(2j)
    weigh(lamina.view_as_complex(q), lamina.from_numpy(w)).backward()
    expected = np.conj(2j * w)
    close(pairs.grad, np.stack([expected.real, expected.imag], -1))


def test_indexing_and_joining():
    z = numbers(4, 5)
    for dtype in DTYPES:
        x, y = lamina.from_numpy(z.astype(dtype)), z.astype(dtype)
        close(x[[2, 0]], y[[2, 0]])
        close(x[x.real > 0], y[y.real > 0])
        close(x.flip(0, 1), y[::-1, ::-1])
        close(x.roll(1, 0), np.roll(y, 1, 0))
        close(lamina.cat([x, x.real]), np.concatenate([y, y.real]))
        close(lamina.where(x.imag > 0, x, 0), np.where(y.imag > 0, y, 0))
        close(
            x.gather(1, lamina.tensor([[0], [4], [1], [2]])),
            np.take_along_axis(y, np.array([[0], [4], [1], [2]]), 1),
        )
        x[1:3, ::2] = 1j
        y[1:3, ::2] = 1j
        close(x, y)
        close(x.t().contiguous(), y.T)
        close(x.tril(), np.tril(y))
        assert x.nonzero().tolist() == np.argwhere(y).tolist()


# ---- dtypes, numbers, files


def test_promotion():
    half, single, double = (lamina.ones(1, dtype=d) for d in (lamina.float16, lamina.float32, lamina.float64))
    c64, c128 = lamina.ones(1, dtype=lamina.cfloat), lamina.ones(1, dtype=lamina.cdouble)
    whole = lamina.ones(1, dtype=lamina.int64)
    assert (c64 + double).dtype == (c64 * c128).dtype == (double * 1j).dtype == lamina.complex128
    for y in (
        c64 * single,
        c64 + half,
        c64 / whole,
        single * 1j,
        whole + 1j,
        single * lamina.tensor(1j, dtype=lamina.cdouble),
    ):
        assert y.dtype == lamina.complex64
    assert lamina.promote_types(lamina.float64, lamina.complex64) is lamina.complex128
    assert lamina.can_cast(lamina.float64, lamina.complex64) and not lamina.can_cast(
        lamina.complex64, lamina.float64
    )
    assert lamina.complex64.is_complex and not lamina.complex64.is_floating_point and c64.is_complex()
    assert lamina.finfo(lamina.complex64).eps == lamina.finfo(lamina.float32).eps
    assert lamina.complex64.to_real() is lamina.float32 and lamina.float64.to_complex() is lamina.complex128
    with pytest.raises(TypeError):
        lamina.iinfo(lamina.complex64)


def test_numbers_go_in_and_out():
    x = lamina.tensor([[1 + 2j, 3]])
    assert x.dtype == lamina.complex64 and x.tolist() == [[1 + 2j, 3 + 0j]]
    assert lamina.tensor(2j).item() == complex(lamina.tensor(2j)) == 2j
    assert (2j * x).tolist() == [[-4 + 2j, 6j]] and (x - 1j).tolist() == [[1 + 1j, 3 - 1j]]
    assert lamina.full((2,), 1 - 1j).dtype == lamina.complex64 and (x == 3)[0, 1].item()
    assert lamina.complex(lamina.ones(1), lamina.ones(1)).tolist() == [1 + 1j]
    close(lamina.polar(lamina.tensor([2.0]), lamina.tensor([0.5])), [2 * np.exp(0.5j)], 1e-6)
    array = np.array([1j, 2])
    shared = lamina.from_numpy(array)
    shared[1] = 5j
    assert (
        array[1] == 5j
        and shared.numpy() is not array
        and shared.to(lamina.complex64).numpy().dtype == "complex64"
    )
    for wrong in (
        lambda: float(x[0, 0]),
        lambda: lamina.zeros(1).fill_(1j),
        lambda: lamina.zeros(1).add_(1j),
    ):
        with pytest.raises((TypeError, RuntimeError)):
            wrong()
    with pytest.raises(RuntimeError, match="real scalar"):
        lamina.ones((), dtype=lamina.cfloat, requires_grad=True).backward()


def test_printing():
    assert repr(lamina.tensor([1.5 + 2j, -1j])) == "tensor([1.5000+2.j, -0.0000-1.j])"
    assert repr(lamina.zeros(1, dtype=lamina.cdouble)) == "tensor([0.+0.j], dtype=lamina.complex128)"


def test_files(tmp_path):
    z = numbers(3, 2)
    for dtype in DTYPES:
        x = lamina.from_numpy(z.astype(dtype))
        for again in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
            assert again.dtype == x.dtype and again.tolist() == x.tolist()
        buffer = io.BytesIO()
        lamina.save({"x": x}, buffer)
        buffer.seek(0)
        assert lamina.load(buffer)["x"].tolist() == x.tolist()
    lamina.io.safetensors.save_file({"x": x.cfloat()}, tmp_path / "x.safetensors")
    assert lamina.io.safetensors.load_file(tmp_path / "x.safetensors")["x"].tolist() == x.cfloat().tolist()


def test_random_numbers_have_the_variance_asked_for():
    lamina.manual_seed(0)
    x = lamina.randn(20_000, dtype=lamina.complex64)
    assert abs(x.var().item() - 1) < 0.03 and abs(x.real.var().item() - 0.5) < 0.03
    y = lamina.rand(1000, dtype=lamina.complex128)
    assert 0 <= y.real.min() and y.imag.max() < 1 and abs(y.imag.mean().item() - 0.5) < 0.05


@pytest.mark.parametrize(
    "make",
    [lamina.optim.SGD, lamina.optim.Adam, lamina.optim.AdamW, lamina.optim.RMSprop, lamina.optim.Adagrad],
)
def test_optimizers_step_complex_parameters_as_their_parts(make):
    z = numbers(3, 2)
    whole = lamina.nn.Parameter(lamina.from_numpy(z.copy()))
    parts = lamina.nn.Parameter(lamina.view_as_real(lamina.from_numpy(z.copy())).clone())
    for p in (whole, parts):
        optimizer = make([p], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            ((p if p is whole else lamina.view_as_complex(p)) - 1j).abs().square().sum().backward()
            optimizer.step()
    close(lamina.view_as_real(whole), parts.detach().numpy())


# ---- every function


# What blocks, ends the process, or changes how all others work.
LEFT_OUT = {
    "set_default_dtype",
    "set_num_threads",
    "manual_seed",
    "seed",
    "compile",
    "set_printoptions",
    "set_default_device",
}


@pytest.mark.filterwarnings("ignore")
def test_every_function_computes_or_refuses_complex_numbers():
    x, square = lamina.from_numpy(numbers(3, 3)), lamina.eye(3, dtype=lamina.complex64)
    places: list[Any] = [lamina, lamina.nn.functional, lamina.linalg, lamina.special]
    functions = {
        f"{place.__name__}.{name}": getattr(place, name)
        for place in places
        for name in dir(place)
        if not name.startswith("_") and name not in LEFT_OUT and callable(getattr(place, name))
    }
    functions |= {
        f"Tensor.{n}": getattr(Tensor, n) for n in dir(Tensor) if n[0] != "_" and callable(getattr(Tensor, n))
    }
    calls = 0
    for name, function in functions.items():
        if inspect.isclass(function):
            continue
        for z in (x, square):
            for rest in ((), (z,), (z, z), (1,), (0, 1), (1j,), (lamina.tensor([0, 1]),)):
                try:
                    function(z.clone(), *rest)
                    calls += 1
                except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):
                    pass
                except Exception as error:
                    pytest.fail(f"{name}: {type(error).__name__}: {error}")
    assert calls > 500


@pytest.mark.parametrize(
    "name",
    "floor ceil round trunc frac erf erfc erfinv lgamma digamma relu sign isposinf isneginf signbit sort "
    "argsort median mode quantile argmax amax cummax histc floor_divide remainder fmod maximum minimum fmax "
    "atan2 hypot copysign nextafter lt le gt ge clamp topk logcumsumexp softmax bitwise_not bitwise_and "
    "bincount".split(),
)
def test_functions_without_a_complex_meaning_say_so(name):
    z = lamina.from_numpy(numbers(4))
    function = getattr(lamina, name)
    for rest in ((), (z,), (0,), (1,), (0.5,)):
        with pytest.raises((TypeError, ValueError, IndexError)):
            function(z, *rest)
