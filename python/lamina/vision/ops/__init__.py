"""Boxes, regions and small layers of networks that look at images, under torchvision's names."""

from lamina.vision.ops.boxes import (
    batched_nms,
    box_area,
    box_convert,
    box_iou,
    clip_boxes_to_image,
    generalized_box_iou,
    masks_to_boxes,
    nms,
    remove_small_boxes,
)
from lamina.vision.ops.misc import (
    MLP,
    Conv2dNormActivation,
    DropBlock2d,
    FrozenBatchNorm2d,
    Permute,
    SqueezeExcitation,
    StochasticDepth,
    drop_block2d,
    sigmoid_focal_loss,
    stochastic_depth,
)
from lamina.vision.ops.region import RoIAlign, roi_align

__all__ = [
    "MLP",
    "Conv2dNormActivation",
    "DropBlock2d",
    "FrozenBatchNorm2d",
    "Permute",
    "RoIAlign",
    "SqueezeExcitation",
    "StochasticDepth",
    "batched_nms",
    "box_area",
    "box_convert",
    "box_iou",
    "clip_boxes_to_image",
    "drop_block2d",
    "generalized_box_iou",
    "masks_to_boxes",
    "nms",
    "remove_small_boxes",
    "roi_align",
    "sigmoid_focal_loss",
    "stochastic_depth",
]
