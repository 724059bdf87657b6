"""The other forms of an op: in place, out=, function and method; and the same on every instruction set."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lamina
from harness import (
    TOLERANCE,
    Case,
    Sample,
    array,
    converted,
    converted_options,
    find,
    maker,
    numbers,
    results,
)
from lamina import _core
from ops_table import BINARY, ELEMENTWISE, UNARY
from ops_table_layer import LAYER
from ops_table_reduce import REDUCTION
from ops_table_shape import SHAPE

CASES = ELEMENTWISE + REDUCTION + SHAPE + LAYER
# Views and shapes that change with the op have in-place forms of another kind (test_views_in_place), and
# polygamma has its tensor behind a number.
OTHERS = "as_strided polygamma squeeze unsqueeze t transpose swapaxes swapdims".split()
TWINS = [c for c in CASES if hasattr(lamina.Tensor, f"{c.name}_") and c.name not in OTHERS]


def tensors(sample: Sample, dtype: str = "float64", grad: bool = False) -> tuple[list[Any], dict[str, Any]]:
    make = maker(dtype, requires_grad=grad)
    return list(converted(sample.args, make)), converted_options(sample, make)


@pytest.mark.parametrize("case", TWINS, ids=str)
def test_in_place(case: Case) -> None:
    tried = 0
    for sample in case.samples():
        args, options = tensors(sample)
        if not isinstance(args[0], lamina.Tensor):
            continue
        expected = find(lamina, case.name)(*args, **options)
        target = args[0].clone()
        if expected.shape != target.shape:
            with pytest.raises(ValueError):
                getattr(target, f"{case.name}_")(*args[1:], **options)
            continue
        if not lamina.can_cast(expected.dtype, target.dtype):
            with pytest.raises(TypeError):
                getattr(target, f"{case.name}_")(*args[1:], **options)
            continue
        memory, version = target.data_ptr(), target._version
        assert getattr(target, f"{case.name}_")(*args[1:], **options) is target
        assert target.data_ptr() == memory and target._version > version and target.dtype is args[0].dtype
        np.testing.assert_allclose(array(target), array(expected), rtol=1e-14)
        tried += 1
    assert tried or case.name in ("pow", "where")  # a number to the power of a tensor


@pytest.mark.parametrize("case", [c for c in TWINS if c.grad is True], ids=str)
def test_gradient_of_in_place(case: Case) -> None:
    """In place on an intermediate result: gradients and later use of the old value are as without it."""
    for sample in list(case.samples())[:2]:
        args, options = tensors(sample, grad=True)
        leaves = [x for x in args if isinstance(x, lamina.Tensor) and x.requires_grad]
        if not isinstance(args[0], lamina.Tensor) or args[0].numel() == 0:
            continue
        plain = find(lamina, case.name)(*args, **options)
        if plain.shape != args[0].shape:
            continue
        expected = lamina.autograd.grad((plain * plain).sum(), leaves, allow_unused=True)
        changed = args[0] * 1
        getattr(changed, f"{case.name}_")(*args[1:], **options)
        found = lamina.autograd.grad((changed * changed).sum(), leaves, allow_unused=True)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(array(a), array(b), rtol=1e-12, atol=1e-14)


def test_views_in_place() -> None:
    x = lamina.arange(6).reshape(1, 2, 3)
    memory = x.data_ptr()
    assert x.squeeze_(0).shape == (2, 3) and x.t_().shape == (3, 2) and x.unsqueeze_(1).shape == (3, 1, 2)
    assert x.transpose_(0, 2).shape == (2, 1, 3) and x.data_ptr() == memory
    assert x.squeeze().tolist() == [[0, 1, 2], [3, 4, 5]]
    leaf = lamina.ones(2, 3, requires_grad=True)
    y = leaf * 2
    y.unsqueeze_(0).transpose_(1, 2)
    (y[0, 1:] * lamina.tensor([5.0, 7.0])).sum().backward()
    assert leaf.grad.tolist() == [[0, 10, 10], [0, 14, 14]]
    with pytest.raises(RuntimeError, match="leaf"):
        leaf.unsqueeze_(0)


def takes_out(case: Case) -> bool:
    """By its signature: Python's own, or that in the docstring of a function of the core."""
    function = find(lamina, case.name)
    if inspect.isfunction(function):
        return "out" in inspect.signature(function, follow_wrapped=False).parameters
    return "out: Tensor" in (function.__doc__ or "")


WITH_OUT = [case for case in CASES if takes_out(case)]


