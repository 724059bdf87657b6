"""How far gradients reach back through time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .figure import array_of, new_figure
from .panel import COLOURS, GREY


def gradient_reach(norms: Mapping[str, Sequence[float]], figure: Any = None) -> Any:
    """Norms of gradients against the distance in time, on a logarithmic scale, relative to distance 0.

    A straight fall is a gradient that vanishes exponentially, a straight rise one that explodes. Source:
    Bengio et al., Learning Long-Term Dependencies with Gradient Descent is Difficult, 1994.

    >>> gradient_reach({"RNN": [1.0, 0.1, 0.01], "LSTM": [1.0, 0.9, 0.8]})

    Args:
        norms: of each network, the norm of the gradient 0, 1, 2, ... steps before the one that was asked.
        figure: where to draw; a new figure unless given.

    Raises:
        ValueError: ``norms`` is empty, or a network's first norm is not positive.
        ImportError: matplotlib is not installed.
    """
    if not norms:
        raise ValueError("gradient_reach: there are no norms to draw")
    curves = {name: np.asarray(array_of(values), dtype=np.float64) for name, values in norms.items()}
    for name, values in curves.items():
        if values.ndim != 1 or not values.size or not values[0] > 0:
            raise ValueError(f"gradient_reach: expected a list that begins with a positive norm for {name}")
    figure = new_figure(7, 4) if figure is None else figure
    axes = figure.subplots()
    for i, (name, values) in enumerate(curves.items()):
        style = "-" if i < len(COLOURS) else "--"
        shown = np.where(values > 0, values / values[0], np.nan)  # zero has no place on this scale
        axes.plot(np.arange(len(values)), shown, style, color=COLOURS[i % len(COLOURS)], label=name)
    axes.axhline(1.0, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_yscale("log")
    axes.set_xlabel("steps back in time")
    axes.set_ylabel("norm of the gradient")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
