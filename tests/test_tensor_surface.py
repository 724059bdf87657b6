"""What a script finds in the package: names, modules that load late, switches, assert_close, special."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from harness import HAS_TORCH

# What scripts use of torch and of torch.Tensor, by room of the library.
NAMES = """
abs acos add addcdiv addcmul addmm allclose amax amin any arange argmax argmin argsort as_strided as_tensor
asin atan atan2 atleast_1d baddbmm bernoulli bincount block_diag bmm broadcast_tensors broadcast_to
bucketize cartesian_prod cat cdist ceil chunk clamp clip clone column_stack combinations concat copysign cos
cosh count_nonzero cross cummax cumprod cumsum deg2rad det diag diag_embed diagonal diff dist div dot dstack
einsum empty empty_like eq equal erf exp expm1 eye finfo flatten flip floor floor_divide fmod full full_like
gather ge get_default_dtype gt histc hstack iinfo index_add index_copy index_fill index_select inner inverse
is_floating_point is_grad_enabled is_tensor isclose isfinite isin isinf isnan kron kthvalue le lerp linspace
log log10 log1p log2 logaddexp logcumsumexp logdet logical_and logspace logsumexp lt manual_seed masked_fill
masked_select matmul max maximum mean median meshgrid min minimum mm mode movedim multinomial mv nan_to_num
nansum narrow ne neg no_grad nonzero norm normal numel ones ones_like outer permute pinverse pow prod
promote_types qr quantile rand rand_like randint randn randn_like randperm ravel reciprocal relu remainder
repeat_interleave reshape result_type roll rot90 round rsqrt scatter scatter_add scatter_reduce searchsorted
select set_grad_enabled sigmoid sign sin sinh softmax sort split sqrt square squeeze stack std std_mean sub
sum svd swapaxes t take take_along_dim tan tanh tensor tensor_split tensordot tile topk trace transpose tril
tril_indices triu true_divide trunc unbind unflatten unique unique_consecutive unsqueeze var var_mean vstack
where zeros zeros_like
""".split()


def test_the_names_that_scripts_use_are_there() -> None:
    assert [name for name in NAMES if not callable(getattr(lamina, name, None))] == []


@pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is not installed")
@pytest.mark.filterwarnings("ignore")
def test_nothing_but_lamina_s_own_modules_and_errors_is_named_otherwise_than_in_pytorch() -> None:
    import torch

    modules = {name.rpartition(".")[2] for name in sys.modules if name.startswith("lamina.")}
    own = {
        "BoundsError",
        "DtypeError",
        "FileFormatError",
        "ShapeError",
        "empty_cache",
        "memory_stats",
        "default_generator",
    }
    other = {n for n in dir(lamina) if not n.startswith("_") and not hasattr(torch, n)} - modules - own
    assert {n for n in other if not n.endswith("_")} == set()
    methods = {n for n in dir(lamina.Tensor) if not n.startswith("_") and not hasattr(torch.Tensor, n)}
    assert methods <= {"rsub"}


def test_modules_load_when_they_are_used() -> None:
    code = (
        "import sys, lamina; assert not {'lamina.nn', 'lamina.optim', 'lamina.linalg'} & set(sys.modules);"
        "lamina.nn.Linear(1, 1); lamina.optim.SGD; lamina.linalg.inv; lamina.special.expit; lamina.testing;"
        "from lamina import nn, optim; import lamina.nn.functional as F; import lamina.utils.data;"
        "lamina.save; lamina.load"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_not_there_says_so() -> None:
    for name in ("sparse_coo_tensor", "frobnicate", "_private"):
        with pytest.raises(AttributeError, match=name):
            getattr(lamina, name)
        assert not hasattr(lamina, name)
    with pytest.raises(AttributeError, match="xpu"):
        lamina.ones(1).xpu()  # type: ignore[attr-defined]


def test_switches_that_change_nothing_on_a_cpu() -> None:
    lamina.backends.cudnn.deterministic = True
    lamina.backends.cudnn.benchmark = False
    assert not lamina.backends.cudnn.is_available() and not lamina.backends.mps.is_available()
    assert lamina.backends.cpu.get_cpu_capability() == lamina._core.isa().upper()
    lamina.cuda.manual_seed_all(3)
    assert lamina.cuda.device_count() == 0 and lamina.accelerator.current_accelerator() is None
    lamina.use_deterministic_algorithms(True)
    assert lamina.are_deterministic_algorithms_enabled()
    lamina.set_float32_matmul_precision("high")
    assert lamina.get_float32_matmul_precision() == "high"
    with pytest.raises(ValueError):
        lamina.set_float32_matmul_precision("low")
    assert lamina.memory_stats()["live"] >= 0
    lamina.empty_cache()


CLOSE: list[tuple[Any, Any]] = [
    (1.0, 1.0 + 1e-9),
    (lamina.ones(2), lamina.ones(2) + 1e-6),
    ([1, lamina.ones(1)], [1, lamina.ones(1)]),
    ({"a": 1.0}, {"a": 1.0}),
    (None, None),
    (np.ones(2), np.ones(2)),
    (lamina.ones(0), lamina.ones(0)),
    (3, 3),
]
FAR: list[tuple[Any, Any, str]] = [
    (1.0, 1.1, "Scalars are not close"),
    (lamina.ones(2), lamina.ones(3), "shape"),
    ([1], [1, 2], "length"),
    (lamina.ones(2), lamina.ones(2).double(), "dtype"),
    ({"a": 1}, {"b": 1}, "keys"),
    (None, 1, "None mismatch"),
    (lamina.tensor([1.0, 2.0]), lamina.tensor([1.0, 3.0]), r"Mismatched elements: 1 / 2 \(50.0%\)"),
    (3, 4, "Expected 4"),
    (lamina.tensor([float("nan")]), lamina.tensor([float("nan")]), "not close"),
    ([[1, 2]], [[1, 3]], "at index 0 at index 1"),
    (lamina.ones(1), np.ones(1), "types"),
]


def test_assert_close() -> None:
    for a, b in CLOSE:
        lamina.testing.assert_close(a, b)
    for a, b, word in FAR:
        with pytest.raises(AssertionError, match=word):
            lamina.testing.assert_close(a, b)
    nan = lamina.tensor([float("nan")])
    lamina.testing.assert_close(nan, nan, equal_nan=True)
    lamina.testing.assert_close(lamina.ones(1), lamina.ones(1).double(), check_dtype=False)
    lamina.testing.assert_close(lamina.ones(1), lamina.ones(1) * 1.5, rtol=0.5, atol=0)
    with pytest.raises(AssertionError, match="mine"):
        lamina.testing.assert_close(1.0, 2.0, msg="mine")
    with pytest.raises(ValueError, match="both"):
        lamina.testing.assert_close(1.0, 1.0, rtol=1)
    with pytest.raises(TypeError):
        lamina.testing.assert_close("a", "a")


SPECIAL = (
    "digamma entr erf erfc erfinv exp2 expit expm1 gammaln log1p log_ndtr logit ndtr ndtri psi sinc".split()
)


@pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is not installed")
@pytest.mark.parametrize("name", SPECIAL)
def test_special_functions_against_pytorch(name: str) -> None:
    import torch

    for values in ([0.1, 0.5, 0.9], [-30.0, -6.0, -4.9, 0.0, 2.0]):
        a = np.array(values)
        ours = getattr(lamina.special, name)(lamina.tensor(a)).numpy()
        np.testing.assert_allclose(
            ours, getattr(torch.special, name)(torch.tensor(a)).numpy(), rtol=1e-8, atol=1e-15
        )


def test_no_module_has_the_name_of_a_function() -> None:
    """Importing the module would put it in the function's place."""
    torch = pytest.importorskip("torch")
    modules = {path.stem for path in Path(lamina.__file__).parent.glob("[a-z]*.py")}
    assert {name for name in modules if callable(getattr(torch, name, None))} == set()
