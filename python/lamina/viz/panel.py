"""The single pictures. How they are put together on a page is left to report.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .figure import array_of, new_figure

# Blue and orange are told apart with any colour vision; a third and fourth are rarely needed.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
GREY = "#666666"


def learning_curves(history: Mapping[str, Sequence[float]], figure: Any = None) -> Any:
    """One curve per entry of ``history``, epoch by epoch; entries whose last word is the same share a plot.

    >>> learning_curves({"train loss": [2.0, 1.0], "test loss": [2.1, 1.2], "test accuracy": [0.4, 0.7]})

    Args:
        history: the values of each quantity, one per epoch.
        figure: where to draw; a new figure unless given.

    Raises:
        ValueError: ``history`` is empty.
        ImportError: matplotlib is not installed.
    """
    if not history:
        raise ValueError("learning_curves: there is no history to draw")
    plots: dict[str, list[str]] = {}
    for name in history:
        plots.setdefault(name.split()[-1], []).append(name)
    figure = new_figure(4.5 * len(plots), 3.5) if figure is None else figure
    for axes, (quantity, names) in zip(
        figure.subplots(1, len(plots), squeeze=False)[0], plots.items(), strict=True
    ):
        for name, colour in zip(names, COLOURS * len(names), strict=False):
            values = array_of(history[name])
            axes.plot(
                np.arange(1, len(values) + 1), values, color=colour, marker="o", markersize=3, label=name
            )
        axes.set_xlabel("epoch")
        axes.set_title(quantity)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return figure


def confusion_matrix(
    labels: Any, predictions: Any, names: Sequence[str] | None = None, figure: Any = None
) -> Any:
    """How often each class (row) was taken for which (column); mistakes coloured by their share of the row.

    Args:
        labels: the true class of each sample, (n,) integers from 0.
        predictions: the predicted class of each sample, (n,).
        names: the names of all classes; the numbers that occur unless given.
        figure: where to draw; a new figure unless given.

    Raises:
        ValueError: different lengths, no samples, or a class outside of ``names``.
        ImportError: matplotlib is not installed.

    >>> confusion_matrix([0, 1, 1], [0, 1, 0], names=["cat", "dog"])
    """
    truth, guess = array_of(labels), array_of(predictions)
    if truth.shape != guess.shape or truth.ndim != 1 or truth.size == 0:
        raise ValueError(
            "confusion_matrix: labels and predictions must be vectors of one length, but got "
            f"{truth.shape} and {guess.shape}"
        )
    largest, least = int(max(truth.max(), guess.max())), int(min(truth.min(), guess.min()))
    names = [str(index) for index in range(largest + 1)] if names is None else names
    if least < 0 or largest >= len(names):
        raise ValueError(
            f"confusion_matrix: classes from {least} to {largest}, but there are {len(names)} names"
        )
    counts = np.bincount(truth * len(names) + guess, minlength=len(names) ** 2).reshape(
        len(names), len(names)
    )
    mistakes = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(mistakes, 0.0)

    figure = new_figure(5, 5) if figure is None else figure
    axes = figure.subplots()
    axes.imshow(mistakes, cmap="Oranges", vmin=0.0, vmax=max(0.05, mistakes.max()))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = GREY if row == column else "black"
            axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("read as")
    axes.set_ylabel("is")
    right = int(np.trace(counts))
    axes.set_title(f"{right} of {truth.size} right ({right / truth.size:.1%})")
    return figure


def image_grid(images: Any, captions: Sequence[str], columns: int = 6, figure: Any = None) -> Any:
    """Grey or colour images in rows, each under its caption.

    Args:
        images: (n, height, width), (n, 1, height, width) or (n, 3, height, width); colours from 0 to 1.
        captions: n texts.
        columns: images per row.
        figure: where to draw; a new figure unless given.

    Raises:
        ValueError: another shape, or not one caption per image.
        ImportError: matplotlib is not installed.

    >>> image_grid(lamina.rand(2, 1, 28, 28), ["first", "second"])
    """
    pixels = array_of(images)
    if pixels.ndim == 4 and pixels.shape[1] in (1, 3):
        pixels = pixels[:, 0] if pixels.shape[1] == 1 else np.moveaxis(pixels, 1, -1)
    elif pixels.ndim != 3:
        raise ValueError(f"image_grid: expected (n, h, w) or (n, 1 or 3, h, w), but got {pixels.shape}")
    if len(captions) != len(pixels):
        raise ValueError(f"image_grid: {len(pixels)} images, but {len(captions)} captions")
    rows = max(1, -(-len(pixels) // columns))
    figure = new_figure(1.4 * columns, 1.7 * rows) if figure is None else figure
    for index, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.axis("off")
        if index < len(pixels):
            axes.imshow(pixels[index], cmap="gray_r")
            axes.set_title(captions[index], fontsize=9)
    return figure
