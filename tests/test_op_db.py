"""Functions and methods of tensors beside PyTorch on PyTorch's own samples: values, gradients, methods, forms
in place, and the errors that it raises. Those of nn.functional: test_nn_op_db.py."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lamina
from test_nn_module_db import leaf, leaves, ours, tree_map

torch = pytest.importorskip("torch")
op_db = pytest.importorskip("torch.testing._internal.common_methods_invocations").op_db

SAMPLES = 6  # of each function and dtype at most
ELEMENTS = 10_000  # of a sample's tensors at most
DTYPES = {
    "float32": torch.float32,
    "int64": torch.int64,
    "bool": torch.bool,
    "complex64": torch.complex64,
}
OURS = {str(getattr(lamina, name)).removeprefix("lamina.") for name in lamina.dtype_info.ALIASES}

# Names that begin so are no part of lamina, or are sampled through functions that only PyTorch's tests have.
OUTSIDE = ("_", "fft", "nn.functional", "ops", "sparse", "to_sparse", "torch.ops", "jiterator", "quant")
# What draws numbers, or leaves memory as it is.
RANDOM = (
    "bernoulli cauchy empty empty_like empty_permuted empty_strided exponential geometric log_normal "
    "multinomial new_empty new_empty_strided normal pca_lowrank rand rand_like randint randint_like randn "
    "randn_like randperm resize_ resize_as_ svd_lowrank uniform"
).split()
# Places of equal numbers are free: compared where numbers are real and differ.
PLACES = ("argsort", "kthvalue", "mode", "sort", "topk")
# (name, part): why the two differ.
KNOWN = {
    ("as_strided_scatter", "gradient"): "PyTorch's is that of the places which src replaced",
    ("cholesky_inverse", "gradient"): "PyTorch's has entries in the triangle that is not read",
    ("cholesky_solve", "gradient"): "PyTorch's has entries in the triangle that is not read",
    ("cholesky", "gradient"): "PyTorch's feels the imaginary parts of a diagonal that is real",
    ("linalg.cholesky", "gradient"): "the same",
    ("linalg.cholesky_ex", "gradient"): "the same",
    ("histogramdd", "value"): "PyTorch takes edges that do not ascend",
    ("linalg.eig", "value"): "the signs of vectors are free",
    ("linalg.eigh", "value"): "the signs of vectors are free",
    ("linalg.householder_product", "gradient"): "without reflections the result depends on no input here",
    ("linalg.pinv", "gradient"): "PyTorch's for hermitian=True reads both triangles, the value reads one",
    ("masked.logsumexp", "value"): "PyTorch cuts the logarithms of integers to integers",
    ("narrow", "error"): "a bool of 0 dimensions is an index",
}

# Which lamina computes for real numbers only.
REAL_ONLY = ("logcumsumexp", "renorm")


def find(info: Any) -> Any:
    """The function of this name, or the method where PyTorch samples the method."""
    if info.variant_test_name == "partial_views":  # whose storage is larger than what they look at
        return None
    if info.op is info.method_variant:
        return getattr(lamina.Tensor, info.op.__name__, None)
    if getattr(info.op, "__module__", "").startswith("torch.testing"):
        return None
    found: Any = lamina
    for part in info.name.split("."):
        found = getattr(found, part, None)
    return found


INFOS = [
    info
    for info in op_db
    if not info.name.startswith(OUTSIDE)
    and info.name not in RANDOM
    and (info.name, "value") not in KNOWN
    and find(info) is not None
]
NAMES = [f"{info.name} {info.variant_test_name}".strip() for info in INFOS]


def fits(sample: Any) -> bool:
    parts = leaves([sample.input, sample.args, sample.kwargs], torch.Tensor)
    return all(
        str(x.dtype).removeprefix("torch.") in OURS
        and x.layout is torch.strided
        and x.numel() <= ELEMENTS
        and x.dtype is not torch.bfloat16
        and x.device.type == "cpu"
        and x.ndim < 32
        for x in parts
    )


def samples(info: Any, dtype: Any, grad: bool) -> Iterator[Any]:
    torch.manual_seed(0)
    # Not through info.sample_inputs, which walks the stack for each sample.
    drawn = info.sample_inputs_func(info, "cpu", dtype, grad)
    return itertools.islice(filter(fits, drawn), SAMPLES)


def close(mine: Any, other: Any, what: str) -> None:
    if not isinstance(other, torch.Tensor):
        assert mine == pytest.approx(other, nan_ok=True), what
        return
    assert isinstance(mine, lamina.Tensor), what
    assert str(mine.dtype).removeprefix("lamina.") == str(other.dtype).removeprefix("torch."), what
    x, y = mine.detach().numpy(), other.detach().numpy(force=True)
    assert x.shape == y.shape, what
    if other.dtype in (torch.float32, torch.complex64):
        scale = float(np.abs(y[np.isfinite(y)]).max(initial=0))
        np.testing.assert_allclose(x, y, rtol=2e-4, atol=2e-5 + 2e-6 * scale, err_msg=what)
    else:
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-6, err_msg=what)


def flat(result: Any) -> list[Any]:
    if isinstance(result, (tuple, list)) and not isinstance(result, (torch.Size, lamina.Size)):
        return [part for inside in result for part in flat(inside)]
    return [result]


def compare_gradients(outputs: list[Any], expected: list[Any], mine: list[Any], theirs: list[Any]) -> None:
    both = zip(outputs, expected, strict=True)
    wanted = [(x, y) for x, y in both if y.requires_grad and y.numel()]
    inputs = [(x, y) for x, y in zip(mine, theirs, strict=True) if y.requires_grad]
    if not wanted or not inputs:
        return
    slopes = [torch.linspace(-1, 2, y.numel(), dtype=y.dtype).reshape(y.shape) for _, y in wanted]
    right = torch.autograd.grad([y for _, y in wanted], [y for _, y in inputs], slopes, allow_unused=True)
    found = lamina.autograd.grad(
        [x for x, _ in wanted], [x for x, _ in inputs], [ours(g) for g in slopes], allow_unused=True
    )
    for i, (x, y) in enumerate(zip(found, right, strict=True)):
        if x is None or y is None:  # the other's must be 0 then
            rest = [part.detach().numpy() for part in (x, y) if part is not None]
            assert all(not part.any() for part in rest), f"gradient {i}"
        else:
            close(x, y, f"gradient {i}")


def compare(info: Any, sample: Any, function: Any) -> None:
    args, kwargs = tree_map(leaf, [sample.input, *sample.args]), tree_map(leaf, sample.kwargs)
    expected = flat(info.op(*args, **kwargs))
    our_args, our_kwargs = tree_map(ours, args), tree_map(ours, kwargs)
    outputs = flat(function(*our_args, **our_kwargs))
    assert len(outputs) == len(expected)
    for i, (x, y) in enumerate(zip(outputs, expected, strict=True)):
        close(x, y, f"output {i}")
    if (info.name, "gradient") not in KNOWN and all(isinstance(y, torch.Tensor) for y in expected):
        mine, theirs = leaves((our_args, our_kwargs), lamina.Tensor), leaves((args, kwargs), torch.Tensor)
        compare_gradients(outputs, expected, mine, theirs)


@pytest.mark.parametrize("info", INFOS, ids=NAMES)
def test_values_and_gradients_agree_on_pytorchs_samples(info: Any) -> None:
    function, compared = find(info), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, dtype in DTYPES.items():
            if name == "complex64" and info.name.startswith(tuple(REAL_ONLY)):
                continue
            if dtype not in info.dtypes or (name != "float32" and info.name in PLACES):
                continue
            for sample in samples(info, dtype, name in ("float32", "complex64") and info.supports_autograd):
                compare(info, sample, function)
                compared += 1
    assert compared or not set(DTYPES.values()) & set(info.dtypes)


def forms(info: Any, sample: Any) -> Iterator[tuple[str, Any, Any]]:
    """What else the function may be called as: PyTorch's form and ours."""
    name = getattr(info.method_variant, "__name__", "<lambda>")
    if name != "<lambda>":
        yield "method", info.method_variant, getattr(lamina.Tensor, name)
    name = getattr(info.inplace_variant, "__name__", "<lambda>")
    if name != "<lambda>":
        yield "in place", info.inplace_variant, getattr(lamina.Tensor, name)


