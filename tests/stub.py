"""Writes python/lamina/_core.pyi from the built core and from what Python adds to Tensor: python
tests/stub.py.

test_tensor_stub.py fails where the file is not what this makes of the present code.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lamina
from lamina import _core

STUB = Path(__file__).resolve().parents[1] / "python" / "lamina" / "_core.pyi"

# What makes an object of a class of the core.
MAKING = {
    "Generator": 'device: Any = "cpu"',
    "Decoder": "heads: _int, kv_heads: _int, size: _int, eps: _float, scale: _float | None = None, "
    "activation: str = 'silu'",
}

HEAD = '''"""The types of the compiled core, with what Python adds to Tensor. Made by tests/stub.py."""

# mypy: disable-error-code="overload-overlap, overload-cannot-match, misc, override"
import builtins
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, overload

import numpy as np

from lamina.device_type import device as _device
from lamina.query import layout as _layout
from lamina.size import Size

# Names that are methods of Tensor as well could not be read as types inside of it.
_bool: TypeAlias = builtins.bool
_int: TypeAlias = builtins.int
_float: TypeAlias = builtins.float
_complex: TypeAlias = builtins.complex
_type: TypeAlias = builtins.type
_dtype: TypeAlias = dtype
Number: TypeAlias = _complex
Shape: TypeAlias = Sequence[_int] | _int
Dims: TypeAlias = _int | Sequence[_int] | None

__version__: str
'''

# The core's words and those of annotations in Python, as they can be written in the stub.
WORDS = [
    (r"-> complex\b", "-> _complex"),
    (r"typing\.SupportsInt \| typing\.SupportsIndex", "_int"),
    (r"typing\.SupportsFloat \| typing\.SupportsIndex", "_float"),
    (r"int \| tuple\[int, \.\.\.\] \| None", "Dims"),
    (r"collections\.abc\.|typing\.|types\.(?=SimpleNamespace)|lamina\._core\.|numpy\.", ""),
    (r"(?<=[:>] )ndarray\b", "np.ndarray[Any, Any]"),
    (r"(?<=[:>] )np\.ndarray\b(?!\[)", "np.ndarray[Any, Any]"),
    (r": (\w+) = None", r": \1 | None = None"),
    (r"(?<=: )Size\b", "Shape"),
    (r"(?<![\w.])(int|float|bool|dtype|type)(?=$|[\s\],|)=])", r"_\1"),
    (r"\bDtype\b", "_dtype"),
    (r"\bDevice\b", "_device"),
    (r"(?<=-> )object\b", "Any"),
    (r"(?<=: )object\b", "Any"),
    (r"\*args(?!:)", "*args: Any"),
    (r"\*\*kwargs(?!:)", "**kwargs: Any"),
    (r"<[^>]*>", "..."),
]
# What a docstring of pybind11 calls an argument that Python cannot.
KEYWORDS = {"from"}


def worded(signature: str) -> str:
    for pattern, word in WORDS:
        signature = re.sub(pattern, word, signature)
    return signature


def signatures(name: str, doc: str | None) -> list[str]:
    """``(input: Tensor) -> Tensor`` for every overload that a docstring of pybind11 lists."""
    lines = (doc or "").splitlines()
    overloads = [line.partition(". ")[2] for line in lines if re.match(rf"\d+\. {name}\(", line)]
    found = overloads or lines[:1]
    result = []
    for line in found:
        text = worded(line.removeprefix(name))
        for word in KEYWORDS:
            text = re.sub(rf"(?<=[(\s]){word}(?=:)", f"{word}_", text)
        result.append(text)
    return result


def definitions(name: str, found: list[str], indent: str) -> Iterator[str]:
    for signature in found:
        if len(found) > 1:
            yield f"{indent}@overload"
        yield f"{indent}def {name}{signature}: ..."


def bound(signature: str) -> str:
    """A method's signature: whatever its first argument is called, it is self."""
    return re.sub(r"^\((?:\w+)(?:: [^,)]*)?(?=[,)])", "(self", signature)


def python_signature(function: Any) -> str:
    """The signature of a function of ours; what is no literal is shown as ``...``."""
    signature = inspect.signature(function)
    parameters = []
    for parameter in signature.parameters.values():
        default = parameter.default
        if default is not inspect.Parameter.empty and not isinstance(
            default, (int, float, str, bool, type(None))
        ):
            parameter = parameter.replace(default=...)
        parameters.append(parameter)
    plain = str(signature.replace(parameters=parameters)).replace("'", '"')
    return worded(re.sub(r'(?<=: |> )"([^"]*)"', r"\1", plain).replace("Ellipsis", "..."))


