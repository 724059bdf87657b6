"""Reads the repository's own source text for test_house.py: comments are taken away, functions measured.

C++ is read by a counter of braces, which is good enough for code in one format; Python by its own parser.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {"base": 0, "simd": 1, "kernels": 2, "backend": 3, "tensor": 4, "autograd": 5, "ops": 6, "bind": 7}


class Function(NamedTuple):
    name: str
    line: int
    length: int


def cpp_files(room: str | None = None) -> list[Path]:
    folder = ROOT / "cpp" / room if room else ROOT / "cpp"
    return sorted(path for path in folder.rglob("*") if path.suffix in (".h", ".cpp", ".cu"))


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "cpp").parts[0]


# Raw strings first, or a quote inside one would be taken for a string of its own.
CPP_NOISE = re.compile(
    r'R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'
    + r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",
    re.DOTALL,
)


def without_comments(text: str, *, keep_strings: bool = False) -> str:
    """C++ text whose comments (and strings, unless kept) are blanked; every line keeps its number."""

    def blank(match: re.Match[str]) -> str:
        found = match.group()
        if keep_strings and not found.startswith(("//", "/*")):
            return found
        return ('""' if found[0] in "\"R'" else "") + "\n" * found.count("\n")

    return CPP_NOISE.sub(blank, text)


def cpp_functions(text: str) -> list[Function]:
    """Function bodies outside of other functions, from the first line of their head to the closing brace."""
    text = re.sub(
        r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*",
        lambda m: "\n" * m.group().count("\n"),
        without_comments(text),
        flags=re.M,
    )
    functions: list[Function] = []
    open_braces: list[tuple[str, str, int]] = []  # kind, head, line where the head starts
    head, head_line, line = "", 1, 1
    for position, character in enumerate(text):
        line += character == "\n"
        if character == "{":
            inside = all(kind == "scope" for kind, _, _ in open_braces)
            open_braces.append((kind_of(head) if inside else "inner", head, head_line))
            head = ""
        elif character == "}" and open_braces:
            kind, opened_by, first = open_braces.pop()
            following = text[position + 1 : position + 200].lstrip()[:1]
            # A brace that initialises a member stands between a constructor's head and its body.
            if kind == "function" and following in ("{", ","):
                head, head_line = opened_by, first
                continue
            if kind == "function":
                functions.append(Function(function_name(opened_by), first, line - first + 1))
            head = ""
        elif character == ";":
            head = ""
        else:
            if not head.strip():
                head, head_line = "", line
            head += character
    return functions


def kind_of(head: str) -> str:
    """What a brace at file or class level opens: a scope to look into, a function, or a list of values."""
    head = re.sub(r"template\s*<[^{}]*?>\s*(?=[a-zA-Z])", "", head.strip())
    if re.match(r'(?:inline\s+)?namespace\b|(?:class|struct|union|enum)\b[^()=]*$|extern\s*""$', head):
        return "scope"
    return "function" if "(" in head and not head.endswith("=") else "values"


def function_name(head: str) -> str:
    match = re.search(r"((?:\w+::)*operator\s*(?:\(\)|[^\s(]+)|[\w:~]+)\s*\(", head)
    return match.group(1) if match else head.strip()[:40]


def python_functions(text: str) -> list[Function]:
    """Every function, its docstring not counted: what a reader must follow is the code."""
    functions = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            length -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
        functions.append(Function(node.name, node.lineno, length))
    return functions


def op_names() -> list[str]:
    """Every function that cpp/ops/ops.h declares in namespace ops."""
    text = without_comments((ROOT / "cpp/ops/ops.h").read_text())
    menu = text[text.index("namespace ops {") :]
    return re.findall(r"^(?!using\b|struct\b|enum\b)[\w:<>]+ (\w+)\(", menu, flags=re.M)
