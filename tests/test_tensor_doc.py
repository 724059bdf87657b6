"""The examples in the docstrings of the tensor's modules run, print what they say, and are there."""

from __future__ import annotations

import doctest
import importlib
import inspect

import numpy
import pytest

import lamina

FILES = (
    "combination contraction convert creation device_type dtype_info elementwise in_place indexing matrix "
    "order_statistic partition query random reduction return_types search shape size special system "
    "tensor_method testing autograd autograd.difference autograd.function autograd.functional "
    "autograd.grad_mode "
    "linalg.classic linalg.decomposition linalg.norm linalg.solution"
).split()
GLOBALS = {"lamina": lamina, "numpy": numpy}


@pytest.mark.parametrize("name", FILES)
def test_examples_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"lamina.{name}"), extraglobs=GLOBALS)
    assert result.failed == 0


def test_some_examples_were_found() -> None:
    finder = doctest.DocTestFinder()
    modules = [importlib.import_module(f"lamina.{name}") for name in FILES]
    assert sum(bool(test.examples) for module in modules for test in finder.find(module)) > 60


@pytest.mark.parametrize("name", FILES)
def test_public_names_say_what_they_do(name: str) -> None:
    module = importlib.import_module(f"lamina.{name}")
    bare = [n for n in getattr(module, "__all__", []) if not inspect.getdoc(getattr(module, n))]
    assert bare == []