def method(name: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, property):
        getter = value.fget
        doc = getattr(getter, "__doc__", "") or ""
        kind = doc.rpartition("-> ")[2].strip() if "->" in doc else ""
        yield f"{indent}@property"
        yield f"{indent}def {name}(self) -> {worded('-> ' + kind)[3:] if kind else PROPERTY_TYPES[name]}: ..."
        if value.fset:
            yield f"{indent}@{name}.setter"
            yield f"{indent}def {name}(self, value: Any) -> None: ..."
    elif name == "_make_subclass":
        yield f"{indent}@staticmethod"
        yield f"{indent}def {name}(cls: _type, data: Tensor, require_grad: _bool = False) -> Any: ..."
    elif isinstance(value, types.FunctionType):
        yield from definitions(name, [bound(python_signature(value))], indent)
    else:
        yield from definitions(name, [bound(s) for s in signatures(name, value.__doc__)], indent)


PROPERTY_TYPES = {
    "layout": "_layout",
    "device": "_device",
    "grad_fn": "Any",
    "T": "Tensor",
    "H": "Tensor",
    "mT": "Tensor",
    "mH": "Tensor",
    "real": "Tensor",
    "imag": "Tensor",
    **dict.fromkeys(
        "is_cpu is_cuda is_meta is_mkldnn is_mps is_nested is_quantized is_sparse is_sparse_csr "
        "is_xpu".split(),
        "_bool",
    ),
}
# Slots of the C type: their signatures are not written anywhere else.
OPERATORS = {
    "add sub mul truediv floordiv mod pow": "(self, other: Tensor | Number) -> Tensor",
    "and or xor lshift rshift": "(self, other: Tensor | Number) -> Tensor",
    "radd rsub rmul rtruediv rfloordiv rmod rpow rand ror rxor": "(self, other: Number) -> Tensor",
    "iadd isub imul itruediv ifloordiv imod ipow iand ior ixor": "(self, other: Tensor | Number) -> Tensor",
    "eq ne lt le gt ge": "(self, other: Any) -> Tensor",
    "matmul": "(self, other: Tensor) -> Tensor",
    "neg pos abs invert": "(self) -> Tensor",
    "getitem": "(self, key: Any) -> Tensor",
    "setitem": "(self, key: Any, value: Any) -> None",
    "len index int": "(self) -> _int",
    "float": "(self) -> _float",
    "bool": "(self) -> _bool",
    "init": "(self, *args: Any) -> None",
}
GENERIC = {"__class__", "__dict__", "__doc__", "__module__", "__weakref__", "__new__", "__hash__"}


def members(kind: type) -> Iterator[str]:
    """The definitions of a class of the core."""
    operators = {f"__{word}__" for words in OPERATORS for word in words.split()}
    for name, value in sorted(vars(kind).items()):
        if name in GENERIC or (name.startswith("__") and name in operators) or name.startswith("_pybind11"):
            continue
        if name.startswith("__") and not isinstance(value, types.FunctionType):
            continue
        yield from method(name, value, "    ")


def tensor_class() -> Iterator[str]:
    yield "class Tensor:"
    yield "    __array_priority__: _int"
    yield "    __hash__: Callable[[Tensor], _int]  # type: ignore[assignment]"
    for words, signature in OPERATORS.items():
        for word in words.split():
            yield f"    def __{word}__{signature}: ..."
    yield from members(lamina.Tensor)


def stub() -> str:
    lines = [HEAD]
    for name, value in sorted(vars(_core).items()):
        if name.startswith("__"):
            continue
        if name == "Tensor":
            lines += tensor_class()
        elif isinstance(value, type) and issubclass(value, Exception):
            lines.append(f"class {name}({', '.join(base.__name__ for base in value.__bases__)}): ...")
        elif isinstance(value, type):
            inside = list(members(value))
            if name in MAKING:
                inside.insert(0, f"    def __init__(self, {MAKING[name]}) -> None: ...")
            lines += [f"class {name}:", *(inside or ["    ..."])]
        elif not callable(value):
            lines.append(f"{name}: {type(value).__name__}")
        else:
            lines += definitions(name, signatures(name, value.__doc__), "")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    STUB.write_text(stub())
