"""Pictures of a training, and of what a network has learned and looks at. Needs matplotlib.

Each function draws into the figure it is given, or makes one, and returns it; ``savefig`` writes it. No
window is opened and no global state of matplotlib is touched, so it works in scripts, servers and threads.
"""

from .attention import attention_maps
from .figure import new_figure
from .gradient import gradient_reach
from .network import feature_maps, filters, grad_cam, grad_cam_values, saliency, saliency_values
from .panel import confusion_matrix, image_grid, learning_curves
from .report import classification_report

__all__ = [
    "attention_maps",
    "classification_report",
    "confusion_matrix",
    "feature_maps",
    "filters",
    "grad_cam",
    "grad_cam_values",
    "gradient_reach",
    "image_grid",
    "learning_curves",
    "new_figure",
    "saliency",
    "saliency_values",
]
