"""Transforms whose lists were learned or are mixed: AutoAugment and AugMix.

Sources: Cubuk et al., 2019 (arXiv 1805.09501), tables 7 to 9 of its appendix; Hendrycks et al., 2020."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

import lamina

from .automatic import Space, _Automatic, _drawn, _space
from .chance import below, uniform
from .functional.kind import InterpolationMode, get_dimensions, mode_of, pillow


class AutoAugmentPolicy(Enum):
    """The data on which a policy was learned."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


# Pairs of operations, each with its probability in tenths and its magnitude of ten.
LEARNED = {
    AutoAugmentPolicy.IMAGENET: """
        Posterize 4 8 Rotate 6 9, Solarize 6 5 AutoContrast 6 -, Equalize 8 - Equalize 6 -,
        Posterize 6 7 Posterize 6 6, Equalize 4 - Solarize 2 4, Equalize 4 - Rotate 8 8,
        Solarize 6 3 Equalize 6 -, Posterize 8 5 Equalize 10 -, Rotate 2 3 Solarize 6 8,
        Equalize 6 - Posterize 4 6, Rotate 8 8 Color 4 0, Rotate 4 9 Equalize 6 -, Equalize 0 - Equalize 8 -,
        Invert 6 - Equalize 10 -, Color 6 4 Contrast 10 8, Rotate 8 8 Color 10 2, Color 8 8 Solarize 8 7,
        Sharpness 4 7 Invert 6 -, ShearX 6 5 Equalize 10 -, Color 4 0 Equalize 6 -, Equalize 4 - Solarize 2 4,
        Solarize 6 5 AutoContrast 6 -, Invert 6 - Equalize 10 -, Color 6 4 Contrast 10 8,
        Equalize 8 - Equalize 6 -""",
    AutoAugmentPolicy.CIFAR10: """
        Invert 1 - Contrast 2 6, Rotate 7 2 TranslateX 3 9, Sharpness 8 1 Sharpness 9 3,
        ShearY 5 8 TranslateY 7 9, AutoContrast 5 - Equalize 9 -, ShearY 2 7 Posterize 3 7,
        Color 4 3 Brightness 6 7, Sharpness 3 9 Brightness 7 9, Equalize 6 - Equalize 5 -,
        Contrast 6 7 Sharpness 6 5, Color 7 7 TranslateX 5 8, Equalize 3 - AutoContrast 4 -,
        TranslateY 4 3 Sharpness 2 6, Brightness 9 6 Color 2 8, Solarize 5 2 Invert 0 -,
        Equalize 2 - AutoContrast 6 -, Equalize 2 - Equalize 6 -, Color 9 9 Equalize 6 -,
        AutoContrast 8 - Solarize 2 8, Brightness 1 3 Color 7 0, Solarize 4 5 AutoContrast 9 -,
        TranslateY 9 9 TranslateY 7 9, AutoContrast 9 - Solarize 8 3, Equalize 8 - Invert 1 -,
        TranslateY 7 9 AutoContrast 9 -""",
    AutoAugmentPolicy.SVHN: """
        ShearX 9 4 Invert 2 -, ShearY 9 8 Invert 7 -, Equalize 6 - Solarize 6 6, Invert 9 - Equalize 6 -,
        Equalize 6 - Rotate 9 3, ShearX 9 4 AutoContrast 8 -, ShearY 9 8 Invert 4 -, ShearY 9 5 Solarize 2 6,
        Invert 9 - AutoContrast 8 -, Equalize 6 - Rotate 9 3, ShearX 9 4 Solarize 3 3, ShearY 8 8 Invert 7 -,
        Equalize 9 - TranslateY 6 6, Invert 9 - Equalize 6 -, Contrast 3 3 Rotate 8 4,
        Invert 8 - TranslateY 0 2, ShearY 7 6 Solarize 4 8, Invert 6 - Rotate 8 4, ShearY 3 7 TranslateX 9 3,
        ShearX 1 6 Invert 6 -, Solarize 7 2 TranslateY 6 7, ShearY 8 4 Invert 8 -, ShearX 7 9 TranslateY 8 3,
        ShearY 8 5 AutoContrast 7 -, ShearX 7 2 Invert 1 -""",
}
BINS = 10
Step = tuple[str, float, int | None]


