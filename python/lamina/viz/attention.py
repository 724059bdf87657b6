"""Where a model looks: its attention weights as pictures, one square per head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .figure import array_of, new_figure


def attention_maps(weights: Any, tokens: Sequence[str], columns: int = 4, figure: Any = None) -> Any:
    """One square per head: how much each token (row) looks at each other (column), from white to dark.

    Args:
        weights: (heads, l, l), such as ``output.attentions[layer][0]`` of a model that was asked for them
            with ``output_attentions=True``.
        tokens: the l words beside the squares.
        columns: squares per row.
        figure: where to draw; a new figure unless given.

    Raises:
        ValueError: another shape, or not one word per token.
        ImportError: matplotlib is not installed.

    >>> attention_maps(lamina.rand(4, 3, 3).softmax(-1), ["To", "be", "or"])
    """
    maps = array_of(weights)
    if maps.ndim != 3 or maps.shape[1] != maps.shape[2]:
        raise ValueError(f"attention_maps: expected (heads, l, l), but got {maps.shape}")
    if len(tokens) != maps.shape[1]:
        raise ValueError(f"attention_maps: {maps.shape[1]} tokens, but {len(tokens)} words")
    columns = min(columns, len(maps))
    rows = -(-len(maps) // columns)
    side = 1.0 + 0.22 * len(tokens)
    figure = new_figure(side * columns, side * rows) if figure is None else figure
    places = np.arange(len(tokens))
    for head, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        if head >= len(maps):
            axes.axis("off")
            continue
        axes.imshow(maps[head], cmap="Blues", vmin=0.0, vmax=1.0)
        axes.set_title(f"head {head}", fontsize=9)
        axes.set_xticks(places, tokens if head >= len(maps) - columns else [], rotation=90, fontsize=7)
        axes.set_yticks(places, tokens if head % columns == 0 else [], fontsize=7)
    return figure
