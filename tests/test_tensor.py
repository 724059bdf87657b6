"""Tensor as a Python object: indexing, iteration, conversion, copying, pickling, and how it meets NumPy."""

from __future__ import annotations

import copy
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn

DTYPES = "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()


def grid() -> Any:
    return lamina.arange(24).reshape(2, 3, 4)


A = np.arange(24).reshape(2, 3, 4)
MASK = A % 3 == 0
KEYS: list[Any] = [
    0,
    -1,
    (1, 2),
    (1, 2, 3),
    slice(None),
    slice(1, None),
    slice(None, -1),
    (slice(None), slice(0, 3, 2)),
    ...,
    (..., 1),
    (0, ..., 1),
    None,
    (None, 0, None),
    (slice(None), None, 1),
    [1, 0],
    ([1, 0], [2, 0]),
    (0, [2, 1]),
    (slice(None), [0, 2]),
    ([0, 1], slice(None), [3, 0]),
    (slice(None), [0, 2], 1),
    ([[0], [1]], [0, 2]),
    (..., [3, 0]),
    np.array([1, 1, 0]),
    np.int64(1),
    MASK,
    (0, MASK[0]),
    (MASK[:, :, 0],),
    (slice(None), MASK[0]),
    (MASK[:, 0, 0], 1),
    ([True, False], [1]),
    True,
    False,
    (0, True),
    (slice(0, 0),),
    ([],),
    (None, [1], None),
    (-1, slice(-2, None), -1),
    (slice(5, 9),),
    (slice(None, None, 2), ..., slice(1, 3)),
]


def as_key(key: Any) -> Any:
    """Lists and arrays inside of a key as tensors, for the second round."""
    if isinstance(key, (list, np.ndarray)):
        return lamina.tensor(key) if len(key) else lamina.tensor(key, dtype=lamina.int64)
    return tuple(as_key(part) for part in key) if isinstance(key, tuple) else key


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_reading_by_any_key(key: Any) -> None:
    expected = A[key]
    for k in (key, as_key(key)):
        found = grid()[k]
        assert found.shape == expected.shape and (found.numpy() == expected).all()


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_writing_by_any_key(key: Any) -> None:
    shape = A[key].shape
    for value in (-5, np.full(shape, 7), np.arange(int(np.prod(shape))).reshape(shape) + 100):
        expected = A.copy()
        expected[key] = value
        for k in (key, as_key(key)):
            x = grid()
            x[k] = lamina.tensor(value) if isinstance(value, np.ndarray) else value
            assert (x.numpy() == expected).all()


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_gradients_of_reading_and_writing(key: Any) -> None:
    x = lamina.tensor(A.astype(float), requires_grad=True)
    x[key].sum().backward()
    expected = np.zeros(A.shape)
    np.add.at(expected, key, 1.0)
    assert (x.grad.numpy() == expected).all()
    y = x * 1
    values = lamina.full(A[key].shape, 2.0, dtype=lamina.float64, requires_grad=True)
    y[key] = values
    gx, gv = lamina.autograd.grad((y * y).sum(), [x, values], materialize_grads=True)
    kept = np.ones(A.shape)
    kept[key] = 0
    assert (gx.numpy() == 2 * A * kept).all() and gv.shape == values.shape


def test_basic_keys_give_views_others_copies() -> None:
    x = grid()
    x[0][1:, ::2].fill_(-1)
    assert x[0, 1, 0].item() == -1
    x[[0]].fill_(99)
    assert 99 not in x


def test_wrong_keys() -> None:
    x = grid()
    for key in (
        2,
        -3,
        (0, 3),
        (0, 0, 0, 0),
        [5],
        lamina.tensor([2]),
        lamina.tensor([[-3]]),
        MASK[:, :2],
        0.5,
        "a",
        (..., ...),
        lamina.tensor([0.5]),
        {},
    ):
        with pytest.raises((IndexError, TypeError)):
            x[key]
        with pytest.raises((IndexError, TypeError)):
            x[key] = 1
    with pytest.raises(ValueError, match="step"):
        x[::-1]
    with pytest.raises(ValueError):
        x[0] = lamina.zeros(5, dtype=lamina.int64)
    with pytest.raises(IndexError):
        lamina.tensor(1)[0]
    with pytest.raises(TypeError):
        del x[0]


# ---- Python's protocols


