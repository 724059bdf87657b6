"""Optimizers against loops written in NumPy float64, and against PyTorch where it is installed.

What the base class promises (groups, hooks, errors) is left to test_optimizer.py.
"""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import optim

SHAPES = [(3, 4), (5,), ()]
STEPS = 12

# every optimizer with options that reach each branch of its rule
CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "amsgrad": True, "weight_decay": 0.1}),
    ("Adam", {"maximize": True, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.9, "centered": True, "weight_decay": 0.1}),
    ("RMSprop", {"alpha": 0.5, "momentum": 0.5, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.3}),
    ("Adadelta", {}),
    ("Adadelta", {"rho": 0.8, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"betas": (0.5, 0.6), "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {}),
    ("RAdam", {"betas": (0.9, 0.99), "weight_decay": 0.1}),
    ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (0.05, 0.2), "maximize": True}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.1, "lambd": 0.3, "alpha": 0.5, "t0": 4, "weight_decay": 0.1, "maximize": True}),
]
IDS = [f"{name}-{'-'.join(kwargs) or 'defaults'}" for name, kwargs in CASES]

# which gradients are missing at step s for parameter i
ABSENT = {
    "never": lambda s, i: False,
    "sometimes": lambda s, i: (7 * s + i) % 3 == 0,
    "one parameter": lambda s, i: i == 1,
    "late": lambda s, i: s < 3 and i == 0,
}


def numbers(seed, steps=STEPS):
    rng = np.random.default_rng(seed)
    start = [rng.standard_normal(shape) for shape in SHAPES]
    return start, [[rng.standard_normal(shape) for shape in SHAPES] for _ in range(steps)]


def train(library, name, kwargs, absent=ABSENT["never"], dtype=np.float32, steps=STEPS):
    """Parameters and optimizer of ``library`` (lamina or torch) after steps with given gradients."""
    start, grads = numbers(0)
    params = [library.tensor(np.asarray(value, dtype)).requires_grad_() for value in start]
    optimizer = getattr(library.optim, name)(params, **kwargs)
    for step in range(steps):
        optimizer.zero_grad()
        for index, param in enumerate(params):
            if not absent(step, index):
                param.grad = library.tensor(np.asarray(grads[step][index], dtype))
        optimizer.step()
    return params, optimizer


def values(params):
    return [param.detach().numpy().copy() for param in params]


def reference(name, kwargs, absent=ABSENT["never"]):
    """The same by plain loops over float64 arrays."""
    start, grads = numbers(0)
    params = [np.array(value) for value in start]
    states: list[dict] = [{} for _ in params]
    options = getattr(optim, name)([lamina.zeros(1)], **kwargs).defaults
    for step in range(STEPS):
        for index, state in enumerate(states):
            if absent(step, index):
                continue
            grad = grads[step][index] * (-1 if options["maximize"] else 1)
            if options.get("decoupled_weight_decay"):
                params[index] = params[index] * (1 - options["lr"] * options["weight_decay"])
            else:
                grad = grad + options.get("weight_decay", 0) * params[index]
            state["t"] = state.get("t", 0) + 1
            state["p"] = params[index]
            params[index] = params[index] - options["lr"] * RULES[name](grad, state, options)
    return params


def mean(state, key, new, beta):
    state[key] = beta * state.get(key, 0.0) + (1 - beta) * new
    return state[key]


def sgd(g, s, o):
    if o["momentum"] == 0:
        return g
    s["v"] = g if s["t"] == 1 else o["momentum"] * s["v"] + (1 - o["dampening"]) * g
    return g + o["momentum"] * s["v"] if o["nesterov"] else s["v"]


def adam(g, s, o):
    b1, b2 = o["betas"]
    m, v = mean(s, "m", g, b1), mean(s, "v", g * g, b2)
    if o["amsgrad"]:
        v = s["max"] = np.maximum(s.get("max", 0.0), v)
    return m / (1 - b1 ** s["t"]) / (np.sqrt(v / (1 - b2 ** s["t"])) + o["eps"])


def rmsprop(g, s, o):
    v = mean(s, "v", g * g, o["alpha"])
    if o["centered"]:
        v = v - mean(s, "m", g, o["alpha"]) ** 2
    move = g / (np.sqrt(v) + o["eps"])
    s["b"] = o["momentum"] * s.get("b", 0.0) + move
    return s["b"]


def adagrad(g, s, o):
    s["sum"] = s.get("sum", o["initial_accumulator_value"]) + g * g
    return g / (np.sqrt(s["sum"]) + o["eps"]) / (1 + (s["t"] - 1) * o["lr_decay"])


