"""A machine for the opcodes of pickle that builds data and nothing else; Python's own one is not used.

It makes numbers, text, bytes and plain containers. Every other object comes from a table of globals that the
caller gives: functions of this library, never something imported by a name from the file. Memory and time
are bounded by the file's size. The opcodes are described in Python's Lib/pickletools.py.
"""

from __future__ import annotations

import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import lamina

from .pickle_step import MARK, MAX_NAME, STEPS, STOP

MAX_STACK = 1_000_000  # values waiting for their container
# Keys whose hashes are made to collide cost time with the square of their number. Numbers below this are
# their own hashes; of tuples there may be some thousands, none of them long.
MAX_KEY = 2**61 - 1
MAX_TUPLES, MAX_TUPLE = 10_000, 64


class UnpicklingError(lamina.FileFormatError, pickle.UnpicklingError):
    """A pickle that is broken, or that asks for something else than data."""


class Global:
    """What stands in a pickle for a name; ``make`` is called with the arguments that the pickle gives."""

    __slots__ = ("make", "name")

    def __init__(self, name: str, make: Callable[..., Any] | None = None) -> None:
        self.name, self.make = name, make

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def run(self, machine: Unpickler, arguments: tuple[Any, ...], new: bool) -> Any:
        """What it gives for arguments; with ``new`` the pickle asks for an object that is filled later."""
        assert self.make is not None
        return self.make(machine, *arguments)


