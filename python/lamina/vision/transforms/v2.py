"""MixUp and CutMix, transforms of whole batches; and those of single images under their newer address."""

from __future__ import annotations

import random
from typing import Any

import lamina
from lamina._core import ShapeError, Tensor
from lamina.nn.functional import one_hot

from . import *  # noqa: F403  (the same transforms)
from .chance import below
from .fixed import Transform


def _share(alpha: float) -> float:
    """A number from 0 to 1 of the distribution Beta(alpha, alpha)."""
    return random.Random(below(2**62)).betavariate(alpha, alpha)


class _Mix(Transform):
    """A batch mixed with itself, moved on by one; labels become probabilities of ``num_classes``."""

    facts = ("alpha", "num_classes")

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None) -> None:
        super().__init__()
        if alpha <= 0:
            raise ValueError(f"{self._get_name()}: alpha must be positive, got {alpha}")
        self.alpha = float(alpha)
        self.num_classes = num_classes

    def _mix(self, images: Tensor) -> tuple[Tensor, float]:
        """The mixed images and the share of each in its own place."""
        raise NotImplementedError

    def forward(self, *batch: Any) -> Any:
        images, labels = batch[0] if len(batch) == 1 else batch
        if images.ndim != 4 or not images.is_floating_point():
            raise ShapeError(
                f"{self._get_name()}: expected floating images (n, c, h, w), got {tuple(images.shape)}"
            )
        if labels.ndim == 1 and not labels.is_floating_point():
            if self.num_classes is None:
                raise ValueError(f"{self._get_name()}: num_classes must be given for labels of class numbers")
            labels = one_hot(labels.to(lamina.int64), self.num_classes)
        if labels.ndim != 2 or len(labels) != len(images):
            raise ShapeError(
                f"{self._get_name()}: {len(images)} images need labels (n) or (n, classes), "
                f"got {tuple(labels.shape)}"
            )
        mixed, share = self._mix(images)
        labels = labels.to(images.dtype)
        return mixed, labels.roll(1, 0) * (1.0 - share) + labels * share


class MixUp(_Mix):
    """Each image blended with another: (n, c, h, w) and labels (n) -> images, probabilities (n, classes).

    Source: Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018.

    >>> images, labels = MixUp(num_classes=3)(lamina.rand(4, 1, 2, 2), lamina.tensor([0, 1, 2, 0]))
    >>> labels.shape
    lamina.Size([4, 3])
    """

    def _mix(self, images: Tensor) -> tuple[Tensor, float]:
        share = _share(self.alpha)
        return images.roll(1, 0) * (1.0 - share) + images * share, share


class CutMix(_Mix):
    """Each image with a rectangle of another: (n, c, h, w) and labels (n) -> images, probabilities.

    Source: Yun et al., CutMix, 2019.
    """

    def _mix(self, images: Tensor) -> tuple[Tensor, float]:
        height, width = images.shape[-2:]
        column, row = below(width), below(height)
        half = 0.5 * (1.0 - _share(self.alpha)) ** 0.5
        beside, below_ = int(half * width), int(half * height)
        left, right = max(column - beside, 0), min(column + beside, width)
        top, bottom = max(row - below_, 0), min(row + below_, height)
        mixed = images.clone()
        mixed[..., top:bottom, left:right] = images.roll(1, 0)[..., top:bottom, left:right]
        return mixed, 1.0 - (right - left) * (bottom - top) / (width * height)
