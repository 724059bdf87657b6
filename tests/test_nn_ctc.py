"""ctc_loss against the sum over all ways written out, and beside PyTorch."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F
from nn_check import array, check_gradient, close, tensor


def by_all_ways(log_probs: np.ndarray, target: list[int], blank: int) -> float:
    """One sequence (t, classes): all rows of classes that read as the target, doubles and blanks removed."""
    total = 0.0
    for way in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        if [k for k, _ in itertools.groupby(way) if k != blank] == target:
            total += np.exp(sum(log_probs[t, k] for t, k in enumerate(way)))
    return -np.log(total) if total else np.inf


@pytest.mark.parametrize("blank", [0, 2])
def test_all_ways_are_counted(blank: int) -> None:
    log_probs = array(5, 4, 3, low=-3.0, high=0.0)
    a, b = [k for k in range(3) if k != blank]
    targets, times = [[a, a], [b, a, b], [], [b]], [5, 4, 3, 0]
    wanted = [
        by_all_ways(log_probs[:t, i], one, blank)
        for i, (t, one) in enumerate(zip(times, targets, strict=True))
    ]
    assert wanted[3] == np.inf
    flat = lamina.tensor([k for one in targets for k in one])
    sizes = [len(one) for one in targets]
    close(F.ctc_loss(tensor(log_probs), flat, times, sizes, blank, "none"), wanted)
    padded = lamina.tensor([one + [a] * (4 - len(one)) for one in targets])
    lengths = (lamina.tensor(times), lamina.tensor(sizes))
    close(F.ctc_loss(tensor(log_probs), padded, *lengths, blank, "none", True), [*wanted[:3], 0.0])
    mean = np.mean([wanted[0] / 2, wanted[1] / 3, wanted[2], 0.0])
    close(nn.CTCLoss(blank, zero_infinity=True)(tensor(log_probs), padded, *lengths), mean)
    single = F.ctc_loss(tensor(log_probs[:, 0]), padded[0], [5], [2], blank, "sum")
    close(single, wanted[0])

    # The gradient is that for probabilities, so differences must stay among those.
    def of_scores(x: Any) -> Any:
        return F.ctc_loss(x.log_softmax(2), padded, times, sizes, blank, "none", True)

    check_gradient(of_scores, log_probs)


def test_beside_pytorch() -> None:
    torch = pytest.importorskip("torch")
    found = []
    for of in (lamina, torch):
        x = of.tensor(array(12, 3, 6)).requires_grad_()
        loss = of.nn.CTCLoss(reduction="sum", zero_infinity=True)
        targets = of.tensor([[1, 1, 2, 5], [3, 4, 3, 0], [5, 5, 5, 5]])
        log_probs = x.log_softmax(2).detach().requires_grad_()
        for start in (x.log_softmax(2), log_probs):
            output = loss(start, targets, of.tensor([12, 9, 6]), of.tensor([4, 3, 4]))
            output.backward()
        found.append([output, x.grad, log_probs.grad, repr(loss)])
    # Where no way is short enough the loss is infinite, and its gradient is no number.
    for of, seen in zip((lamina, torch), found, strict=True):
        x = of.tensor(array(6, 2, 5)).log_softmax(2).requires_grad_()
        flat = of.tensor([1, 2, 3, 4, 1, 2, 2])
        of.nn.functional.ctc_loss(x, flat, (4, 6), (5, 2), reduction="sum").backward()
        seen += (x.grad,)
    close(found[0][4], found[1][4].numpy())
    assert np.isnan(found[0][4].numpy()).any()
    assert found[0][3] == found[1][3]
    for mine, other in zip(found[0][:3], found[1][:3], strict=True):
        close(mine, other.detach().numpy())


def test_long_rows_and_sharp_probabilities() -> None:
    """Twice as many places as a vector is wide; the same sequence alone and among others, on any threads."""
    x = array(90, 3, 40) * 30
    targets, times, sizes = np.arange(90).reshape(3, 30) % 39 + 1, [90, 61, 90], [30, 30, 11]
    results = []
    for threads in (1, 2):
        before = lamina.get_num_threads()
        lamina.set_num_threads(threads)
        start = tensor(x).requires_grad_()
        each = F.ctc_loss(start.log_softmax(2), tensor(targets), times, sizes, reduction="none")
        each.sum().backward()
        results.append((each.tolist(), start.grad.numpy()))
        lamina.set_num_threads(before)
    assert results[0][0] == results[1][0]
    assert (results[0][1] == results[1][1]).all()
    assert (results[0][1][61:, 1] == 0).all()
    for i in range(3):
        alone = tensor(x[:, i]).log_softmax(1)
        one = F.ctc_loss(alone, tensor(targets[i]), times[i : i + 1], sizes[i : i + 1], reduction="none")
        close(one, results[0][0][i])
    # One step of gradient descent in the direction of the gradient, by differences.
    slope = results[0][1]
    moved = [tensor(x + sign * 1e-6 * slope).log_softmax(2) for sign in (1, -1)]
    ends = [F.ctc_loss(at, tensor(targets), times, sizes, reduction="sum").item() for at in moved]
    np.testing.assert_allclose((ends[0] - ends[1]) / 2e-6, (slope**2).sum(), rtol=1e-6)


def test_the_gradient_of_the_gradient_is_refused() -> None:
    x = tensor(array(4, 1, 3)).log_softmax(2).requires_grad_()
    with pytest.raises(NotImplementedError, match="ctc_loss"):
        lamina.autograd.grad(F.ctc_loss(x, lamina.tensor([[1]]), [4], [1]), x, create_graph=True)


def loss(shape: Any, targets: Any, times: Any, sizes: Any, blank: int = 0) -> Callable[[], Any]:
    return lambda: F.ctc_loss(lamina.zeros(shape), lamina.tensor(targets), times, sizes, blank)


REFUSED: list[tuple[str, Callable[[], Any]]] = [
    ("expected log_probs", loss(3, [1], [3], [1])),
    ("blank must be in label range", loss((4, 1, 3), [[1]], [4], [1], 3)),
    ("input_lengths must be of size batch_size", loss((4, 2, 3), [[1], [1]], [4], [1, 1])),
    ("target_lengths must be of size batch_size", loss((4, 2, 3), [[1], [1]], [4, 4], [1])),
    ("at most 4", loss((4, 1, 3), [[1]], [5], [1])),
    ("not negative", loss((4, 1, 3), [[1]], [4], [-1])),
    ("targets of size 2", loss((4, 1, 3), [1], [4], [2])),
    ("at least 2 labels", loss((4, 1, 3), [[1]], [4], [2])),
]


@pytest.mark.parametrize(("text", "attempt"), REFUSED, ids=[text for text, _ in REFUSED])
def test_refusals(text: str, attempt: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=text):
        attempt()


def test_classes_and_dtypes_are_checked() -> None:
    with pytest.raises(IndexError):
        loss((4, 1, 3), [[3]], [4], [1])()
    with pytest.raises(TypeError, match="float32 or float64"):
        F.ctc_loss(lamina.zeros(4, 1, 3, dtype=lamina.float16), lamina.tensor([[1]]), [4], [1])
