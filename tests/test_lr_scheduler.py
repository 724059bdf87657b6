"""Learning-rate schedules: against PyTorch to 1e-12, against values worked out by hand; their warnings."""

from __future__ import annotations

import copy
import math
import warnings

import pytest

import lamina
from lamina import optim
from lamina.optim import lr_scheduler as sched

# Each makes a schedule from a library's lr_scheduler module S and an optimizer o with rates 0.1 and 0.5.
CHAINABLE = {
    "step": lambda S, o, **k: S.StepLR(o, 3, **k),
    "multistep": lambda S, o, **k: S.MultiStepLR(o, [2, 5, 5, 9], 0.3, **k),
    "exponential": lambda S, o, **k: S.ExponentialLR(o, 0.9, **k),
    "cosine": lambda S, o, **k: S.CosineAnnealingLR(o, 7, 0.01, **k),
    "cosine to zero": lambda S, o, **k: S.CosineAnnealingLR(o, 40, **k),
    "linear": lambda S, o, **k: S.LinearLR(o, **k),
    "linear down": lambda S, o, **k: S.LinearLR(o, 0.9, 0.2, 9, **k),
    "lambda": lambda S, o, **k: S.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)], **k),
    "multiplicative": lambda S, o, **k: S.MultiplicativeLR(o, lambda e: 0.9 + 0.01 * e, **k),
    "constant": lambda S, o, **k: S.ConstantLR(o, **k),
    "polynomial": lambda S, o, **k: S.PolynomialLR(o, 11, 1.7, **k),
    "restarts": lambda S, o, **k: S.CosineAnnealingWarmRestarts(o, 5, **k),
    "longer restarts": lambda S, o, **k: S.CosineAnnealingWarmRestarts(o, 4, 2, 0.01, **k),
    "one cycle": lambda S, o, **k: S.OneCycleLR(o, 0.3, total_steps=45, **k),
    "three phases": lambda S, o, **k: S.OneCycleLR(
        o, [0.3, 0.7], epochs=5, steps_per_epoch=9, anneal_strategy="linear", three_phase=True, **k
    ),
    "cyclic": lambda S, o, **k: S.CyclicLR(o, 0.01, 0.2, 4, 6, **k),
    "cyclic 2": lambda S, o, **k: S.CyclicLR(o, 0.01, [0.2, 0.3], 4, mode="triangular2", **k),
    "cyclic exp": lambda S, o, **k: S.CyclicLR(o, 0.01, 0.2, 4, mode="exp_range", gamma=0.99, **k),
    "cyclic own": lambda S, o, **k: S.CyclicLR(o, 0.01, 0.2, 4, scale_fn=lambda x: 1 / x, **k),
}
COMPOSITE = {
    "warm-up": lambda S, o: S.SequentialLR(
        o, [S.LinearLR(o, 0.1, total_iters=4), S.CosineAnnealingLR(o, 20), S.ExponentialLR(o, 0.9)], [4, 20]
    ),
    "into restarts": lambda S, o: S.SequentialLR(
        o, [S.ConstantLR(o, 0.1, 3), S.CosineAnnealingWarmRestarts(o, 5)], [6]
    ),
    "from restarts": lambda S, o: S.SequentialLR(
        o, [S.CosineAnnealingWarmRestarts(o, 5), S.StepLR(o, 2)], [6]
    ),
    "chained": lambda S, o: S.ChainedScheduler([S.ConstantLR(o, 0.1, 3), S.ExponentialLR(o, 0.9)], o),
}
EVERY = {**CHAINABLE, **COMPOSITE}
PLATEAU = [
    {"patience": 1},
    {"patience": 0, "mode": "max", "threshold_mode": "abs", "threshold": 0.5, "cooldown": 2},
    {"patience": 2, "min_lr": [0.01, 0.2], "factor": 0.5},
    {"patience": 1, "mode": "max"},
    {"patience": 1, "threshold_mode": "abs"},
]
METRICS = [abs(math.sin(3.7 * i)) * (40 - i) for i in range(40)]


