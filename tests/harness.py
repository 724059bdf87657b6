"""Judges an op by one line of a table: value, dtype, shape, layout, gradients, and PyTorch where installed.

A Case names the op, samples of its arguments and a NumPy reference. Every float array among the arguments
becomes a tensor of the dtype under test; other arrays become tensors of their own; the rest is passed on.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import lamina

HAS_TORCH = importlib.util.find_spec("torch") is not None
# Rounding of one operation, relative and absolute; a Case multiplies it.
TOLERANCE = {"float64": 1e-12, "float32": 4e-6, "float16": 4e-3, "bfloat16": 3e-2}


@dataclass(frozen=True)
class Sample:
    """The arguments of one call."""

    args: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One op. ``grad`` and ``second`` are True, or say why there is no first or second derivative."""

    name: str
    samples: Callable[[], Iterable[Sample]]
    reference: Callable[..., Any]
    grad: bool | str = True
    second: bool | str = True
    dtype: str = "same"  # of the result: "same" as the floats', or a name
    tolerance: float = 1
    half: bool = True  # float16 and bfloat16 are computed too
    layouts: bool = True  # any layout of the arguments is accepted
    torch: str | None = "same"  # PyTorch's name for it; None: it has no such function
    torch_tolerance: float | None = None

    def __str__(self) -> str:
        return self.name


class Fixed(np.ndarray):
    """A float array of the dtype under test by which an op is not differentiated."""


def fixed(values: np.ndarray) -> Fixed:
    return values.view(Fixed)


def find(package: Any, name: str) -> Callable[..., Any]:
    """The function of this name: of the package, of nn.functional, of its core, or a method."""
    for place in (
        package,
        package.nn.functional,
        package._core if package is lamina else None,
        package.Tensor,
    ):
        function = place
        for part in name.split("."):
            function = getattr(function, part, None)
        if function is not None:
            return function
    raise AttributeError(f"{package.__name__} has no {name}")


# ---- samples


def numbers(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> np.ndarray:
    """float64 numbers, no two of them equal."""
    count = int(np.prod(shape))
    generator = np.random.default_rng([seed, count, 7])
    steps = np.linspace(low, high, count + 2)[1:-1] + generator.uniform(-0.2, 0.2, count) * (high - low) / (
        count + 2
    )
    return generator.permutation(steps).reshape(shape)


def unary(low: float = -2.0, high: float = 2.0, **options: Any) -> Callable[[], list[Sample]]:
    """One tensor: a matrix, a number, none at all, a length that fills no vector."""
    shapes = [(3, 4), (), (0, 3), (37,), (2, 1, 3)]
    return lambda: [Sample((numbers(*shape, low=low, high=high),), options) for shape in shapes]


def binary(
    low: float = -2.0,
    high: float = 2.0,
    low2: float | None = None,
    high2: float | None = None,
    number: bool = True,
    **options: Any,
) -> Callable[[], list[Sample]]:
    """Two tensors that broadcast in every way, and (``number``) a tensor with a Python number."""
    low2, high2 = low if low2 is None else low2, high if high2 is None else high2
    pairs: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((3, 4), (3, 4)), ((3, 1), (4,)), ((), (5,)), ((0, 2), (1, 2)), ((37,), (37,)), ((2, 3, 2), (3, 1)),
    ]  # fmt: skip

    def samples() -> list[Sample]:
        both = [
            (numbers(*a, low=low, high=high), numbers(*b, low=low2, high=high2, seed=1)) for a, b in pairs
        ]
        single = [(numbers(5, low=low, high=high), (low2 + 3 * high2) / 4)] if number else []
        return [Sample(pair, options) for pair in [*both, *single]]

    return samples


def calls(*given: Sequence[Any] | Sample) -> Callable[[], list[Sample]]:
    """These calls: tuples of arguments, the last of which may be a dict of options."""

    def sample(call: Sequence[Any] | Sample) -> Sample:
        if isinstance(call, Sample):
            return call
        if call and isinstance(call[-1], dict):
            return Sample(tuple(call[:-1]), dict(call[-1]))
        return Sample(tuple(call))

    return lambda: [sample(call) for call in given]


# ---- running


def converted(value: Any, make: Callable[[np.ndarray], Any]) -> Any:
    """The arguments of a sample with its arrays made into tensors."""
    if isinstance(value, np.ndarray):
        return make(value)
    if isinstance(value, (list, tuple)):
        return type(value)(converted(item, make) for item in value)
    return value


