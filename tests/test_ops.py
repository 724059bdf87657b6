"""Every line of the tables of ops, judged by the harness."""

from __future__ import annotations

import pytest

import lamina
from harness import HAS_TORCH, Case, check_gradients, check_no_gradient, check_torch, check_values
from ops_table import ELEMENTWISE
from ops_table_layer import LAYER, MATRIX
from ops_table_reduce import REDUCTION
from ops_table_shape import SHAPE

CASES = ELEMENTWISE + REDUCTION + SHAPE + LAYER
every_case = pytest.mark.parametrize("case", CASES, ids=str)


@every_case
@pytest.mark.parametrize("layout", ["contiguous", "transposed", "stepped"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_value(case: Case, dtype: str, layout: str) -> None:
    if case.layouts or layout == "contiguous":
        check_values(case, dtype, layout)


@pytest.mark.parametrize("case", [case for case in CASES if case.half], ids=str)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half(case: Case, dtype: str) -> None:
    check_values(case, dtype)


@pytest.mark.parametrize("case", [case for case in CASES if case.grad is True], ids=str)
def test_gradient(case: Case) -> None:
    check_gradients(case, order=1)


@pytest.mark.parametrize("case", [c for c in CASES if c.grad is True and c.second is True], ids=str)
def test_second_gradient(case: Case) -> None:
    check_gradients(case, order=2)


@pytest.mark.parametrize(
    "case",
    [c for c in CASES if c.grad is not True and not c.grad.startswith(("raises", "differences"))],
    ids=str,
)
def test_no_gradient_is_no_wrong_gradient(case: Case) -> None:
    check_no_gradient(case)


@pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is not installed")
@pytest.mark.parametrize("case", [case for case in CASES if case.torch is not None], ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool"])
@pytest.mark.filterwarnings("ignore")  # PyTorch's own
def test_torch(case: Case, dtype: str) -> None:
    if dtype == "bool" and case in MATRIX:
        pytest.skip("PyTorch's products of bool depend on the sizes")
    check_torch(case, dtype)


def test_the_tables_hold_every_op_that_they_can() -> None:
    """Ops that fill, change or step in place are tested elsewhere."""
    names = {case.name.rpartition(".")[2] for case in CASES}
    assert len(names) > 200
    assert lamina.float32.is_floating_point
