"""What a ``config.json`` says of a model, as a checked dataclass. The models read it, nobody else."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar, TypeVar

import lamina
from lamina._core import ShapeError
from lamina.io.folder import read_json

C = TypeVar("C", bound="Config")
MAX_SIZE = 1 << 31  # of any number in a configuration: what is larger is a broken file
UNBOUND = ("token_id", "position", "window", "distance", "buckets")  # fields that may exceed any tensor


@dataclass
class Config:
    """The parent of all configurations. Fields have the names of ``config.json``.

    Attributes (of classes):
        ALIASES: other names of fields, such as ``n_embd`` for ``hidden_size``.
        ONLY: what changes the computation in a way that lamina lacks: the values that are understood.
        ZERO: whole numbers that may be 0 or less, as tokens may.
    """

    model_type: ClassVar[str] = ""
    ALIASES: ClassVar[dict[str, str]] = {}
    ONLY: ClassVar[dict[str, tuple[Any, ...]]] = {}
    ZERO: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(type(self).__name__, field, getattr(self, field.name), self.ZERO)
        self.validate()

    def validate(self) -> None:
        """Raise ShapeError where fields do not fit each other."""

    def demand(self, condition: bool, text: str) -> None:
        """Raise ShapeError with ``text`` unless the condition holds."""
        if not condition:
            raise ShapeError(f"{type(self).__name__}: {text}")

    def check_sizes(self, tensors: Mapping[str, Any]) -> None:
        """Raise ShapeError where a model would be larger than the tensors of its file can make it.

        So a file of a few bytes cannot ask for a billion layers, which would be made before any is missed.
        """
        most = sum(math.prod(tensor.shape) for tensor in tensors.values())
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int or any(word in field.name for word in UNBOUND):
                continue
            limit, what = (len(tensors), "tensors") if "layer" in field.name else (most, "numbers")
            self.demand(value <= limit, f"{field.name} is {value}, but the file has {limit} {what}")

    @classmethod
    def from_dict(cls: type[C], data: Mapping[str, Any]) -> C:
        """From the content of a ``config.json``; what does not concern the computation is passed over.

        Raises:
            ShapeError: a value is of the wrong kind, asks for something that lamina lacks, or fits no other.
        """
        if not isinstance(data, Mapping):
            raise ShapeError(f"{cls.__name__}: expected an object, got {type(data).__name__}")
        for key, allowed in cls.ONLY.items():
            if key in data and data[key] not in allowed:
                wanted = " or ".join(repr(value) for value in allowed)
                raise ShapeError(f"{cls.__name__}: {key} must be {wanted}, got {data[key]!r}")
        names = {field.name for field in fields(cls)}
        found = {}
        for key, value in data.items():
            name = cls.ALIASES.get(key, key)
            if name in names and (value is not None or name not in found):
                found[name] = value
        defaults = {f.name: f.default for f in fields(cls)}
        return cls(**{k: v for k, v in found.items() if v is not None or defaults[k] is None})

    @classmethod
    def from_json(cls: type[C], path: str | os.PathLike[str], **changes: Any) -> C:
        """From a ``config.json``, with ``changes`` on top.

        Raises:
            OSError: the file cannot be read.
            FileFormatError: it is no JSON, or what it says is wrong.
        """
        data = read_json(os.fspath(path))
        try:
            return cls.from_dict({**data, **changes})
        except ShapeError as error:
            raise lamina.FileFormatError(f"{os.fspath(path)}: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """What ``config.json`` would hold."""
        return {"model_type": self.model_type, **{f.name: getattr(self, f.name) for f in fields(self)}}


def _check(owner: str, field: Field[Any], value: Any, zero: frozenset[str]) -> None:
    """The kind of a field is the one it is declared with; None says nothing."""
    name, kind = field.name, str(field.type).removesuffix(" | None")
    if value is None or kind not in ("bool", "int", "float", "str"):
        return
    if kind in ("bool", "str"):
        good, wanted = isinstance(value, bool if kind == "bool" else str), kind
    elif kind == "int":
        whole = isinstance(value, int) and not isinstance(value, bool)
        free = name in zero or name.endswith("_token_id")
        good = whole and (-MAX_SIZE if free else 1) <= value < MAX_SIZE
        wanted = "a whole number" if free else "a positive whole number"
    else:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        share = "drop" in name  # the part that is dropped
        good = number and (0 <= value <= 1 if share else abs(value) < 1e30)
        wanted = "a number from 0 to 1" if share else "a number"
    if not good:
        raise ShapeError(f"{owner}: {name} must be {wanted}, got {value!r:.80}")
