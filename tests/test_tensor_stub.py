"""The stub says what the core is now: python tests/stub.py writes it."""

from __future__ import annotations

import stub


def test_the_stub_is_what_its_generator_makes_of_the_core() -> None:
    assert stub.STUB.read_text() == stub.stub(), "run: python tests/stub.py"