def test_length_iteration_membership_and_truth() -> None:
    x = lamina.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert (
        len(x) == 2
        and [row.tolist() for row in x] == x.tolist()
        and next(iter(reversed(x))).tolist() == [3, 4]
    )
    assert 3.0 in x and 5 not in x and lamina.tensor(2.0) in x
    a, b = x
    assert a.tolist() == [1, 2] and b.tolist() == [3, 4]
    assert lamina.tensor(1) and not lamina.tensor(0.0) and lamina.tensor([[2]])
    for wrong in (lamina.zeros(2), lamina.zeros(0)):
        with pytest.raises(RuntimeError, match="ambiguous"):
            bool(wrong)
    with pytest.raises(TypeError, match="0-d"):
        len(lamina.tensor(1))
    with pytest.raises(TypeError, match="0-d"):
        iter(lamina.tensor(1))
    with pytest.raises(TypeError):
        "a" in x  # noqa: B015


def test_numbers() -> None:
    x = lamina.tensor(2.75)
    assert float(x) == 2.75 and int(x) == 2 and x.item() == 2.75 and f"{x:.1f}" == "2.8"
    assert [10, 20, 30][lamina.tensor(1)] == 20 and range(lamina.tensor(3)) == range(3)
    assert lamina.tensor([True]).item() is True and isinstance(lamina.tensor([3]).item(), int)
    for wrong in (
        lambda: float(lamina.zeros(2)),
        lambda: lamina.zeros(0).item(),
        lambda: int(lamina.zeros(2, 1)),
    ):
        with pytest.raises(RuntimeError, match="cannot be converted to Scalar"):
            wrong()
    with pytest.raises(TypeError, match="integer"):
        [1, 2][lamina.tensor(0.0)]


def test_identity_hash_and_attributes() -> None:
    x = lamina.ones(2)
    assert hash(x) == hash(x) and {x: 1}[x] == 1 and x in {x: 1}
    x.note = "mine"
    assert x.note == "mine" and weakref.ref(x)() is x
    with pytest.raises(AttributeError):
        x.missing  # noqa: B018


@pytest.mark.parametrize("name", DTYPES)
def test_pickle_and_deepcopy(name: str) -> None:
    x = (lamina.arange(6).reshape(2, 3) % 2).to(getattr(lamina, name)).t()
    if x.is_floating_point():
        x = x.requires_grad_()
        x.grad = lamina.ones_like(x)
    x.note = [1]
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert y.dtype is x.dtype and y.tolist() == x.tolist() and y.requires_grad == x.requires_grad
        assert y.data_ptr() != x.data_ptr() and y.note == [1] and y.note is not x.note
    if x.is_floating_point():
        assert copy.deepcopy(x).grad.tolist() == x.grad.tolist()
    shallow = copy.copy(x)
    assert shallow is not x and shallow.data_ptr() == x.data_ptr() and shallow.note is x.note


def test_deepcopy_keeps_what_is_shared_and_its_class() -> None:
    p = nn.Parameter(lamina.ones(2))
    a, b = copy.deepcopy([p, p])
    assert a is b and isinstance(a, nn.Parameter) and a.requires_grad
    assert isinstance(pickle.loads(pickle.dumps(p)), nn.Parameter)
    with pytest.raises(RuntimeError, match="leaf"):
        copy.deepcopy(p * 2)
    with pytest.raises(RuntimeError, match="leaf"):
        pickle.dumps(p * 2)


def test_dtypes_devices_and_sizes_can_be_pickled_and_compared() -> None:
    for value in (lamina.float32, lamina.bool, lamina.device("cpu"), lamina.Size([2, 3])):
        for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
            assert again == value and type(again) is type(value)
    assert copy.deepcopy(lamina.float32) is lamina.float32
    assert repr(lamina.float32) == "lamina.float32" and repr(lamina.Size([2])) == "lamina.Size([2])"


def test_size() -> None:
    s = lamina.zeros(2, 3, 4).shape
    assert s == (2, 3, 4) and s.numel() == 24 and s[1] == 3 and s[-1] == 4
    assert (
        isinstance(s[1:], lamina.Size)
        and isinstance(s + s, lamina.Size)
        and isinstance(tuple(s) + s, lamina.Size)
    )
    assert isinstance(s * 2, lamina.Size) and lamina.zeros(s).shape == s and hash(s) == hash((2, 3, 4))