def adadelta(g, s, o):
    v = mean(s, "v", g * g, o["rho"])
    move = np.sqrt(s.get("u", 0.0) + o["eps"]) / np.sqrt(v + o["eps"]) * g
    mean(s, "u", move * move, o["rho"])
    return move


def adamax(g, s, o):
    b1, b2 = o["betas"]
    m = mean(s, "m", g, b1)
    s["u"] = np.maximum(b2 * s.get("u", 0.0), np.abs(g) + o["eps"])
    return m / (1 - b1 ** s["t"]) / s["u"]


def nadam(g, s, o):
    b1, b2 = o["betas"]
    m, v = mean(s, "m", g, b1), mean(s, "v", g * g, b2)
    mu, following = (b1 * (1 - 0.5 * 0.96 ** (t * o["momentum_decay"])) for t in (s["t"], s["t"] + 1))
    s["mu"] = s.get("mu", 1.0) * mu
    top = (1 - mu) / (1 - s["mu"]) * g + following / (1 - s["mu"] * following) * m
    return top / (np.sqrt(v / (1 - b2 ** s["t"])) + o["eps"])


def radam(g, s, o):
    (b1, b2), t = o["betas"], s["t"]
    m, v = mean(s, "m", g, b1) / (1 - b1**t), mean(s, "v", g * g, b2)
    limit = 2 / (1 - b2) - 1
    rho = limit - 2 * t * b2**t / (1 - b2**t)
    if rho <= 5:
        return m
    r = np.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))
    return m * r * np.sqrt(1 - b2**t) / (np.sqrt(v) + o["eps"])


def rprop(g, s, o):
    (less, more), turned = o["etas"], np.sign(g * s.get("g", 0.0))
    factor = np.where(turned > 0, more, np.where(turned < 0, less, 1.0))
    s["size"] = np.clip(s.get("size", o["lr"]) * factor, *o["step_sizes"])
    s["g"] = np.where(turned < 0, 0.0, g)
    return np.sign(s["g"]) * s["size"] / o["lr"]


def asgd(g, s, o):
    rate = 1 / (1 + o["lambd"] * o["lr"] * (s["t"] - 1)) ** o["alpha"]
    return rate * (g + o["lambd"] * s["p"])


RULES = {
    "ASGD": asgd,
    "Rprop": rprop,
    "SGD": sgd,
    "Adam": adam,
    "AdamW": adam,
    "RMSprop": rmsprop,
    "Adagrad": adagrad,
    "Adadelta": adadelta,
    "Adamax": adamax,
    "NAdam": nadam,
    "RAdam": radam,
}


@pytest.mark.parametrize("absent", ABSENT.values(), ids=list(ABSENT))
@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=IDS)
def test_follows_its_formula(name, kwargs, absent):
    for dtype, tolerance in ((np.float32, 2e-5), (np.float64, 1e-7)):  # NAdam keeps one product in float32
        params, _ = train(lamina, name, kwargs, absent, dtype)
        for got, expected in zip(values(params), reference(name, kwargs, absent), strict=True):
            np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("absent", ABSENT.values(), ids=list(ABSENT))
@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=IDS)
def test_like_pytorch_and_back(name, kwargs, absent):
    """Values, the layout of state dicts, and state dicts carried over in both directions."""
    torch = pytest.importorskip("torch")
    ours, theirs = train(lamina, name, kwargs, absent), train(torch, name, kwargs, absent)
    for got, expected in zip(values(ours[0]), values(theirs[0]), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=2e-6)
    saved, expected = ours[1].state_dict(), theirs[1].state_dict()
    assert {key: list(entry) for key, entry in saved["state"].items()} == {
        key: list(entry) for key, entry in expected["state"].items()
    }
    for key, entry in saved["state"].items():
        for field, tensor in entry.items():
            np.testing.assert_allclose(
                tensor.numpy(), expected["state"][key][field].numpy(), rtol=1e-4, atol=1e-6
            )
            assert str(tensor.dtype).split(".")[-1] == str(expected["state"][key][field].dtype).split(".")[-1]
    elsewhere = {"capturable", "differentiable"}
    assert set(saved["param_groups"][0]) == set(expected["param_groups"][0]) - elsewhere

    converted = {
        "param_groups": expected["param_groups"],
        "state": {
            key: {field: lamina.tensor(tensor.numpy()) for field, tensor in entry.items()}
            for key, entry in expected["state"].items()
        },
    }
    params, resumed = train(lamina, name, kwargs, absent, steps=0)
    resumed.load_state_dict(converted)
    for param, source in zip(params, theirs[0], strict=True):
        with lamina.no_grad():
            param.copy_(lamina.tensor(source.detach().numpy()))
    for both in ((params, resumed, lamina), (theirs[0], theirs[1], torch)):
        for param in both[0]:
            param.grad = both[2].ones(tuple(param.shape))
        both[1].step()
    for got, wanted in zip(values(params), values(theirs[0]), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=IDS)
