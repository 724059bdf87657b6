"""Transforms that choose from a list of others: RandAugment and TrivialAugmentWide.

Sources: Cubuk et al., 2020; Müller and Hutter, 2021. Learned lists are in policy.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import functional as F
from .chance import below
from .fixed import Transform
from .functional.kind import InterpolationMode, get_dimensions, mode_of

# Each operation's magnitudes, and whether their sign is drawn too.
Space = dict[str, tuple[np.ndarray, bool]]
NONE = np.zeros(1)


def _apply(img: Any, word: str, magnitude: float, mode: InterpolationMode, fill: Any) -> Any:
    """The operation ``word`` on the image."""
    angle = math.degrees(math.atan(magnitude))
    moves: dict[str, tuple[Sequence[int], Sequence[float]]] = {
        "ShearX": ([0, 0], [angle, 0.0]),
        "ShearY": ([0, 0], [0.0, angle]),
        "TranslateX": ([int(magnitude), 0], [0.0, 0.0]),
        "TranslateY": ([0, int(magnitude)], [0.0, 0.0]),
    }
    if word in moves:
        shift, shear = moves[word]
        corner = [0, 0] if word.startswith("Shear") else None
        return F.affine(img, 0.0, shift, 1.0, shear, mode, fill, corner)
    if word == "Rotate":
        return F.rotate(img, magnitude, mode, fill=fill)
    enhance = {
        "Brightness": F.adjust_brightness,
        "Color": F.adjust_saturation,
        "Contrast": F.adjust_contrast,
        "Sharpness": F.adjust_sharpness,
    }
    if word in enhance:
        return enhance[word](img, 1.0 + magnitude)
    if word == "Posterize":
        return F.posterize(img, int(magnitude))
    if word == "Solarize":
        return F.solarize(img, magnitude)
    plain = {"AutoContrast": F.autocontrast, "Equalize": F.equalize, "Invert": F.invert}
    return plain[word](img) if word in plain else img


def _drawn(magnitudes: np.ndarray, signed: bool, choice: int) -> float:
    magnitude = float(magnitudes[choice]) if len(magnitudes) > 1 else 0.0
    return -magnitude if signed and below(2) else magnitude


def _space(bins: int, shear: float, shift: Sequence[float], turn: float, change: float, cut: float) -> Space:
    """The operations with magnitudes from 0 to the largest given; posterize down by 8 / ``cut`` bits."""
    colour = np.linspace(0.0, change, bins)
    return {
        "Identity": (NONE, False),
        "ShearX": (np.linspace(0.0, shear, bins), True),
        "ShearY": (np.linspace(0.0, shear, bins), True),
        "TranslateX": (np.linspace(0.0, shift[0], bins), True),
        "TranslateY": (np.linspace(0.0, shift[1], bins), True),
        "Rotate": (np.linspace(0.0, turn, bins), True),
        **dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), (colour, True)),
        "Posterize": (8 - np.round(np.arange(bins) / ((bins - 1) / cut)), False),
        "Solarize": (np.linspace(1.0, 0.0, bins), False),
        "AutoContrast": (NONE, False),
        "Equalize": (NONE, False),
    }


class _Automatic(Transform):
    short = False
    fill: Any
    interpolation: InterpolationMode

    def _do(self, img: Any, word: str, magnitude: float) -> Any:
        if word == "Solarize":
            floats = hasattr(img, "is_floating_point") and img.is_floating_point()
            magnitude *= 1.0 if floats else 255.0
        return _apply(img, word, magnitude, self.interpolation, self.fill)


class RandAugment(_Automatic):
    """``num_ops`` operations, each drawn from fourteen, at ``magnitude`` of ``num_magnitude_bins``."""

    facts = ("num_ops", "magnitude", "num_magnitude_bins", "interpolation", "fill")

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        if not 0 <= magnitude < num_magnitude_bins:
            raise ValueError(f"magnitude {magnitude} must be in [0, {num_magnitude_bins})")
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = mode_of(interpolation)
        self.fill = fill

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> Space:
        """The operations and their magnitudes for an image (height, width)."""
        shift = [150.0 / 331.0 * image_size[1], 150.0 / 331.0 * image_size[0]]
        return _space(num_bins, 0.3, shift, 30.0, 0.9, 4)

    def forward(self, img: Any) -> Any:
        _, height, width = get_dimensions(img)
        space = list(self._augmentation_space(self.num_magnitude_bins, (height, width)).items())
        for _ in range(self.num_ops):
            word, (magnitudes, signed) = space[below(len(space))]
            img = self._do(img, word, _drawn(magnitudes, signed, self.magnitude))
        return img


class TrivialAugmentWide(_Automatic):
    """One operation at one magnitude, both drawn."""

    facts = ("num_magnitude_bins", "interpolation", "fill")

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = mode_of(interpolation)
        self.fill = fill

    def forward(self, img: Any) -> Any:
        space = list(_space(self.num_magnitude_bins, 0.99, [32.0, 32.0], 135.0, 0.99, 6).items())
        word, (magnitudes, signed) = space[below(len(space))]
        return self._do(img, word, _drawn(magnitudes, signed, below(len(magnitudes))))
