"""The rules of the house: which room includes which, how long a file may be, what every op must have.

They are read off the source text (source.py) and off the compiler's output; what a kernel or an op computes
is judged elsewhere.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from source import (
    ROOMS,
    ROOT,
    Function,
    cpp_files,
    cpp_functions,
    op_names,
    python_files,
    python_functions,
    room_of,
    without_comments,
)

MAX_FILE, MAX_FUNCTION, MAX_KERNEL, MAX_COLUMNS = 400, 60, 100, 110
# Rooms that know instruction sets or devices.
ISA_ROOMS = ("simd", "kernels", "backend")
# What an extra brings; imported inside the function that needs it, never at the top of a file.
OPTIONAL = {"onnx", "matplotlib", "tensorboardX", "tqdm", "PIL", "mlxtend", "tokenizers", "jinja2"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def all_source() -> list[Path]:
    return (
        cpp_files()
        + python_files("python", "tests", "bench", "examples")
        + sorted((ROOT / "bench").glob("*.cpp"))
    )


def includes(path: Path) -> list[str]:
    text = without_comments(path.read_text(), keep_strings=True)
    return re.findall(r'^\s*#\s*include\s*"([^"]+)"', text, flags=re.M)


def lines_matching(pattern: str, paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        for number, line in enumerate(without_comments(path.read_text(), keep_strings=True).splitlines(), 1):
            if re.search(pattern, line):
                found.append(f"{relative(path)}:{number}: {line.strip()}")
    return found


# ---- rooms


def test_every_room_of_the_house_exists_and_no_other() -> None:
    assert {path.name for path in (ROOT / "cpp").iterdir()} == set(ROOMS)


def test_includes_obey_the_floors() -> None:
    wrong = []
    for path in cpp_files():
        for include in includes(path):
            target = include.split("/")[0]
            if not (ROOT / "cpp" / include).is_file():
                wrong.append(f'{relative(path)}: "{include}" is not a path below cpp/')
            elif ROOMS[target] > ROOMS[room_of(path)]:
                wrong.append(f'{relative(path)}: "{include}" is on a higher floor')
    assert wrong == []


def test_above_the_kernels_only_their_contract_is_seen() -> None:
    wrong = []
    for path in cpp_files():
        for include in includes(path):
            above = ROOMS[room_of(path)] > ROOMS["kernels"]
            if above and include.startswith("kernels/") and include != "kernels/kernels.h":
                wrong.append(f"{relative(path)}: {include}")
            if include.startswith("simd/") and not relative(path).startswith(("cpp/simd/", "cpp/kernels/")):
                wrong.append(f"{relative(path)}: {include}")
    assert wrong == []


def test_intrinsics_stay_in_simd_and_the_cpu_kernels() -> None:
    pattern = r"immintrin|x86intrin|arm_neon|\b_mm\d*_|\b__m(128|256|512)|__builtin_ia32|vector_size"
    paths = [p for p in cpp_files() if not relative(p).startswith(("cpp/simd/", "cpp/kernels/cpu/"))]
    assert lines_matching(pattern, paths) == []


def test_threads_are_started_in_one_place() -> None:
    pattern = r"#\s*pragma\s+omp|\bomp_\w+|<omp\.h>|pthread_create|std::j?thread\b|std::async\b"
    found = lines_matching(pattern, cpp_files())
    assert {line.split(":")[0] for line in found} <= {"cpp/kernels/cpu/loops.cpp"}, found


def test_conditions_on_isa_or_device_stay_below_the_tensor() -> None:
    pattern = r"#\s*(el)?if.*(x86_64|i386|aarch64|__ARM|__AVX|__SSE|__FMA|__F16C|LAMINA_ISA|CUDA|CUDACC)"
    paths = [p for p in cpp_files() if room_of(p) not in ISA_ROOMS]
    assert lines_matching(pattern, paths) == []


def imports(tree: ast.AST, only_top: bool) -> set[str]:
    """The packages that a file imports; with only_top, those that importing the file imports."""
    found = set()
    nodes = list(ast.iter_child_nodes(tree))
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").split(".")[0])
        elif not (only_top and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))):
            nodes += ast.iter_child_nodes(node)
    return found


def test_the_package_imports_numpy_and_nothing_else() -> None:
    own = {"lamina", "numpy"} | set(sys.stdlib_module_names)
    wrong = []
    for path in python_files("python"):
        tree = ast.parse(path.read_text())
        foreign = (imports(tree, only_top=True) - own) | (imports(tree, only_top=False) - own - OPTIONAL)
        wrong += [f"{relative(path)}: {name}" for name in sorted(foreign)]
    assert wrong == []


# ---- size and form


def test_no_file_is_over_400_lines(capsys: pytest.CaptureFixture[str]) -> None:
    length = {path: len(path.read_text().splitlines()) for path in all_source()}
    rooms = Counter()
    for path, lines in length.items():
        parts = path.relative_to(ROOT).parts
        rooms["/".join(parts[: 2 if parts[0] == "cpp" else 1])] += lines
    with capsys.disabled():
        print("\nlines: " + ", ".join(f"{room} {lines}" for room, lines in sorted(rooms.items())))
    assert [f"{relative(path)}: {lines}" for path, lines in length.items() if lines > MAX_FILE] == []


def test_no_line_is_over_110_columns() -> None:
    wrong = [
        f"{relative(path)}:{number}: {len(line)} columns"
        for path in all_source()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > MAX_COLUMNS
    ]
    assert wrong == []


def test_no_function_is_over_60_lines_no_kernel_over_100() -> None:
    wrong = []
    for path in all_source():
        text = path.read_text()
        functions = python_functions(text) if path.suffix == ".py" else cpp_functions(text)
        limit = MAX_KERNEL if relative(path).startswith("cpp/kernels/") else MAX_FUNCTION
        wrong += [f"{relative(path)}:{f.line}: {f.name} {f.length}" for f in functions if f.length > limit]
    assert wrong == []


def test_every_file_says_first_what_it_is_for() -> None:
    wrong = []
    for path in all_source():
        text = path.read_text()
        said = ast.get_docstring(ast.parse(text)) if path.suffix == ".py" else text.startswith("// ")
        if not said:
            wrong.append(relative(path))
    assert wrong == []


def test_the_counter_of_braces_finds_functions() -> None:
    """The counter judges others, so it is judged by a text with all that has confused it."""
    text = """
