"""Every reader on damaged files: an error about the file, or something that can be looked at.

tests/fuzz.py searches further, led by coverage; what it finds is kept here.
"""

from __future__ import annotations

import base64
import importlib.util
import random

import pytest

import fuzz

FINDS = {
    # A name that is no UTF-8 comes out of protobuf as bytes.
    "onnx": ["CAg6OQoMCgF4EgGBIgRSZex1EgVnEgVncmFwaFoXCgF4EhIKEAgBEgwKAggIAwoCCARiCQoBeRIECgIIAEIECgAQDw=="],
}


@pytest.fixture(params=fuzz.READERS)
def reader(request):
    if request.param == "onnx" and importlib.util.find_spec("onnx") is None:
        pytest.skip("the onnx package is not installed")
    return request.param


def damaged(data, rng):
    """A copy with some bytes changed, removed or repeated, perhaps cut short."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        where, what = rng.randrange(len(out) + 1), rng.randrange(4)
        if what == 0 and where < len(out):
            out[where] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
        elif what == 1:
            del out[where : where + rng.randint(1, 9)]
        elif what == 2:
            out[where:where] = data[rng.randrange(len(data)) :][: rng.randint(1, 9)]
        elif rng.random() < 0.3:
            del out[where:]
    return bytes(out)


def test_damage(reader):
    rng = random.Random(0)
    good = fuzz.good_files(reader)
    taken = sum(fuzz.feed(reader, damaged(rng.choice(good), rng)) for _ in range(2000))
    assert 0 < taken < 1500


def test_every_length(reader):
    for good in fuzz.good_files(reader):
        for length in range(0, len(good), 1 + len(good) // 400):
            fuzz.feed(reader, good[:length])


def test_finds(reader):
    for find in FINDS.get(reader, []):
        assert not fuzz.feed(reader, base64.b64decode(find))
