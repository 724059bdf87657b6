"""A classifier of photographs in one file: weights, names of classes, and how pictures are prepared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import lamina
from lamina import nn
from lamina.nn import init

from . import transforms

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BETWEEN_ONES = (127 / 255,) * 3, (128 / 255,) * 3  # (x - 127) / 128, as EfficientNet-Lite has it
KIND = "lamina.classifier"


@dataclass
class Classifier:
    """What a network of ``lamina.models.vision`` is called, what it tells apart, and at which size."""

    architecture: str
    classes: list[str]
    size: int

    def __post_init__(self) -> None:
        if not self.classes or self.size < 1:
            raise ValueError(f"Classifier: got {len(self.classes)} classes and size {self.size}")

    @property
    def normalisation(self) -> tuple[Sequence[float], Sequence[float]]:
        """Mean and standard deviation of each colour, from 0 to 1, as the architecture was trained with."""
        return BETWEEN_ONES if self.architecture.startswith("efficientnet_lite") else IMAGENET

    def preparation(self, training: bool = False) -> transforms.Compose:
        """From a picture to a tensor (3, size, size); in training, of a random part of it."""
        cubic = transforms.InterpolationMode.BICUBIC
        if training:
            cut: list[Any] = [
                transforms.RandomResizedCrop(self.size, scale=(0.35, 1.0), interpolation=cubic),
                transforms.RandomHorizontalFlip(),
            ]
        else:
            cut = [transforms.Resize(round(self.size / 0.875), cubic), transforms.CenterCrop(self.size)]
        return transforms.Compose([*cut, transforms.ToTensor(), transforms.Normalize(*self.normalisation)])

    def build(self) -> nn.Module:
        """The network with weights that are still to be loaded."""
        constructor = getattr(lamina.models.vision, self.architecture, None)
        if self.architecture[:1].isupper() or constructor is None:
            raise ValueError(f"lamina.models.vision has no constructor {self.architecture!r}")
        with init.values_to_come():
            return constructor(num_classes=len(self.classes))

    def save(self, model: nn.Module, path: str | os.PathLike[str]) -> None:
        """Write both to one file, as a whole or not at all."""
        lamina.save({"kind": KIND, **asdict(self), "model": model.state_dict()}, path)


def load_classifier(path: str | os.PathLike[str]) -> tuple[nn.Module, Classifier]:
    """The model, ready for inference, and what it tells apart.

    Raises:
        OSError: the file cannot be read.
        FileFormatError: it is not what ``Classifier.save`` or ``lamina finetune`` wrote.
    """
    kept = lamina.load(path)
    if not isinstance(kept, dict) or kept.get("kind") != KIND:
        raise lamina.FileFormatError(f"{os.fspath(path)} is no classifier that lamina finetune wrote")
    try:
        found = Classifier(kept["architecture"], [str(name) for name in kept["classes"]], int(kept["size"]))
        model = found.build()
        model.load_state_dict(kept["model"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise lamina.FileFormatError(f"{os.fspath(path)} does not fit together: {error}") from error
    return model.eval(), found
