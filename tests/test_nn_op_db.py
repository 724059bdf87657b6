"""Functions of lamina.nn.functional beside PyTorch on PyTorch's own samples: values and gradients."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import pytest

import lamina
from test_nn_module_db import equal, leaf, leaves, ours, tree_map

torch = pytest.importorskip("torch")
op_db = pytest.importorskip("torch.testing._internal.common_methods_invocations").op_db

SAMPLES = 60  # of each function at most
# Those that draw numbers, call modules, or are sampled in another order of arguments than they are called in.
LEFT_OUT = (
    "dropout",
    "embedding",
    "fractional",
    "multi_head_attention",
    "pdist",  # the number of differences has no slope here, where PyTorch's is 0
    "rrelu",
    "scaled_dot_product",
    "triplet_margin_with_distance",
)
INFOS = [
    info
    for info in op_db
    if info.name.startswith("nn.functional.")
    and not info.variant_test_name.startswith("chunked")
    and torch.float64 in info.dtypes
    and not any(word in info.name for word in LEFT_OUT)
    and hasattr(lamina.nn.functional, info.name.split(".")[-1])
]
# PyTorch takes a channel for a batch here.
ODD = {("batch_norm", (0,))}


def compare(name: str, info: Any, sample: Any) -> None:
    args, kwargs = tree_map(leaf, [sample.input, *sample.args]), tree_map(leaf, sample.kwargs)
    our_args, our_kwargs = tree_map(ours, args), tree_map(ours, kwargs)
    expected = leaves(info.op(*args, **kwargs), torch.Tensor)
    outputs = leaves(getattr(lamina.nn.functional, name)(*our_args, **our_kwargs), lamina.Tensor)
    assert len(outputs) == len(expected)
    for x, y in zip(outputs, expected, strict=True):
        equal(x, y, "value")
        assert x.requires_grad == y.requires_grad
        if y.requires_grad:
            slopes = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).reshape(y.shape)
            y.backward(slopes, retain_graph=True)
            x.backward(ours(slopes), retain_graph=True)
    pairs = zip(
        leaves((our_args, our_kwargs), lamina.Tensor), leaves((args, kwargs), torch.Tensor), strict=True
    )
    for x, y in pairs:
        assert (x.grad is None) == (y.grad is None)
        if y.grad is not None:
            equal(x.grad, y.grad.to_dense(), "gradient")


@pytest.mark.parametrize(
    "info", INFOS, ids=[f"{info.name[14:]} {info.variant_test_name}".strip() for info in INFOS]
)
def test_functions_agree_on_pytorchs_samples(info: Any) -> None:
    name = info.name.split(".")[-1]
    torch.manual_seed(0)
    compared = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for sample in itertools.islice(info.sample_inputs_func(info, "cpu", torch.float64, True), SAMPLES):
            if (name, tuple(getattr(sample.input, "shape", ()))) not in ODD:
                compare(name, info, sample)
                compared += 1
    assert compared
