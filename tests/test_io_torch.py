"""PyTorch's files: read without PyTorch, and judged by PyTorch where it is installed."""

from __future__ import annotations

import io
from collections import Counter, OrderedDict

import numpy as np
import pytest

import lamina
from lamina import nn, optim
from source_torch import (
    SIX,
    STORAGES,
    X,
    call,
    dict_of,
    integer,
    name,
    numbers,
    storage,
    stream_of,
    tensor,
    text,
    tuple_of,
    zip_of,
)

FORMATS = {"zip": zip_of, "stream": stream_of}


def load(data, *args, **options):
    return lamina.load(io.BytesIO(data), *args, **options)


def pack(kind, part, values, key="0"):
    data = np.asarray(values).tobytes()
    if kind == "zip":
        return zip_of(part, [(key, data)])
    return stream_of(part, [(key, len(np.asarray(values)), data)])


# ---- without PyTorch


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("dtype", STORAGES)
def test_every_storage(tmp_path, kind, dtype):
    values = np.array([0, 1, 1, 0, 1, 0]).astype(STORAGES[dtype])
    data = pack(kind, dict_of(x=tensor(storage("0", 6, dtype))), values)
    path = tmp_path / "f.pt"
    path.write_bytes(data)
    for loaded in (load(data), lamina.load(path), lamina.load(path, mmap=True)):
        assert loaded["x"].dtype == getattr(lamina, STORAGES[dtype])
        assert loaded["x"].tolist() == values.reshape(2, 3).tolist()
    assert path.read_bytes() == data


@pytest.mark.parametrize("kind", FORMATS)
def test_strides_offsets_and_sharing(kind):
    part = storage("0", 6)
    data = FORMATS[kind](
        dict_of(
            whole=tensor(part),
            turned=tensor(part, (3, 2), (1, 3)),
            row=tensor(part, (3,), (1,), 3),
            wide=tensor(part, (4,), (0,), 5),
            none=tensor(part, (0, 2), (2, 1)),
            scalar=tensor(part, (), (), 2),
        )
    )
    x = load(data)
    assert x["turned"].tolist() == [[0, 3], [1, 4], [2, 5]] and x["turned"].stride() == (1, 3)
    assert x["wide"].tolist() == [5] * 4 and tuple(x["none"].shape) == (0, 2) and x["scalar"].item() == 2
    x["whole"][1, 0] = 7
    assert x["row"].tolist() == [7, 4, 5] and x["turned"][0, 1].item() == 7


