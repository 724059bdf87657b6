"""What a convolutional network has learned and where it looks: filters, feature maps, saliency, Grad-CAM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import lamina
from lamina import nn
from lamina._core import Tensor

from .figure import array_of, new_figure


def filters(weights: Any, count: int = 64, columns: int = 8, figure: Any = None) -> Any:
    """The filters of a convolution as small pictures: in colour where there are three input channels.

    Others are the mean over their input channels, in grey. Each filter is stretched from its smallest to
    its largest value.

    Args:
        weights: a convolution, or its weights (out, in, height, width).
        count: how many to draw at most.
        columns: pictures per row.
        figure: where to draw; a new figure unless given.

    Raises:
        ValueError: another shape.
        ImportError: matplotlib is not installed.

    >>> filters(lamina.nn.Conv2d(3, 16, 5))
    """
    values = array_of(getattr(weights, "weight", weights))
    if values.ndim != 4:
        raise ValueError(f"filters: expected weights (out, in, height, width), but got {values.shape}")
    values = values[:count].transpose(0, 2, 3, 1)
    if values.shape[-1] != 3:
        values = values.mean(-1, keepdims=True)
    low, high = (edge(values, axis=(1, 2, 3), keepdims=True) for edge in (np.min, np.max))
    return _mosaic((values - low) / np.maximum(high - low, 1e-12), columns, figure, "gray")


def feature_maps(
    model: nn.Module,
    image: Any,
    layer: str | nn.Module,
    count: int = 16,
    columns: int = 8,
    figure: Any = None,
) -> Any:
    """What a layer makes of an image: its first ``count`` channels, from dark (small) to bright.

    Args:
        model: the network.
        image: (c, h, w) or (1, c, h, w), as the network takes it.
        layer: the layer or its name, such as ``"layer1.0.conv1"``.
        count: how many channels to draw at most.
        columns: pictures per row.
        figure: where to draw; a new figure unless given.

    Raises:
        ValueError: no such layer, or it makes no images (n, c, h, w).
        ImportError: matplotlib is not installed.
    """
    made, _ = _watched(model, image, layer, lambda scores: None)
    return _mosaic(made[0, :count, :, :, None], columns, figure, "viridis")


def saliency_values(model: nn.Module, image: Any, target: int | None = None) -> np.ndarray[Any, Any]:
    """How much each pixel would change the score of class ``target``: (h, w), from 0 to 1 at the largest.

    The class is the one with the highest score unless given.
    Source: Simonyan et al., Deep Inside Convolutional Networks, 2014.

    Raises:
        ValueError: an image of another shape, or no such class.
    """
    x = _batch(image).clone().requires_grad_(True)
    with _evaluated(model):
        _score(model(x), target).backward()
    slopes = np.abs(array_of(x.grad)[0]).max(0)
    return slopes / max(float(slopes.max()), 1e-30)


def grad_cam_values(
    model: nn.Module, image: Any, layer: str | nn.Module, target: int | None = None
) -> np.ndarray[Any, Any]:
    """Where a layer sees what speaks for class ``target``: (h, w) of the image, from 0 to 1.

    The layer's channels are weighed by their mean slope, summed, and cut at 0. The class is the one with the
    highest score unless given. Source: Selvaraju et al., Grad-CAM, 2017.

    Raises:
        ValueError: no such layer or class, or the layer makes no images (n, c, h, w).
    """
    made, slopes = _watched(model, image, layer, lambda scores: _score(scores, target))
    weights = slopes.mean((2, 3), keepdims=True)
    heat = np.maximum((weights * made).sum(1, keepdims=True), 0)
    heat = heat / max(float(heat.max()), 1e-30)
    size = tuple(_batch(image).shape[-2:])
    spread = nn.functional.interpolate(lamina.from_numpy(heat), size, mode="bilinear", align_corners=False)
    return array_of(spread)[0, 0]


def saliency(model: nn.Module, image: Any, target: int | None = None, figure: Any = None) -> Any:
    """The image beside its ``saliency_values``.

    Raises:
        ValueError: an image of another shape, or no such class.
        ImportError: matplotlib is not installed.
    """
    return _beside(image, saliency_values(model, image, target), False, figure)


def grad_cam(
    model: nn.Module, image: Any, layer: str | nn.Module, target: int | None = None, figure: Any = None
) -> Any:
    """The image beside its ``grad_cam_values``, which are laid over it.

    Raises:
        ValueError: no such layer or class, or the layer makes no images (n, c, h, w).
        ImportError: matplotlib is not installed.

    >>> net = lamina.nn.Sequential(lamina.nn.Conv2d(3, 4, 3), lamina.nn.Flatten(), lamina.nn.Linear(144, 2))
    >>> grad_cam(net, lamina.rand(3, 8, 8), "0")
    """
    return _beside(image, grad_cam_values(model, image, layer, target), True, figure)


class _evaluated:
    """Evaluation mode for a while; afterwards every module is in the mode that it was in."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __enter__(self) -> None:
        self.modes = [(module, module.training) for module in self.model.modules()]
        self.grads = [(p, p.grad) for p in self.model.parameters()]
        self.model.eval()

    def __exit__(self, *error: object) -> None:
        for module, training in self.modes:
            module.training = training
        for parameter, grad in self.grads:
            parameter.grad = grad


