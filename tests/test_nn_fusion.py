"""Batch norm folded into the layer before it, its synchronous name, and the old names of functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn


def statistics(bn: Any) -> Any:
    """``bn`` in evaluation with numbers of its own."""
    rng = np.random.RandomState(3)
    for tensor, low in ((bn.weight, 0.5), (bn.bias, -1.0), (bn.running_mean, -1.0), (bn.running_var, 0.5)):
        if tensor is not None:
            tensor.data.copy_(lamina.from_numpy(rng.uniform(low, 2.0, tuple(tensor.shape))))
    return bn.eval()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("name", ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d"])
def test_a_fused_convolution_is_both_in_turn(name: str, affine: bool, bias: bool) -> None:
    lamina.manual_seed(0)
    dims = int(name[-2])
    layer = getattr(nn, name)(4, 6, 3, groups=1, bias=bias).eval()
    bn = statistics(getattr(nn, f"BatchNorm{dims}d")(6, affine=affine))
    x = lamina.randn(2, 4, *[5] * dims)
    fused = nn.utils.fuse_conv_bn_eval(layer, bn, transpose="Transpose" in name)
    before = layer.weight.detach().clone()
    np.testing.assert_allclose(fused(x).detach().numpy(), bn(layer(x)).detach().numpy(), atol=1e-5)
    assert type(fused) is type(layer) and (layer.weight == before).all() and fused.weight.requires_grad
    assert (layer.bias is None) == (not bias) and fused.bias.requires_grad == bias


@pytest.mark.parametrize("channels", [6, 1])
def test_a_fused_linear_layer_is_both_in_turn(channels: int) -> None:
    lamina.manual_seed(0)
    layer, bn = nn.Linear(4, 6).eval(), statistics(nn.BatchNorm1d(channels))
    x = lamina.randn(5, 4)
    y = layer(x)
    y = bn(y) if channels == 6 else bn(y.unsqueeze(1)).squeeze(1)
    np.testing.assert_allclose(
        nn.utils.fuse_linear_bn_eval(layer, bn)(x).detach().numpy(), y.detach().numpy(), atol=1e-5
    )


def test_what_cannot_be_fused_is_refused() -> None:
    conv, bn = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)
    with pytest.raises(lamina.ShapeError, match="eval"):
        nn.utils.fuse_conv_bn_eval(conv, bn)
    with pytest.raises(lamina.ShapeError, match="statistics"):
        nn.utils.fuse_conv_bn_eval(conv.eval(), nn.BatchNorm2d(2, track_running_stats=False).eval())
    with pytest.raises(lamina.ShapeError, match="out_features"):
        nn.utils.fuse_linear_bn_eval(nn.Linear(2, 3).eval(), nn.BatchNorm1d(2).eval())


def test_sync_batch_norm_is_batch_norm_of_one_process() -> None:
    lamina.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Sequential(nn.BatchNorm2d(3, affine=False)))
    other = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert [type(m).__name__ for m in other.modules() if "Norm" in type(m).__name__] == ["SyncBatchNorm"] * 2
    state = {name: value.clone() for name, value in net.state_dict().items()}
    fresh = nn.Sequential(
        nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Sequential(nn.BatchNorm2d(3, affine=False))
    )
    fresh.load_state_dict(state)
    x = lamina.randn(4, 2, 5, 5)
    assert (other(x) == fresh(x)).all()
    assert all((a == b).all() for a, b in zip(other.buffers(), fresh.buffers(), strict=True))
    assert nn.SyncBatchNorm(2)(lamina.randn(3, 2)).shape == (3, 2)
    with pytest.raises(NotImplementedError, match="process_group"):
        nn.SyncBatchNorm(2, process_group=object())  # type: ignore[arg-type]
    with pytest.raises(lamina.ShapeError, match="at least 2D"):
        nn.SyncBatchNorm(2)(lamina.ones(2))


def test_old_names_warn_and_work() -> None:
    layer = nn.Linear(3, 3)
    for name in (
        "uniform",
        "normal",
        "eye",
        "xavier_uniform",
        "xavier_normal",
        "kaiming_normal",
        "orthogonal",
    ):
        with pytest.warns(FutureWarning, match=f"{name}_"):
            getattr(nn.init, name)(layer.weight)
    with pytest.warns(FutureWarning):
        nn.init.constant(layer.bias, 2.0)
    assert (layer.bias == 2).all() and not hasattr(nn.init, "ones")
    layer(lamina.ones(1, 3)).sum().backward()
    with pytest.warns(FutureWarning, match="clip_grad_norm_"):
        nn.utils.clip_grad_norm(layer.parameters(), 0.5)
    assert sum(float((p.grad**2).sum()) for p in layer.parameters()) == pytest.approx(0.25, rel=1e-5)


def test_tuples_and_names_of_state_dicts() -> None:
    from lamina.nn.modules.utils import (
        _pair,
        _reverse_repeat_tuple,
        _triple,
        consume_prefix_in_state_dict_if_present,
    )

    assert (_pair(3), _pair([1, 2]), _triple(1)) == ((3, 3), (1, 2), (1, 1, 1))
    assert _reverse_repeat_tuple((1, 2), 2) == (2, 2, 1, 1)
    wrapped = nn.Module()
    wrapped.module = nn.Linear(2, 2)
    state = wrapped.state_dict()
    consume_prefix_in_state_dict_if_present(state, "module.")
    nn.Linear(2, 2).load_state_dict(state)


def test_skip_init_draws_nothing() -> None:
    state = lamina.get_rng_state()
    layer = nn.utils.skip_init(nn.Linear, 3, 4, bias=False)
    assert layer.weight.shape == (4, 3) and layer.bias is None
    assert (lamina.get_rng_state() == state).all()
    with pytest.raises(TypeError, match="Module"):
        nn.utils.skip_init(dict)  # type: ignore[type-var]
