"""The examples in the docstrings of lamina.nn run and print what they say; public names have a docstring."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import lamina
from lamina import nn

FILES = sorted(info.name for info in pkgutil.walk_packages(nn.__path__, "lamina.nn."))


@pytest.mark.parametrize("name", FILES)
def test_examples_run(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"lamina": lamina})
    assert result.failed == 0


@pytest.mark.parametrize("space", [nn, nn.functional, nn.utils, nn.init], ids=lambda space: space.__name__)
def test_public_names_say_what_they_do(space: ModuleType) -> None:
    names = getattr(space, "__all__", [name for name in dir(space) if name.endswith("_") and name[0] != "_"])
    assert len(names) > 5
    bare = [name for name in names if not (inspect.getdoc(vars(space)[name]) or "").strip()]
    own = [n for n in names if inspect.isclass(vars(space)[n]) and not vars(space)[n].__dict__.get("__doc__")]
    assert bare == [] and own == []


def test_some_examples_were_found() -> None:
    finder = doctest.DocTestFinder()
    modules = [importlib.import_module(name) for name in FILES]
    assert sum(bool(test.examples) for module in modules for test in finder.find(module)) > 40