def test_device() -> None:
    assert lamina.zeros(1).device == lamina.device("cpu") and str(lamina.device("cuda", 1)) == "cuda:1"
    assert lamina.device("cpu:0").index == 0 and lamina.device(lamina.device("cpu")).type == "cpu"
    assert lamina.zeros(1, device="cpu").to("cpu").cpu().device.type == "cpu"
    with lamina.device("cpu"):
        lamina.zeros(1)
    for name in ("cuda", "mps:0"):
        with pytest.raises(RuntimeError, match="no device"):
            lamina.zeros(1, device=name)
        with pytest.raises(RuntimeError, match="no device"):
            lamina.zeros(1).to(lamina.device(name))
    for wrong in ("gpu", "cpu:x", "cpu:", ""):
        with pytest.raises(ValueError, match="device"):
            lamina.device(wrong)
    assert not lamina.cuda.is_available() and not lamina.accelerator.is_available()
    with pytest.raises(RuntimeError, match="no device cuda"):
        lamina.zeros(1).cuda()


# ---- NumPy


@pytest.mark.parametrize("name", [name for name in DTYPES if name != "bfloat16"])
def test_arrays_share_memory_both_ways(name: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(name)
    x = lamina.from_numpy(array)
    assert x.dtype is getattr(lamina, name) and x.shape == (2, 3)
    array[0, 0] = 1
    assert x[0, 0].item() == 1
    x[1, 2] = 0
    assert array[1, 2] == 0
    assert x.numpy().ctypes.data == array.ctypes.data and np.asarray(x).dtype == array.dtype


def test_arrays_that_cannot_be_shared_are_copied() -> None:
    read_only = np.arange(3.0)
    read_only.flags.writeable = False
    swapped = np.arange(3, dtype=">i4")
    for array in (
        np.arange(4.0)[::-1],
        np.broadcast_to(np.arange(2.0), (3, 2)),
        read_only,
        swapped,
        np.arange(6.0)[::2],
    ):
        x = lamina.from_numpy(array)
        assert x.tolist() == array.tolist()
        if not array.flags.writeable or array.strides[0] <= 0:
            x.fill_(9)
            assert not (array == 9).any()
    records = np.zeros(3, dtype=[("a", "i1"), ("b", "<f4")])["b"]  # misaligned
    assert lamina.from_numpy(records).tolist() == [0.0] * 3
    for dtype in ("uint16", "U3", "O", "M8[s]", "f16"):
        with pytest.raises(TypeError, match="can't convert"):
            lamina.from_numpy(np.zeros(2, dtype))
    with pytest.raises(TypeError):
        lamina.from_numpy([1, 2])


def test_an_array_outlives_its_tensor_and_the_other_way() -> None:
    array = lamina.arange(5).numpy()
    x = lamina.from_numpy(np.arange(5))
    assert array.tolist() == x.tolist() == [0, 1, 2, 3, 4]
    x = lamina.arange(6.0).reshape(2, 3).t()
    assert x.numpy().strides == (4, 12)


def test_numpy_of_what_requires_grad() -> None:
    x = lamina.ones(2, requires_grad=True)
    for wrong in (lambda: x.numpy(), lambda: np.asarray(x)):
        with pytest.raises(RuntimeError, match="requires grad"):
            wrong()
    assert x.detach().numpy().tolist() == x.numpy(force=True).tolist() == [1, 1]
    with pytest.raises(TypeError, match="bfloat16"):
        lamina.ones(1, dtype=lamina.bfloat16).numpy()


def test_mixed_operators() -> None:
    x, a = lamina.tensor([1.0, 2.0]), np.array([10.0, 20.0])
    assert isinstance(np.float64(2) * x, lamina.Tensor) and (np.float64(2) * x).dtype is lamina.float32
    assert (
        (x * np.int64(3)).tolist() == [3.0, 6.0]
        and (1 - x).tolist() == [0.0, -1.0]
        and (2**x).tolist() == [2, 4]
    )
    assert np.add(x, a).tolist() == [11.0, 22.0] and isinstance(np.exp(x), lamina.Tensor)
    assert np.asarray(x, dtype=np.float64).dtype == np.float64 and np.stack([x, x]).shape == (2, 2)
    assert (lamina.tensor(a) + x).dtype is lamina.float64


def test_dlpack_and_buffers() -> None:
    a = np.arange(4.0)
    x = lamina.from_dlpack(a)
    x[0] = 7
    assert a[0] == 7 and np.from_dlpack(x).tolist() == x.tolist() and x.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError, match="gradient"):
        lamina.ones(1, requires_grad=True).__dlpack__()
    raw = bytearray(np.arange(4, dtype=np.int32).tobytes())
    y = lamina.frombuffer(raw, dtype=lamina.int32, count=2, offset=4)
    raw[4:8] = (99).to_bytes(4, "little")
    assert y.tolist() == [99, 2]
    for options in ({"count": 5}, {"offset": 1}, {"offset": 16}, {"count": 0}):
        with pytest.raises(ValueError, match="frombuffer"):
            lamina.frombuffer(raw, dtype=lamina.int32, **options)