def maker(dtype: str, layout: str = "contiguous", requires_grad: bool = False) -> Callable[[np.ndarray], Any]:
    """Arrays to tensors of lamina: floats of this dtype, laid out in memory as said."""

    def make(values: np.ndarray) -> Any:
        if layout == "transposed":
            made = (
                lamina.tensor(values.T.copy()).permute(*range(values.ndim)[::-1])
                if values.ndim
                else lamina.tensor(values)
            )
        elif layout == "stepped":  # every other element of a larger memory, from an odd place on
            wide = lamina.zeros(*values.shape, 2, dtype=lamina.tensor(values).dtype)
            made = wide.select(-1, 1).copy_(lamina.tensor(values))
        else:
            made = lamina.tensor(values)
        if values.dtype != np.float64:
            return made
        if dtype != "float64":
            target = lamina.empty_like(made, dtype=getattr(lamina, dtype))
            if layout == "stepped":
                target = lamina.zeros(*values.shape, 2, dtype=target.dtype).select(-1, 1)
            made = target.copy_(made)
        return made.requires_grad_() if requires_grad else made

    return make


def rounding(dtype: str) -> Callable[[np.ndarray], np.ndarray]:
    """Float arrays as a dtype holds them, in float64 again."""
    make = maker(dtype)
    return lambda values: array(make(values)).astype(np.float64) if values.dtype == np.float64 else values


def run(case: Case, sample: Sample, make: Callable[[np.ndarray], Any]) -> Any:
    return find(lamina, case.name)(*converted(sample.args, make), **converted_options(sample, make))


def converted_options(
    sample: Sample, make: Callable[[np.ndarray], Any], package: Any = lamina
) -> dict[str, Any]:
    """Options with their arrays made into tensors; dtypes are written as ``"dtype:float32"``."""
    found = {}
    for name, value in sample.options.items():
        is_dtype = isinstance(value, str) and value.startswith("dtype:")
        found[name] = getattr(package, value[6:]) if is_dtype else converted(value, make)
    return found


def results(value: Any) -> list[Any]:
    """What an op returned, as a flat list."""
    if isinstance(value, (list, tuple)) and not isinstance(value, lamina.Size):
        return [item for part in value for item in results(part)]
    return [value]


def array(value: Any) -> np.ndarray:
    """The values of a tensor of either package, of an array or a number."""
    if hasattr(value, "detach"):
        value = value.detach()
        value = value.float() if "bfloat16" in str(value.dtype) else value
        return value.numpy()
    return np.asarray(value)


def dtype_name(value: Any) -> str:
    return str(value.dtype).rpartition(".")[2]


def assert_near(actual: Any, expected: Any, tolerance: float, what: str) -> None:
    """Same shape, and values as near as rounding allows; for what is not float: equal."""
    a, b = array(actual), np.asarray(expected)
    assert a.shape == b.shape, f"{what}: shape {a.shape}, expected {b.shape}"
    if b.dtype.kind in "iub" and a.dtype.kind in "iub":
        np.testing.assert_array_equal(a, b, err_msg=what)
        return
    np.testing.assert_allclose(a.astype(np.float64), b.astype(np.float64), tolerance, tolerance, err_msg=what)


# ---- judging


def check_values(case: Case, dtype: str, layout: str = "contiguous") -> None:
    """Every sample against the reference, in one dtype and layout."""
    for number, sample in enumerate(case.samples()):
        what = f"{case.name} sample {number} in {dtype}, {layout}"
        found = results(run(case, sample, maker(dtype, layout)))
        # The reference computes from what the dtype made of the numbers.
        rounded = rounding(dtype)
        expected = results(
            case.reference(*converted(sample.args, rounded), **converted_options(sample, rounded, np))
        )
        assert len(found) == len(expected), f"{what}: {len(found)} results, expected {len(expected)}"
        for a, b in zip(found, expected, strict=True):
            allowed = (
                TOLERANCE.get(dtype_name(a), TOLERANCE[dtype]) if hasattr(a, "dtype") else TOLERANCE[dtype]
            )
            assert_near(a, b, allowed * case.tolerance, what)
        wanted = dtype if case.dtype == "same" else case.dtype
        if isinstance(found[0], lamina.Tensor) and not any(k in sample.options for k in ("dtype",)):
            assert dtype_name(found[0]) == wanted, f"{what}: {dtype_name(found[0])}, expected {wanted}"


def free(values: np.ndarray) -> bool:
    """Whether derivatives by these values are taken."""
    return values.dtype == np.float64 and not isinstance(values, Fixed)


def differentiable(case: Case, sample: Sample) -> tuple[Callable[..., Any], list[Any]]:
    """The op as a function of its float tensors alone, and those tensors (float64, wanting gradients)."""
    leaves: list[Any] = []

    def collect(values: np.ndarray) -> Any:
        made = maker("float64", requires_grad=free(values))(values)
        if free(values):
            leaves.append(made)
        return made

    converted(sample.args, collect)
    converted_options(sample, collect)

    def function(*tensors: Any) -> Any:
        rest = iter(tensors)
        make = maker("float64")
        pick: Callable[[np.ndarray], Any] = lambda v: next(rest) if free(v) else make(v)  # noqa: E731
        args = converted(sample.args, pick)
        result = find(lamina, case.name)(*args, **converted_options(sample, pick))
        return tuple(y for y in results(result) if isinstance(y, lamina.Tensor))

    return function, leaves


