"""Transforms with chance, drawn from lamina's generator, so that ``manual_seed`` repeats them.

Of colours: jitter.py. Chosen from a list: automatic.py. Without chance: fixed.py."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import lamina
from lamina._core import ShapeError, Tensor

from . import functional as F
from .fixed import BILINEAR, Transform
from .functional.geometry import pair
from .functional.kind import InterpolationMode, get_dimensions, mode_of

NEAREST = InterpolationMode.NEAREST


def uniform(low: float, high: float) -> float:
    """A number drawn from ``low`` to ``high``."""
    return low + (high - low) * lamina.rand(1, dtype=lamina.float64).item()


def below(count: int) -> int:
    """A whole number drawn from 0 to ``count`` - 1."""
    return int(lamina.randint(0, count, (1,)).item())


class RandomApply(Transform):
    """All of ``transforms`` with probability ``p``, else none."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: float = 0.5) -> None:
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        if self.p >= uniform(0, 1):
            for transform in self.transforms:
                img = transform(img)
        return img

    def __repr__(self) -> str:
        return f"RandomApply(\n    p={self.p}\n" + "".join(f"    {t}\n" for t in self.transforms) + ")"


class RandomChoice(Transform):
    """One of ``transforms``, chosen with the weights ``p``."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: Sequence[float] | None = None) -> None:
        super().__init__()
        if p is not None and len(p) != len(transforms):
            raise ShapeError(f"RandomChoice: {len(transforms)} transforms, but {len(p)} weights")
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        weights = [1.0] * len(self.transforms) if self.p is None else list(self.p)
        choice = int(lamina.multinomial(lamina.tensor(weights, dtype=lamina.float64), 1).item())
        return self.transforms[choice](img)


class RandomOrder(Transform):
    """All of ``transforms``, in an order drawn anew each time."""

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        super().__init__()
        self.transforms = transforms

    def forward(self, img: Any) -> Any:
        for i in lamina.randperm(len(self.transforms)).tolist():
            img = self.transforms[i](img)
        return img


class _Chance(Transform):
    """Something done with probability ``p``."""

    facts: tuple[str, ...] = ("p",)

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def _do(self, img: Any) -> Any:
        raise NotImplementedError

    def forward(self, img: Any) -> Any:
        return self._do(img) if uniform(0, 1) < self.p else img


class RandomHorizontalFlip(_Chance):
    """The image mirrored left to right with probability ``p``."""

    def _do(self, img: Any) -> Any:
        return F.hflip(img)


class RandomVerticalFlip(_Chance):
    """The image mirrored top to bottom with probability ``p``."""

    def _do(self, img: Any) -> Any:
        return F.vflip(img)


class RandomCrop(Transform):
    """A rectangle of the image at a random place, after a border if one is asked for.

    Raises:
        ShapeError: the rectangle is larger than the image.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = pair(size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """top, left, height and width of a rectangle."""
        _, rows, columns = get_dimensions(img)
        height, width = output_size
        if rows < height or columns < width:
            raise ShapeError(
                f"Required crop size {(height, width)} is larger than input image size {(rows, columns)}"
            )
        return below(rows - height + 1), below(columns - width + 1), height, width

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, height, width = get_dimensions(img)
        if self.pad_if_needed and width < self.size[1]:
            img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and height < self.size[0]:
            img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class RandomResizedCrop(Transform):
    """A rectangle of ``scale`` of the area, its sides in ``ratio``, at a random place, resized to ``size``.

    Source: Szegedy et al., Going Deeper with Convolutions, 2015.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = BILINEAR,
        antialias: bool = True,
    ) -> None:
        super().__init__()
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.size = pair(size)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = mode_of(interpolation)
        self.antialias = antialias

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """top, left, height and width of a rectangle."""
        _, rows, columns = get_dimensions(img)
        for _ in range(10):
            area = rows * columns * uniform(scale[0], scale[1])
            aspect = math.exp(uniform(math.log(ratio[0]), math.log(ratio[1])))
            width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < width <= columns and 0 < height <= rows:
                return below(rows - height + 1), below(columns - width + 1), height, width
        # None fits: the middle, as far as the ratio allows.
        height, width = rows, columns
        if columns / rows < min(ratio):
            height = round(width / min(ratio))
        elif columns / rows > max(ratio):
            width = round(height * max(ratio))
        return (rows - height) // 2, (columns - width) // 2, height, width

    def forward(self, img: Any) -> Any:
        box = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *box, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(v, 4) for v in pair) for pair in (self.scale, self.ratio))
        return (
            f"RandomResizedCrop(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


def _range(value: Any, name: str) -> list[float]:
    """A number as (-number, number), or two numbers."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ShapeError(f"If {name} is a single number, it must be positive.")
        return [-float(value), float(value)]
    if len(value) not in (2, 4):
        raise ShapeError(f"{name} should be a number or a sequence of length 2, got {value}")
    return [float(v) for v in value]


class RandomRotation(Transform):
    """The image rotated by ``degrees``: between -degrees and degrees, or between two of them."""

    facts = ("degrees", "interpolation", "expand", "fill")

    def __init__(
        self,
        degrees: Any,
        interpolation: Any = NEAREST,
        expand: bool = False,
        center: Any = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees = _range(degrees, "degrees")
        self.interpolation = mode_of(interpolation)
        self.expand = expand
        self.center = center
        self.fill = fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """An angle."""
        return uniform(degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)


class RandomAffine(Transform):
    """The image rotated, shifted (by parts of its size), scaled and sheared at random."""

    def __init__(
        self,
        degrees: Any,
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: Any = None,
        interpolation: Any = NEAREST,
        fill: Any = 0,
        center: Any = None,
    ) -> None:
        super().__init__()
        self.degrees = _range(degrees, "degrees")
        if translate is not None and not all(0 <= part <= 1 for part in translate):
            raise ShapeError("translation values should be between 0 and 1")
        if scale is not None and min(scale) <= 0:
            raise ShapeError("scale values should be positive")
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else _range(shear, "shear")
        self.interpolation = mode_of(interpolation)
        self.fill = fill
        self.center = center

    @staticmethod
    def get_params(
        degrees: Sequence[float], translate: Any, scale_ranges: Any, shears: Any, img_size: Sequence[int]
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """angle, translation in pixels, scale and shear for an image (width, height)."""
        angle = uniform(degrees[0], degrees[1])
        shift = (0, 0)
        if translate is not None:
            reach = [float(part * size) for part, size in zip(translate, img_size, strict=True)]
            shift = (round(uniform(-reach[0], reach[0])), round(uniform(-reach[1], reach[1])))
        scale = 1.0 if scale_ranges is None else uniform(scale_ranges[0], scale_ranges[1])
        shear = (0.0, 0.0)
        if shears is not None:
            shear = (
                uniform(shears[0], shears[1]),
                uniform(shears[2], shears[3]) if len(shears) == 4 else 0.0,
            )
        return angle, shift, scale, shear

    def forward(self, img: Any) -> Any:
        size = get_dimensions(img)[:0:-1]
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, size)
        return F.affine(img, *drawn, interpolation=self.interpolation, fill=self.fill, center=self.center)

    def __repr__(self) -> str:
        given = {name: getattr(self, name) for name in ("translate", "scale", "shear")}
        parts = [f", {name}={value}" for name, value in given.items() if value is not None]
        return f"RandomAffine(degrees={self.degrees}{''.join(parts)})"


class RandomErasing(Transform):
    """With probability ``p`` a rectangle of a tensor (..., c, h, w) overwritten by ``value`` or "random".

    Source: Zhong et al., Random Erasing Data Augmentation, 2017.
    """

    facts = ("p", "scale", "ratio", "value", "inplace")

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        if isinstance(value, str) and value != "random":
            raise ShapeError("If value is str, it should be 'random'")
        if not 0 <= scale[0] <= scale[1] <= 1:
            raise ShapeError("Scale should be between 0 and 1")
        if not 0 <= p <= 1:
            raise ShapeError("Random erasing probability should be between 0 and 1")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Tensor, scale: Sequence[float], ratio: Sequence[float], value: Any = None
    ) -> tuple[int, int, int, int, Any]:
        """top, left, height and width of a rectangle and what is written there; None for noise."""
        channels, rows, columns = get_dimensions(img)
        for _ in range(10):
            area = rows * columns * uniform(scale[0], scale[1])
            aspect = math.exp(uniform(math.log(ratio[0]), math.log(ratio[1])))
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if height < rows and width < columns:
                if value is None:
                    patch = lamina.randn(channels, height, width).to(img.dtype)
                else:
                    patch = lamina.tensor(value, dtype=img.dtype).reshape(-1, 1, 1)
                return below(rows - height + 1), below(columns - width + 1), height, width, patch
        return 0, 0, rows, columns, img

    def forward(self, img: Tensor) -> Tensor:
        if uniform(0, 1) >= self.p:
            return img
        value = [self.value] if isinstance(self.value, (int, float)) else self.value
        value = None if isinstance(value, str) else list(value)
        if value is not None and len(value) not in (1, img.shape[-3]):
            raise ShapeError(
                f"value should be a single one or {img.shape[-3]} (number of channels), got {value}"
            )
        return F.erase(img, *self.get_params(img, self.scale, self.ratio, value), self.inplace)