def test_resuming_changes_nothing(name, kwargs):
    whole, _ = train(lamina, name, kwargs, ABSENT["sometimes"])
    params, first = train(lamina, name, kwargs, ABSENT["sometimes"], steps=5)
    resumed = getattr(optim, name)(params, **kwargs)
    resumed.load_state_dict(first.state_dict())
    _, grads = numbers(0)
    for step in range(5, STEPS):
        resumed.zero_grad()
        for index, param in enumerate(params):
            if not ABSENT["sometimes"](step, index):
                param.grad = lamina.tensor(grads[step][index].astype(np.float32))
        resumed.step()
    for got, expected in zip(values(params), values(whole), strict=True):
        assert np.array_equal(got, expected)


def rosenbrock(params):
    x = params[0]
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum() + (params[1] ** 4).sum()


def minimise(library, kwargs, steps):
    rng = np.random.default_rng(3)
    params = [library.tensor(rng.standard_normal(shape)).requires_grad_() for shape in ((6,), (2, 2))]
    optimizer = library.optim.LBFGS(params, **kwargs)

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(params)
        loss.backward()
        return loss

    losses = [float(optimizer.step(closure).detach()) for _ in range(steps)]
    return losses, params, optimizer


LBFGS_CASES = [
    {"lr": 1e-3},
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "history_size": 3, "lr": 0.5, "max_iter": 7},
]


def test_lbfgs_finds_the_minimum():
    losses, params, _ = minimise(lamina, {"line_search_fn": "strong_wolfe"}, 20)
    assert losses[-1] < 1e-6 < losses[0]
    np.testing.assert_allclose(params[0].detach().numpy(), np.ones(6), atol=1e-4)


@pytest.mark.parametrize("kwargs", LBFGS_CASES, ids=str)
def test_lbfgs_like_pytorch(kwargs):
    torch = pytest.importorskip("torch")
    ours, theirs = minimise(lamina, kwargs, 6), minimise(torch, kwargs, 6)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6)
    got, expected = (each[2].state_dict()["state"][0] for each in (ours, theirs))
    assert (got["func_evals"], got["n_iter"]) == (expected["func_evals"], expected["n_iter"])


def test_lbfgs_resumes():
    whole, _, _ = minimise(lamina, LBFGS_CASES[1], 6)
    losses, params, first = minimise(lamina, LBFGS_CASES[1], 3)
    resumed = optim.LBFGS(params, **LBFGS_CASES[1])
    resumed.load_state_dict(first.state_dict())

    def closure():
        resumed.zero_grad()
        loss = rosenbrock(params)
        loss.backward()
        return loss

    assert losses + [float(resumed.step(closure).detach()) for _ in range(3)] == whole


def learn(library, name, kwargs, weights):
    """The losses of a small network on fixed data, with a schedule and clipped gradients."""
    rng = np.random.default_rng(1)
    x = library.tensor(rng.standard_normal((32, 6)).astype(np.float32))
    label = library.tensor(rng.integers(0, 3, 32))
    nn = library.nn
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3))
    model.load_state_dict({key: library.tensor(value) for key, value in weights.items()})
    optimizer = getattr(library.optim, name)(model.parameters(), **kwargs)
    schedule = library.optim.lr_scheduler.CosineAnnealingLR(optimizer, 25)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), label)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(("name", "kwargs"), [("SGD", {"lr": 0.5, "momentum": 0.9}), ("AdamW", {"lr": 0.05})])
def test_a_network_learns_like_pytorch(name, kwargs):
    rng = np.random.default_rng(0)
    shapes = {"0.weight": (16, 6), "0.bias": (16,), "2.weight": (3, 16), "2.bias": (3,)}
    weights = {key: (rng.standard_normal(shape) / 4).astype(np.float32) for key, shape in shapes.items()}
    ours = learn(lamina, name, kwargs, weights)
    assert ours[-1] < 0.7 * ours[0]
    torch = pytest.importorskip("torch")
    np.testing.assert_allclose(ours, learn(torch, name, kwargs, weights), rtol=1e-4)