def small_samples(case: Case) -> list[Sample]:
    """Those that differences can be taken of in no time."""
    chosen = []
    for sample in case.samples():
        sizes: list[int] = []
        converted(sample.args, lambda values, sizes=sizes: sizes.append(values.size))
        if sizes and 0 < sum(sizes) <= 40:
            chosen.append(sample)
    return chosen


def check_gradients(case: Case, order: int) -> None:
    """The first or the second derivatives against central differences in float64."""
    judge = lamina.autograd.gradcheck if order == 1 else lamina.autograd.gradgradcheck
    for sample in small_samples(case)[: 4 if order == 1 else 2]:
        function, leaves = differentiable(case, sample)
        assert judge(function, leaves, eps=1e-6, atol=1e-5, rtol=1e-4)


def check_no_gradient(case: Case) -> None:
    """Where a Case says that there is none: nothing is recorded, or zeros come back, never a wrong slope."""
    for sample in small_samples(case)[:2]:
        function, leaves = differentiable(case, sample)
        outputs = [y for y in function(*leaves) if y.is_floating_point() and y.requires_grad]
        for y in outputs:
            grads = lamina.autograd.grad(y.sum(), leaves, allow_unused=True)
            assert all(g is None or not g.any() for g in grads), case.grad


def check_torch(case: Case, dtype: str) -> None:
    """Values, dtypes, shapes and gradients as PyTorch's. What PyTorch refuses is judged by test_bad_input."""
    import torch

    name = case.name if case.torch == "same" else str(case.torch)
    whole = (
        dtype not in TOLERANCE
    )  # lamina may refuse integers where PyTorch takes them, not the other way round
    for number, sample in enumerate(case.samples()):
        if whole and any(isinstance(value, float) for value in sample.options.values()):
            continue  # PyTorch cuts a factor off to an integer
        what = f"{case.name} sample {number} in {dtype} against PyTorch"
        ours, theirs = Attempt(lamina, case.name, sample, dtype), Attempt(torch, name, sample, dtype)
        if theirs.error is not None or (whole and isinstance(ours.error, TypeError)):
            continue
        if ours.error is not None:
            raise AssertionError(f"{what}: {ours.error!r}") from ours.error
        scale = case.tolerance if case.torch_tolerance is None else case.torch_tolerance
        tolerance = TOLERANCE.get(dtype, 4e-6) * scale
        assert len(ours.found) == len(theirs.found), what
        pairs = list(zip(ours.found, theirs.found, strict=True))
        for a, b in pairs[:1] if whole else pairs:  # integers tie, and then indices may differ
            if isinstance(b, torch.Tensor):
                assert dtype_name(a) == dtype_name(b), f"{what}: {dtype_name(a)}, expected {dtype_name(b)}"
                tolerance = max(tolerance, TOLERANCE.get(dtype_name(b), 0) * scale)
            assert_near(a, array(b), tolerance, what)
        if case.grad is True and dtype in ("float32", "float64"):
            for a, b in zip(ours.grads, theirs.grads, strict=True):
                assert (a is None) == (b is None) or not array(b if a is None else a).any(), what
                if a is not None and b is not None:
                    assert_near(a, array(b), 4 * tolerance, f"{what}, gradient")


class Attempt:
    """One call in either package: its results and gradients, or the error."""

    def __init__(self, package: Any, name: str, sample: Sample, dtype: str) -> None:
        leaves: list[Any] = []

        def make(values: np.ndarray) -> Any:
            made = package.tensor(values)
            if values.dtype == np.float64:
                made = made.to(getattr(package, dtype))
                if made.is_floating_point() and free(values):
                    leaves.append(made.requires_grad_())
            return made

        self.error: Exception | None = None
        try:
            args, options = converted(sample.args, make), converted_options(sample, make, package)
            self.found = results(find(package, name)(*args, **options))
            self.grads = gradients(package, self.found, leaves)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            self.error = error


def gradients(package: Any, found: list[Any], leaves: list[Any]) -> list[Any]:
    """Of a sum in which every element of every result weighs something else."""
    loss = None
    for y in found:
        if isinstance(y, package.Tensor) and y.is_floating_point() and y.requires_grad:
            weight = (package.arange(y.numel()).to(y.dtype).reshape(y.shape) % 7) * 0.25 + 1
            loss = (y * weight).sum() + (0 if loss is None else loss)
    if loss is None:
        return [None] * len(leaves)
    return list(package.autograd.grad(loss, leaves, allow_unused=True))