class Record:
    """An object of a class that only the file knows: attributes, and no behaviour."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.attributes: dict[Any, Any] = {}


def shown(value: Any) -> str:
    """``value`` for a message; of containers, which may hold themselves or be of any depth, the kind."""
    if isinstance(value, (str, bytes, bytearray)):
        return repr(value[:80])
    if value is None or isinstance(value, (bool, int, float, Global, lamina.dtype)):
        return repr(value)[:80]
    return f"a {type(value).__name__}"


PLAIN_KEYS = (str, int, float, bool, bytes, type(None), lamina.dtype)
Find = Callable[[str], "Global | None"]


class Unpickler:
    """Reads one pickle after the other from ``data``; ``position`` is where the next one begins.

    Args:
        data: all bytes.
        name: what messages call them.
        find: the global of a dotted name, or None to refuse it.
        persistent: what a persistent id stands for.

    Raises:
        UnpicklingError: with the byte where it went wrong.
    """

    def __init__(
        self,
        data: bytes | memoryview,
        name: str,
        find: Find,
        persistent: Callable[[Any], Any] | None = None,
        position: int = 0,
    ) -> None:
        self.data, self.name, self.find, self.persistent = data, name, find, persistent
        self.position = self.opcode = position
        # Copies that a pickle may ask for: each opcode's argument may be as long as all that came before.
        self.tuples_left = MAX_TUPLES
        self.copies_left = 16 * len(data) + (1 << 20)

    def fail(self, text: str) -> NoReturn:
        raise UnpicklingError(f"{self.name}, at byte {self.opcode}: {text}")

    def load(self) -> Any:
        """The object of the pickle at ``position``."""
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.made: dict[int, tuple[Any, Any]] = {}  # objects of classes, and the globals that fill them
        self.steps, data, end, stack = STEPS, self.data, len(self.data), self.stack
        try:
            while self.position < end:
                self.opcode = self.position
                code = data[self.opcode]
                self.position += 1
                if code == STOP:
                    value = stack.pop()
                    if stack or value is MARK:
                        self.fail(f"the pickle ends with {len(stack)} values left over")
                    self.memo.clear()
                    return value
                step = self.steps[code]
                if step is None:
                    self.fail(f"opcode {bytes([code])!r} is none that lamina reads")
                step(self)
                if len(stack) > MAX_STACK:
                    self.fail(f"more than {MAX_STACK} values wait for their container")
        except UnpicklingError:
            raise
        # What built-in containers, tensors and the numbers' checks raise when the values are of another kind.
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RuntimeError) as error:
            raise UnpicklingError(
                f"{self.name}, at byte {self.opcode}: {type(error).__name__}: {str(error)[:300]}"
            ) from error
        self.opcode = end
        self.fail("the pickle is cut short")

    def take(self, count: int) -> bytes:
        left = len(self.data) - self.position
        if count > left:
            self.fail(f"{count} bytes are claimed, but {left} are left")
        self.position += count
        return bytes(self.data[self.position - count : self.position])

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def line(self) -> str:
        part = bytes(self.data[self.position : self.position + MAX_NAME])
        end = part.find(b"\n")
        if end < 0:
            self.fail(f"a name of more than {MAX_NAME} characters, or without an end")
        self.position += end + 1
        return part[:end].decode()

    def charge(self, *values: Any) -> None:
        """Count what is about to be copied; the same long value may be asked for again and again."""
        self.copies_left -= sum(len(value) for value in values if hasattr(value, "__len__"))
        if self.copies_left < 0:
            self.fail("the pickle copies the same values over and over")

    def pop_mark(self) -> list[Any]:
        stack = self.stack
        at = len(stack) - 1
        while stack[at] is not MARK:
            at -= 1
            if at < 0:
                self.fail("there is no mark on the stack")
        items = stack[at + 1 :]
        del stack[at:]
        return items

    def key(self, value: Any) -> Any:
        """``value`` if it may be a key: hashing nested tuples can take exponential time."""
        if type(value) is str:
            return value
        flat = value if isinstance(value, tuple) else (value,)
        if flat is value:
            self.tuples_left -= 1
            if self.tuples_left < 0:
                self.fail(f"more than {MAX_TUPLES} tuples are keys")
        for item in flat if len(flat) <= MAX_TUPLE else [flat]:
            if not isinstance(item, PLAIN_KEYS) or (isinstance(item, int) and abs(item) >= MAX_KEY):
                self.fail(f"this {type(value).__name__} cannot be a key or an element of a set")
        return value

    def set_items(self, target: Any, items: list[Any]) -> None:
        if not isinstance(target, dict) or len(items) % 2:
            self.fail(f"items are set on a {type(target).__name__}")
        for at in range(0, len(items), 2):
            target[self.key(items[at])] = items[at + 1]

    def extend(self, target: Any, items: list[Any]) -> None:
        if type(target) is not list:
            self.fail(f"items are appended to a {type(target).__name__}")
        target.extend(items)

    def find_global(self, module: str, name: str) -> Global:
        dotted = f"{module.replace('__builtin__', 'builtins')}.{name}"
        found = BUILTIN.get(dotted) or self.find(dotted)
        if found is None:
            self.fail(
                f"the global {dotted!r} is refused: lamina makes tensors, containers and numbers, and runs "
                "no code from a file. Save state_dict() instead of an object; a module saved whole by lamina "
                "needs weights_only=False, or its classes declared by lamina.serialization.safe_globals"
            )
        return found

    def call(self, function: Any, arguments: Any, new: bool = False) -> Any:
        """What a function gives for arguments; with ``new`` an object of a class, not yet initialised."""
        if not isinstance(function, Global) and callable(function):
            from .instance import declared_function

            function = declared_function(function)
        if not isinstance(function, Global) or function.make is None or type(arguments) is not tuple:
            self.fail(f"{type(function).__name__} {shown(function)} cannot be called")
        self.charge(arguments, *arguments)
        try:
            return function.run(self, arguments, new)
        except TypeError as error:
            self.fail(f"{function.name} with {len(arguments)} arguments: {str(error)[:300]}")

    def build(self, target: Any, state: Any) -> None:
        from .plain_object import set_state

        if isinstance(target, Record):
            if not isinstance(state, dict):
                self.fail(f"the state of {target.name} is a {type(state).__name__}")
            self.charge(state)
            target.attributes.update(state)
        elif isinstance(target, OrderedDict) and isinstance(state, dict):
            if not all(isinstance(key, str) and not hasattr(OrderedDict, key) for key in state):
                self.fail("an ordered dict's attributes must have names that it does not have itself")
            self.charge(state)
            target.__dict__.update(state)
        elif id(target) in self.made:
            self.made[id(target)][1].fill(self, target, state)
        elif not set_state(self, target, state):
            self.fail(f"the state of a {type(target).__name__} cannot be set")


def _ordered_dict(machine: Unpickler, *arguments: Any) -> OrderedDict[Any, Any]:
    return OrderedDict((machine.key(key), value) for items in arguments for key, value in _pairs(items))


def _counter(machine: Unpickler, items: Any = ()) -> Counter[Any]:
    return Counter({machine.key(key): value for key, value in _pairs(items)})


def _pairs(items: Any) -> Any:
    return items.items() if isinstance(items, Mapping) else items


def _set(machine: Unpickler, items: Any = ()) -> set[Any]:
    return {machine.key(item) for item in items}


def _encode(machine: Unpickler, text: str, encoding: str = "utf-8") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "utf-8", "utf8", "ascii"):
        machine.fail(f"a {type(text).__name__} cannot be encoded as {shown(encoding)}")
    return text.encode(encoding)


def _bytearray(machine: Unpickler, *arguments: Any) -> bytearray:
    if not arguments:
        return bytearray()
    first = arguments[0]
    if isinstance(first, str):
        first = _encode(machine, *arguments)
    if not isinstance(first, (bytes, bytearray)):
        machine.fail(f"a bytearray cannot be made of a {type(first).__name__}")
    return bytearray(first)


def _bytes(machine: Unpickler) -> bytes:
    """Of no length: others are encoded text in protocol 2."""
    return b""


def _complex(machine: Unpickler, real: float, imaginary: float = 0.0) -> complex:
    return complex(float(real), float(imaginary))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered_dict,
    "collections.Counter": _counter,
    "builtins.set": _set,
    "builtins.frozenset": lambda machine, *items: frozenset(_set(machine, *items)),
    "builtins.bytearray": _bytearray,
    "builtins.bytes": _bytes,
    "builtins.complex": _complex,
    "_codecs.encode": _encode,
}
BUILTIN = {name: Global(name, make) for name, make in FUNCTIONS.items()}