def _batch(image: Any) -> Tensor:
    x = lamina.as_tensor(image)
    x = x.unsqueeze(0) if x.ndim == 3 else x
    if x.ndim != 4 or x.shape[0] != 1 or not x.is_floating_point():
        raise ValueError(f"expected a floating image (c, h, w) or (1, c, h, w), but got {tuple(x.shape)}")
    return x.detach()


def _score(scores: Tensor, target: int | None) -> Tensor:
    row = scores.reshape(-1)
    if target is not None and not 0 <= target < len(row):
        raise ValueError(f"there is no class {target} among {len(row)}")
    return row[int(row.argmax().item()) if target is None else target]


def _watched(
    model: nn.Module, image: Any, layer: str | nn.Module, end: Callable[[Tensor], Tensor | None]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What ``layer`` makes of the image, and the slope of what ``end`` makes of the scores (0 for None)."""
    found = dict(model.named_modules()).get(layer) if isinstance(layer, str) else layer
    if found is None:
        raise ValueError(
            f"there is no layer {layer!r}; there are {', '.join(n for n, _ in model.named_modules() if n)}"
        )
    kept: list[Tensor] = []

    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        if not isinstance(output, Tensor) or output.ndim != 4:
            raise ValueError(f"layer {layer!r} makes no images (n, c, h, w)")
        kept.append(output)
        if output.requires_grad:
            output.retain_grad()
        return output.clone()  # what follows may write over it

    handle = found.register_forward_hook(hook)
    try:
        with _evaluated(model):
            score = end(model(_batch(image).requires_grad_(True)))
            if score is not None:
                score.backward()
    finally:
        handle.remove()
    if not kept:
        raise ValueError(f"layer {layer!r} is not used for this image")
    grad = kept[-1].grad
    made = array_of(kept[-1])
    return made, np.zeros_like(made) if grad is None else array_of(grad)


def _mosaic(pictures: Any, columns: int, figure: Any, colours: str) -> Any:
    columns = max(1, min(columns, len(pictures)))
    rows = max(1, -(-len(pictures) // columns))
    figure = new_figure(1.1 * columns, 1.1 * rows) if figure is None else figure
    for index, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.axis("off")
        if index < len(pictures):
            axes.imshow(np.squeeze(pictures[index]), cmap=colours, interpolation="nearest")
    return figure


def _beside(image: Any, heat: np.ndarray[Any, Any], over: bool, figure: Any) -> Any:
    picture = array_of(_batch(image))[0].transpose(1, 2, 0)
    picture = picture if picture.shape[-1] == 3 else picture.mean(-1, keepdims=True)
    low, high = picture.min(), picture.max()
    picture = np.squeeze((picture - low) / max(float(high - low), 1e-12))
    figure = new_figure(6, 3) if figure is None else figure
    left, right = figure.subplots(1, 2)
    left.imshow(picture, cmap="gray")
    if over:
        right.imshow(picture, cmap="gray")
    right.imshow(heat, cmap="inferno", alpha=0.6 if over else 1.0, vmin=0.0, vmax=1.0)
    for axes in (left, right):
        axes.axis("off")
    return figure
