"""Every layer beside PyTorch on PyTorch's own samples: printing, names, values, gradients, statistics."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn

torch = pytest.importorskip("torch")
module_db = pytest.importorskip("torch.testing._internal.common_modules").module_db

SAMPLES = 24  # of each layer at most
# In training these draw numbers of their own, so only their shapes are compared.
RANDOM = ("Dropout", "RReLU", "FractionalMaxPool")
INFOS = [info for info in module_db if info.module_cls.__module__.startswith("torch.nn.modules")]


def tree_map(function: Any, tree: Any) -> Any:
    return torch.utils._pytree.tree_map(function, tree)


def ours(value: Any) -> Any:
    """A torch argument as lamina's."""
    if isinstance(value, torch.Tensor):
        made = lamina.tensor(np.array(value.detach().numpy(force=True)))
        return made.requires_grad_() if value.requires_grad else made
    if isinstance(value, (torch.dtype, torch.memory_format)):
        return getattr(lamina, str(value).removeprefix("torch."))
    if isinstance(value, torch.nn.TransformerEncoderLayer):
        return nn.TransformerEncoderLayer(
            value.self_attn.embed_dim,
            value.self_attn.num_heads,
            value.linear1.out_features,
            value.dropout.p,
            getattr(nn.functional, value.activation.__name__),
            value.norm1.eps,
            value.self_attn.batch_first,
            value.norm_first,
            value.linear1.bias is not None,
        ).double()
    name = getattr(value, "__name__", "")
    for mine, theirs in ((nn.functional, torch.nn.functional), (lamina, torch)):
        if callable(value) and getattr(theirs, name, None) is value:
            return getattr(mine, name)
    return value


def leaf(value: Any) -> Any:
    """A sample may be the result of a recorded computation."""
    if not isinstance(value, torch.Tensor):
        return value
    return value.detach().clone().requires_grad_(value.requires_grad)


def leaves(tree: Any, kind: Any) -> list[Any]:
    if isinstance(tree, kind):
        return [tree]
    inside = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (tuple, list)) else ()
    return [found for part in inside for found in leaves(part, kind)]


def equal(mine: Any, other: Any, what: str) -> None:
    mine, other = mine.detach().numpy(), other.detach().numpy()
    assert (mine.shape, mine.dtype) == (other.shape, other.dtype), what
    np.testing.assert_allclose(mine, other, rtol=1e-7, atol=1e-9, err_msg=what)


def compare(name: str, info: Any, sample: Any, training: bool) -> None:
    args, kwargs = sample.constructor_input.args, sample.constructor_input.kwargs
    theirs = info.module_cls(*args, **kwargs).double().train(training)
    mine = getattr(nn, name)(*map(ours, args), **{k: ours(v) for k, v in kwargs.items()})
    mine = mine.double().train(training)
    assert repr(mine) == repr(theirs)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    inputs = tree_map(leaf, (sample.forward_input.args, sample.forward_input.kwargs))
    our_args, our_kwargs = tree_map(ours, inputs[0]), tree_map(ours, inputs[1])
    if name.startswith("Lazy"):
        with torch.no_grad(), lamina.no_grad():
            theirs(*inputs[0], **inputs[1])
            mine(*our_args, **our_kwargs)
        assert repr(mine) == repr(theirs)
    mine.load_state_dict({key: ours(value) for key, value in theirs.state_dict().items()})
    their_inputs, our_inputs = leaves(inputs, torch.Tensor), leaves((our_args, our_kwargs), lamina.Tensor)
    outputs = leaves(mine(*our_args, **our_kwargs), lamina.Tensor)
    expected = leaves(theirs(*inputs[0], **inputs[1]), torch.Tensor)
    assert [tuple(x.shape) for x in outputs] == [tuple(x.shape) for x in expected]
    if training and any(word in name for word in RANDOM):
        return
    total, their_total = lamina.zeros((), dtype=lamina.float64), torch.zeros((), dtype=torch.float64)
    for i, (x, y) in enumerate(zip(outputs, expected, strict=True)):
        equal(x, y, f"output {i}")
        assert x.requires_grad == y.requires_grad
        if y.requires_grad:
            factors = np.asarray(np.random.default_rng(i).standard_normal(tuple(y.shape)))
            total = total + (x * lamina.tensor(factors)).sum()
            their_total = their_total + (y * torch.from_numpy(factors)).sum()
    if their_total.requires_grad:
        total.backward()
        their_total.backward()
    pairs = zip([*our_inputs, *mine.parameters()], [*their_inputs, *theirs.parameters()], strict=True)
    for i, (x, y) in enumerate(pairs):
        assert (x.grad is None) == (y.grad is None), f"gradient {i}"
        if y.grad is not None:
            equal(x.grad, y.grad.to_dense(), f"gradient {i}")
    for key, value in theirs.state_dict().items():
        equal(mine.state_dict()[key], value, key)


@pytest.mark.parametrize("info", INFOS, ids=[info.module_cls.__name__ for info in INFOS])
def test_layers_agree_on_pytorchs_samples(info: Any) -> None:
    name = info.module_cls.__name__
    torch.manual_seed(0)
    compared = 0
    for training in (True, False) if info.train_and_eval_differ else (True,):
        options = {"device": "cpu", "dtype": torch.float64, "requires_grad": True, "training": training}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for sample in itertools.islice(info.module_inputs_func(info, **options), SAMPLES):
                if sample.forward_input is not None:
                    compare(name, info, sample, training)
                    compared += 1
    assert compared
