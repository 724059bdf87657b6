"""A classifier's training on one page, made of the pictures in panel.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .figure import array_of, new_figure
from .panel import confusion_matrix, image_grid, learning_curves


def classification_report(
    history: Mapping[str, Sequence[float]],
    images: Any,
    labels: Any,
    probabilities: Any,
    names: Sequence[str] | None = None,
    mistakes: int = 12,
) -> Any:
    """Learning curves, the confusion matrix, and the images that were misread with most confidence.

    Args:
        history: as for :func:`learning_curves`.
        images: what was classified, as for :func:`image_grid`.
        labels: the true class of each, (n,) integers.
        probabilities: of each class for each image, (n, classes).
        names: of the classes; their numbers unless given.
        mistakes: how many misread images to show.

    Raises:
        ValueError: shapes that do not fit.
        ImportError: matplotlib is not installed.

    >>> classification_report(history, images, labels, model(images).softmax(1)).savefig("report.png")
    """
    truth, chance = array_of(labels), array_of(probabilities)
    if chance.ndim != 2 or len(chance) != len(truth):
        raise ValueError(
            f"classification_report: expected ({len(truth)}, classes) probabilities, but got {chance.shape}"
        )
    names = [str(index) for index in range(chance.shape[1])] if names is None else names
    guess = chance.argmax(axis=1)
    wrong = np.flatnonzero(guess != truth)
    wrong = wrong[np.argsort(-chance[wrong, guess[wrong]], kind="stable")][:mistakes]
    captions = [f"{names[truth[i]]} read as {names[guess[i]]}\n({chance[i, guess[i]]:.0%})" for i in wrong]

    page = new_figure(11, 8.5)
    top, bottom = page.subfigures(2, 1, height_ratios=[1.0, 1.5])
    left, right = bottom.subfigures(1, 2)
    learning_curves(history, top)
    confusion_matrix(truth, guess, names, left)
    right.suptitle(
        f"misread, the surest first ({len(wrong)} of {int((guess != truth).sum())})"
        if len(wrong)
        else "none misread"
    )
    image_grid(array_of(images)[wrong], captions, columns=4, figure=right)
    return page
