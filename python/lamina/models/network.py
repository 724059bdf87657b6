"""What every architecture here can do beside computing: be fine-tuned. The work is in transfer.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from lamina import nn

if TYPE_CHECKING:
    from .transfer import FeatureExtractor

N = TypeVar("N", bound="Network")


class Network(nn.Module):
    """A module that names its layers to freeze them, takes a new head, and gives features.

    >>> model = lamina.models.vision.resnet18().freeze("conv1", "bn1", "layer*").replace_head(10)
    """

    def freeze(self: N, *patterns: str, batch_norm: str = "eval") -> N:
        """As :func:`lamina.models.transfer.freeze`."""
        return _transfer().freeze(self, *patterns, batch_norm=batch_norm)

    def unfreeze(self: N, *patterns: str) -> N:
        """As :func:`lamina.models.transfer.unfreeze`."""
        return _transfer().unfreeze(self, *patterns)

    def replace_head(self: N, classes: int, name: str | None = None) -> N:
        """As :func:`lamina.models.transfer.replace_head`."""
        return _transfer().replace_head(self, classes, name)

    def feature_extractor(self, layer: str, flatten: bool = True) -> FeatureExtractor:
        """As :func:`lamina.models.transfer.feature_extractor`."""
        return _transfer().feature_extractor(self, layer, flatten)

    def layer_groups(self, lr: float, decay: float = 0.5) -> list[dict[str, Any]]:
        """As :func:`lamina.models.transfer.layer_groups`."""
        return _transfer().layer_groups(self, lr, decay)


def _transfer() -> Any:
    from . import transfer  # brings the trainer along, which who only computes does without

    return transfer
