"""How a conversation is written: the part of the Jinja language that chat templates of models use.

Nothing in a template can call into Python: expressions are read by ``ast`` and only the forms below are
evaluated. A template that needs more is handed to the package jinja2, in its sandbox, if it is installed."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any

from lamina._core import ShapeError

TAG = re.compile(r"({%-?.*?-?%}|{{-?.*?-?}}|{#.*?#})", re.S)
LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.S)
METHODS = ("strip", "lstrip", "rstrip", "upper", "lower", "startswith", "endswith", "title")
FILTERS: dict[str, Callable[[Any], Any]] = {
    "trim": lambda x: str(x).strip(),
    "upper": lambda x: str(x).upper(),
    "lower": lambda x: str(x).lower(),
    "length": len,
    "string": str,
}
COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
}


class _Undefined:
    """A name that nothing is known of: false, and empty as text."""

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return ""


UNDEFINED = _Undefined()
Names = dict[str, Any]
Node = tuple[Any, ...]


class _Unknown(Exception):
    """The template uses what is not understood here."""


class ChatTemplate:
    """A template; ``render(messages=..., add_generation_prompt=..., ...)`` gives the text.

    Understood are ``for``, ``if`` / ``elif`` / ``else``, ``set``, strings, numbers, names, items, attributes,
    slices, ``+``, comparisons, ``and`` / ``or`` / ``not``, ``a if b else c``, ``is defined``, the filters
    trim, upper, lower, length and string, the methods of strings that strip and compare, and
    ``raise_exception``.

    Raises:
        ShapeError: the template is broken, or refuses the messages.
        ImportError: it needs more than that, and jinja2 is not installed.

    >>> ChatTemplate("{% for m in messages %}[{{ m['role'] }}]{{ m.content | trim }}{% endfor %}").render(
    ...     messages=[{"role": "user", "content": " hi "}])
    '[user]hi'
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._tree: list[Node] | None = _Parser(text).block(())
        except _Unknown:
            self._tree = None

    def render(self, **names: Any) -> str:
        """The text for these names."""
        try:
            if self._tree is not None:
                return _run(self._tree, dict(names))
        except _Unknown:
            pass
        except (TypeError, KeyError, IndexError, AttributeError) as error:
            raise ShapeError(f"chat template: {error}") from error
        return self._by_jinja(names)

    def _by_jinja(self, names: Names) -> str:
        try:
            from jinja2.exceptions import TemplateError
            from jinja2.sandbox import ImmutableSandboxedEnvironment
        except ImportError as error:
            raise ImportError('this chat template needs jinja2: pip install "lamina[text]"') from error

        def refuse(message: str) -> None:
            raise TemplateError(message)

        space = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        space.globals["raise_exception"] = refuse
        try:
            return space.from_string(self.text).render(**names)
        except (TemplateError, TypeError) as error:
            raise ShapeError(f"chat template: {error}") from error


class _Parser:
    """A template as a tree of tuples, whose first is "text", "write", "for", "if" or "set"."""

    def __init__(self, text: str) -> None:
        self.parts = TAG.split(text)
        self._trim()
        self.place = 0

    def _trim(self) -> None:
        """White space around tags goes where ``-`` says so; a block tag takes its line's indent and end."""
        text, tags = self.parts, range(1, len(self.parts), 2)
        for i in tags:
            if text[i][2] == "-":
                text[i - 1] = text[i - 1].rstrip()
            elif text[i][1] != "{" and (i == 1 or "\n" in text[i - 1]):
                text[i - 1] = re.sub(r"(\A|(?<=\n))[ \t]*\Z", "", text[i - 1])
        for i in tags:
            if text[i][-3] == "-":
                text[i + 1] = text[i + 1].lstrip()
            elif text[i][1] != "{":
                text[i + 1] = text[i + 1].removeprefix("\n")

    def block(self, ends: Sequence[str]) -> list[Node]:
        """Everything up to a tag whose first word is one of ``ends``, which is left for the caller."""
        tree: list[Node] = []
        while self.place < len(self.parts):
            part = self.parts[self.place]
            if self.place % 2 == 0:
                if "{%" in part or "{{" in part:
                    raise _Unknown("a tag that does not end")
                tree.append(("text", part))
            elif part.startswith("{{"):
                tree.append(("write", _expression(part[2:-2])))
            elif part.startswith("{%"):
                word, _, rest = part[2:-2].strip("-").strip().partition(" ")
                if word in ends:
                    return tree
                tree.append(self._statement(word, rest))
            self.place += 1
        if ends:
            raise ShapeError(f"chat template: {' or '.join(ends)} is missing")
        return tree

    def _word(self) -> tuple[str, str]:
        word, _, rest = self.parts[self.place][2:-2].strip("-").strip().partition(" ")
        return word, rest

    def _statement(self, word: str, rest: str) -> Node:
        if word == "for":
            found = re.fullmatch(r"\s*(\w+)\s+in\s+(.+)", rest, re.S)
            if not found:
                raise _Unknown(rest)
            self.place += 1
            body = self.block(("endfor",))
            return ("for", found.group(1), _expression(found.group(2)), body)
        if word == "if":
            return self._if(rest)
        if word == "set":
            found = re.fullmatch(r"\s*(\w+)\s*=\s*(.+)", rest, re.S)
            if not found:
                raise _Unknown(rest)
            return ("set", found.group(1), _expression(found.group(2)))
        raise _Unknown(word)

    def _if(self, condition: str) -> Node:
        branches: list[tuple[Any, list[Node]]] = []
        test: Any = _expression(condition)
        while True:
            self.place += 1
            branches.append((test, self.block(("elif", "else", "endif"))))
            word, rest = self._word()
            if word == "endif":
                return ("if", branches)
            test = ast.Constant(True) if word == "else" else _expression(rest)


