"""What is kept for the way back and how it is watched: saved-tensor hooks, checkpoint, detect_anomaly."""

from __future__ import annotations

import gc
import warnings
import weakref

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.autograd.graph import register_multi_grad_hook, save_on_cpu, saved_tensors_hooks
from lamina.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential

# ---- saved_tensors_hooks


def test_hooks_pack_and_unpack_every_saved_tensor() -> None:
    packed, unpacked = [], []

    def pack(x):
        packed.append(x)
        return x.numpy(force=True).copy()

    def unpack(array):
        unpacked.append(array)
        return lamina.tensor(array)

    x = lamina.tensor([0.5, 2.0], requires_grad=True)
    with saved_tensors_hooks(pack, unpack):
        y = (x.exp() * x).sum()
    assert len(packed) == 3 and not unpacked
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([0.5, 2.0]) * (1 + np.array([0.5, 2.0])), rtol=1e-6)
    assert len(unpacked) == 3


def test_second_derivatives_go_through_unpacked_tensors() -> None:
    x = lamina.tensor([1.5], dtype=lamina.float64, requires_grad=True)
    with saved_tensors_hooks(lambda x: x, lambda x: x.clone()):
        y = x**3 + x.exp()
    (first,) = lamina.autograd.grad(y, x, create_graph=True)
    (second,) = lamina.autograd.grad(first, x)
    assert second.item() == pytest.approx(6 * 1.5 + np.exp(1.5))


def test_the_innermost_pair_counts_and_nonsense_raises() -> None:
    seen = []
    x = lamina.ones(1, requires_grad=True)
    with saved_tensors_hooks(lambda x: seen.append("outer"), lambda x: x):
        with saved_tensors_hooks(lambda x: 5, lambda x: "no tensor"):
            y = x.exp()
        x.exp()
    assert seen == ["outer"]
    with pytest.raises(TypeError, match="unpack hook"):
        y.backward()
    with save_on_cpu():
        z = x.exp()
    z.backward()
    assert x.grad.item() == pytest.approx(np.e)
    with (
        pytest.raises(ZeroDivisionError),
        saved_tensors_hooks(lambda x: 1 / 0, lambda x: x),
    ):
        x.exp()


def test_multi_grad_hook_waits_for_all_or_takes_the_first() -> None:
    a, b = (lamina.ones(1, requires_grad=True) for _ in range(2))
    every, first = [], []
    handle = register_multi_grad_hook((a, b), every.append)
    register_multi_grad_hook((a, b), first.append, mode="any")
    (2 * a + 3 * b).backward()
    assert [g.item() for g in every[0]] == [2.0, 3.0] and len(every) == len(first) == 1
    handle.remove()
    (a + b).backward()
    assert len(every) == 1 and len(first) == 2


# ---- checkpoint


def model() -> nn.Sequential:
    lamina.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1)
    )


def gradients(run) -> list[np.ndarray]:
    net = model()
    x = lamina.ones(3, 4, requires_grad=True)
    lamina.manual_seed(1)
    run(net, x).square().sum().backward()
    return [x.grad.numpy()] + [p.grad.numpy() for p in net.parameters()]


