"""device: where a tensor lives. lamina computes on the CPU; other names can be written, not used."""

from __future__ import annotations

from typing import Any

from lamina._core import ShapeError
from lamina.query import strided

KNOWN = ("cpu", "cuda", "mps")


class device:
    """The name of a device: a type and, where one type has many, a number.

    ``device("cpu")``, ``device("cpu:0")``, ``device("cpu", 0)``. Names of devices that lamina lacks can be
    made, so that a script may compare with them; a tensor cannot be put there.

    Raises:
        ShapeError: the name is not one of a device.

    >>> lamina.device("cuda" if lamina.cuda.is_available() else "cpu").type
    'cpu'
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, type: str | device, index: int | None = None) -> None:
        if isinstance(type, device):
            given = type
            type, index = given.type, given.index if index is None else index
        if not isinstance(type, str):
            raise TypeError(f"device: expected a name such as 'cpu', got {type!r}")
        name, colon, number = type.partition(":")
        wrong = name not in KNOWN or (colon and not number.isdecimal()) or (colon and index is not None)
        if wrong or (index is not None and index < 0):
            raise ShapeError(
                f"device: expected one of {', '.join(KNOWN)}, with or without a number, got {type!r}"
            )
        object.__setattr__(self, "type", name)
        object.__setattr__(self, "index", int(number) if colon else index)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"device: {name} cannot be changed")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple[Any, ...]:
        return device, (self.type, self.index)

    def __enter__(self) -> device:
        check(self)
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type={self.type!r}" + ("" if self.index is None else f", index={self.index}") + ")"


CPU = device("cpu")


def check(where: Any, layout: Any = None, pin_memory: bool = False) -> None:
    """Raise unless tensors can be made there, laid out so.

    Raises:
        RuntimeError: lamina has no such device, nor one that memory could be pinned for.
        TypeError: ``layout`` is not ``lamina.strided``.
    """
    if layout is not None and layout is not strided:
        raise TypeError(f"expected the layout lamina.strided, there is no other; got {layout!r}")
    if pin_memory:
        raise RuntimeError("pin_memory: lamina has no accelerator that memory could be pinned for")
    if where is None or where is CPU or where == "cpu":
        return
    if isinstance(where, int):
        raise RuntimeError(f"lamina has no accelerator number {where}; it computes on the cpu")
    if device(where).type != "cpu":
        raise RuntimeError(f"lamina has no device {where}; it computes on the cpu")


def set_default_device(device: device | str | None) -> None:
    """Say where new tensors are made: on the CPU, which is where lamina makes them.

    Raises:
        RuntimeError: lamina has no such device.
    """
    check(device)


def get_default_device() -> device:
    """Where new tensors are made."""
    return CPU
