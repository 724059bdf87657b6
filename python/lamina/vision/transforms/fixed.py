"""Transforms without chance: lists of them, conversions, sizes, normalisation. With chance: chance.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamina import nn
from lamina._core import ShapeError, Tensor

from . import functional as F
from .functional.geometry import pair
from .functional.kind import InterpolationMode, mode_of

BILINEAR = InterpolationMode.BILINEAR


class Compose:
    """One transform after the other.

    >>> Compose([Lambda(lambda x: x + 1), Lambda(lambda x: x * 2)])(1)
    4
    """

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return "Compose(\n" + "".join(f"    {transform}\n" for transform in self.transforms) + ")"


class Transform(nn.Module):
    """Base of transforms: a module, so that they also stand in ``Sequential``; prints as its ``facts``."""

    facts: tuple[str, ...] = ()
    short = True  # modes print by their word alone

    def __repr__(self) -> str:
        values = (getattr(self, name) for name in self.facts)
        shown = (
            value.value if self.short and isinstance(value, InterpolationMode) else value for value in values
        )
        pairs = ", ".join(f"{name}={value}" for name, value in zip(self.facts, shown, strict=True))
        return f"{self._get_name()}({pairs})"


class ToTensor(Transform):
    """A Pillow image or an array (h, w, c) as a tensor (c, h, w); bytes become float32 from 0 to 1."""

    def forward(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)


class PILToTensor(Transform):
    """A Pillow image as a tensor (c, h, w) of its own numbers."""

    def forward(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)


class ConvertImageDtype(Transform):
    """A tensor in another dtype, its values scaled to that one's range."""

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)


class ToPILImage(Transform):
    """A tensor (c, h, w) or an array (h, w, c) as a Pillow image."""

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"ToPILImage({'' if self.mode is None else f'mode={self.mode}'})"


class Normalize(Transform):
    """``(x - mean) / std`` for each channel of (..., c, h, w)."""

    facts = ("mean", "std")

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)


class Resize(Transform):
    """The image in another size: (height, width), or one number for the shorter side.

    >>> Resize(4)(lamina.zeros(3, 8, 16)).shape
    lamina.Size([3, 4, 8])
    """

    facts = ("size", "interpolation", "max_size", "antialias")

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: Any = BILINEAR,
        max_size: int | None = None,
        antialias: bool = True,
    ) -> None:
        super().__init__()
        if not isinstance(size, (int, Sequence)):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ShapeError("If size is a sequence, it should have 1 or 2 values")
        self.size = size
        self.max_size = max_size
        self.interpolation = mode_of(interpolation)
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(Transform):
    """The middle (height, width) of the image, with a black border where it is smaller."""

    facts = ("size",)

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = pair(size)

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)


class FiveCrop(CenterCrop):
    """Four corners and the middle of the image, as a tuple."""

    def forward(self, img: Any) -> tuple[Any, ...]:
        return F.five_crop(img, self.size)


class TenCrop(Transform):
    """``FiveCrop`` of the image and of its mirror image."""

    facts = ("size", "vertical_flip")

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = pair(size)
        self.vertical_flip = vertical_flip

    def forward(self, img: Any) -> tuple[Any, ...]:
        return F.ten_crop(img, self.size, self.vertical_flip)


class Pad(Transform):
    """A border around the image: one number, (across, down), or (left, top, right, bottom)."""

    facts = ("padding", "fill", "padding_mode")

    def __init__(self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ShapeError("Padding mode should be either constant, edge, reflect or symmetric")
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)


class Lambda(Transform):
    """Any function as a transform."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        super().__init__()
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def forward(self, img: Any) -> Any:
        return self.lambd(img)


class Grayscale(Transform):
    """The image in grey, in one channel or three equal ones."""

    facts = ("num_output_channels",)

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)