@pytest.mark.parametrize("place", ["cpu", "cuda:0", "mps", "xla:3", "meta"])
@pytest.mark.parametrize("package", ["torch", "torch.cuda"])
def test_storages_of_any_device(place, package):
    for make in FORMATS.values():
        data = make(dict_of(x=tensor(storage("0", 6, place=place, package=package))))
        for where in (None, "cpu", lamina.device("cpu"), {}, {place: "cpu"}, lambda flat, location: flat):
            assert load(data, where)["x"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_map_location():
    seen = []

    def keep(flat, location):
        seen.append((flat.tolist(), location))
        return flat * 2 if location == "cuda:1" else None

    for make in FORMATS.values():
        x = load(make(dict_of(x=tensor(storage("0", 6, place="cuda:1")))), map_location=keep)["x"]
        assert x.tolist() == [[0, 2, 4], [6, 8, 10]]
    assert seen == [([0, 1, 2, 3, 4, 5], "cuda:1")] * 2
    for where in ("cuda", lamina.device("cuda:0"), {"cpu": "cuda:0"}, 0):
        with pytest.raises(RuntimeError, match=r"lamina has no (device|accelerator)"):
            load(zip_of(X), where)
    with pytest.raises(TypeError, match="map_location must return the storage"):
        load(zip_of(X), lambda flat, location: "cpu")


def test_parameters_and_everything_around_tensors():
    part = storage("0", 6)
    data = zip_of(
        dict_of(
            weight=call(("torch._utils", "_rebuild_parameter"), tensor(part), b"\x88", b"}"),
            frozen=call(("torch._utils", "_rebuild_parameter"), tensor(part), b"\x89", b"}"),
            leaf=tensor(part, grad=b"\x88"),
            old=call(("torch._utils", "_rebuild_tensor"), part, integer(0), numbers(2), numbers(1)),
            size=call(("torch", "Size"), numbers(2, 3)),
            device=call(("torch", "device"), text("cuda"), integer(1)),
            dtype=name("torch", "float16"),
            counter=call(("collections", "Counter"), b"}" + text("a") + integer(2) + b"s"),
            set=call(("__builtin__", "set"), b"](" + integer(1) + integer(2) + b"e"),
            complex=call(("__builtin__", "complex"), integer(1), integer(2)),
            bytes=call(("_codecs", "encode"), text("\u00e9\u0001"), text("latin1")),
            numpy=call(
                ("numpy.core.multiarray", "scalar"),
                call(("numpy", "dtype"), text("f8"), b"\x89", b"\x88")
                + tuple_of(integer(3), text("<"), b"N", b"N", b"N", integer(-1), integer(-1), integer(0))
                + b"b",
                call(("_codecs", "encode"), text("\0" * 6 + "\u00f8?"), text("latin1")),
            ),
            float=b"G?\xf8\0\0\0\0\0\0",
            nested=b"](" + numbers() + b"]" + b"}" + b"N" + b"e",
        )
    )
    x = load(data)
    assert isinstance(x["weight"], nn.Parameter) and x["weight"].requires_grad
    assert isinstance(x["frozen"], nn.Parameter) and not x["frozen"].requires_grad
    assert x["leaf"].requires_grad and not isinstance(x["leaf"], nn.Parameter) and x["old"].tolist() == [0, 1]
    assert x["size"] == lamina.Size([2, 3]) and x["device"] == lamina.device("cuda:1")
    assert x["dtype"] is lamina.float16 and x["counter"] == Counter("aa") and x["set"] == {1, 2}
    assert x["complex"] == 1 + 2j and x["bytes"] == b"\xe9\x01" and x["numpy"] == 1.5 and x["float"] == 1.5
    assert x["nested"] == [(), [], {}, None]


def test_a_view_of_a_storage_as_it_was_before_04():
    view = tuple_of(text("v"), integer(2), integer(3))
    old = tuple_of(text("storage"), name("torch", "FloatStorage"), text("0"), text("cpu"), integer(6), view)
    x = load(stream_of(dict_of(x=tensor(old + b"Q", (3,), (1,)), y=tensor(storage("0", 6)))))
    assert x["x"].tolist() == [2, 3, 4]
    x["y"][0, 2] = 9
    assert x["x"].tolist() == [9, 3, 4]


def test_torchscript_gives_its_tensors():
    inner = (
        name("__torch__.net", "Conv")
        + b")\x81"
        + dict_of(weight=tensor(storage("0", 6)), n=integer(3))
        + b"b"
    )
    pair = call(("torch.jit._pickle", "build_intlist"), b"](" + integer(1) + b"e")
    outer = dict_of(training=b"\x88", pair=pair, conv=inner, bias=tensor(storage("1", 2), (2,), (1,)))
    data = zip_of(
        name("__torch__", "Net") + b")\x81" + outer + b"b",
        [("0", SIX.tobytes()), ("1", SIX[:2].tobytes())],
        "net",
        [("net/code/__torch__.py", "import os; os.abort()"), ("net/constants.pkl", b"")],
    )
    x = load(data)
    assert list(x) == ["conv.weight", "bias"] and x["bias"].tolist() == [0, 1]


def test_deflated_archives():
    import zipfile

    assert load(zip_of(X, compression=zipfile.ZIP_DEFLATED))["x"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_pickle_alone():
    import pickle

    for protocol in (2, 3, 4, 5):
        value = {
            "a": [1.5, -(2**70)],
            "b": (None, {1, 2}, b"x", "\u00e9"),
            "c": OrderedDict(d=bytearray(b"y")),
        }
        assert load(pickle.dumps(value, protocol)) == value


# ---- what lamina writes


def checkpoint():
    base = lamina.arange(12.0).reshape(3, 4)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    step = optim.AdamW(model.parameters())
    model(lamina.randn(5, 3)).sum().backward()
    step.step()
    return {
        "turned": base.t(),
        "rows": base[1:],
        "gaps": lamina.arange(10.0)[::3],
        "wide": lamina.ones(1).expand(5),
        "none": lamina.zeros(0, 3),
        "scalar": lamina.tensor(2.5),
        "parameter": nn.Parameter(lamina.randn(2)),
        "leaf": lamina.zeros(2, requires_grad=True),
        **{
            str(d).rpartition(".")[2]: lamina.ones(3).to(d)
            for d in (lamina.bfloat16, lamina.float16, lamina.bool)
        },
        "model": model.state_dict(),
        "optimizer": step.state_dict(),
        "around": [
            1,
            -(2**70),
            1.5,
            float("inf"),
            True,
            None,
            "\u00e9\ud800",
            b"\xff",
            bytearray(b"y"),
            1 + 2j,
        ],
        "sets": {1, "a"},
        "kinds": (lamina.Size([2]), lamina.int64, lamina.device("cpu"), (), [], {}),
        "keys": {None: 1, True: 2, 2.5: 3, (1, 2): 4, "": 5, 7: 6},
    }


def equal(a, b, where="") -> None:
    """Both hold the same: types, strides, what requires gradients."""
    if hasattr(a, "stride"):
        assert (
            tuple(a.shape) == tuple(b.shape) and str(a.dtype).split(".")[1] == str(b.dtype).split(".")[1]
        ), where
        assert a.requires_grad == b.requires_grad and type(a).__name__ == type(b).__name__, where
        assert where.endswith("gaps") or tuple(a.stride()) == tuple(b.stride()), where
        assert a.detach().double().tolist() == b.detach().double().tolist(), where
    elif isinstance(a, dict):
        assert list(a) == list(b) and type(a) is type(b), where
        for key in a:
            equal(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b) and type(a).__name__ == type(b).__name__, where
        for at, pair in enumerate(zip(a, b, strict=True)):
            equal(*pair, f"{where}.{at}")
    elif type(a).__name__ in ("dtype", "device"):
        assert str(a).split(".")[-1] == str(b).split(".")[-1]
    else:
        assert a == b and type(a) is type(b), where


def test_what_is_written_is_read(tmp_path):
    saved = checkpoint()
    lamina.save(saved, tmp_path / "f.pt")
    file = io.BytesIO()
    lamina.save(saved, file)
    assert file.getvalue() == (tmp_path / "f.pt").read_bytes()
    for loaded in (lamina.load(tmp_path / "f.pt"), load(file.getvalue(), weights_only=False)):
        equal(saved, loaded)
        assert loaded["model"]._metadata == saved["model"]._metadata
        loaded["turned"][0, 1] = 99
        assert loaded["rows"][0, 0].item() == 99
    for alone in (3, None, "x", [], (1,), lamina.ones(2)):
        lamina.save(alone, tmp_path / "g")
        equal(alone, lamina.load(tmp_path / "g"))


def test_objects_met_twice_stay_one():
    x, inner = lamina.ones(2), [1]
    file = io.BytesIO()
    lamina.save({"a": x, "b": x, "c": inner, "d": inner}, file)
    loaded = load(file.getvalue())
    assert loaded["a"] is loaded["b"] and loaded["c"] is loaded["d"]


def test_a_part_of_a_tensor_does_not_save_the_whole(tmp_path):
    large = lamina.zeros(1000, 1000)
    lamina.save({"row": large[3], "corner": large[:2, :2]}, tmp_path / "f.pt")
    assert (tmp_path / "f.pt").stat().st_size < 10_000
    assert lamina.load(tmp_path / "f.pt")["corner"].stride() == (2, 1)


# ---- against PyTorch


@pytest.mark.parametrize("zipped", [True, False])
def test_reads_what_pytorch_writes(zipped):
    torch = pytest.importorskip("torch")
    base = torch.arange(12.0).reshape(3, 4)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    step = torch.optim.AdamW(model.parameters())
    model(torch.randn(2, 3, 5, 5)).sum().backward()
    step.step()
    saved = {
        "turned": base.t(),
        "rows": base[1:],
        "wide": torch.ones(1).expand(5),
        "none": torch.zeros(0, 3),
        "scalar": torch.tensor(2.5),
        "parameter": torch.nn.Parameter(torch.randn(2)),
        "leaf": torch.zeros(2, requires_grad=True),
        "last": torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last),
        **{d: torch.ones(3).to(getattr(torch, d)) for d in ("bfloat16", "float16", "bool", "int8", "int64")},
        "model": model.state_dict(),
        "optimizer": step.state_dict(),
        "epoch": 3,
        "set": {1, 2},
        "around": [1, -(2**70), 1.5, True, None, "\u00e9", b"\xff", bytearray(b"y"), 1 + 2j, torch.Size([2])],
        "kinds": (torch.float32, torch.device("cpu"), Counter("ab"), OrderedDict(a=1)),
    }
    file = io.BytesIO()
    torch.save(saved, file, _use_new_zipfile_serialization=zipped)
    loaded = load(file.getvalue())
    equal(saved, loaded)
    loaded["turned"][0, 1] = 99
    assert loaded["rows"][0, 0].item() == 99


def test_pytorch_reads_what_lamina_writes(tmp_path):
    torch = pytest.importorskip("torch")
    saved = checkpoint()
    lamina.save(saved, tmp_path / "f.pt")
    for mmap in (False, True):
        loaded = torch.load(tmp_path / "f.pt", weights_only=True, mmap=mmap)
        equal(saved, loaded)
        loaded["turned"][0, 1] = 99
        assert loaded["rows"][0, 0].item() == 99
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    model.load_state_dict(loaded["model"])
    torch.optim.AdamW(model.parameters()).load_state_dict(loaded["optimizer"])


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_as_pytorch_writes_it(tmp_path):
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Sequential(torch.nn.BatchNorm1d(3)))
    path = tmp_path / "f.pt"
    torch.jit.trace(model.eval(), torch.zeros(1, 2)).save(str(path))
    loaded, expected = lamina.load(path), model.state_dict()
    expected.pop("1.0.num_batches_tracked")  # a trace leaves out what it does not use
    for key, value in expected.items():
        assert loaded[key].detach().tolist() == value.tolist(), key