@pytest.mark.parametrize(
    "run",
    [
        lambda net, x: checkpoint(net, x, use_reentrant=False),
        lambda net, x: checkpoint(net, x, use_reentrant=True),
        lambda net, x: checkpoint_sequential(net, 3, x, use_reentrant=False),
        lambda net, x: checkpoint_sequential(net, 2, x, use_reentrant=True),
        lambda net, x: checkpoint(lambda x: checkpoint(net, x, use_reentrant=False), x, use_reentrant=False),
    ],
)
def test_checkpointed_gradients_are_those_without_and_dropout_draws_the_same(run) -> None:
    for got, wanted in zip(gradients(run), gradients(lambda net, x: net(x)), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_nothing_inside_is_kept_and_it_is_computed_twice() -> None:
    inside, calls = [], []

    def block(x, *, scale):
        calls.append(1)
        y = (x * scale).exp()
        inside.append(weakref.ref(y))
        return y.sin().sum()

    x = lamina.ones(3, requires_grad=True)
    y = checkpoint(block, x, scale=2.0, use_reentrant=False)
    gc.collect()
    assert inside[0]() is None and len(calls) == 1
    y.backward()
    assert len(calls) == 2
    wanted = np.cos(np.exp(2.0)) * np.exp(2.0) * 2
    np.testing.assert_allclose(x.grad.numpy(), np.full(3, wanted), rtol=1e-5)


def test_without_reentrance_grad_and_second_derivatives_work() -> None:
    x = lamina.tensor([0.7], dtype=lamina.float64, requires_grad=True)
    assert lamina.autograd.gradgradcheck(
        lambda x: checkpoint(lambda x: (x**3).sin(), x, use_reentrant=False), (x,)
    )
    y = checkpoint(lambda x: {"a": x.exp()}, x, use_reentrant=False)["a"]
    (g,) = lamina.autograd.grad(y, x, retain_graph=True)
    (again,) = lamina.autograd.grad(y, x)
    assert g.item() == again.item() == pytest.approx(np.exp(0.7))


def test_reentrant_says_what_it_cannot_do() -> None:
    x = lamina.ones(2, requires_grad=True)
    y = checkpoint(lamina.exp, x, use_reentrant=True).sum()
    with pytest.raises(RuntimeError, match="use_reentrant=True it does not"):
        lamina.autograd.grad(y, x)
    with pytest.warns(UserWarning, match="use_reentrant"):
        checkpoint(lamina.exp, x)
    with pytest.raises(ValueError, match="scale"):
        checkpoint(lamina.exp, x, scale=1, use_reentrant=True)
    with pytest.warns(UserWarning, match="None of the inputs"):
        checkpoint(nn.Linear(2, 2), lamina.ones(2), use_reentrant=True)
    with pytest.raises(ValueError, match="segments"):
        checkpoint_sequential([lamina.exp], 2, x, use_reentrant=False)


def test_a_function_that_is_not_the_same_twice_raises() -> None:
    state = {"n": 2}

    def block(x):
        state["n"] += 1
        return x[: state["n"]].exp()

    y = checkpoint(block, lamina.ones(8, requires_grad=True), use_reentrant=False)
    with pytest.raises(CheckpointError, match="computed again"):
        y.sum().backward()


def test_contexts_and_autocast_are_those_of_the_first_computation() -> None:
    dtypes, entered = [], []

    class Noted:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            entered.append(self.name)

        def __exit__(self, *exception):
            pass

    def block(x):
        y = x @ x
        dtypes.append(y.dtype)
        return y.exp()

    x = lamina.ones(2, 2, requires_grad=True)
    with lamina.autocast("cpu"):
        y = checkpoint(block, x, use_reentrant=False, context_fn=lambda: (Noted("first"), Noted("second")))
    y.sum().backward()
    assert dtypes == [lamina.bfloat16] * 2 and entered == ["first", "second"]


# ---- anomalies


def test_nan_names_the_operation_and_the_line_that_called_it() -> None:
    x = lamina.zeros(1, requires_grad=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with (
            lamina.autograd.detect_anomaly(),
            pytest.raises(RuntimeError, match="'SqrtBackward0' returned nan values in its 0th output"),
        ):
            root = x.sqrt()  # the line to be named
            (root * 0).sum().backward()
    (warning,) = caught
    text = str(warning.message)
    assert "Error detected in SqrtBackward0" in text and "root = x.sqrt()  # the line to be named" in text
    assert not lamina.is_anomaly_enabled()
    (x.sqrt() * 0).sum().backward()
    assert np.isnan(x.grad.item())


def test_a_way_back_that_raises_is_reported_and_what_induced_it() -> None:
    class Broken(lamina.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            raise KeyError("broken")

    x = lamina.ones(1, requires_grad=True)
    with lamina.autograd.set_detect_anomaly(True):
        y = Broken.apply(x)
        with pytest.warns(UserWarning, match="Error detected in BrokenBackward"), pytest.raises(KeyError):
            y.backward()
    y = Broken.apply(x)
    with (
        lamina.autograd.detect_anomaly(),
        pytest.warns(UserWarning, match="No forward pass information"),
        pytest.raises(KeyError),
    ):
        y.backward()
    z = lamina.zeros(1, requires_grad=True)
    with lamina.autograd.detect_anomaly():
        (g,) = lamina.autograd.grad(z**1.5, z, create_graph=True)
        with (
            pytest.warns(UserWarning, match="induced by PowBackward0"),
            pytest.raises(RuntimeError, match="nan"),
        ):
            (g * 0).backward()


def test_the_switch_works_as_a_call_and_nan_may_pass() -> None:
    x = lamina.zeros(1, requires_grad=True)
    lamina.autograd.set_detect_anomaly(True, check_nan=False)
    assert lamina.is_anomaly_enabled() and not lamina.is_anomaly_check_nan_enabled()
    (x.sqrt() * 0).sum().backward()
    lamina.autograd.set_detect_anomaly(False)
    assert not lamina.is_anomaly_enabled()


# ---- in place


@pytest.mark.parametrize("see", ["detach", "view", "numpy", "nothing"])
def test_who_sees_memory_changed_while_recording(see: str) -> None:
    """Whoever looks at a tensor's memory sees it change in place; a way back that kept it does not mind."""
    x = lamina.tensor([-1.0, 0.5, 2.0], requires_grad=True)
    y = x * 2
    looks = {
        "detach": lambda: y.detach(),
        "view": lambda: y[:],
        "numpy": lambda: lamina.from_numpy(y.detach().numpy()),
        "nothing": lambda: None,
    }
    look = looks[see]()
    want = np.array([-2.0, 1.0, 4.0]) / (1 + np.exp([2.0, -1.0, -4.0]))
    y = nn.functional.silu(y, inplace=True)
    np.testing.assert_allclose(y.detach().numpy(), want, rtol=1e-6)
    if look is not None:
        np.testing.assert_allclose(look.detach().numpy(), want, rtol=1e-6)
    y.sum().backward()
    s = 1 / (1 + np.exp([2.0, -1.0, -4.0]))
    slope = s + np.array([-2.0, 1.0, 4.0]) * s * (1 - s)
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), 2 * slope, rtol=1e-6)