def _expression(text: str) -> ast.expr:
    # Outside of strings a filter's bar becomes an operator that binds as tightly as it does in Jinja.
    pieces = LITERAL.split(text.strip("-"))
    plain = [piece.replace("\n", " ").replace("|", "@") for piece in pieces]
    for word in ("true", "false", "none"):
        plain = [re.sub(rf"\b{word}\b", word.title(), piece) for piece in plain]
    quoted = [piece.replace("\n", "\\n") for piece in LITERAL.findall(text)]
    joined = "".join(a + b for a, b in zip(plain, [*quoted, ""], strict=True))
    try:
        return ast.parse(joined.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _Unknown(text) from error


def _run(tree: list[Node], names: Names) -> str:
    out: list[str] = []
    for node in tree:
        if node[0] == "text":
            out.append(node[1])
        elif node[0] == "write":
            out.append(str(_value(node[1], names)))
        elif node[0] == "set":
            names[node[1]] = _value(node[2], names)
        elif node[0] == "if":
            chosen = (body for test, body in node[1] if _value(test, names))
            out.append(_run(next(chosen, []), names))
        else:
            items = list(_value(node[2], names))
            for index, item in enumerate(items):
                last = index + 1 == len(items)
                loop = {"first": index == 0, "last": last, "index0": index, "index": index + 1}
                out.append(_run(node[3], {**names, node[1]: item, "loop": loop}))
    return "".join(out)


def _value(node: ast.expr, names: Names) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return names.get(node.id, UNDEFINED)
    if isinstance(node, ast.Attribute):
        return _item(_value(node.value, names), node.attr)
    if isinstance(node, ast.Subscript):
        return _subscript(node, names)
    if isinstance(node, ast.BoolOp):
        stop = isinstance(node.op, ast.Or)
        for part in node.values:
            value = _value(part, names)
            if bool(value) == stop:
                break
        return value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not _value(node.operand, names)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, names)
    if isinstance(node, ast.IfExp):
        return _value(node.body if _value(node.test, names) else node.orelse, names)
    if isinstance(node, ast.BinOp):
        return _binary(node, names)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _compare(node, names)
    if isinstance(node, ast.Call):
        return _call(node, names)
    raise _Unknown(ast.dump(node))


def _item(owner: Any, key: Any) -> Any:
    if isinstance(owner, dict):
        return owner.get(key, UNDEFINED)
    if isinstance(owner, (list, str)) and isinstance(key, int):
        return owner[key] if -len(owner) <= key < len(owner) else UNDEFINED
    raise _Unknown(f"{key} of {type(owner).__name__}")


def _subscript(node: ast.Subscript, names: Names) -> Any:
    owner = _value(node.value, names)
    if not isinstance(node.slice, ast.Slice):
        return _item(owner, _value(node.slice, names))
    ends = (node.slice.lower, node.slice.upper)
    low, high = (None if end is None else _value(end, names) for end in ends)
    if node.slice.step is not None or not isinstance(owner, (list, str)):
        raise _Unknown("slice")
    return owner[low:high]


def _binary(node: ast.BinOp, names: Names) -> Any:
    if isinstance(node.op, ast.MatMult):
        mixed = isinstance(node.left, ast.BinOp) and isinstance(node.left.op, ast.Mod)
        if mixed or not isinstance(node.right, ast.Name) or node.right.id not in FILTERS:
            raise _Unknown("filter")
        return FILTERS[node.right.id](_value(node.left, names))
    left, right = _value(node.left, names), _value(node.right, names)
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    if isinstance(node.op, ast.Mod) and isinstance(left, int):
        return left % right
    raise _Unknown(ast.dump(node.op))


def _compare(node: ast.Compare, names: Names) -> bool:
    left, (op,), (right,) = _value(node.left, names), node.ops, node.comparators
    if isinstance(op, (ast.Is, ast.IsNot)) and isinstance(right, (ast.Name, ast.Constant)):
        word = right.id if isinstance(right, ast.Name) else str(right.value).lower()
        tests = {
            "defined": left is not UNDEFINED,
            "none": left is None,
            "string": isinstance(left, str),
            "mapping": isinstance(left, dict),
        }
        if word in tests:
            return tests[word] == isinstance(op, ast.Is)
    if type(op) in COMPARE:
        return COMPARE[type(op)](left, _value(right, names))
    raise _Unknown(ast.dump(op))


def _call(node: ast.Call, names: Names) -> Any:
    if node.keywords:
        raise _Unknown("a call with names")
    given = [_value(part, names) for part in node.args]
    if isinstance(node.func, ast.Name) and node.func.id == "raise_exception":
        raise ShapeError(f"chat template: {' '.join(map(str, given))}")
    if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
        owner = _value(node.func.value, names)
        if isinstance(owner, str):
            return getattr(owner, node.func.attr)(*given)
    raise _Unknown(ast.dump(node.func))