def build(library, name="SGD"):
    a, b = (library.zeros(2).requires_grad_() for _ in range(2))
    momentum = {"momentum": 0.9} if name == "SGD" else {}
    return getattr(library.optim, name)([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1, **momentum)


def sequence(library, make, steps=40, name="SGD", give=None):
    """Rates and momenta of both groups at the start and after every step; give(i) is passed to step."""
    optimizer = build(library, name)
    schedule = make(library.optim.lr_scheduler, optimizer)
    rows = []
    for i in range(steps + 1):
        rows += [group["lr"] for group in optimizer.param_groups]
        rows += [group.get("momentum") or group["betas"][0] for group in optimizer.param_groups]
        assert schedule.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
        if i < steps:
            optimizer.step()
            schedule.step(*([] if give is None else [give(i)]))
    return rows


def resumed(library, make):
    """The rates of 20 steps after the state of 11 was loaded into a new optimizer and schedule."""
    optimizer = build(library)
    schedule = make(library.optim.lr_scheduler, optimizer)
    for _ in range(11):
        optimizer.step()
        schedule.step()
    saved = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(schedule.state_dict())
    optimizer = build(library)
    schedule = make(library.optim.lr_scheduler, optimizer)
    optimizer.load_state_dict(saved[0])
    schedule.load_state_dict(saved[1])
    rows = []
    for _ in range(20):
        optimizer.step()
        schedule.step()
        rows += schedule.get_last_lr()
    return rows


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("make", EVERY.values(), ids=list(EVERY))
def test_like_pytorch(make, name):
    torch = pytest.importorskip("torch")
    assert sequence(lamina, make, name=name) == pytest.approx(
        sequence(torch, make, name=name), rel=0, abs=1e-12
    )


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("make", CHAINABLE.values(), ids=list(CHAINABLE))
def test_like_pytorch_when_jumping(make):
    torch = pytest.importorskip("torch")
    epochs = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3, 3, 8, 3, 2, 7]
    ours, theirs = (sequence(library, make, 30, give=epochs.__getitem__) for library in (lamina, torch))
    assert ours == pytest.approx(theirs, rel=0, abs=1e-12)


@pytest.mark.parametrize("make", [CHAINABLE["restarts"], CHAINABLE["longer restarts"]])
def test_restarts_like_pytorch_within_epochs(make):
    torch = pytest.importorskip("torch")
    ours, theirs = (sequence(library, make, give=lambda i: 0.7 * i) for library in (lamina, torch))
    assert ours == pytest.approx(theirs, rel=0, abs=1e-12)


@pytest.mark.parametrize("make", EVERY.values(), ids=list(EVERY))
def test_resuming(make):
    """Loading a state goes on where it was saved; PyTorch does the same."""
    schedule_alone = sequence(lamina, make, 31)
    rates = [value for i in range(12, 32) for value in schedule_alone[4 * i : 4 * i + 2]]
    assert resumed(lamina, make) == pytest.approx(rates, rel=0, abs=1e-15)


@pytest.mark.parametrize("make", CHAINABLE.values(), ids=list(CHAINABLE))
def test_last_epoch_like_pytorch(make):
    """A schedule made with last_epoch on an optimizer that has been trained before."""
    torch = pytest.importorskip("torch")

    def rows(library):
        optimizer = build(library)
        make(library.optim.lr_scheduler, optimizer)
        schedule = make(library.optim.lr_scheduler, optimizer, last_epoch=6)
        found = list(schedule.get_last_lr())
        for _ in range(10):
            optimizer.step()
            schedule.step()
            found += schedule.get_last_lr()
        return found

    assert rows(lamina) == pytest.approx(rows(torch), rel=0, abs=1e-12)


@pytest.mark.parametrize("kwargs", PLATEAU, ids=str)
def test_plateau_like_pytorch(kwargs):
    torch = pytest.importorskip("torch")
    ours, theirs = (
        sequence(library, lambda S, o: S.ReduceLROnPlateau(o, **kwargs), give=METRICS.__getitem__)
        for library in (lamina, torch)
    )
    assert ours == pytest.approx(theirs, rel=0, abs=1e-12)


