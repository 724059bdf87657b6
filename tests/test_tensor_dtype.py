"""dtypes: names, limits, conversion, promotion, and the default one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import lamina

DTYPES = "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()


@pytest.fixture
def double() -> Iterator[None]:
    lamina.set_default_dtype(lamina.float64)
    yield
    lamina.set_default_dtype(lamina.float32)


def test_the_default_dtype(double: None) -> None:
    assert lamina.get_default_dtype() is lamina.float64
    for x in (
        lamina.tensor(1.5),
        lamina.zeros(2),
        lamina.rand(2),
        lamina.arange(0.0, 1.0),
        lamina.tensor([1]) / 2,
        lamina.tensor([1]).exp(),
        lamina.Tensor(2),
    ):
        assert x.dtype is lamina.float64
    with pytest.raises((TypeError, RuntimeError)):
        lamina.set_default_dtype(lamina.int64)


def test_names_of_dtypes() -> None:
    assert (
        lamina.float is lamina.float32 and lamina.double is lamina.float64 and lamina.half is lamina.float16
    )
    assert lamina.long is lamina.int64 and lamina.int is lamina.int32 and lamina.short is lamina.int16
    x = lamina.zeros(1)
    assert (
        x.double().dtype is lamina.float64
        and x.long().dtype is lamina.int64
        and x.bool().dtype is lamina.bool
    )
    assert x.type() == "lamina.FloatTensor" and x.type(lamina.LongTensor).dtype is lamina.int64
    assert x.type("torch.DoubleTensor").dtype is lamina.float64 and x.type(lamina.int8).dtype is lamina.int8
    assert (
        x.to(float).dtype is lamina.float64
        and x.to(int).dtype is lamina.int64
        and x.to(bool).dtype is lamina.bool
    )
    for wrong in ("float", "FooTensor", 3, None, [lamina.float32]):
        with pytest.raises(TypeError):
            x.to(dtype=wrong) if wrong is not None else x.to(lamina.float32, False, False, False)


def test_conversion_arguments() -> None:
    x = lamina.ones(2)
    assert x.to(lamina.float32) is x and x.to("cpu") is x and x.to(x) is x and x.type_as(lamina.zeros(1)) is x
    assert (
        x.to(lamina.float32, copy=True) is not x
        and x.to("cpu", lamina.float64, True, True).dtype is lamina.float64
    )
    assert x.to(device="cpu", dtype=lamina.int32, non_blocking=True).dtype is lamina.int32
    assert x.to(lamina.zeros(1, dtype=lamina.int8)).dtype is lamina.int8
    with pytest.raises(TypeError):
        x.to(blocking=True)


def test_promotion_of_tensors_and_numbers() -> None:
    i, f, h = lamina.ones(2, dtype=lamina.int32), lamina.ones(2), lamina.ones(2, dtype=lamina.float16)
    u, b = lamina.ones(2, dtype=lamina.uint8), lamina.ones(2, dtype=lamina.bool)
    for found, wanted in (
        (i + 1, "int32"),
        (i + 1.5, "float32"),
        (i + f, "float32"),
        (h + 1.5, "float16"),
        (h + f, "float32"),
        (h + i, "float16"),
        (u + lamina.ones(2, dtype=lamina.int8), "int16"),
        (b + b, "bool"),
        (b + 1, "int64"),
        (b + True, "bool"),
        (b * 1.5, "float32"),
        (i / 2, "float32"),
        (i / i, "float32"),
        (i // 2, "int32"),
        (h + lamina.ones(2, dtype=lamina.bfloat16), "float32"),
        (f + lamina.tensor(1.0, dtype=lamina.float64), "float32"),
        (i + lamina.tensor(1), "int32"),
        (i + lamina.tensor(1.5), "float32"),
        (lamina.tensor(1) + lamina.tensor(1.5), "float32"),
        (i.sum(), "int64"),
        (b.sum(), "int64"),
        (h.sum(), "float16"),
        (i.exp(), "float32"),
        (u > 0, "bool"),
    ):
        assert found.dtype is getattr(lamina, wanted)
    assert (
        lamina.result_type(i, 1.5) is lamina.float32
        and lamina.promote_types(lamina.uint8, lamina.int8) is lamina.int16
    )


def test_limits() -> None:
    assert (
        lamina.finfo(lamina.float32).eps == np.finfo(np.float32).eps
        and lamina.finfo().max == np.finfo(np.float32).max
    )
    assert (
        lamina.finfo(lamina.float64).tiny == np.finfo(np.float64).tiny
        and lamina.finfo(lamina.bfloat16).bits == 16
    )
    assert lamina.iinfo(lamina.int8).min == -128 and lamina.iinfo(lamina.int64).max == 2**63 - 1
    with pytest.raises(TypeError):
        lamina.finfo(lamina.int64)
    with pytest.raises(TypeError):
        lamina.iinfo(lamina.float32)
    assert lamina.can_cast(lamina.int64, lamina.float16) and not lamina.can_cast(lamina.float16, lamina.int64)


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", DTYPES)
def test_every_dtype_becomes_every_other(source: str, target: str) -> None:
    x = lamina.tensor([0, 1, 100]).to(getattr(lamina, source))
    y = x.to(getattr(lamina, target))
    expected = [float(bool(v)) if "bool" in (source, target) else v for v in (0.0, 1.0, 100.0)]
    assert y.dtype is getattr(lamina, target) and [float(v) for v in y.tolist()] == expected


def test_memory_formats_are_layouts_and_nothing_else() -> None:
    x = lamina.arange(24.0).reshape(1, 2, 3, 4)
    last = x.contiguous(memory_format=lamina.channels_last)
    assert last.tolist() == x.tolist() and last.stride() == (24, 1, 8, 2) and last.shape == x.shape
    assert last.is_contiguous(memory_format=lamina.channels_last) and not last.is_contiguous()
    assert last.contiguous(memory_format=lamina.channels_last) is last and last.contiguous().is_contiguous()
    assert x.to(memory_format=lamina.channels_last).stride() == last.stride() and x.to("cpu") is x
    for kept in (last.clone(), last.clone(memory_format=lamina.preserve_format), lamina.zeros_like(last)):
        assert kept.stride() == last.stride() and kept.data_ptr() != last.data_ptr()
    flat = lamina.ones_like(last, memory_format=lamina.contiguous_format)
    assert flat.is_contiguous() and lamina.zeros_like(x, memory_format=lamina.preserve_format).is_contiguous()
    assert x.clone(memory_format=lamina.channels_last).stride() == last.stride()
    assert repr(lamina.channels_last) == "lamina.channels_last"
    with pytest.raises(ValueError, match="channels_last"):
        lamina.zeros(2, 3).contiguous(memory_format=lamina.channels_last)
