"""Mixed precision: which dtype each operation takes under autocast, and how GradScaler finds its scale."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F

HALF = lamina.bfloat16
X = lamina.arange(16.0).reshape(4, 4) / 16
IMAGE = lamina.ones(1, 3, 8, 8)


@pytest.mark.parametrize(
    "call",
    [
        lambda: X @ X,
        lambda: lamina.mm(X, X),
        lambda: lamina.bmm(X[None], X[None]),
        lambda: lamina.addmm(X, X, X),
        lambda: lamina.baddbmm(X[None], X[None], X[None]),
        lambda: lamina.einsum("ij,jk->ik", X, X),
        lambda: F.linear(X, X, X[0]),
        lambda: F.conv1d(X[None], lamina.ones(2, 4, 3)),
        lambda: F.conv2d(IMAGE, lamina.ones(2, 3, 3, 3)),
        lambda: F.conv_transpose2d(IMAGE, lamina.ones(3, 2, 3, 3)),
        lambda: F.scaled_dot_product_attention(X[None], X[None], X[None]),
        lambda: F.layer_norm(X.bfloat16(), (4,), X[0], X[0]),
        lambda: F.group_norm(IMAGE.bfloat16(), 3, lamina.ones(3), lamina.ones(3)),
        lambda: F.rms_norm(X.bfloat16(), (4,), X[0]),
        lambda: nn.Linear(4, 2)(X) * 2,
    ],
)
def test_products_take_the_half_type(call) -> None:
    with lamina.autocast("cpu"):
        assert call().dtype is HALF


@pytest.mark.parametrize(
    "call",
    [
        lambda: F.cross_entropy(X.bfloat16(), lamina.tensor([0, 1, 2, 3])),
        lambda: F.mse_loss(X.bfloat16(), X),
        lambda: F.binary_cross_entropy_with_logits(X.bfloat16(), X),
        lambda: F.kl_div(X.bfloat16(), X.softmax(-1), reduction="sum"),
        lambda: F.triplet_margin_loss(X.bfloat16(), X.bfloat16(), X.bfloat16()),
        lambda: nn.GRUCell(4, 4)(X),
        lambda: X + X.bfloat16(),
        lambda: lamina.cat([X, X.bfloat16()]),
    ],
)
def test_losses_and_sums_stay_in_float32(call) -> None:
    with lamina.autocast("cpu", dtype=HALF):
        assert call().dtype is lamina.float32


def test_values_are_those_of_rounded_operands() -> None:
    rng = np.random.default_rng(0)
    a, b = (lamina.tensor(rng.normal(size=(5, 7)).astype("f4")) for _ in range(2))
    with lamina.autocast("cpu", dtype=lamina.float16):
        got = F.linear(a, b)
    wanted = a.half().double().numpy() @ b.half().double().numpy().T
    assert got.dtype is lamina.float16
    np.testing.assert_allclose(got.double().numpy(), wanted, rtol=2e-3, atol=2e-3)
    with lamina.autocast("cpu"):
        assert (a.double() @ b.double().T).dtype is lamina.float64


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_recurrent_layers_take_what_products_give(kind: str) -> None:
    layer = getattr(nn, kind)(4, 3)
    with lamina.autocast("cpu"):
        got = layer((X @ X).unsqueeze(1))[0]
    wanted = layer((X.bfloat16() @ X.bfloat16()).float().unsqueeze(1))[0]
    np.testing.assert_allclose(got.detach().numpy(), wanted.detach().numpy(), rtol=1e-2, atol=1e-2)
    with pytest.raises(TypeError, match="does not match"):
        layer(X.bfloat16().unsqueeze(1))


def test_parameters_and_gradients_stay_float32_and_training_works() -> None:
    lamina.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 1))
    step = lamina.optim.Adam(net.parameters(), lr=0.05)
    x = lamina.randn(64, 4)
    y = x.sum(1, keepdim=True)
    losses = []
    for _ in range(60):
        step.zero_grad()
        with lamina.autocast("cpu"):
            loss = F.mse_loss(net(x), y)
        loss.backward()
        assert all(p.grad.dtype is lamina.float32 for p in net.parameters())
        step.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_a_parameter_is_converted_once_and_anew_after_it_changed() -> None:
    w = nn.Parameter(lamina.ones(2, 2))
    with lamina.autocast("cpu"):
        first, second = w @ X[:2, :2], w @ X[:2, :2]
        node = lambda y: y.grad_fn.next_functions  # noqa: E731
        with lamina.no_grad():
            w.mul_(2)
        third = w @ X[:2, :2]
    assert node(first) is not None and node(second) is not None
    np.testing.assert_array_equal(third.detach().float().numpy(), 2 * first.detach().float().numpy())
    (first.sum() + second.sum()).backward()
    np.testing.assert_allclose(w.grad.numpy(), np.tile(2 * X[:2, :2].numpy().sum(1), (2, 1)), rtol=1e-2)


def test_backward_inside_of_autocast_keeps_the_dtypes_of_the_forward() -> None:
    x = lamina.ones(3, 3, requires_grad=True)
    y = (x @ x).sum()
    with lamina.autocast("cpu"):
        y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full((3, 3), 6.0))


def test_it_nests_decorates_and_puts_back() -> None:
    assert not lamina.is_autocast_enabled("cpu")
    with lamina.autocast("cpu"):
        assert lamina.is_autocast_enabled("cpu") and not lamina.is_autocast_enabled("cuda")
        with lamina.autocast("cpu", enabled=False):
            assert (X @ X).dtype is lamina.float32
        assert (X @ X).dtype is HALF

    @lamina.autocast("cpu")
    def product() -> lamina.Tensor:
        return X @ X

    assert product().dtype is HALF
    with pytest.raises(ZeroDivisionError), lamina.autocast("cpu"):
        1 / 0  # noqa: B018
    assert (X @ X).dtype is lamina.float32


def test_devices_that_are_not_here() -> None:
    with pytest.warns(UserWarning, match="cuda is not available"), lamina.autocast("cuda"):
        assert (X @ X).dtype is lamina.float32
    with pytest.raises(RuntimeError, match="unsupported device type"):
        lamina.autocast("toaster")
    with pytest.warns(UserWarning, match="only bfloat16 and float16"):
        lamina.autocast("cpu", dtype=lamina.float64)
    with pytest.warns(UserWarning, match="not available"):
        scaler = lamina.amp.GradScaler()
    assert not scaler.is_enabled() and scaler.scale(X) is X and scaler.state_dict() == {}


def test_custom_function_runs_backward_as_forward() -> None:
    seen = []

    class Product(lamina.autograd.Function):
        @staticmethod
        @lamina.amp.custom_fwd(device_type="cpu")
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a @ b

        @staticmethod
        @lamina.amp.custom_bwd(device_type="cpu")
        def backward(ctx, grad):
            seen.append(lamina.is_autocast_enabled("cpu"))
            a, b = ctx.saved_tensors
            return grad @ b.T, a.T @ grad

    a = lamina.ones(2, 2, requires_grad=True)
    with lamina.autocast("cpu"):
        y = Product.apply(a, X[:2, :2])
    y.sum().backward()
    assert seen == [True] and y.dtype is HALF and a.grad.dtype is lamina.float32

    class Cast(lamina.autograd.Function):
        @staticmethod
        @lamina.amp.custom_fwd(device_type="cpu", cast_inputs=lamina.float32)
        def forward(ctx, a):
            return a @ a

    with lamina.autocast("cpu"):
        assert Cast.apply(X.bfloat16()).dtype is lamina.float32


def scaler_and_optimizer(**options) -> tuple:
    p = nn.Parameter(lamina.ones(2))
    return lamina.amp.GradScaler("cpu", **options), lamina.optim.SGD([p], lr=0.5), p


def test_scaler_scales_steps_and_skips() -> None:
    scaler, optimizer, p = scaler_and_optimizer(init_scale=8.0, growth_interval=2)
    for expected in (8.0, 16.0):
        optimizer.zero_grad()
        scaler.scale((p * 2).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        assert scaler.get_scale() == expected
    np.testing.assert_array_equal(p.detach().numpy(), [-1.0, -1.0])
    p.grad = lamina.tensor([1.0, float("inf")])
    assert scaler.step(optimizer) is None
    scaler.update()
    np.testing.assert_array_equal(p.detach().numpy(), [-1.0, -1.0])
    assert scaler.get_scale() == 8.0
    other = lamina.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.get_scale() == 8.0


def test_scaler_refuses_what_makes_no_sense() -> None:
    scaler, optimizer, p = scaler_and_optimizer()
    with pytest.raises(RuntimeError, match="No inf checks"):
        scaler.update()
    p.grad = lamina.ones(2)
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already called"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="after step"):
        scaler.unscale_(optimizer)
    with pytest.raises(ValueError, match="growth"):
        lamina.amp.GradScaler("cpu", growth_factor=1.0)
    with pytest.raises(RuntimeError, match="empty"):
        scaler.load_state_dict({})


def test_scaler_and_pytorchs_agree_over_a_run() -> None:
    torch = pytest.importorskip("torch")
    seen = {}
    for name, lib in (("lamina", lamina), ("torch", torch)):
        scaler = lib.amp.GradScaler("cpu", init_scale=4.0, growth_interval=3, backoff_factor=0.25)
        p = lib.nn.Parameter(lib.ones(3))
        optimizer = lib.optim.SGD([p], lr=0.1)
        seen[name] = []
        for step in range(12):
            optimizer.zero_grad()
            scaler.scale((p * (float("inf") if step in (4, 9) else step)).sum()).backward()
            scaler.unscale_(optimizer)
            lib.nn.utils.clip_grad_norm_([p], 1.0)
            scaler.step(optimizer)
            scaler.update()
            seen[name].append((scaler.get_scale(), [round(v, 5) for v in p.tolist()]))
    assert seen["lamina"] == seen["torch"]


def test_cuda_amp_does_nothing_without_cuda() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with lamina.cuda.amp.autocast():
            assert (X @ X).dtype is lamina.float32
        assert not lamina.cuda.amp.GradScaler().is_enabled()
    with lamina.cpu.amp.autocast():
        assert (X @ X).dtype is HALF
