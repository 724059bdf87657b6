"""Losses against their formulas in NumPy, gradients against differences, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F
from nn_check import array, check_gradient, close, tensor

X, Y = array(4, 3, seed=1), array(4, 3, seed=2)
P, Q = array(4, 3, seed=3, low=0.05, high=0.95), array(4, 3, seed=4, low=0.05, high=0.95)
SIGNS = np.where(array(4, 3, seed=5) > 0, 1.0, -1.0)
D = np.abs(X - Y)
LOGP = X - np.log(np.exp(X).sum(1, keepdims=True))
CLASSES = np.array([2, 0, 1, 2])

ELEMENTWISE: list[tuple[str, tuple[np.ndarray, ...], dict[str, Any], np.ndarray]] = [
    ("mse_loss", (X, Y), {}, (X - Y) ** 2),
    ("l1_loss", (X, Y), {}, D),
    ("smooth_l1_loss", (X, Y), {"beta": 0.7}, np.where(D < 0.7, D * D / 1.4, D - 0.35)),
    ("smooth_l1_loss", (X, Y), {"beta": 0.0}, D),
    ("huber_loss", (X, Y), {"delta": 0.7}, np.where(D < 0.7, D * D / 2, 0.7 * (D - 0.35))),
    ("binary_cross_entropy", (P, Q), {}, -(Q * np.log(P) + (1 - Q) * np.log(1 - P))),
    ("binary_cross_entropy_with_logits", (X, Q), {}, np.log1p(np.exp(X)) - Q * X),
    ("kl_div", (X, Q), {}, Q * (np.log(Q) - X)),
    ("kl_div", (X, Y), {"log_target": True}, np.exp(Y) * (Y - X)),
    ("poisson_nll_loss", (X, P), {}, np.exp(X) - P * X),
    ("poisson_nll_loss", (P, Q), {"log_input": False, "eps": 0.1}, P - Q * np.log(P + 0.1)),
    ("hinge_embedding_loss", (X, SIGNS), {"margin": 0.5}, np.where(SIGNS > 0, X, np.maximum(0, 0.5 - X))),
    ("margin_ranking_loss", (X, Y, SIGNS), {"margin": 0.3}, np.maximum(0, 0.3 - SIGNS * (X - Y))),
    ("soft_margin_loss", (X, SIGNS), {}, np.log1p(np.exp(-SIGNS * X))),
]


@pytest.mark.filterwarnings("ignore:kl_div")
@pytest.mark.parametrize(
    ("name", "arrays", "options", "expected"), ELEMENTWISE, ids=[e[0] for e in ELEMENTWISE]
)
def test_elementwise_losses(
    name: str, arrays: tuple[np.ndarray, ...], options: dict[str, Any], expected: np.ndarray
) -> None:
    loss = getattr(F, name)
    tensors = [tensor(values) for values in arrays]
    close(loss(*tensors, **options, reduction="none"), expected)
    close(loss(*tensors, **options, reduction="sum"), expected.sum())
    close(loss(*tensors, **options), expected.mean())
    differentiable = arrays[:-1] if arrays[-1] is SIGNS else arrays
    rest = tensors[len(differentiable) :]
    check_gradient(lambda *t: loss(*t, *rest, **options, reduction="none"), *differentiable)
    with pytest.raises(ValueError, match="max is not a valid value for reduction"):
        loss(*tensors, **options, reduction="max")


def test_cross_entropy_and_nll() -> None:
    w = np.array([0.5, 1.0, 3.0])
    each = -LOGP[np.arange(4), CLASSES]
    x, target, weight = tensor(X), tensor(CLASSES), tensor(w)
    close(F.cross_entropy(x, target), each.mean())
    close(F.cross_entropy(x, target, reduction="none"), each)
    close(F.nll_loss(tensor(LOGP), target, reduction="sum"), each.sum())
    close(F.cross_entropy(x, target, weight), (w[CLASSES] * each).sum() / w[CLASSES].sum())
    kept = CLASSES != 2
    close(F.cross_entropy(x, target, ignore_index=2), each[kept].mean())
    close(
        F.nll_loss(tensor(LOGP), target, weight, ignore_index=0, reduction="none"),
        w[CLASSES] * each * (CLASSES != 0),
    )
    smooth = 0.8 * each - 0.2 * LOGP.mean(1)
    close(F.cross_entropy(x, target, label_smoothing=0.2), smooth.mean())
    check_gradient(lambda t: F.cross_entropy(t, target, weight, ignore_index=0, label_smoothing=0.1), X)
    check_gradient(lambda t: F.nll_loss(t, target, weight), X)


def test_cross_entropy_over_places_and_of_one_sample() -> None:
    x = array(2, 3, 4, 5, seed=6)
    classes = np.random.default_rng(0).integers(0, 3, (2, 4, 5))
    logp = x - np.log(np.exp(x).sum(1, keepdims=True))
    each = -np.take_along_axis(logp, classes[:, None], 1)[:, 0]
    close(F.cross_entropy(tensor(x), tensor(classes), reduction="none"), each)
    close(F.cross_entropy(tensor(x), tensor(classes)), each.mean())
    close(F.cross_entropy(tensor(X[0]), tensor(np.array(2))), -LOGP[0, 2])
    close(F.nll_loss(tensor(LOGP[0]), tensor(np.array(2)), reduction="none"), -LOGP[0, 2])


def test_cross_entropy_of_probabilities() -> None:
    w = np.array([0.5, 1.0, 3.0])
    close(F.cross_entropy(tensor(X), tensor(Q)), -(Q * LOGP).sum(1).mean())
    close(F.cross_entropy(tensor(X), tensor(Q), tensor(w), reduction="none"), -(w * Q * LOGP).sum(1))
    smooth = 0.9 * Q + 0.1 / 3
    close(F.cross_entropy(tensor(X), tensor(Q), label_smoothing=0.1, reduction="sum"), -(smooth * LOGP).sum())
    check_gradient(lambda x, q: F.cross_entropy(x, q, tensor(w), label_smoothing=0.1), X, Q)


def test_cross_entropy_refuses_what_does_not_fit() -> None:
    x = tensor(X)
    for wrong in ([0, 1, 2, 3], [0, 1, 2, -1]):
        with pytest.raises(IndexError):
            F.cross_entropy(x, tensor(np.array(wrong)))
    for target in (tensor(np.zeros(3, np.int64)), tensor(Q[:, :2]), tensor(Q[:, 0])):
        with pytest.raises(ValueError):
            F.cross_entropy(x, target)
    with pytest.raises(ValueError, match="ignore_index"):
        F.cross_entropy(x, tensor(Q), ignore_index=1)
    with pytest.raises(ValueError):
        F.cross_entropy(x, tensor(Q), label_smoothing=1.5)


def test_cross_entropy_of_large_logits_is_finite() -> None:
    x = lamina.tensor([[1000.0, 0.0], [0.0, -1000.0]], requires_grad=True)
    loss = F.cross_entropy(x, lamina.tensor([0, 1]))
    assert loss.item() == 500.0
    loss.backward()
    assert x.grad.tolist() == [[0.0, 0.0], [0.5, -0.5]]


def test_weights_of_elementwise_losses() -> None:
    w = np.abs(array(4, 3, seed=9))
    for name, each in (
        ("mse_loss", (X - Y) ** 2),
        ("l1_loss", D),
        ("huber_loss", np.where(D < 1, D * D / 2, D - 0.5)),
    ):
        loss = getattr(F, name)
        close(loss(tensor(X), tensor(Y), weight=tensor(w)), (w * each).sum() / w.sum())
        close(loss(tensor(X), tensor(Y), weight=tensor(w), reduction="sum"), (w * each).sum())
        with pytest.raises(ValueError):
            loss(tensor(X), tensor(Y), weight=tensor(w[:2]))
    close(
        F.binary_cross_entropy(tensor(P), tensor(Q), tensor(w)),
        -(w * (Q * np.log(P) + (1 - Q) * np.log(1 - P))).mean(),
    )
    pos = np.array([0.5, 1.0, 4.0])
    logits = w * (pos * Q * np.log1p(np.exp(-X)) + (1 - Q) * np.log1p(np.exp(X)))
    loss = F.binary_cross_entropy_with_logits(tensor(X), tensor(Q), tensor(w), pos_weight=tensor(pos))
    close(loss, logits.mean())


def test_binary_cross_entropy_at_its_limits() -> None:
    p = lamina.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(p, lamina.tensor([0.0, 1.0, 1.0, 0.0]), reduction="none")
    assert loss.tolist() == [0.0, 0.0, 100.0, 100.0]
    loss.sum().backward()
    assert np.isfinite(p.grad.numpy()).all()
    x = lamina.tensor([-200.0, 200.0], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(x, lamina.tensor([1.0, 1.0]), reduction="none")
    assert loss.tolist() == [200.0, 0.0]
    loss.sum().backward()
    assert x.grad.tolist() == [-1.0, 0.0]
    for wrong in (1.5, -0.5, math.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            F.binary_cross_entropy(lamina.tensor([wrong]), lamina.ones(1))
    for loss_of in (F.binary_cross_entropy, F.binary_cross_entropy_with_logits):
        with pytest.raises(ValueError):
            loss_of(lamina.ones(2), lamina.ones(3))


def test_kl_div() -> None:
    close(F.kl_div(tensor(LOGP), tensor(Q), reduction="batchmean"), (Q * (np.log(Q) - LOGP)).sum() / 4)
    assert F.kl_div(lamina.zeros(2), lamina.zeros(2), reduction="sum").item() == 0.0
    with pytest.warns(UserWarning, match="batchmean"):
        F.kl_div(tensor(LOGP), tensor(Q))


def test_poisson_and_gaussian() -> None:
    counts = np.array([0.0, 1.0, 2.0, 5.0])
    x = array(4, seed=8)
    stirling = counts[2:] * np.log(counts[2:]) - counts[2:] + 0.5 * np.log(2 * np.pi * counts[2:])
    expected = np.exp(x) - counts * x + np.concatenate([[0, 0], stirling])
    close(F.poisson_nll_loss(tensor(x), tensor(counts), full=True, reduction="none"), expected)
    for var in (P, P[:, :1], P[:, 0], 0.3):
        v = P[:, :1] if np.ndim(var) == 1 else var
        expected = 0.5 * (np.log(v) + (X - Y) ** 2 / v)
        given = var if isinstance(var, float) else tensor(var)
        close(F.gaussian_nll_loss(tensor(X), tensor(Y), given, reduction="none"), expected + 0 * X)
        close(
            F.gaussian_nll_loss(tensor(X), tensor(Y), given, full=True),
            (expected + 0 * X).mean() + 0.5 * np.log(2 * np.pi),
        )
    check_gradient(F.gaussian_nll_loss, X, Y, P)
    small = tensor(np.array([1e-9]), requires_grad=True)
    F.gaussian_nll_loss(
        lamina.zeros(1, dtype=lamina.float64), lamina.ones(1, dtype=lamina.float64), small
    ).backward()
    close(small.grad, [0.5 * (1e6 - 1e12)], 1e-6)
    with pytest.raises(ValueError, match="negative"):
        F.gaussian_nll_loss(tensor(X), tensor(Y), tensor(-P))
    with pytest.raises(ValueError):
        F.gaussian_nll_loss(tensor(X), tensor(Y), tensor(P[:2]))


def test_losses_of_pairs_and_triplets() -> None:
    z, signs = array(4, 3, seed=7), np.array([1.0, -1.0, -1.0, 1.0])
    cos = (X * Y).sum(1) / np.linalg.norm(X, axis=1) / np.linalg.norm(Y, axis=1)
    expected = np.where(signs > 0, 1 - cos, np.maximum(0, cos - 0.1))
    close(F.cosine_embedding_loss(tensor(X), tensor(Y), tensor(signs), 0.1, reduction="none"), expected)
    check_gradient(lambda a, b: F.cosine_embedding_loss(a, b, tensor(signs), 0.1), X, Y)
    close(F.cosine_embedding_loss(tensor(X[0]), tensor(Y[0]), tensor(np.array(1.0))), expected[0])
    with pytest.raises(ValueError):
        F.cosine_embedding_loss(tensor(X), tensor(Y), tensor(SIGNS))

    def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.linalg.norm(a - b + 1e-6, axis=1)

    expected = np.maximum(0, distance(X, Y) - distance(X, z) + 1)
    close(F.triplet_margin_loss(tensor(X), tensor(Y), tensor(z), reduction="none"), expected)
    expected = np.maximum(0, distance(X, Y) - np.minimum(distance(X, z), distance(Y, z)) + 2)
    close(F.triplet_margin_loss(tensor(X), tensor(Y), tensor(z), 2.0, swap=True), expected.mean())
    check_gradient(lambda a, b, c: F.triplet_margin_loss(a, b, c, 2.0, swap=True), X, Y, z)
    for call in (
        lambda: F.triplet_margin_loss(tensor(X), tensor(Y), tensor(z), margin=0.0),
        lambda: F.triplet_margin_loss(tensor(X), tensor(Y), tensor(z[0])),
        lambda: nn.TripletMarginLoss(margin=-1.0),
        lambda: F.margin_ranking_loss(tensor(X), tensor(Y), tensor(signs)),
    ):
        with pytest.raises(ValueError):
            call()


def test_losses_of_a_class_against_the_others() -> None:
    w = np.array([0.5, 1.0, 3.0])
    for p in (1, 2):
        gaps = np.maximum(0, 0.7 - X[np.arange(4), CLASSES][:, None] + X) ** p * w[CLASSES][:, None]
        gaps[np.arange(4), CLASSES] = 0
        loss = F.multi_margin_loss(tensor(X), tensor(CLASSES), p, 0.7, tensor(w), reduction="none")
        close(loss, gaps.sum(1) / 3)
        check_gradient(lambda x, p=p: F.multi_margin_loss(x, tensor(CLASSES), p, 0.7), X)
    assert F.multi_margin_loss(tensor(X[0]), tensor(np.array(1))).shape == ()
    labels = (SIGNS + 1) / 2
    each = labels * np.log1p(np.exp(-X)) + (1 - labels) * np.log1p(np.exp(X))
    close(F.multilabel_soft_margin_loss(tensor(X), tensor(labels), reduction="none"), each.mean(1))
    close(F.multilabel_soft_margin_loss(tensor(X), tensor(labels), tensor(w)), (w * each).mean())
    with pytest.raises(ValueError):
        F.multi_margin_loss(tensor(X), tensor(CLASSES), 3)
    with pytest.raises(ValueError):
        F.multi_margin_loss(tensor(X), tensor(CLASSES[:2]))
    with pytest.raises(ValueError):
        nn.MultiMarginLoss(p=3)
    with pytest.raises(IndexError):
        F.multi_margin_loss(tensor(X), tensor(np.array([0, 1, 2, 3])))


def test_older_forms_of_the_reduction() -> None:
    x, y = lamina.zeros(2), lamina.tensor([1.0, 3.0])
    for arguments, expected in (((False, None), 4.0), ((True, True), 2.0), ((None, False), [1.0, 3.0])):
        with pytest.warns(UserWarning, match="size_average and reduce are deprecated"):
            assert F.l1_loss(x, y, *arguments).tolist() == expected
        with pytest.warns(UserWarning, match="deprecated"):
            assert nn.L1Loss(*arguments)(x, y).tolist() == expected
    with pytest.warns(UserWarning, match="deprecated"):
        F.cross_entropy(lamina.zeros(1, 2), lamina.tensor([0]), size_average=False)


def test_a_target_of_another_shape_is_broadcast_with_a_warning() -> None:
    for loss in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss):
        with pytest.warns(UserWarning, match="is not the input's"):
            loss(lamina.zeros(2, 1), lamina.ones(2))


def test_bad_constants_are_refused() -> None:
    x = lamina.zeros(2)
    with pytest.raises(ValueError):
        F.smooth_l1_loss(x, x, beta=-1.0)
    with pytest.raises(ValueError):
        F.huber_loss(x, x, delta=0.0)


def test_weights_are_buffers() -> None:
    loss = nn.CrossEntropyLoss(weight=lamina.ones(3))
    assert list(loss.state_dict()) == ["weight"] and list(loss.parameters()) == []
    assert loss.double().weight.dtype == lamina.float64
