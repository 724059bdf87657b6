"""Boxes (n, 4) as corners (x1, y1, x2, y2): areas, overlaps, and the best of those that overlap."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina
from lamina._core import ShapeError, Tensor


def _checked(word: str, boxes: Tensor) -> Tensor:
    if not isinstance(boxes, Tensor):
        raise TypeError(f"{word}: expected a Tensor of boxes, got {type(boxes).__name__}")
    if boxes.ndim < 1 or boxes.shape[-1] != 4:
        raise ShapeError(f"{word}: expected boxes (..., 4), got {tuple(boxes.shape)}")
    return boxes


def box_area(boxes: Tensor) -> Tensor:
    """Areas (n) of boxes (n, 4).

    >>> box_area(lamina.tensor([[0.0, 0.0, 2.0, 3.0]])).item()
    6.0
    """
    boxes = _wide(_checked("box_area", boxes))
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _wide(boxes: Tensor) -> Tensor:
    """In a type in which areas do not overflow."""
    if boxes.is_floating_point():
        return boxes if boxes.dtype in (lamina.float32, lamina.float64) else boxes.float()
    return boxes if boxes.dtype in (lamina.int32, lamina.int64) else boxes.int()


def _overlap(word: str, boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Areas of intersection and union of each pair, (n, m)."""
    one, two = _checked(word, boxes1)[..., :, None, :], _checked(word, boxes2)[..., None, :, :]
    low = lamina.maximum(one[..., :2], two[..., :2])
    high = lamina.minimum(one[..., 2:], two[..., 2:])
    size = _wide(high - low).clamp(min=0)
    common = size[..., 0] * size[..., 1]
    return common, box_area(boxes1)[..., :, None] + box_area(boxes2)[..., None, :] - common


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Intersection over union of each pair: (n, 4), (m, 4) -> (n, m).

    >>> box_iou(lamina.tensor([[0.0, 0.0, 2.0, 2.0]]), lamina.tensor([[1.0, 0.0, 3.0, 2.0]])).item() * 3
    1.0
    """
    common, union = _overlap("box_iou", boxes1, boxes2)
    return common / union


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """``box_iou`` less the share of the smallest common box that neither fills: (n, m), from -1 to 1.

    Source: Rezatofighi et al., Generalized Intersection over Union, 2019.
    """
    common, union = _overlap("generalized_box_iou", boxes1, boxes2)
    one, two = boxes1[..., :, None, :], boxes2[..., None, :, :]
    low = lamina.minimum(one[..., :2], two[..., :2])
    high = lamina.maximum(one[..., 2:], two[..., 2:])
    size = _wide(high - low).clamp(min=0)
    whole = size[..., 0] * size[..., 1]
    return common / union - (whole - union) / whole


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes from one form to another: ``xyxy`` corners, ``xywh`` corner and size, ``cxcywh`` middle and size.

    Raises:
        ShapeError: another form.
    """
    for form in (in_fmt, out_fmt):
        if form not in ("xyxy", "xywh", "cxcywh"):
            raise ShapeError(f"box_convert: expected xyxy, xywh or cxcywh, got {form!r}")
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = _checked("box_convert", boxes).unbind(-1)
    if in_fmt == "xywh":
        a, b, c, d = a, b, a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        a, b, c, d = a, b, c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return lamina.stack([a, b, c, d], -1)


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes cut off at the edges of an image of ``size`` (height, width)."""
    height, width = size
    limits = lamina.tensor([width, height, width, height], dtype=boxes.dtype)
    return lamina.minimum(_checked("clip_boxes_to_image", boxes).clamp(min=0), limits)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """The places of the boxes whose sides are both at least ``min_size``."""
    sides = _checked("remove_small_boxes", boxes)[:, 2:] - boxes[:, :2]
    return lamina.where((sides >= min_size).all(1))[0]


def masks_to_boxes(masks: Tensor) -> Tensor:
    """The boxes (n, 4) around what is not 0 in masks (n, h, w): the outermost such pixels.

    Raises:
        ShapeError: a mask without any.
    """
    boxes: Any = np.zeros((masks.shape[0], 4), np.float32)
    for i, mask in enumerate(masks.numpy()):
        rows, columns = np.nonzero(mask)
        if not len(rows):
            raise ShapeError(f"masks_to_boxes: mask {i} is empty")
        boxes[i] = columns.min(), rows.min(), columns.max(), rows.max()
    return lamina.from_numpy(boxes)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """The places of the boxes that remain, best first.

    Each one drives out those below it in ``scores`` (n) that overlap it by more than ``iou_threshold``.

    Raises:
        ShapeError: other shapes.

    >>> boxes = lamina.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9], [5.0, 5.0, 6.0, 6.0]])
    >>> nms(boxes, lamina.tensor([0.5, 0.9, 0.1]), 0.5).tolist()
    [1, 2]
    """
    _checked("nms", boxes)
    if boxes.ndim != 2 or scores.ndim != 1 or len(scores) != len(boxes):
        raise ShapeError(
            f"nms: expected boxes (n, 4) and scores (n), got {tuple(boxes.shape)} and {tuple(scores.shape)}"
        )
    corners = boxes.detach().double().numpy()
    order = np.argsort(-scores.detach().double().numpy(), kind="stable")
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        low = np.maximum(corners[best, :2], corners[order, :2])
        size = np.maximum(np.minimum(corners[best, 2:], corners[order, 2:]) - low, 0)
        common = size[:, 0] * size[:, 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = common / (areas[best] + areas[order] - common)
        order = order[~(share > iou_threshold)]
    return lamina.tensor(kept, dtype=lamina.int64)


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """``nms`` within each class ``idxs`` (n) by itself; what remains of all, best first."""
    kept = [
        places[nms(boxes[places], scores[places], iou_threshold)]
        for places in (lamina.where(idxs == kind)[0] for kind in idxs.unique())
    ]
    if not kept:
        return lamina.zeros(0, dtype=lamina.int64)
    places = lamina.cat(kept)
    return places[scores[places].sort(descending=True, stable=True)[1]]
