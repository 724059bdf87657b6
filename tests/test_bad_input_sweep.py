"""Every function with every kind of argument, any layout against NumPy, an interrupt: never a crash."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import lamina
from lamina import _core
from lamina.nn import functional as F

z, o = lamina.zeros, lamina.ones


VALUES: dict[str, Callable[[], Any]] = {
    "float": lambda: lamina.tensor([[1.0, 2.0], [3.0, 4.0]]),
    "int": lambda: lamina.tensor([[1, 0], [1, 1]]),
    "uint8": lambda: o(2, 2, dtype=lamina.uint8),
    "bool": lambda: lamina.tensor([[True, False], [True, True]]),
    "half": lambda: o(2, 2, dtype=lamina.float16),
    "grad": lambda: o(2, 2, requires_grad=True),
    "scalar": lambda: lamina.tensor(1.0),
    "empty": lambda: z(0, 2),
    "stepped": lambda: z(4, 4)[::2, ::2],
    "1": lambda: 1,
    "-7": lambda: -7,
    "2**62": lambda: 2**62,
    "nan": lambda: float("nan"),
    "none": lambda: None,
    "shape": lambda: (2, 2),
    "text": lambda: "a",
    "list": lambda: [o(2)],
}
GLOBAL_STATE = {"use_isa", "set_size_type", "set_num_threads", "set_grad_enabled", "set_inference_mode"}
GLOBAL_STATE |= {
    "push_saved_tensors_hooks",
    "pop_saved_tensors_hooks",
    "set_anomaly",
    "set_autocast_mode",
    "set_default_dtype",
    "use_deterministic_algorithms",
    "set_printoptions",
    "manual_seed",
    "seed",
}
GLOBAL_STATE |= {
    "set_rng_state",
    "set_default_device",
    "set_float32_matmul_precision",
    "memory_stats",
    "save",
    "load",
}


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for place, prefix in (
        (_core, "_core."),
        (lamina, ""),
        (lamina.Tensor, "Tensor."),
        (F, "F."),
        (lamina.linalg, "linalg."),
    ):
        for name in dir(place):
            found = getattr(place, name)
            if not (name.startswith("__") or name in GLOBAL_STATE or isinstance(found, type)) and callable(
                found
            ):
                yield prefix + name, found


FUNCTIONS = dict(functions())


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore")
def test_every_function_survives_every_kind_of_argument(name: str) -> None:
    """Nothing but a result or an ordinary exception; a crash would end the run."""
    before = lamina.is_grad_enabled()
    for keys in itertools.chain([()], ((a,) for a in VALUES), itertools.product(VALUES, VALUES)):
        if "2**62" in keys and name.rpartition(".")[2] in (
            "combinations",
            "vander",
            "matrix_power",
            "one_hot",
            "adaptive_avg_pool1d",
            "adaptive_max_pool1d",
        ):
            continue  # they would count to it
        try:
            FUNCTIONS[name](*(VALUES[key]() for key in keys))
        except Exception as error:
            assert str(error) or isinstance(error, MemoryError), (name, keys)
    assert lamina.is_grad_enabled() == before


# ---- random shapes, strides and keys against NumPy

SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@st.composite
def strided(draw: Any) -> tuple[Any, np.ndarray]:
    """A tensor of any layout that slicing, transposing and broadcasting give, and its values."""
    shape = draw(SHAPES)
    array = np.asarray(np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape) - 3)
    x = lamina.from_numpy(array.copy())
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["permute", "slice", "expand", "select", "unsqueeze"]))
        if kind == "permute":
            order = draw(st.permutations(range(array.ndim)))
            x, array = x.permute(*order) if order else x, array.transpose(order)
        elif kind == "slice" and array.ndim:
            dim = draw(st.integers(0, array.ndim - 1))
            key = (slice(None),) * dim + (
                slice(draw(st.integers(-5, 5)), draw(st.integers(-5, 5)), draw(st.integers(1, 3))),
            )
            x, array = x[key], array[key]
        elif kind == "expand":
            lead = draw(st.integers(1, 3))
            x, array = x.expand(lead, *x.shape), np.broadcast_to(array, (lead, *array.shape))
        elif kind == "select" and array.ndim and array.shape[0]:
            at = draw(st.integers(-array.shape[0], array.shape[0] - 1))
            x, array = x[at], array[at]
        else:
            x, array = x.unsqueeze(0), array[None]
    return x, np.array(array)


@hypothesis.given(strided(), strided())
@hypothesis.settings(max_examples=150)
def test_any_two_layouts(a: Any, b: Any) -> None:
    (x, x_values), (y, y_values) = a, b
    assert (x.numpy() == x_values).all() and x.shape == x_values.shape
    assert (
        x.sum().item() == x_values.sum()
        and (x.exp().numpy() == lamina.from_numpy(x_values).exp().numpy()).all()
    )
    try:
        expected = x_values * 2 + y_values
    except ValueError:
        with pytest.raises(ValueError):
            x * 2 + y
        return
    assert np.array_equal((x * 2 + y).numpy(), expected) and np.array_equal(
        (x > y).numpy(), x_values > y_values
    )
    z = lamina.zeros(expected.shape)
    assert np.array_equal(
        z.copy_(x.expand(expected.shape)).numpy(), np.broadcast_to(x_values, expected.shape)
    )


@hypothesis.given(strided(), st.data())
@hypothesis.settings(max_examples=150)
def test_any_reduction_of_any_layout(a: Any, data: Any) -> None:
    x, values = a
    dims = tuple(data.draw(st.sets(st.integers(0, max(values.ndim - 1, 0))))) if values.ndim else ()
    keepdim = data.draw(st.booleans())
    axis = dims or None
    assert np.array_equal(x.sum(dims, keepdim).numpy(), values.sum(axis, keepdims=keepdim))
    if values.size:
        assert np.array_equal(x.amax(dims, keepdim).numpy(), values.max(axis, keepdims=keepdim))
    dim = data.draw(st.integers(-6, 6))
    limit = max(values.ndim, 1)
    if -limit <= dim < limit:
        assert np.array_equal(x.cumsum(dim).numpy(), np.cumsum(values, dim) if values.ndim else values)
    else:
        for reduce in (x.cumsum, x.sum, x.softmax, x.logsumexp, x.flip):
            with pytest.raises(IndexError):
                reduce(dim)


# ---- from outside

INTERRUPTED = """
import signal, threading, lamina
threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT)).start()
w = lamina.randn(300, 300, requires_grad=True)
try:
    while True:
        (w @ w).tanh().sum().backward()
except KeyboardInterrupt:
    w.grad = None
    (w * 2).sum().backward()
    assert (w.grad == 2).all() and (lamina.ones(500, 500) @ lamina.ones(500, 500)).sum().item() == 500.0**3
    print("usable")
"""


def test_an_interrupt_leaves_the_process_usable() -> None:
    assert signal.SIGINT
    run = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "usable", run.stderr
