"""Pictures of a training: learning curves, a confusion matrix, images with captions. Needs matplotlib.

Each function draws into the figure it is given, or makes one, and returns it; ``savefig`` writes it. No
window is opened and no global state of matplotlib is touched, so it works in scripts, servers and threads.
"""

from .attention import attention_maps
from .figure import new_figure
from .panel import confusion_matrix, image_grid, learning_curves
from .report import classification_report

__all__ = [
    "attention_maps",
    "classification_report",
    "confusion_matrix",
    "image_grid",
    "learning_curves",
    "new_figure",
]