// a comment { with ( braces
#define TWICE(x) \\
  { x; }
namespace a::b {
template <class T>
struct S {
  S(int n) : n_{n}, text_("}") {
    go();
  }
  bool operator()(int x) const { return x == '{'; }
  int n_ = 0;
};
const int kTable[] = {1, 2, 3};
/* { */ int f(int x,
      int y) {
  auto g = [](int z) { return z; };
  for (;;) {
  }
  return g(x) + y;
}
}  // namespace
"""
    assert cpp_functions(text) == [Function("S", 8, 3), Function("operator()", 11, 1), Function("f", 15, 7)]


# ---- ops

# Ops that Python reaches by another word than their own.
REACHED_AS = {
    "trunc_divide": "rounding_mode",
    "split_with_sizes": "split",
    "index_put_": "index_put",
    "smooth_l1": "smooth_l1_loss",
}


def words(paths: list[Path]) -> set[str]:
    return {word for path in paths for word in re.findall(r"\w+", path.read_text())}


def test_the_menu_of_ops_is_read() -> None:
    assert {"full", "exp", "add", "max", "matmul", "conv2d", "sgd_step"} <= set(op_names())
    assert not {"result_type", "Operand", "operator", "function"} & set(op_names())


def test_every_op_is_bound() -> None:
    bound = set(re.findall(r"\bops::(\w+)", "".join(path.read_text() for path in cpp_files("bind"))))
    assert sorted(set(op_names()) - bound) == []


def test_every_op_is_reachable_from_python() -> None:
    import lamina

    used = words(python_files("python"))
    places = (lamina, lamina.Tensor, lamina.nn.functional)
    wanted = set(op_names()) - used - set(REACHED_AS)
    assert sorted(n for n in wanted if not any(hasattr(place, n) for place in places)) == []


def test_every_op_is_tested() -> None:
    here = Path(__file__).name
    tested = words([path for path in python_files("tests") if path.name != here])
    assert sorted({REACHED_AS.get(name, name) for name in op_names()} - tested) == []


# Ops that have no line in the tables of test_ops.py: where their gradient is checked, or why they have none.
RANDOM = "draws numbers that depend on no tensor"
STEP = "changes parameters while nothing is recorded"
GRADIENT = {
    "copy_": "test_ops_copy.py::test_gradient_of_copy_goes_to_the_source_and_not_to_the_old_values",
    "fill_": "test_ops_copy.py::test_gradient_of_fill_goes_to_the_number_and_not_to_the_old_values",
    "to": "test_ops_copy.py::test_gradient_of_a_conversion_has_the_dtype_of_the_source",
    "index": "test_tensor.py::test_gradients_of_reading_and_writing",
    "index_put_": "test_tensor.py::test_gradients_of_reading_and_writing",
    "dropout": "test_nn_norm.py::test_dropout_zeroes_and_scales",
    "conv_transpose2d": "test_nn_transposed.py::test_conv_transpose2d",
    "smooth_l1": "test_nn_loss.py::test_elementwise_losses",
    **dict.fromkeys(
        ("real", "imag", "conj", "angle", "sgn"), "test_complex.py::test_gradients_by_differences"
    ),
    **dict.fromkeys(
        ("view_as_real", "view_as_complex", "complex"),
        "test_complex_tensor.py::test_changes_of_a_part_reach_the_gradient",
    ),
    "polar": "test_complex.py::test_gradient_of_polar",
    "split_with_sizes": "test_ops.py::test_gradient",  # in the line of split
    "recurrent": "test_nn_recurrent_fused.py::test_gradients_by_differences",
    "ctc_loss": "test_nn_ctc.py::test_all_ways_are_counted",
    "trunc_divide": "piecewise constant",
    "quantized_linear": "weights of few bits are for inference",
    "randperm": RANDOM,
    "sgd_step": STEP,
    "adam_step": STEP,
    "rmsprop_step": STEP,
    "adagrad_step": STEP,
    **dict.fromkeys(("uniform_", "normal_", "bernoulli_", "exponential_", "random_"), RANDOM),
    **dict.fromkeys(("cauchy_", "log_normal_", "geometric_"), RANDOM),
}


def test_every_op_has_a_gradient_check_or_a_reason() -> None:
    from test_ops import CASES

    in_tables = {case.name.split(".")[-1] for case in CASES}
    assert sorted(set(op_names()) - in_tables - set(GRADIENT)) == []
    assert sorted(set(GRADIENT) - set(op_names())) == []
    assert [case.name for case in CASES if not (case.grad is True or case.grad)] == []
    for place in (reason for reason in GRADIENT.values() if "::" in reason):
        file, function = place.split("::")
        assert re.search(rf"^def {function}\(", (ROOT / "tests" / file).read_text(), flags=re.M), place


# ---- the compiler's output


def kernel_objects() -> dict[str, list[Path]]:
    """The newest build's object files of each instruction set, of sources that still exist."""
    builds = sorted((ROOT / "build").glob("cp*"), key=lambda path: path.stat().st_mtime)
    found: dict[str, list[Path]] = {}
    for folder in builds[-1].glob("CMakeFiles/lamina_kernels_*.dir") if builds else ():
        objects = sorted(folder.rglob("*.o"))
        alive = [o for o in objects if (ROOT / o.relative_to(folder).with_suffix("")).is_file()]
        found[folder.name.removeprefix("lamina_kernels_").removesuffix(".dir")] = alive
    return found


def test_objects_of_one_isa_share_no_symbol_with_another() -> None:
    """The linker keeps one of two functions of one name: an inline function compiled for AVX-512 would then
    be called on every CPU. So every symbol that leaves an object has its ISA in its name."""
    objects = kernel_objects()
    if not any(objects.values()) or shutil.which("nm") is None:
        pytest.skip("there is no build folder (make build) or no nm to read its objects")
    wrong = []
    for isa, paths in objects.items():
        command = ["nm", "--extern-only", "--defined-only", "--demangle", *paths]
        for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
            match = re.match(r"[0-9a-f]+ (\w) (.+)", line)
            if match and f"lamina::{isa}::" not in match.group(2):
                wrong.append(f"{isa}: {match.group(1)} {match.group(2)}")
    assert sorted(set(wrong)) == []