@pytest.mark.parametrize("info", INFOS, ids=NAMES)
def test_methods_and_forms_in_place_agree(info: Any) -> None:
    if torch.float32 not in info.dtypes:
        pytest.skip("not for float32")
    with warnings.catch_warnings(), torch.no_grad(), lamina.no_grad():
        warnings.simplefilter("ignore")
        for sample in samples(info, torch.float32, False):
            if not isinstance(sample.input, torch.Tensor):
                continue
            for form, theirs, mine in forms(info, sample):
                args, kwargs = tree_map(leaf, [sample.input, *sample.args]), tree_map(leaf, sample.kwargs)
                our_args, our_kwargs = tree_map(ours, args), tree_map(ours, kwargs)
                try:
                    expected = theirs(*args, **kwargs)
                except RuntimeError:  # no place for a result of another shape
                    continue
                if expected is args[0] and form == "in place":
                    assert mine(*our_args, **our_kwargs) is our_args[0]
                    close(our_args[0], expected, form)
                elif form == "method":
                    for x, y in zip(flat(mine(*our_args, **our_kwargs)), flat(expected), strict=True):
                        close(x, y, form)


WITH_ERRORS = [i for i in INFOS if i.error_inputs_func is not None and (i.name, "error") not in KNOWN]


@pytest.mark.parametrize("info", WITH_ERRORS, ids=[i.name + i.variant_test_name for i in WITH_ERRORS])
def test_what_pytorch_refuses_is_refused(info: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in info.error_inputs_func(info, "cpu"):
            sample = case.sample_input
            if not fits(sample) or not isinstance(sample.input, (torch.Tensor, list, tuple)):
                continue
            if "out" in sample.kwargs:  # that memory is shared matters to PyTorch alone
                continue
            try:
                info.op(sample.input, *sample.args, **sample.kwargs)
            except Exception:
                pass
            else:  # the samples are wrong in other forms of the function
                continue
            args, kwargs = tree_map(ours, [sample.input, *sample.args]), tree_map(ours, sample.kwargs)
            with pytest.raises((RuntimeError, ValueError, TypeError, IndexError)):
                find(info)(*args, **kwargs)
