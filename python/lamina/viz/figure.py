"""The only door to matplotlib, which is an extra, and numbers on their way there."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib figure of ``width`` by ``height`` inches, drawn without a display.

    Raises:
        ImportError: matplotlib is not installed.

    >>> figure = new_figure(6, 4)
    >>> figure.savefig("empty.png")
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('lamina.viz needs matplotlib: pip install "lamina[viz]"') from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def array_of(values: Any) -> np.ndarray[Any, Any]:
    """A tensor, array or list as a NumPy array."""
    return values.detach().numpy() if isinstance(values, lamina.Tensor) else np.asarray(values)
