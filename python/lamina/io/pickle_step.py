"""What each opcode of pickle does to the machine of unpickler.py: a table of functions by the opcode's byte.

Missing are those for text protocols (0 and 1), for classes made by name and for extension codes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .unpickler import Global, Unpickler

MAX_NUMBER = 1024  # bytes of an integer; printing one takes time with the square of its length
MAX_NAME = 1000  # characters of a global's name


class _Mark:
    __slots__ = ()


MARK = _Mark()

STOP = ord(".")
Step = Callable[["Unpickler"], None]
STEPS: list[Step | None] = [None] * 256


def _does(code: bytes, step: Callable[[Unpickler], Any]) -> None:
    STEPS[code[0]] = step


def _push(code: bytes, value: Callable[[Unpickler], Any]) -> None:
    """An opcode that puts something on the stack."""
    STEPS[code[0]] = lambda machine: machine.stack.append(value(machine))


def _push_constant(code: bytes, value: Any) -> None:
    _push(code, lambda machine: value)


def _push_text(code: bytes, size: int) -> None:
    _push(code, lambda m: m.take(m.number(size)).decode("utf-8", "surrogatepass"))


def _push_bytes(code: bytes, size: int) -> None:
    _push(code, lambda m: m.take(m.number(size)))


def _push_tuple(code: bytes, count: int) -> None:
    _push(code, lambda m: _tuple_of(m, count))


def _long(machine: Unpickler, size: int) -> int:
    if size > MAX_NUMBER:
        machine.fail(f"an integer of {size} bytes; lamina reads up to {MAX_NUMBER}")
    return int.from_bytes(machine.take(size), "little", signed=True)


def _old_text(machine: Unpickler, size: int) -> str:
    data = machine.take(size)  # Python 2's str
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _proto(machine: Unpickler) -> None:
    version = machine.number(1)
    if not 2 <= version <= 5:
        machine.fail(f"protocol {version} of pickle; lamina reads 2 to 5")


def _memoize(machine: Unpickler, index: int) -> None:
    value = machine.stack[-1]
    if value is MARK:
        machine.fail("a mark cannot be remembered")
    machine.memo[index] = value


def _recall(machine: Unpickler, index: int) -> Any:
    if index not in machine.memo:
        machine.fail(f"nothing was remembered as {index}")
    return machine.memo[index]


def _tuple_of(machine: Unpickler, count: int) -> tuple[Any, ...]:
    stack = machine.stack
    items = tuple(stack[len(stack) - count :])
    if len(items) != count or any(item is MARK for item in items):
        machine.fail(f"a tuple of {count} with {len(items)} values on the stack")
    del stack[len(stack) - count :]
    return items


def _pop(machine: Unpickler) -> Any:
    value = machine.stack.pop()
    if value is MARK:
        machine.fail("a mark where a value is expected")
    return value


def _reduce(machine: Unpickler, new: bool = False) -> Any:
    arguments, function = _pop(machine), _pop(machine)
    return machine.call(function, arguments, new)


def _set_item(machine: Unpickler) -> None:
    value, key = _pop(machine), _pop(machine)
    machine.set_items(machine.stack[-1], [key, value])


def _append(machine: Unpickler) -> None:
    value = _pop(machine)
    machine.extend(machine.stack[-1], [value])


def _set_items(machine: Unpickler) -> None:
    items = machine.pop_mark()
    machine.set_items(machine.stack[-1], items)


def _appends(machine: Unpickler) -> None:
    items = machine.pop_mark()
    machine.extend(machine.stack[-1], items)


def _add_items(machine: Unpickler) -> None:
    items = machine.pop_mark()
    if type(machine.stack[-1]) is not set:
        machine.fail("elements are added to what is no set")
    machine.stack[-1].update(map(machine.key, items))


def _dict_of(machine: Unpickler) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    machine.set_items(result, machine.pop_mark())
    return result


def _build(machine: Unpickler) -> None:
    state = _pop(machine)
    machine.build(machine.stack[-1], state)


def _stack_global(machine: Unpickler) -> Global:
    name, module = _pop(machine), _pop(machine)
    if not isinstance(name, str) or not isinstance(module, str) or len(module) + len(name) > MAX_NAME:
        machine.fail("a global's name must be two strings")
    return machine.find_global(module, name)


def _persistent(machine: Unpickler) -> Any:
    if machine.persistent is None:
        machine.fail("a reference to something outside of the pickle")
    return machine.persistent(_pop(machine))


_push_constant(b"N", None)
_push_constant(b"\x88", True)
_push_constant(b"\x89", False)
_push_constant(b")", ())
_push_constant(b"(", MARK)
_push(b"}", lambda m: {})
_push(b"]", lambda m: [])
_push(b"\x8f", lambda m: set())
_push(b"J", lambda m: int.from_bytes(m.take(4), "little", signed=True))
_push(b"K", lambda m: m.number(1))
_push(b"M", lambda m: m.number(2))
_push(b"\x8a", lambda m: _long(m, m.number(1)))
_push(b"\x8b", lambda m: _long(m, m.number(4)))
_push(b"G", lambda m: struct.unpack(">d", m.take(8))[0])
_push_text(b"\x8c", 1)
_push_text(b"X", 4)
_push_text(b"\x8d", 8)
_push(b"U", lambda m: _old_text(m, m.number(1)))
_push(b"T", lambda m: _old_text(m, m.number(4)))
_push_bytes(b"C", 1)
_push_bytes(b"B", 4)
_push_bytes(b"\x8e", 8)
_push(b"\x96", lambda m: bytearray(m.take(m.number(8))))
_push(b"t", lambda m: tuple(m.pop_mark()))
_push_tuple(b"\x85", 1)
_push_tuple(b"\x86", 2)
_push_tuple(b"\x87", 3)
_push(b"l", lambda m: m.pop_mark())
_push(b"d", _dict_of)
_push(b"\x91", lambda m: frozenset(map(m.key, m.pop_mark())))
_push(b"h", lambda m: _recall(m, m.number(1)))
_push(b"j", lambda m: _recall(m, m.number(4)))
_push(b"c", lambda m: m.find_global(m.line(), m.line()))
_push(b"\x93", _stack_global)
_push(b"R", _reduce)
_push(b"\x81", lambda m: _reduce(m, new=True))
_push(b"Q", _persistent)
_does(b"\x80", _proto)
_does(b"\x95", lambda m: m.number(8))  # a frame's length, which matters only to streams
_does(b"0", lambda m: m.stack.pop())
_does(b"1", lambda m: m.pop_mark())
_does(b"q", lambda m: _memoize(m, m.number(1)))
_does(b"r", lambda m: _memoize(m, m.number(4)))
_does(b"\x94", lambda m: _memoize(m, len(m.memo)))
_does(b"s", _set_item)
_does(b"u", _set_items)
_does(b"a", _append)
_does(b"e", _appends)
_does(b"\x90", _add_items)
_does(b"b", _build)
