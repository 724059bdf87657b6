"""Training without writing the loop: trainer, metrics, callbacks, exact checkpoints."""

from .average import WeightAverage
from .callback import Callback, EarlyStopping
from .checkpoint import Checkpoint
from .health import Health, TrainingWarning
from .log import CSVLogger, TensorBoardLogger
from .lr_finder import RateCurve, find_learning_rate
from .metric import (
    F1,
    Accuracy,
    ConfusionMatrix,
    MeanAbsoluteError,
    Metric,
    Perplexity,
    Precision,
    Recall,
    TopKAccuracy,
)
from .progress import Progress
from .trainer import Trainer

__all__ = [
    "F1",
    "Accuracy",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "ConfusionMatrix",
    "EarlyStopping",
    "Health",
    "MeanAbsoluteError",
    "Metric",
    "Perplexity",
    "Precision",
    "Progress",
    "RateCurve",
    "Recall",
    "TensorBoardLogger",
    "TopKAccuracy",
    "Trainer",
    "TrainingWarning",
    "WeightAverage",
    "find_learning_rate",
]