def rates(make, steps, give=None):
    return sequence(lamina, make, steps, give=give)[::4]


def test_by_hand():
    def about(*values):
        return pytest.approx(values, rel=1e-12)

    assert rates(lambda S, o: S.StepLR(o, 2), 4) == about(0.1, 0.1, 0.01, 0.01, 0.001)
    assert rates(lambda S, o: S.MultiStepLR(o, [1, 3], 0.5), 4) == about(0.1, 0.05, 0.05, 0.025, 0.025)
    assert rates(lambda S, o: S.ExponentialLR(o, 0.5), 3) == about(0.1, 0.05, 0.025, 0.0125)
    assert rates(lambda S, o: S.LinearLR(o, 0.5, 1.0, 2), 3) == about(0.05, 0.075, 0.1, 0.1)
    assert rates(lambda S, o: S.ConstantLR(o, 0.5, 2), 3) == about(0.05, 0.05, 0.1, 0.1)
    assert rates(lambda S, o: S.PolynomialLR(o, 4, 2.0), 2) == about(0.1, 0.1 * 0.75**2, 0.1 * 0.5**2)
    assert rates(lambda S, o: S.CosineAnnealingLR(o, 4), 4) == pytest.approx(
        [0.05 * (1 + math.cos(math.pi * i / 4)) for i in range(5)], rel=1e-12, abs=1e-17
    )
    assert rates(lambda S, o: S.CyclicLR(o, 0.0, 1.0, 2), 4) == about(0.0, 0.5, 1.0, 0.5, 0.0)
    one = rates(
        lambda S, o: S.OneCycleLR(o, 1.0, total_steps=12, pct_start=0.5, anneal_strategy="linear"), 11
    )
    assert (one[0], one[5], one[-1]) == about(0.04, 1.0, 4e-6)
    flat = rates(lambda S, o: S.ReduceLROnPlateau(o, patience=1), 4, give=lambda i: 1.0)
    assert flat == about(0.1, 0.1, 0.1, 0.01, 0.01)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda S, o: S.StepLR("SGD", 3), TypeError, "str is not an Optimizer"),
        (lambda S, o: S.StepLR(o, 3, last_epoch=5), KeyError, "initial_lr"),
        (lambda S, o: S.LambdaLR(o, [lambda e: 1.0]), ValueError, "Expected 2 lr_lambdas, but got 1"),
        (lambda S, o: S.LambdaLR(o, 0.9), TypeError, "should be a function, but got float"),
        (lambda S, o: S.ConstantLR(o, 2.0), ValueError, "got 2.0"),
        (lambda S, o: S.LinearLR(o, 0.0), ValueError, "got 0.0"),
        (lambda S, o: S.LinearLR(o, end_factor=2.0), ValueError, "got 2.0"),
        (lambda S, o: S.OneCycleLR(o, 1.0), ValueError, "either total_steps OR"),
        (lambda S, o: S.OneCycleLR(o, 1.0, total_steps=0), ValueError, "positive integer total_steps"),
        (
            lambda S, o: S.OneCycleLR(o, 1.0, epochs=2, steps_per_epoch=0.5),
            ValueError,
            "steps_per_epoch, but",
        ),
        (lambda S, o: S.OneCycleLR(o, 1.0, total_steps=9, pct_start=2.0), ValueError, "pct_start"),
        (lambda S, o: S.OneCycleLR(o, 1.0, total_steps=9, anneal_strategy="x"), ValueError, "instead got x"),
        (lambda S, o: S.OneCycleLR(o, [1.0], total_steps=9), ValueError, "max_lr has 1 values"),
        (lambda S, o: S.CyclicLR(o, 0.1, 1.0, mode="square"), ValueError, "mode is invalid"),
        (lambda S, o: S.CosineAnnealingWarmRestarts(o, 0), ValueError, "T_0, but got 0"),
        (lambda S, o: S.CosineAnnealingWarmRestarts(o, 5, 1.5), ValueError, "T_mult >= 1, but got 1.5"),
        (lambda S, o: S.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1.0"),
        (lambda S, o: S.ReduceLROnPlateau(o, mode="low"), ValueError, "mode low is unknown"),
        (lambda S, o: S.SequentialLR(o, [], []), ValueError, "at least one scheduler"),
        (lambda S, o: S.SequentialLR(o, [S.StepLR(o, 3)], [3]), ValueError, "1 schedulers and 1 milestones"),
        (lambda S, o: S.ChainedScheduler([S.ReduceLROnPlateau(o)]), ValueError, "needs a metric"),
        (lambda S, o: S.ChainedScheduler([S.StepLR(build(lamina), 3)], o), ValueError, "another one"),
        (lambda S, o: S.LRScheduler(o), NotImplementedError, "does not define get_lr"),
    ],
)
def test_errors_say_what_is_wrong(make, error, text):
    with pytest.raises(error, match=text):
        make(sched, build(lamina))


