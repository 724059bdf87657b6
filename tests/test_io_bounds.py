"""Files of a few bytes that ask for hours, gigabytes, or what never ends: each is refused at once."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

import lamina
from lamina.io import safetensors
from source_torch import NO_HOOKS, X, call, dict_of, integer, name, storage, tensor, text, tuple_of, zip_of

SECONDS = 20  # the least of them took hours


@pytest.fixture(autouse=True)
def quick():
    begin = time.process_time()
    yield
    assert time.process_time() - begin < SECONDS


# A list of ten times the one before, thirty times over: whoever prints it never ends.
LAUGH = b"]q\0" + b"".join(b"](" + b"h%c" % n * 10 + b"eq%c" % (n + 1) for n in range(30))
JOKE = tuple_of(LAUGH)
BIG = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x3f"  # the integer 2^62 - 1
PRINTED = {
    "as a storage": JOKE + b"Q",
    "as a size": call(("torch", "Size"), JOKE),
    "as a function": JOKE + b")R",
    "as a device": call(("torch", "device"), JOKE),
    "as the index of a device": call(("torch", "device"), text("cuda"), JOKE),
    "as a dtype of NumPy": call(("numpy", "dtype"), JOKE),
    "as an encoding": call(("_codecs", "encode"), text("a"), JOKE),
    "as the name of a storage": tuple_of(
        text("storage"), name("torch", "FloatStorage"), JOKE, text("cpu"), integer(1)
    )
    + b"Q",
    "as the size of a storage": tuple_of(
        text("storage"), name("torch", "FloatStorage"), text("0"), text("cpu"), JOKE
    )
    + b"Q",
}


@pytest.mark.parametrize("part", PRINTED.values(), ids=list(PRINTED))
def test_messages_do_not_print_what_a_pickle_repeats(part):
    with pytest.raises(lamina.io.UnpicklingError, match="at byte"):
        lamina.load(io.BytesIO(zip_of(part)))


def test_sizes_without_number():
    long = (b"(" + BIG * 300_000 + b"t", b"(" + b"K\0" * 300_000 + b"t")
    part = call(("torch._utils", "_rebuild_tensor_v2"), storage("0", 6), integer(0), *long, b"\x89", NO_HOOKS)
    with pytest.raises(lamina.FileFormatError, match="300000 numbers, more than 64"):
        lamina.load(io.BytesIO(zip_of(dict_of(x=part))))
    header = {"x": {"dtype": "F32", "shape": [2**62] * 300_000, "data_offsets": [0, 0]}}
    packed = json.dumps(header).encode()
    with pytest.raises(lamina.FileFormatError, match="300000 dimensions, more than 64"):
        safetensors.load(struct.pack("<Q", len(packed)) + packed)


def test_a_tensor_that_repeats_its_storage_without_end():
    with pytest.raises(lamina.FileFormatError, match="repeats a storage of 24 bytes"):
        lamina.load(io.BytesIO(zip_of(dict_of(x=tensor(storage("0", 6), (2**20, 2**20), (0, 0))))))
    x = lamina.load(io.BytesIO(zip_of(dict_of(x=tensor(storage("0", 6), (2**10, 2**10), (0, 0))))))["x"]
    assert x.shape == (2**10, 2**10) and x.stride() == (0, 0)


def test_names_of_modules_in_modules():
    """A name of 100 kB, said once, is that of every module in modules that are nested 400 deep."""
    key = b"X" + struct.pack("<I", 100_000) + b"M" * 100_000 + b"q\1" + b"0"
    record = b"c__torch__\nM\n)R"
    inside = record + b"}X\1\0\0\0th\2sb"
    for _ in range(400):
        inside = record + b"}(X\1\0\0\0th\2h\1" + inside + b"ub"
    part = key + tensor(storage("0", 6)) + b"q\2" + b"0" + inside
    with pytest.raises(lamina.FileFormatError, match="the same values over and over"):
        lamina.load(io.BytesIO(zip_of(part, more=[("archive/code/x.py", b"")])))


def test_an_ordered_dict_keeps_its_methods():
    for word in ("items", "__class__", "keys"):
        with pytest.raises(lamina.FileFormatError, match="that it does not have itself"):
            lamina.load(io.BytesIO(zip_of(NO_HOOKS + dict_of(**{word: b"N"}) + b"b")))


def test_what_is_no_file(tmp_path):
    pipe = tmp_path / "pipe.index.json"
    os.mkfifo(pipe)
    for path in (pipe, "/dev/zero"):
        with pytest.raises(lamina.FileFormatError, match="this is a pipe or a device, and no file"):
            lamina.load(path)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "pipe"}}))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(lamina.FileFormatError, match="this is a pipe"):
        lamina.load(index)


SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 40,
    "max_position_embeddings": 16,
}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("num_hidden_layers", 2**31 - 1, "num_hidden_layers is 2147483647, but the file has 23 tensors"),
        ("num_hidden_layers", 100_000, "num_hidden_layers is 100000"),
        ("hidden_size", 2**30, "hidden_size is 1073741824, but the file has"),
        ("vocab_size", 2**31 - 1, "vocab_size is 2147483647"),
        ("type_vocab_size", 2**31 - 1, "type_vocab_size is"),
        ("max_position_embeddings", 2**31 - 1, "allocate"),
        ("pad_token_id", 2**31 - 1, "padding_idx 2147483647"),
        ("hidden_dropout_prob", 7, "hidden_dropout_prob must be a number from 0 to 1"),
        ("initializer_range", float("nan"), "initializer_range must be a number"),
    ],
)
def test_a_configuration_asks_for_no_more_than_its_weights(tmp_path, field, value, message):
    kind = lamina.models.text.BertModel
    kind(kind.config_class(**SMALL)).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert lamina.models.from_pretrained(tmp_path, quiet=True).config.vocab_size == 40
    (tmp_path / "config.json").write_text(json.dumps({**config, field: value}))
    with pytest.raises(lamina.FileFormatError, match=message):
        lamina.models.from_pretrained(tmp_path, quiet=True)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("BertModel", {"model_type": {"a": 1}, "architectures": None}),
        ("BertModel", {"model_type": ["bert"], "architectures": [3]}),
        ("LlamaForCausalLM", {"layer_types": [["full_attention"]]}),
    ],
)
def test_a_configuration_of_other_kinds(tmp_path, kind, changes):
    """What the fuzzer found: lists and objects where words are expected."""
    model = getattr(lamina.models.text, kind)
    model(model.config_class(**SMALL)).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(lamina.FileFormatError, match=next(iter(changes))):
        lamina.models.from_pretrained(tmp_path, quiet=True)


@pytest.mark.parametrize("shard", ["\ud800", "a\nb", "\x1b[2J"])
def test_a_shard_whose_name_cannot_be_one(tmp_path, shard):
    path = tmp_path / "model.index.json"
    path.write_text(json.dumps({"weight_map": {"a": shard}}))
    with pytest.raises(lamina.FileFormatError, match="is not the name of a file beside the index"):
        lamina.load(path)


@pytest.mark.parametrize("shape", [(), (0, 84), (3, 4, 5), (7, 84)])
def test_a_head_of_no_network(tmp_path, shape):
    state = lamina.models.vision.lenet5(num_classes=3).state_dict()
    lamina.save({**state, "classifier.5.weight": lamina.zeros(shape)}, tmp_path / "x.pt")
    with pytest.raises(lamina.FileFormatError, match=r"classifier\.5"):
        lamina.models.from_pretrained(tmp_path / "x.pt", quiet=True)


def test_links_that_go_round(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for place in ("a/one", "a/two"):
        (tmp_path / place).mkdir(parents=True)
        image.new("RGB", (2, 2)).save(tmp_path / place / "x.png")
        for number in range(3):
            os.symlink(tmp_path / "a", tmp_path / place / f"up{number}")
    found = lamina.vision.datasets.ImageFolder(tmp_path)
    assert [path for path, _ in found.samples] == [str(tmp_path / f"a/{one}/x.png") for one in ("one", "two")]


def test_images_that_are_something_else(tmp_path):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / "x.png"
    loader = lamina.vision.datasets.folder.default_loader
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nquit\n")
    with pytest.raises(lamina.FileFormatError, match="a program in PostScript"):
        loader(path)
    image.new("1", (9000, 9000)).save(path)
    assert path.stat().st_size < 30_000
    with pytest.raises(lamina.FileFormatError, match="claims 81000000 pixels"):
        loader(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(lamina.FileFormatError, match="a pipe or a device"):
        loader(path)


EXHAUST = """
import resource, lamina
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20),) * 2)
kept = []
try:
    while True:
        kept.append(lamina.empty(4))
except MemoryError:
    count, kept = len(kept), None
    print(count > 1000)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_at_its_end_is_an_exception():
    done = subprocess.run([sys.executable, "-c", EXHAUST], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "True", done.stderr[-300:]


def test_nothing_that_is_right_is_refused():
    loaded = lamina.load(io.BytesIO(zip_of(X)))["x"]
    assert np.array_equal(loaded.numpy(), np.arange(6, dtype=np.float32).reshape(2, 3))
