"""Colours changed at random. Where pixels lie: chance.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lamina
from lamina._core import ShapeError

from . import functional as F
from .chance import _Chance, uniform
from .fixed import Transform
from .functional.kind import get_image_num_channels


def _span(
    value: Any, name: str, centre: float = 1.0, limit: float = float("inf")
) -> tuple[float, float] | None:
    """A number as the range around ``centre``, or two numbers; None where nothing would change."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ShapeError(f"If {name} is a single number, it must be non negative.")
        low, high = centre - value, centre + value
        low = max(low, 0.0) if centre else low
    elif len(value) == 2:
        low, high = (float(v) for v in value)
    else:
        raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
    if not (-limit if not centre else 0) <= low <= high <= limit:
        raise ShapeError(
            f"{name} values should be between {(-limit if not centre else 0.0, limit)}, but got {value}."
        )
    return None if low == high == centre else (low, high)


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed at random, in random order.

    The first three by factors from 1 - value to 1 + value, the hue by at most ``hue`` <= 0.5 of the circle.
    """

    facts = ("brightness", "contrast", "saturation", "hue")

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0) -> None:
        super().__init__()
        self.brightness = _span(brightness, "brightness")
        self.contrast = _span(contrast, "contrast")
        self.saturation = _span(saturation, "saturation")
        self.hue = _span(hue, "hue", 0.0, 0.5)

    @staticmethod
    def get_params(*spans: Sequence[float] | None) -> tuple[Any, ...]:
        """The order, and a factor or None for each of the four."""
        order = lamina.randperm(4)
        return (order, *(None if span is None else uniform(span[0], span[1]) for span in spans))

    def forward(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in order.tolist():
            if factors[i] is not None:
                img = changes[i](img, factors[i])
        return img


class GaussianBlur(Transform):
    """The image under a bell whose spread is drawn from ``sigma``."""

    facts = ("kernel_size", "sigma")

    def __init__(self, kernel_size: int | Sequence[int], sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        self.kernel_size = (kernel_size,) * 2 if isinstance(kernel_size, int) else tuple(kernel_size)
        self.sigma = (float(sigma),) * 2 if isinstance(sigma, (int, float)) else tuple(sigma)
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size):
            raise ShapeError("Kernel size value should be an odd and positive number.")
        if not 0 < self.sigma[0] <= self.sigma[1]:
            raise ShapeError("sigma values should be positive and of the form (min, max).")

    def forward(self, img: Any) -> Any:
        return F.gaussian_blur(img, self.kernel_size, [uniform(self.sigma[0], self.sigma[1])] * 2)


class RandomGrayscale(_Chance):
    """The image in grey, with as many channels as before, with probability ``p``."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def _do(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, get_image_num_channels(img))


class RandomInvert(_Chance):
    """Black for white with probability ``p``."""

    def _do(self, img: Any) -> Any:
        return F.invert(img)


class RandomPosterize(_Chance):
    """Only the ``bits`` highest bits of each byte with probability ``p``."""

    facts = ("bits", "p")

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def _do(self, img: Any) -> Any:
        return F.posterize(img, self.bits)


class RandomSolarize(_Chance):
    """What is at least as bright as ``threshold``, inverted, with probability ``p``."""

    facts = ("threshold", "p")

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def _do(self, img: Any) -> Any:
        return F.solarize(img, self.threshold)


class RandomAdjustSharpness(_Chance):
    """The sharpness changed by ``sharpness_factor`` with probability ``p``."""

    facts = ("sharpness_factor", "p")

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def _do(self, img: Any) -> Any:
        return F.adjust_sharpness(img, self.sharpness_factor)


class RandomAutocontrast(_Chance):
    """Each channel stretched from black to white with probability ``p``."""

    def _do(self, img: Any) -> Any:
        return F.autocontrast(img)


class RandomEqualize(_Chance):
    """All values made about equally frequent with probability ``p``."""

    def _do(self, img: Any) -> Any:
        return F.equalize(img)