def test_cycled_momentum_needs_a_momentum():
    optimizer = optim.Adagrad([lamina.zeros(1).requires_grad_()])
    with pytest.raises(ValueError, match="must support momentum"):
        sched.OneCycleLR(optimizer, 1.0, total_steps=9)
    sched.OneCycleLR(optimizer, 1.0, total_steps=9, cycle_momentum=False)


def test_more_steps_than_announced():
    optimizer = build(lamina)
    schedule = sched.OneCycleLR(optimizer, 1.0, total_steps=2)
    optimizer.step()
    for _ in range(2):
        schedule.step()
    with pytest.raises(ValueError, match="Tried to step 3 times"):
        schedule.step()


def test_a_group_added_later_is_an_error_not_a_silence():
    optimizer = build(lamina)
    schedule = sched.ExponentialLR(optimizer, 0.5)
    optimizer.add_param_group({"params": lamina.zeros(1).requires_grad_()})
    optimizer.step()
    schedule.step()  # a rule on the current rates holds for any number of groups
    assert optimizer.param_groups[2]["lr"] == 0.05
    by_base = sched.LambdaLR(build(lamina), lambda epoch: 1.0)
    by_base.optimizer.add_param_group({"params": lamina.zeros(1).requires_grad_()})
    by_base.optimizer.step()
    with pytest.raises(ValueError, match="gives 2 learning rates, but the optimizer has 3"):
        by_base.step()


def test_warnings_about_the_order_of_steps():
    schedule = sched.StepLR(build(lamina), 3)
    with pytest.warns(UserWarning, match="before `optimizer.step\\(\\)`"):
        schedule.step()
    optimizer = build(lamina)
    schedule = sched.StepLR(optimizer, 3)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match="has been overridden"):
        schedule.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        schedule.get_lr()
    with pytest.warns(UserWarning, match="epoch parameter"):
        schedule.step(5)
    optimizer = build(lamina)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule = sched.StepLR(optimizer, 3)
        for _ in range(3):
            optimizer.step()
            schedule.step()


def test_ones_own_schedule():
    class Halving(sched.LRScheduler):
        def get_lr(self):
            return [base / 2**self.last_epoch for base in self.base_lrs]

    assert rates(lambda S, o: Halving(o), 2) == [0.1, 0.05, 0.025]


def test_objects_as_lambdas_are_saved():
    class Power:
        def __init__(self, base):
            self.base = base

        def __call__(self, epoch):
            return self.base**epoch

    saved = sched.LambdaLR(build(lamina), [Power(0.5), lambda epoch: 1.0]).state_dict()
    assert saved["lr_lambdas"] == [{"base": 0.5}, None]
    other = sched.LambdaLR(build(lamina), [Power(0.1), lambda epoch: 1.0])
    other.load_state_dict(saved)
    assert other.lr_lambdas[0].base == 0.5 and other.lr_lambdas[1](3) == 1.0
