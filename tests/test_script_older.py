"""Names that older or less common scripts use: old names, hubs, nests, questions to compilers."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn, optim
from lamina.utils import _pytree as pytree


@pytest.mark.parametrize(
    "word",
    "uniform normal constant eye dirac sparse xavier_uniform xavier_normal kaiming_uniform kaiming_normal "
    "orthogonal".split(),
)
def test_starting_values_under_their_old_names(word: str) -> None:
    shape = (4, 4, 3) if word == "dirac" else (4, 6)
    args = {"constant": (0.5,), "sparse": (0.25,)}.get(word, ())
    filled = []
    for name in (word, f"{word}_"):
        lamina.manual_seed(3)
        tensor = lamina.empty(*shape)
        if name == word:
            with pytest.warns(FutureWarning, match=f"{word} is deprecated in favor of nn.init.{word}_"):
                assert getattr(nn.init, name)(tensor, *args) is tensor
        else:
            getattr(nn.init, name)(tensor, *args)
        filled.append(tensor.numpy())
    np.testing.assert_array_equal(*filled)


def test_schedulers_base_under_its_old_name() -> None:
    class Halved(optim.lr_scheduler._LRScheduler):
        def get_lr(self) -> list[float]:
            return [rate * 0.5**self.last_epoch for rate in self.base_lrs]

    optimizer = optim.SGD([nn.Parameter(lamina.ones(1))], lr=1.0)
    schedule = Halved(optimizer)
    optimizer.step()
    schedule.step()
    assert schedule.get_last_lr() == [0.5]


@pytest.mark.parametrize("kind", "Adadelta Adagrad Adam AdamW Adamax NAdam RAdam RMSprop SGD".split())
def test_optimizers_take_pytorchs_choice_of_implementation(kind: str) -> None:
    moved = []
    fused = kind in ("Adagrad", "Adam", "AdamW", "SGD")
    for option in ({}, {"foreach": True}, {"fused": True} if fused else {"foreach": False}):
        weight = nn.Parameter(lamina.tensor([1.0, -2.0]))
        optimizer = getattr(optim, kind)([weight], lr=0.1, **option)
        assert optimizer.param_groups[0]["foreach"] == option.get("foreach")
        weight.grad = lamina.tensor([0.5, 0.25])
        optimizer.step()
        moved.append(weight.detach().numpy())
    np.testing.assert_array_equal(moved[0], moved[1])
    np.testing.assert_array_equal(moved[0], moved[2])
    with pytest.raises(TypeError, match="foreach"):
        getattr(optim, kind)([nn.Parameter(lamina.ones(1))], foreach="yes")
    if fused:
        with pytest.raises(RuntimeError, match="cannot be `True` together"):
            getattr(optim, kind)([nn.Parameter(lamina.ones(1))], foreach=True, fused=True)


def test_members_of_a_module_backwards_and_by_the_protocols_name() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    assert list(reversed(net._modules.values())) == [net[1], net[0]]
    assert [name for name, _ in reversed(net._modules.items())] == ["1", "0"]
    assert net.__getattr__("0") is net[0]

    class Wrapped(nn.Module):
        def __init__(self, inside: nn.Module) -> None:
            super().__init__()
            self.inside = inside

        def __getattr__(self, name: str) -> Any:
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.inside, name)

    assert Wrapped(net[0]).in_features == 2
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'width'"):
        _ = Wrapped(net[0]).width


@pytest.mark.parametrize("padding", [1, "same"])
@pytest.mark.parametrize("mode", ["zeros", "circular"])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_convolution_with_other_weights(dims: int, mode: str, padding: Any) -> None:
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
    layer, other = (kind(2, 3, 3, padding=padding, padding_mode=mode) for _ in range(2))
    x = lamina.randn(2, 2, *(5,) * dims)
    np.testing.assert_array_equal(
        layer._conv_forward(x, other.weight, other.bias).detach().numpy(), other(x).detach().numpy()
    )
    assert not hasattr(nn.ConvTranspose2d, "_conv_forward")


def test_gradients_of_several_directions_at_once() -> None:
    x = lamina.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x**2 * 3
    (rows,) = lamina.autograd.grad(y, x, lamina.eye(3), is_grads_batched=True)
    np.testing.assert_allclose(rows.numpy(), np.diag([6.0, 12.0, 18.0]))
    z = x.sum() * lamina.ones(3)
    (grad,) = lamina.autograd.grad(outputs=z, inputs=x, grad_outputs=lamina.ones(3), only_inputs=True)
    np.testing.assert_array_equal(grad.numpy(), [3.0, 3.0, 3.0])
    with pytest.raises(ValueError, match="only_inputs"):
        lamina.autograd.grad(x.sum(), x, only_inputs=False)
    with pytest.raises(ValueError, match="one length"):
        lamina.autograd.grad((x * 1, x * 2), x, (lamina.ones(2, 3), lamina.ones(4, 3)), is_grads_batched=True)


def test_nests_under_pytorchs_names() -> None:
    tree = {"a": [1, (2, None)], "b": 4}
    leaves, form = pytree.tree_flatten(tree)
    assert leaves == [1, 2, None, 4] and form.num_leaves == 4 and form.type is dict
    assert pytree.tree_unflatten(leaves, form) == tree == form.unflatten(leaves)
    assert pytree.tree_structure({"a": [0, (0, 0)], "b": 0}) == form != pytree.tree_structure([0])
    assert pytree.tree_map(lambda x, y: (x, y), [1, 2], [3, 4]) == [(1, 3), (2, 4)]
    assert pytree.tree_map_only(int, lambda x: x + 1, [1, "two"]) == [2, "two"]
    assert pytree.tree_all(lambda x: x > 0, [1, [2]]) and not pytree.tree_any(lambda x: x > 2, [1, [2]])
    assert repr(pytree.tree_structure([1, (2,)])) == "TreeSpec(['*', ('*',)])"
    with pytest.raises(ValueError, match="expected 4 leaves, got 1"):
        pytree.tree_unflatten([1], form)
    with pytest.raises(ValueError, match="leaves"):
        pytree.tree_map(max, [1, 2], [1])


def test_weights_from_an_address(tmp_path, monkeypatch, capsys) -> None:
    source = tmp_path / "net.pth"
    lamina.save({"weight": lamina.arange(3.0)}, source)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    named = source.rename(tmp_path / f"net-{digest[:8]}.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    assert lamina.hub.get_dir() == str(tmp_path / "home" / "hub")
    read = lamina.hub.load_state_dict_from_url(named.as_uri(), check_hash=True)
    np.testing.assert_array_equal(read["weight"].numpy(), [0.0, 1.0, 2.0])
    assert "Downloading" in capsys.readouterr().err
    address = named.as_uri()
    named.unlink()  # from now on only the kept file is there
    again = lamina.hub.load_state_dict_from_url(address, progress=False)
    assert list(again) == ["weight"] and capsys.readouterr().err == ""
    assert list(lamina.utils.model_zoo.load_url(address, progress=False)) == ["weight"]
    wrong = tmp_path / "wrong-00000000.pth"
    wrong.write_bytes(b"not what was promised")
    with pytest.raises(RuntimeError, match="invalid hash value"):
        lamina.hub.load_state_dict_from_url(wrong.as_uri(), check_hash=True, progress=False)
    assert sorted(os.listdir(tmp_path / "home" / "hub" / "checkpoints")) == [named.name]


def test_what_code_asks_and_tells_compilers() -> None:
    from lamina import compiler, jit

    assert not jit.is_scripting() and not jit.is_tracing() and not compiler.is_compiling()

    @jit.ignore
    @jit.unused
    @compiler.disable
    def one() -> int:
        return 1

    @jit.export
    @jit.ignore(drop=True)
    @compiler.disable()
    def two() -> int:
        return 2

    assert (one(), two()) == (1, 2)
    from lamina import fx
    from lamina.jit.annotations import List

    assert jit.annotate(List[int], value := [1]) is value
    assert fx.wrap(one) is one and fx.wrap("two") == "two"
    with pytest.raises(TypeError, match="wrap"):
        fx.wrap(3)


@pytest.mark.parametrize(
    ("word", "switch"), [("compile", "TORCH_COMPILE_DISABLE=1"), ("script", "PYTORCH_JIT=0")]
)
def test_compilers_give_back_what_they_get_and_say_so(word: str, switch: str) -> None:
    module = "lamina" if word == "compile" else "lamina.jit"
    ask = (
        f"import warnings, lamina, lamina.jit; warnings.simplefilter('always'); net = lamina.nn.Linear(2, 2);"
        f"assert {module}.{word}(net) is net; assert {module}.{word}(mode='x')(net) is net; print('done')"
    )
    variable, off = switch.split("=")
    kept = {key: value for key, value in os.environ.items() if key != variable}
    for switched_off in (False, True):
        env = kept | ({variable: off} if switched_off else {})
        ran = subprocess.run([sys.executable, "-c", ask], env=env, capture_output=True, text=True)
        assert ran.stdout == "done\n", ran.stderr
        assert ran.stderr.count("has no compiler. The result is what was given") == (not switched_off)
        assert switched_off or switch in ran.stderr


def test_default_tensor_type() -> None:
    try:
        lamina.set_default_tensor_type("torch.DoubleTensor")
        assert lamina.ones(1).dtype is lamina.float64
        lamina.set_default_tensor_type(lamina.FloatTensor)
        assert lamina.ones(1).dtype is lamina.float32
        with pytest.raises(TypeError, match="no CUDA"):
            lamina.set_default_tensor_type("torch.cuda.FloatTensor")
        with pytest.raises(TypeError):
            lamina.set_default_tensor_type("torch.LongTensor")
    finally:
        lamina.set_default_dtype(lamina.float32)


def test_there_are_no_random_states_of_accelerators() -> None:
    from lamina.utils.checkpoint import get_device_states, set_device_states

    assert get_device_states(lamina.ones(1)) == ([], [])
    set_device_states(*get_device_states())
    with pytest.raises(RuntimeError, match="no accelerators"):
        set_device_states([0], [])


def test_weights_of_recurrent_layers_in_a_row() -> None:
    layer = nn.GRU(2, 3, num_layers=2, bidirectional=True)
    names = layer._flat_weights_names
    assert names == [name for name, _ in layer.named_parameters()] and len(names) == 16
    assert [id(p) for p in layer._flat_weights] == [id(p) for p in layer.parameters()]
    assert all(layer._parameters[name] is getattr(layer, name) for name in names)


@pytest.mark.parametrize(
    ("word", "operands", "expected"),
    [
        ("add", (2.0,), lambda x, y: x + 2),
        ("add", ("y",), lambda x, y: x + y),
        ("sub", (["scalars"],), lambda x, y: x - 3),
        ("mul", ("y",), lambda x, y: x * y),
        ("lerp", ("y", 0.25), lambda x, y: x + 0.25 * (y - x)),
        ("addcmul", ("y", "y", 0.5), lambda x, y: x + 0.5 * y * y),
        ("addcdiv", ("y", "y", ["scalars"]), lambda x, y: x + 3 * y / y),
        ("maximum", ("y",), np.maximum),
        ("minimum", (1.5,), lambda x, y: np.minimum(x, 1.5)),
        ("sqrt", (), lambda x, y: np.sqrt(x)),
        ("norm", (), lambda x, y: np.linalg.norm(x)),
        ("norm", (1,), lambda x, y: np.abs(x).sum()),
    ],
)
def test_operations_on_lists_of_tensors(word: str, operands: Any, expected: Any) -> None:
    rng = np.random.default_rng(0)
    xs, ys = ([rng.uniform(1, 2, n).astype(np.float32) for n in (3, 1, 4)] for _ in range(2))
    kinds = {"y": [lamina.from_numpy(y.copy()) for y in ys]}
    given = [
        kinds.get(o, o) if isinstance(o, str) else [3.0] * 3 if isinstance(o, list) else o for o in operands
    ]
    tensors = [lamina.from_numpy(x.copy()) for x in xs]
    results = getattr(lamina, f"_foreach_{word}")(tensors, *given)
    for result, x, y in zip(results, xs, ys, strict=True):
        np.testing.assert_allclose(result.numpy(), expected(x, y), rtol=1e-6)
    if word != "norm":
        assert getattr(lamina, f"_foreach_{word}_")(tensors, *given) is None
        for tensor, result in zip(tensors, results, strict=True):
            np.testing.assert_array_equal(tensor.numpy(), result.numpy())
    with pytest.raises(ValueError, match=f"_foreach_{word}: got lists of 3 and 2"):
        getattr(lamina, f"_foreach_{word}")(tensors, [lamina.ones(1)] * 2)


def test_lists_of_tensors_are_copied_and_zeroed() -> None:
    tensors = [lamina.ones(2), lamina.ones(3)]
    lamina._foreach_copy_(tensors, [lamina.zeros(2) + 5, lamina.zeros(3) + 6])
    assert [t[0].item() for t in tensors] == [5, 6]
    lamina._foreach_zero_(tensors)
    assert sum(t.sum().item() for t in tensors) == 0
    with pytest.raises(AttributeError, match="_foreach_nothing"):
        _ = lamina._foreach_nothing


def test_dropout_of_nothing_leaves_its_input_alone() -> None:
    x = lamina.randn(3, 4, requires_grad=True)
    y = nn.Dropout(0.0, inplace=True)(x.softmax(-1))  # the way back of softmax needs what it gave
    y.pow(2).sum().backward()
    expected = x.detach().requires_grad_()
    expected.softmax(-1).pow(2).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), expected.grad.numpy())


def test_several_numbers_are_no_number() -> None:
    for function in (float, int, math.isfinite):  # plots rely on the type
        with pytest.raises(ValueError, match="a Tensor with 2 elements"):
            function(lamina.ones(2))


@pytest.mark.parametrize(
    "key",
    [
        ([0, 1], [1, 0]),
        (slice(None), slice(0, 1)),
        (slice(None), [0, 2]),
        (None, 1),
        (Ellipsis, 3),
        (1, slice(1, 3)),
        ([[0, 1], [1, 0]],),
    ],
    ids=repr,
)
def test_a_list_with_more_than_numbers_in_it_is_a_tuple(key: Any) -> None:
    x = np.arange(24).reshape(2, 3, 4)
    mine = lamina.from_numpy(x.copy())
    np.testing.assert_array_equal(mine[list(key)].numpy(), x[key])
    mine[list(key)] = -1
    x[key] = -1
    np.testing.assert_array_equal(mine.numpy(), x)


def test_a_list_of_numbers_or_a_long_list_is_an_index() -> None:
    x = lamina.arange(6).reshape(3, 2)
    assert x[[2, 0]].tolist() == [[4, 5], [0, 1]] and x[[True, False, True]].tolist() == [[0, 1], [4, 5]]
    assert x[[[0]] * 32].shape == (32, 1, 2)
    pair = [lamina.tensor([0, 1]), lamina.tensor([1, 0])]
    assert x[pair].tolist() == [1, 2]


def test_arithmetic_of_two_numbers_is_a_tensor() -> None:
    results = lamina.div(7, 2), lamina.add(1, 2), lamina.mul(2, 3.0), lamina.div(-7, 2, rounding_mode="trunc")
    assert [r.item() for r in results] == [3.5, 3, 6.0, -3] and all(r.ndim == 0 for r in results)
    assert [r.dtype for r in results] == [lamina.float32, lamina.int64, lamina.float32, lamina.int64]


def test_the_factor_may_come_first() -> None:
    x, y, z = lamina.tensor([1.0, 2.0]), lamina.tensor([3.0, 5.0]), lamina.tensor([2.0, 4.0])
    for results, expected in (
        ((x.add(2, y), lamina.add(x, 2, y), x.clone().add_(2, y)), [7, 12]),
        ((x.sub(2, y), lamina.sub(x, 2, y), x.clone().sub_(2, y)), [-5, -8]),
        ((x.addcmul(2, y, z), lamina.addcmul(x, 2, y, z), x.clone().addcmul_(2, y, z)), [13, 42]),
        ((x.addcdiv(2, y, z), lamina.addcdiv(x, 2, y, z), x.clone().addcdiv_(2, y, z)), [4, 4.5]),
    ):
        for result in results:
            assert result.tolist() == expected
    with pytest.raises(TypeError):
        x.add(1, 2)


def test_random_likenesses_in_another_order_in_memory() -> None:
    x = lamina.ones(2, 3, 4, 5)
    for made in (
        lamina.rand_like(x, memory_format=lamina.channels_last, requires_grad=True),
        lamina.randn_like(x, memory_format=lamina.channels_last),
        lamina.randint_like(x, 5, memory_format=lamina.channels_last),
    ):
        assert made.is_contiguous(memory_format=lamina.channels_last) and made.shape == x.shape
    assert lamina.rand_like(x, memory_format=lamina.channels_last, requires_grad=True).is_leaf


def test_an_optimizer_without_our_init_steps() -> None:
    class Around(lamina.optim.Optimizer):
        def __init__(self, inner: Any) -> None:
            self.inner, self.param_groups = inner, inner.param_groups

        def step(self, closure: Any = None) -> None:
            self.inner.step()

    weight = lamina.nn.Parameter(lamina.tensor([1.0]))
    around = Around(lamina.optim.SGD([weight], lr=0.5))
    (weight * 2).sum().backward()
    around.step()
    around.zero_grad()
    assert weight.item() == 0 and weight.grad is None
    with pytest.raises(ValueError, match="required optimization parameter lr"):
        lamina.optim.Optimizer([weight], {"lr": lamina.optim.optimizer.required})


def test_the_bounds_of_random_integers_by_name() -> None:
    drawn = lamina.randint(high=3, size=(100,))
    assert set(drawn.tolist()) == {0, 1, 2} == set(lamina.randint_like(drawn, high=3).tolist())
    assert lamina.randint(low=-1, high=0, size=(2,)).tolist() == [-1, -1]
    with pytest.raises(TypeError, match="bound and a size"):
        lamina.randint(size=(2,))
