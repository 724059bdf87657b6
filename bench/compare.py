"""Times whole workloads in lamina and its neighbours, alternating in one run, and prints a Markdown table.

    python bench/compare.py [--only NAME ...] [--rounds N] [--threads N] [--no-torch]

Each round times every library once and the machine's own limit beside them (limit.cpp), so that a change of
clock or a neighbour's load hits all alike. Speeds compare the fastest rounds; medians are printed to judge
the noise. What is timed stands in *workload.py.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
WHEEL_LIMIT_MB, IMPORT_LIMIT_MS, IMPORT_LIMIT_MB = 5.0, 40.0, 15.0
FILE_LIMIT_MS, FILE_LIMIT_MB = 100.0, 20.0  # a model's weights from a warm file
MIN_SAMPLE_S = 0.03
# Threads spin for a while after their work; the next library must not compete with them.
PAUSE_S = 0.03


def main() -> None:
    options = parse_options()
    # Every library reads this at import, NumPy's BLAS under names of its own.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    os.environ["OPENBLAS_THREAD_TIMEOUT"] = "20"  # spin for 2^20 cycles, not 2^28, which outlasts any pause
    sys.path.insert(0, str(HERE))
    import file_workload
    import image_workload
    import recurrent_workload
    import text_workload
    import workload

    rooms = (workload, image_workload, text_workload, recurrent_workload, file_workload)
    rows = [one for room in rooms for one in room.WORKLOADS]
    chosen = [w for w in rows if not options.only or any(name in w.name for name in options.only)]
    if chosen:
        libraries = load_libraries(options)
        print_heading(libraries, options)
        limit = Limit(options.threads)
        for chosen_one in chosen:
            print(row(chosen_one, libraries, limit, options), flush=True)
        print()
    if not options.only or "import" in options.only:
        print_import_cost(options)
    if not options.only or "file" in options.only:
        print_file_cost(file_workload.written("model.safetensors"))
    if not options.only or "wheel" in options.only:
        print_wheel_size()


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Times lamina beside NumPy and PyTorch, alternating in one run."
    )
    add = parser.add_argument
    add(
        "--only", nargs="+", metavar="NAME", help="rows whose name contains a NAME; also: import, file, wheel"
    )
    add("--rounds", type=int, default=7, help="rounds per workload (default 7)")
    add("--threads", type=int, default=2, help="threads of every library (default 2)")
    add("--no-torch", action="store_true", help="leave PyTorch out even where it is installed")
    return parser.parse_args()


def load_libraries(options: argparse.Namespace) -> dict[str, ModuleType]:
    libraries = {"lamina": importlib.import_module("lamina")}
    if not options.no_torch:
        try:
            libraries["PyTorch"] = importlib.import_module("torch")
        except ImportError:
            print("PyTorch is not installed (pip install torch==2.13.0), so its columns stay empty\n")
    for library in libraries.values():
        library.set_num_threads(options.threads)
    return libraries


class Limit:
    """The best this machine does, by loops compiled for it; every call measures anew.

    The blocks are as large as the workloads' arrays, so that both find the same part of them in the cache.
    """

    def __init__(self, threads: int) -> None:
        import numpy as np

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "limit.so"
            flags = ["-O3", "-march=native", "-fopenmp", "-shared", "-fPIC"]
            subprocess.run([os.environ.get("CXX", "g++"), *flags, HERE / "limit.cpp", "-o", path], check=True)
            self.library = ctypes.CDLL(str(path))
        for name in ("limit_fma", "limit_read", "limit_copy"):
            getattr(self.library, name).restype = ctypes.c_double
        self.threads = ctypes.c_int(threads)
        self.size = ctypes.c_size_t(64 << 20)
        self.blocks = [np.zeros(self.size.value + 64, np.uint8) for _ in range(2)]
        self.target, self.source = (ctypes.c_void_p((b.ctypes.data + 63) // 64 * 64) for b in self.blocks)
        for block in self.blocks:
            block.fill(1)  # touched now, so that no page fault is measured later

    def measure(self, kind: str) -> float:
        """Operations or bytes per second, for the kind "fma", "read" or "copy"."""
        arguments = {
            "fma": (self.threads,),
            "read": (self.source, self.size, self.threads),
            "copy": (self.target, self.source, self.size, self.threads),
        }[kind]
        function = getattr(self.library, f"limit_{kind}")
        time.sleep(PAUSE_S)
        return max(function(*arguments) for _ in range(4))


def calls_per_sample(step: Callable[[], object]) -> int:
    step()
    start = time.perf_counter()
    step()
    once = time.perf_counter() - start
    return max(1, round(MIN_SAMPLE_S / max(once, 1e-9)))


def sample(step: Callable[[], object], calls: int) -> float:
    """Seconds per call; one call before goes uncounted, to bring caches and threads back."""
    time.sleep(PAUSE_S)
    step()
    start = time.perf_counter()
    for _ in range(calls):
        step()
    return (time.perf_counter() - start) / calls


def row(workload, libraries: dict[str, ModuleType], limit: Limit, options: argparse.Namespace) -> str:
    steps = {name: workload.make(library) for name, library in libraries.items()}
    if workload.numpy:
        steps["NumPy"] = workload.numpy()
    if workload.onnx and not options.no_torch and (step := workload.onnx(options.threads)):
        steps["ONNX Runtime"] = step
    calls = {name: calls_per_sample(step) for name, step in steps.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    best_rate = 0.0
    for _ in range(options.rounds):
        for name, step in steps.items():
            times[name].append(sample(step, calls[name]))
        if workload.limit:
            best_rate = max(best_rate, limit.measure(workload.limit))
    best = {name: min(t) for name, t in times.items()}

    def speed(name: str) -> float | None:
        return best[name] / best["lamina"] if name in best else None

    def share(name: str) -> float | None:
        return workload.work / best[name] / best_rate if best_rate and name in best else None

    cells = [workload.name]
    cells += [
        timing(times.get(name), workload.repeat) for name in ("lamina", "PyTorch", "NumPy", "ONNX Runtime")
    ]
    cells += [verdict(speed("PyTorch"), workload.goal, "{:.2f}x"), verdict(speed("NumPy"), None, "{:.2f}x")]
    cells += [verdict(speed("ONNX Runtime"), workload.onnx_goal, "{:.2f}x")]
    cells += [verdict(share("lamina"), workload.share_goal, "{:.0%}")]
    cells += [verdict(share("PyTorch"), None, "{:.0%}")]
    return "| " + " | ".join(cells) + " |"


def timing(seconds: list[float] | None, repeat: int) -> str:
    if seconds is None:
        return ""
    low, middle = min(seconds) / repeat, statistics.median(seconds) / repeat
    unit, scale = ("ms", 1e3) if low >= 1e-3 else ("us", 1e6) if low >= 1e-6 else ("ns", 1e9)
    return f"{low * scale:.4g} ({middle * scale:.4g}) {unit}"


def verdict(value: float | None, goal: float | None, form: str) -> str:
    if value is None:
        return ""
    text = form.format(value)
    if goal is None:
        return text
    return f"{text} (goal {form.format(goal)}{'' if value >= goal else ', MISSED'})"


def print_heading(libraries: dict[str, ModuleType], options: argparse.Namespace) -> None:
    import numpy as np

    versions = [f"{name} {library.__version__}" for name, library in libraries.items()]
    print(f"{', '.join(versions)}, NumPy {np.__version__}, Python {platform.python_version()}")
    print(f"{cpu_name()}, {options.threads} threads, {options.rounds} rounds, least (median) time\n")
    columns = ["workload", "lamina", "PyTorch", "NumPy", "ONNX Runtime"]
    columns += [
        "against PyTorch",
        "against NumPy",
        "against ONNX Runtime",
        "share of limit",
        "PyTorch's share",
    ]
    print("| " + " | ".join(columns) + " |")
    print("| " + " | ".join("---" for _ in columns) + " |")


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def print_import_cost(options: argparse.Namespace) -> None:
    found = {name: importlib.util.find_spec(name) for name in ("lamina", "torch")}
    names = [name for name in found if found[name] and not (name == "torch" and options.no_torch)]
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            command = [sys.executable, HERE / "import_cost.py", name]
            milliseconds, megabytes = subprocess.check_output(command, text=True).split()
            costs[name].append((float(milliseconds), float(megabytes)))
    for name in names:
        milliseconds, megabytes = (min(column) for column in zip(*costs[name], strict=True))
        text = f"import {name} over import numpy: {milliseconds:.1f} ms, {megabytes:.1f} MB"
        if name == "lamina":
            kept = milliseconds <= IMPORT_LIMIT_MS and megabytes <= IMPORT_LIMIT_MB
            text += f" (limit {IMPORT_LIMIT_MS:.0f} ms, {IMPORT_LIMIT_MB:.0f} MB{'' if kept else ', MISSED'})"
        print(text)


def print_file_cost(path: str) -> None:
    """What loading costs a process that has done nothing else, which rows of repeated calls cannot say."""
    command = [sys.executable, HERE / "file_cost.py", path]
    samples = [subprocess.check_output(command, text=True).split() for _ in range(3)]
    milliseconds, megabytes = (min(map(float, column)) for column in zip(*samples, strict=True))
    size = os.path.getsize(path) / 1e6
    kept = milliseconds <= FILE_LIMIT_MS and megabytes <= size + FILE_LIMIT_MB
    print(
        f"safetensors of {size:.0f} MB into a model: {milliseconds:.0f} ms, {megabytes:.0f} MB at most "
        f"(limit {FILE_LIMIT_MS:.0f} ms, the file and {FILE_LIMIT_MB:.0f} MB{'' if kept else ', MISSED'})"
    )


def print_wheel_size() -> None:
    wheels = sorted((HERE.parent / "dist").glob("lamina-*.whl"), key=lambda path: path.stat().st_mtime)
    if not wheels:
        print("wheel: none in dist/; make wheel builds one")
        return
    size = wheels[-1].stat().st_size / 1e6
    mark = "" if size <= WHEEL_LIMIT_MB else ", MISSED"
    print(f"wheel: {size:.2f} MB (limit {WHEEL_LIMIT_MB:.0f} MB{mark})")


if __name__ == "__main__":
    main()