def _policies(policy: AutoAugmentPolicy) -> list[tuple[Step, Step]]:
    pairs = []
    for pair in LEARNED[policy].split(","):
        words = pair.split()
        one, two = (
            (word, int(chance) / 10, None if bin == "-" else int(bin))
            for word, chance, bin in (words[:3], words[3:])
        )
        pairs.append((one, two))
    return pairs


class AutoAugment(_Automatic):
    """One of 25 pairs of operations that a search found best for a data set.

    Raises:
        ValueError: ``policy`` is no :class:`AutoAugmentPolicy`.

    >>> AutoAugment(AutoAugmentPolicy.CIFAR10)(image)  # doctest: +SKIP
    """

    facts = ("policy", "fill")

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        if policy not in LEARNED:
            raise ValueError(f"The provided policy {policy} is not recognized.")
        self.policy = policy
        self.interpolation = mode_of(interpolation)
        self.fill = fill
        self.policies = _policies(policy)

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> Space:
        """The operations and their magnitudes for an image (height, width)."""
        shift = [150.0 / 331.0 * image_size[1], 150.0 / 331.0 * image_size[0]]
        return {**_space(num_bins, 0.3, shift, 30.0, 0.9, 4), "Invert": (np.zeros(1), False)}

    def forward(self, img: Any) -> Any:
        _, height, width = get_dimensions(img)
        space = self._augmentation_space(BINS, (height, width))
        for word, chance, bin in self.policies[below(len(self.policies))]:
            if uniform(0.0, 1.0) <= chance:
                magnitudes, signed = space[word]
                img = self._do(img, word, _drawn(magnitudes, signed, bin or 0))
        return img


class AugMix(_Automatic):
    """The image mixed with ``mixture_width`` chains of operations on it, each of up to three in a row.

    Args:
        severity: of the operations, 1 to 10.
        mixture_width: how many chains.
        chain_depth: operations in a chain; 1 to 3, drawn, if it is not positive.
        alpha: of the distributions that the shares are drawn from.
        all_ops: brightness, colour, contrast and sharpness are among the operations.

    Raises:
        ValueError: ``severity`` is out of range.
    """

    facts = (
        "severity",
        "mixture_width",
        "chain_depth",
        "alpha",
        "all_ops",
        "interpolation",
        "fill",
    )

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = None,
    ) -> None:
        super().__init__()
        if not 1 <= severity <= BINS:
            raise ValueError(f"The severity must be between [1, {BINS}]. Got {severity} instead.")
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = mode_of(interpolation)
        self.fill = fill

    def _augmentation_space(self, num_bins: int, image_size: tuple[int, int]) -> Space:
        """The operations and their magnitudes for an image (height, width)."""
        space = _space(num_bins, 0.3, [image_size[1] / 3.0, image_size[0] / 3.0], 30.0, 0.9, 4)
        del space["Identity"]
        space["Posterize"] = (space["Posterize"][0] - 4, False)
        if not self.all_ops:
            for word in ("Brightness", "Color", "Contrast", "Sharpness"):
                del space[word]
        return space

    def _shares(self, count: int) -> Any:
        """Shares of ``count`` parts, which sum to 1, from a Dirichlet distribution."""
        return lamina.distributions.Dirichlet(lamina.full((count,), float(self.alpha))).sample().numpy()

    def forward(self, img: Any) -> Any:
        _, height, width = get_dimensions(img)
        space = list(self._augmentation_space(BINS, (height, width)).items())
        keep, change = self._shares(2)
        mix = keep * _pixels(img)
        for share in self._shares(self.mixture_width):
            other = img
            for _ in range(self.chain_depth if self.chain_depth > 0 else 1 + below(3)):
                word, (magnitudes, signed) = space[below(len(space))]
                other = self._do(other, word, _drawn(magnitudes, signed, below(self.severity)))
            mix = mix + change * share * _pixels(other)
        if not isinstance(img, lamina.Tensor):
            return pillow().fromarray(mix.astype(np.uint8))
        return lamina.from_numpy(mix).to(img.dtype)


def _pixels(img: Any) -> Any:
    return np.asarray(img.numpy() if isinstance(img, lamina.Tensor) else img, np.float32)
