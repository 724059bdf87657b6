"""NumPy's arrays in PyTorch's files and in pickles: written, read, and refused where they lie."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest

import lamina

ARRAYS = {
    "matrix": np.arange(6.0).reshape(2, 3),
    "bool": np.array([True, False]),
    "big-endian": np.arange(4, dtype=">i4"),
    "scalar": np.ones((), np.float16),
    "empty": np.zeros((0, 3), np.float32),
    "transposed": np.arange(6, dtype=np.uint8).reshape(2, 3).T,
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=list(ARRAYS))
def test_arrays_come_back(array: np.ndarray) -> None:
    file = io.BytesIO()
    lamina.save({"a": array, "again": array, "tensor": lamina.ones(2)}, file)
    file.seek(0)
    read = lamina.load(file)
    np.testing.assert_array_equal(read["a"], array)
    assert read["again"] is read["a"] and read["a"].dtype == array.dtype.newbyteorder("=")
    read["a"][...] = 0  # its own memory, which may be written
    for protocol in (2, 3, 4):
        pickled = lamina.load(io.BytesIO(pickle.dumps({"x": array}, protocol)))
        np.testing.assert_array_equal(pickled["x"], array)


@pytest.mark.parametrize("array", ARRAYS.values(), ids=list(ARRAYS))
def test_arrays_to_pytorch_and_from_it(array: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = io.BytesIO(), io.BytesIO()
    lamina.save([array], ours)
    torch.save([array], theirs)
    for file in (ours, theirs):
        file.seek(0)
    np.testing.assert_array_equal(torch.load(ours, weights_only=False)[0], array)
    np.testing.assert_array_equal(lamina.load(theirs)[0], array)


@pytest.mark.parametrize("text", [b"\x01\x02\x03\x7f", b"\xff\x80\xfe\x00", "\u00e4\u00f6".encode()])
def test_arrays_of_python_2(text: bytes) -> None:
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    pickled = b"\x80\x02" + empty + b"(K\x01K\x02K\x02\x86" + kind + b"\x89U\x04" + text + b"tb."
    assert (
        lamina.load(io.BytesIO(pickled)).tobytes()
        == text
        == pickle.loads(pickled, encoding="bytes").tobytes()
    )


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.array([{}, None], object), "NumPy's dtype .*'O8'"),
        (np.array(["text"]), "NumPy's dtype .*'U4'"),
        (np.zeros(2, "M8[s]"), "NumPy's dtype .*'M8'"),
        (np.ma.masked_array([1]), "refused"),
    ],
)
def test_arrays_of_other_things_are_refused(array: np.ndarray, text: str) -> None:
    with pytest.raises(lamina.io.UnpicklingError, match=text):
        lamina.load(io.BytesIO(pickle.dumps(array, 2)))


@pytest.mark.parametrize("change", [(b"K\x04\x85", b"K\x05\x85"), (b"K\x04\x85", b"J\xff\xff\xff\x7f\x85")])
def test_an_array_that_claims_other_bytes_is_refused(change: tuple[bytes, bytes]) -> None:
    honest = pickle.dumps(np.zeros(4, np.float32), 2)
    assert lamina.load(io.BytesIO(honest)).shape == (4,)
    assert change[0] in honest
    with pytest.raises(lamina.io.UnpicklingError, match="has 16 bytes"):
        lamina.load(io.BytesIO(honest.replace(*change)))
