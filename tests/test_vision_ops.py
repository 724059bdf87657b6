"""Boxes, regions and small layers of lamina.vision.ops against plain computations by pixels and by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.vision import ops


def boxes(seed: int, count: int, size: int = 12) -> Any:
    """Whole numbers, so that pixels can be counted."""
    rng = np.random.RandomState(seed)
    low = rng.randint(0, size - 3, (count, 2))
    return np.concatenate([low, low + rng.randint(1, 4, (count, 2))], 1).astype(np.float32)


def filled(box: Any, size: int = 12) -> Any:
    plane = np.zeros((size, size), bool)
    x1, y1, x2, y2 = box.astype(int)
    plane[y1:y2, x1:x2] = True
    return plane


def test_overlaps_are_those_of_counted_pixels() -> None:
    one, two = boxes(0, 7), boxes(1, 5)
    found = ops.box_iou(lamina.tensor(one), lamina.tensor(two)).numpy()
    general = ops.generalized_box_iou(lamina.tensor(one), lamina.tensor(two)).numpy()
    for i, a in enumerate(one):
        assert ops.box_area(lamina.tensor(one))[i] == filled(a).sum()
        for j, b in enumerate(two):
            common, union = (filled(a) & filled(b)).sum(), (filled(a) | filled(b)).sum()
            whole = np.concatenate([np.minimum(a[:2], b[:2]), np.maximum(a[2:], b[2:])])
            assert found[i, j] == pytest.approx(common / union, rel=1e-6)
            rest = filled(whole).sum()
            assert general[i, j] == pytest.approx(common / union - (rest - union) / rest, rel=1e-5)


def test_masks_have_the_boxes_they_were_filled_from() -> None:
    corners = boxes(2, 6)
    masks = lamina.tensor(np.stack([filled(box) for box in corners]))
    assert (ops.masks_to_boxes(masks).numpy() == corners - [0, 0, 1, 1]).all()
    with pytest.raises(lamina.ShapeError, match="mask 1"):
        ops.masks_to_boxes(lamina.stack([masks[0], masks[0] & False]))


def test_forms_of_boxes() -> None:
    box = lamina.tensor([[1.0, 2.0, 5.0, 8.0]])
    assert ops.box_convert(box, "xyxy", "xywh").tolist() == [[1.0, 2.0, 4.0, 6.0]]
    assert ops.box_convert(box, "xyxy", "cxcywh").tolist() == [[3.0, 5.0, 4.0, 6.0]]
    for form in ("xywh", "cxcywh"):
        assert (ops.box_convert(ops.box_convert(box, "xyxy", form), form, "xyxy") == box).all()
    assert ops.clip_boxes_to_image(box - 2, (5, 2)).tolist() == [[0.0, 0.0, 2.0, 5.0]]
    assert ops.remove_small_boxes(lamina.cat([box, box * 0, box]), 4.0).tolist() == [0, 2]
    with pytest.raises(lamina.ShapeError, match="foo"):
        ops.box_convert(box, "foo", "xyxy")
    with pytest.raises(lamina.ShapeError, match=r"\(\.\.\., 4\)"):
        ops.box_area(lamina.ones(2, 3))


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 1.0])
def test_what_remains_overlaps_little_and_what_goes_much(threshold: float) -> None:
    corners = lamina.tensor(boxes(3, 40))
    scores = lamina.tensor(np.random.RandomState(4).permutation(40) / 40.0)
    kept = ops.nms(corners, scores, threshold)
    share = ops.box_iou(corners, corners).numpy()
    places, by_score = set(kept.tolist()), scores.numpy()
    assert (np.diff(by_score[kept.numpy()]) < 0).all()
    for i in range(40):
        better = [j for j in places if by_score[j] > by_score[i]]
        assert (i in places) == all(share[i, j] <= threshold for j in better)


def test_classes_do_not_drive_each_other_out() -> None:
    corners, kinds = lamina.tensor(boxes(3, 30)), lamina.tensor(np.arange(30) % 3)
    scores = lamina.tensor(np.random.RandomState(4).rand(30))
    kept = ops.batched_nms(corners, scores, kinds, 0.2)
    apart = ops.nms(corners + kinds.unsqueeze(1) * 100.0, scores, 0.2)
    assert kept.tolist() == apart.tolist()
    assert ops.batched_nms(corners[:0], scores[:0], kinds[:0], 0.2).tolist() == []
    with pytest.raises(lamina.ShapeError, match="scores"):
        ops.nms(corners, scores[:3], 0.5)


def sampled(image: Any, y: float, x: float) -> Any:
    """The value at a place, linear between four pixels; 0 outside."""
    _, height, width = image.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    total = 0.0
    for row, by_row in ((top, 1 - y + top), (min(top + 1, height - 1), y - top)):
        for column, by_column in ((left, 1 - x + left), (min(left + 1, width - 1), x - left)):
            total = total + image[:, row, column] * by_row * by_column
    return total


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("samples", [2, -1])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_regions_are_means_of_samples(aligned: bool, samples: int, scale: float) -> None:
    rng = np.random.RandomState(5)
    images = rng.standard_normal((2, 3, 9, 7))
    low = rng.uniform(-1, 6, (6, 2))
    regions = np.concatenate([rng.randint(0, 2, (6, 1)), low, low + rng.uniform(0.2, 7, (6, 2))], 1)
    x = lamina.tensor(images, requires_grad=True)
    found = ops.roi_align(x, lamina.tensor(regions), (3, 2), scale, samples, aligned)
    for k, (image, *box) in enumerate(regions):
        x1, y1, x2, y2 = (end * scale - 0.5 * aligned for end in box)
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1.0), max(height, 1.0)
        rows = samples if samples > 0 else math.ceil(height / 3)
        columns = samples if samples > 0 else math.ceil(width / 2)
        for i in range(3):
            for j in range(2):
                values = [
                    sampled(
                        images[int(image)],
                        y1 + height / 3 * (i + (a + 0.5) / rows),
                        x1 + width / 2 * (j + (b + 0.5) / columns),
                    )
                    for a in range(rows)
                    for b in range(columns)
                ]
                expected = sum(values) / len(values)
                np.testing.assert_allclose(found[k, :, i, j].detach().numpy(), expected, atol=1e-9)
    found.sum().backward()
    assert x.grad is not None and x.grad.any()
    listed = [lamina.tensor(regions[regions[:, 0] == i][:, 1:]) for i in range(2)]
    order = np.argsort(regions[:, 0], kind="stable")
    layer = ops.RoIAlign((3, 2), scale, samples, aligned)
    np.testing.assert_array_equal(layer(x, listed).detach().numpy(), found.detach().numpy()[order])


def test_regions_of_images_that_are_not_there() -> None:
    with pytest.raises(lamina.ShapeError, match="image 3"):
        ops.roi_align(lamina.ones(1, 1, 4, 4), lamina.tensor([[3.0, 0.0, 0.0, 1.0, 1.0]]), 2)
    with pytest.raises(lamina.ShapeError, match=r"boxes \(k, 5\)"):
        ops.roi_align(lamina.ones(1, 1, 4, 4), lamina.ones(1, 4), 2)
    assert ops.roi_align(lamina.ones(1, 2, 4, 4), lamina.zeros(0, 5), 2).shape == (0, 2, 2, 2)


@pytest.mark.parametrize("alpha", [0.25, -1, 1.0])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_focal_loss(alpha: float, reduction: str) -> None:
    rng = np.random.RandomState(6)
    x, y = rng.standard_normal((4, 5)), (rng.rand(4, 5) > 0.5).astype(float)
    p = 1 / (1 + np.exp(-x))
    truth = np.where(y > 0, p, 1 - p)
    expected = -np.log(truth) * (1 - truth) ** 2
    if alpha >= 0:
        expected = expected * np.where(y > 0, alpha, 1 - alpha)
    expected = {"none": expected, "mean": expected.mean(), "sum": expected.sum()}[reduction]
    found = ops.sigmoid_focal_loss(lamina.tensor(x), lamina.tensor(y), alpha, reduction=reduction)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


def test_dropped_blocks_are_squares_and_the_sum_remains() -> None:
    lamina.manual_seed(0)
    x = lamina.ones(8, 4, 20, 20)
    y = ops.drop_block2d(x, 0.2, 3)
    gone = (y == 0).numpy()
    assert 0.15 < gone.mean() < 0.25 and y.mean().item() == pytest.approx(1.0, abs=1e-4)
    squares = np.lib.stride_tricks.sliding_window_view(gone, (3, 3), (2, 3)).all((-1, -2))
    covered = np.zeros_like(gone)
    for i in range(3):
        for j in range(3):
            covered[:, :, i : i + 18, j : j + 18] |= squares
    assert (covered == gone).all()
    assert ops.DropBlock2d(0.5, 3).eval()(x) is x
    with pytest.raises(lamina.ShapeError, match="odd"):
        ops.drop_block2d(x, 0.5, 2)


def test_frozen_batch_norm_is_batch_norm_in_evaluation() -> None:
    lamina.manual_seed(0)
    norm = nn.BatchNorm2d(3)
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        tensor.data.uniform_(0.5, 1.5)
    frozen = ops.FrozenBatchNorm2d(3)
    frozen.load_state_dict(norm.state_dict())
    x = lamina.randn(2, 3, 4, 4)
    assert (frozen.train()(x) == norm.eval()(x)).all() and not list(frozen.parameters())


def test_layers_under_their_names() -> None:
    mlp = ops.MLP(3, [4, 5], norm_layer=nn.LayerNorm, dropout=0.1)
    kinds = ["Linear", "LayerNorm", "ReLU", "Dropout", "Linear", "Dropout"]
    assert [type(layer).__name__ for layer in mlp] == kinds and mlp(lamina.ones(2, 3)).shape == (2, 5)
    assert ops.Permute([1, 0])(lamina.ones(2, 3)).shape == (3, 2)
    assert ops.SqueezeExcitation(4, 2)(lamina.ones(1, 4, 3, 3)).shape == (1, 4, 3, 3)
    lamina.manual_seed(0)
    y = ops.stochastic_depth(lamina.ones(1000, 3), 0.25, "row")
    assert y.unique().tolist() == pytest.approx([0.0, 4 / 3]) and y.mean().item() == pytest.approx(1, abs=0.1)
    assert ((y == 0).sum(1) % 3 == 0).all()