@pytest.mark.parametrize("case", WITH_OUT, ids=str)
def test_out(case: Case) -> None:
    function = find(lamina, case.name)
    sample = next(iter(case.samples()))
    args, options = tensors(sample)
    expected = function(*args, **options)
    if not isinstance(expected, lamina.Tensor):
        pytest.skip("this form has two results")
    for out in (lamina.empty_like(expected), lamina.empty(0, dtype=expected.dtype)):
        assert function(*args, out=out, **options) is out
        np.testing.assert_array_equal(array(out), array(expected))
    memory = (out := lamina.empty(*expected.shape, 2, dtype=expected.dtype).select(-1, 0)).data_ptr()
    function(*args, out=out, **options)
    assert out.data_ptr() == memory and out.tolist() == expected.tolist()
    if expected.is_floating_point() and case.name != "arange":  # whose dtype is that of its out
        with pytest.raises(TypeError, match="cast"):
            function(*args, out=lamina.empty(0, dtype=lamina.int64), **options)
        args, options = tensors(sample, grad=True)
        if any(isinstance(x, lamina.Tensor) and x.requires_grad for x in args) and case.grad is True:
            with pytest.raises(RuntimeError, match="out="):
                function(*args, out=lamina.empty_like(expected), **options)


def test_functions_and_methods_are_the_same() -> None:
    for case in CASES:
        method = None if case.name == "where" else getattr(lamina.Tensor, case.name, None)
        sample = next(iter(case.samples()))
        args, options = tensors(sample)
        if method is None or not isinstance(args[0], lamina.Tensor):
            continue
        first = results(find(lamina, case.name)(*args, **options))
        second = results(getattr(args[0], case.name)(*args[1:], **options))
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(array(a), array(b), err_msg=case.name)


# ---- instruction sets


@pytest.fixture
def isa() -> Iterator[None]:
    before = _core.isa()
    yield
    _core.use_isa(before)


LENGTHS = (0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 127, 1025)


def long_samples(case: Case) -> list[Sample]:
    """The first sample's kind of numbers at lengths around every vector width, starting at an odd address."""
    first = next(iter(case.samples()))
    spans = [(float(a.min()), float(a.max())) for a in first.args if isinstance(a, np.ndarray)]
    made = []
    for length in LENGTHS:
        arrays = [numbers(length, low=low, high=high, seed=i) for i, (low, high) in enumerate(spans)]
        made.append(Sample((*arrays, *first.args[len(arrays) :]), first.options))
    return made


ODD = {"isnan", "isinf", "isposinf", "isneginf", "isfinite", "logical_not", "signbit", "bitwise_not"}
LONG = [c for c in UNARY + BINARY if c.name not in ODD and c.dtype in ("same", "bool")]
LONG = [
    c
    for c in LONG
    if all(isinstance(a, np.ndarray) and a.dtype == float for a in next(iter(c.samples())).args)
]


@pytest.mark.parametrize("name", [name for name in _core.isas() if name != "scalar"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int32"])
@pytest.mark.parametrize("case", LONG, ids=str)
def test_isa_agrees_with_the_scalar_table_at_every_length(
    isa: None, case: Case, dtype: str, name: str
) -> None:
    if dtype == "int32" and next(iter(case.samples())).options.get("alpha"):
        pytest.skip("integers take no broken factor")
    tolerance = TOLERANCE.get(dtype, TOLERANCE["float32"]) * case.tolerance

    def shifted(values: np.ndarray) -> Any:
        wide = lamina.zeros(values.size + 1, dtype=getattr(lamina, dtype))
        return wide[1:].copy_(lamina.tensor(np.abs(values) * 3 + 1 if dtype == "int32" else values))

    for sample in long_samples(case):
        found = []
        for table in ("scalar", name):
            _core.use_isa(table)
            args = converted(sample.args, shifted)
            found.append(find(lamina, case.name)(*args, **sample.options))
        assert found[0].dtype is found[1].dtype
        np.testing.assert_allclose(array(found[1]), array(found[0]), tolerance, tolerance)


@pytest.mark.parametrize("name", [name for name in _core.isas() if name != _core.isa()])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_on_every_isa(isa: None, case: Case, dtype: str, name: str) -> None:
    from harness import check_values

    _core.use_isa(name)
    assert _core.isa() == name
    check_values(case, dtype)


def test_an_unknown_isa_is_refused() -> None:
    with pytest.raises((ValueError, RuntimeError), match="mmx"):
        _core.use_isa("mmx")
