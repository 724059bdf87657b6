"""The same bits with one thread and with two; Python threads side by side; children of fork()."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import _core
from lamina.nn import functional as F


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = lamina.get_num_threads()
    yield
    lamina.set_num_threads(before)


def rows(*shape: int) -> Any:
    return lamina.tensor(
        np.random.default_rng([len(shape), *shape]).standard_normal(shape), dtype=lamina.float32
    )


BIG, TALL, WIDE = rows(700, 900), rows(60_000, 7), rows(7, 60_000)
LONG = rows(500_001)
IMAGE, KERNEL = rows(8, 6, 40, 40), rows(12, 6, 3, 3)
LABELS = lamina.tensor(np.random.default_rng(0).integers(0, 900, 700))

WORK: dict[str, Callable[[], Any]] = {
    "exp": lambda: LONG.exp(),
    "add broadcast": lambda: BIG + BIG[0],
    "add transposed": lambda: BIG + BIG.T.contiguous().T,
    "copy transposed": lambda: BIG.T.contiguous(),
    "sum": lambda: LONG.sum(),
    "sum rows": lambda: WIDE.sum(1),
    "sum columns": lambda: TALL.sum(0),
    "mean both": lambda: BIG.mean((0, 1)),
    "prod": lambda: (LONG * 1e-3 + 1).prod(),
    "amax columns": lambda: TALL.amax(0),
    "norm": lambda: LONG.norm(),
    "var": lambda: TALL.var(0),
    "argmax": lambda: LONG.argmax(),
    "softmax": lambda: BIG.softmax(1),
    "softmax columns": lambda: TALL.softmax(0),
    "logsumexp": lambda: WIDE.logsumexp(1),
    "cumsum": lambda: LONG.cumsum(0),
    "sort": lambda: LONG.sort(0).values,
    "topk": lambda: LONG.topk(50)[0],
    "matmul": lambda: BIG @ BIG.T,
    "matmul thin": lambda: TALL @ TALL[:7].T,
    "matvec": lambda: WIDE @ LONG[:60_000],
    "batched": lambda: rows(6, 90, 80) @ rows(6, 80, 70),
    "gather": lambda: BIG.gather(1, LABELS.unsqueeze(1)),
    "index": lambda: TALL[LABELS],
    "index add": lambda: lamina.zeros(5, 900).index_add(0, LABELS % 5, BIG),
    "masked": lambda: LONG[LONG > 0.5],
    "nonzero": lambda: (LONG > 0).nonzero(),
    "conv2d": lambda: F.conv2d(IMAGE, KERNEL, padding=1),
    "max_pool2d": lambda: F.max_pool2d(IMAGE, 2),
    "avg_pool2d": lambda: F.avg_pool2d(IMAGE, 3, 2),
    "layer_norm": lambda: F.layer_norm(BIG, (900,)),
    "batch_norm": lambda: F.batch_norm(IMAGE, None, None, training=True),
    "cross_entropy": lambda: F.cross_entropy(BIG, LABELS),
    "rand": lambda: lamina.rand(300_001, generator=lamina.Generator().manual_seed(5)),
    "randn": lambda: lamina.randn(300_001, generator=lamina.Generator().manual_seed(5)),
    "randperm": lambda: lamina.randperm(100_001, generator=lamina.Generator().manual_seed(5)),
    "multinomial": lambda: LONG.abs().multinomial(40, generator=lamina.Generator().manual_seed(5)),
    "dropout": lambda: _core.dropout(LONG, 0.3, lamina.Generator().manual_seed(5)),
}


def bits(x: Any) -> bytes:
    return bytes(_core.to_bytes(x))


@pytest.mark.parametrize("word", WORK)
def test_two_threads_give_the_bits_of_one(word: str) -> None:
    found = []
    for count in (1, 2, 3):
        lamina.set_num_threads(count)
        assert lamina.get_num_threads() == count
        found.append(bits(WORK[word]()))
    assert found[0] == found[1] == found[2]


def train() -> bytes:
    """Three steps of a small network, from a seed to the bits of its weights."""
    generator = lamina.Generator().manual_seed(3)
    x, target = rows(64, 1, 28, 28), LABELS[:64] % 10
    w1 = (lamina.randn(6, 1, 5, 5, generator=generator) * 0.1).requires_grad_()
    w2 = (lamina.randn(10, 864, generator=generator) * 0.05).requires_grad_()
    for _ in range(3):
        hidden = F.max_pool2d(F.conv2d(x, w1).relu(), 2).flatten(1)
        loss = F.cross_entropy(hidden @ w2.T, target)
        grads = lamina.autograd.grad(loss, [w1, w2])
        with lamina.no_grad():
            for w, g in zip((w1, w2), grads, strict=True):
                w -= 0.1 * g
    return bits(w1.detach()) + bits(w2.detach())


def test_training_gives_the_same_weights() -> None:
    found = set()
    for count in (1, 2):
        lamina.set_num_threads(count)
        found.add(train())
    assert len(found) == 1


def test_no_threads_at_all_are_refused() -> None:
    for count in (0, -1):
        with pytest.raises(ValueError, match="positive"):
            lamina.set_num_threads(count)


def test_python_threads_compute_side_by_side() -> None:
    expected = train()
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: train(), range(8))) == {expected}


def test_modes_belong_to_their_thread() -> None:
    seen = []
    with lamina.no_grad():
        thread = threading.Thread(target=lambda: seen.append(lamina.is_grad_enabled()))
        thread.start()
        thread.join()
        assert not lamina.is_grad_enabled()
    assert seen == [True]


def test_backward_over_shared_parameters_in_several_threads() -> None:
    w = lamina.zeros(100, requires_grad=True)

    def work(i: int) -> None:
        for _ in range(50):
            (w * float(i)).sum().backward()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [1, 2, 3, 4]))
    assert w.grad.tolist() == [500.0] * 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_of_fork_computes_as_its_parent_does() -> None:
    expected = train()  # threads of the parent have been at work
    lamina.set_num_threads(2)
    BIG.exp()
    child = os.fork()
    if child == 0:
        os._exit(0 if train() == expected and bits(BIG @ BIG.T) == bits(BIG @ BIG.T) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert train() == expected
