"""Metrics: numbers that judge a model over a whole data set, gathered batch by batch.

The loss itself is gathered by the trainer; what a metric sees is the model's output and the target.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import lamina

if TYPE_CHECKING:
    from lamina import Tensor

AVERAGES = ("macro", "micro", "weighted", None)


class Metric:
    """Base of all metrics: derive from it and write ``update`` and ``compute``.

    What a metric gathers it keeps in ``self.sums``, a dict of numbers and tensors, so that a checkpoint in
    the middle of an epoch can hold it. ``reset`` empties it.

    >>> class Mean(Metric):
    ...     def update(self, output, target): self.add(total=output.sum().item(), count=output.numel())
    ...     def compute(self): return self.sums["total"] / self.sums["count"]
    """

    def __init__(self) -> None:
        self.sums: dict[str, Any] = {}

    def reset(self) -> None:
        """Forget everything that was gathered."""
        self.sums = {}

    def add(self, **parts: Any) -> None:
        """Add each of ``parts`` to the sum of its name."""
        for name, part in parts.items():
            self.sums[name] = self.sums[name] + part if name in self.sums else part

    def update(self, output: Any, target: Any) -> None:
        """Gather one batch: what the model gave, and what it should have given."""
        raise NotImplementedError(f"{type(self).__name__} should implement update")

    def compute(self) -> Any:
        """The metric of all batches since ``reset``."""
        raise NotImplementedError(f"{type(self).__name__} should implement compute")

    def ratio(self, part: str, whole: str) -> float:
        """One sum over another; NaN when nothing was gathered."""
        count = self.sums.get(whole, 0)
        return self.sums[part] / count if count else math.nan


def predictions(output: Tensor, target: Tensor) -> Tensor:
    """The class that each score stands for: the largest of (n, classes, ...); positive or not for one score.

    Raises:
        ShapeError: the target is not as long as the scores.
    """
    if output.ndim == target.ndim + 1:
        found = output.argmax(1)
    else:
        found = (output > 0).to(lamina.int64)
    if tuple(found.shape) != tuple(target.shape):
        raise lamina.ShapeError(
            f"metric: scores {tuple(output.shape)} do not fit a target of shape {tuple(target.shape)}; "
            "expected (n, classes, ...) with (n, ...), or one score for each target"
        )
    return found


class Accuracy(Metric):
    """The share of samples whose largest score is that of the true class.

    Scores are (n, classes, ...) with targets (n, ...) of integers; or, for two classes, one score for each
    target, positive for class 1. Targets equal to ``ignore_index`` do not count.

    >>> accuracy = Accuracy()
    >>> accuracy.update(lamina.tensor([[2.0, 1.0], [0.0, 3.0]]), lamina.tensor([0, 0]))
    >>> accuracy.compute()
    0.5
    """

    def __init__(self, ignore_index: int = -100) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def update(self, output: Any, target: Any) -> None:
        counted = target != self.ignore_index
        right = (predictions(output, target) == target) & counted
        self.add(right=int(right.sum().item()), count=int(counted.sum().item()))

    def compute(self) -> float:
        return self.ratio("right", "count")


class TopKAccuracy(Metric):
    """The share of samples whose true class is among the ``k`` largest scores of (n, classes).

    Raises:
        ValueError: ``k`` is below 1.
        ShapeError: there are fewer classes than ``k``.
    """

    def __init__(self, k: int = 5) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"TopKAccuracy: k must be at least 1, got {k}")
        self.k = k

    def update(self, output: Any, target: Any) -> None:
        if output.ndim != 2 or output.shape[1] < self.k:
            raise lamina.ShapeError(
                f"TopKAccuracy: expected scores (n, {self.k} or more), got {tuple(output.shape)}"
            )
        found = output.topk(self.k, 1)[1]
        self.add(right=int((found == target.unsqueeze(1)).any(1).sum().item()), count=len(target))

    def compute(self) -> float:
        return self.ratio("right", "count")


class ConfusionMatrix(Metric):
    """How often each class (row) was taken for which (column): a (classes, classes) tensor of int64.

    Raises:
        ValueError: a target outside of [0, classes).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def update(self, output: Any, target: Any) -> None:
        found, target = predictions(output, target).flatten(), target.flatten().to(lamina.int64)
        if target.numel() and not 0 <= int(target.min().item()) <= int(target.max().item()) < self.classes:
            raise ValueError(
                f"{type(self).__name__}: expected targets in [0, {self.classes}), got "
                f"[{int(target.min().item())}, {int(target.max().item())}]"
            )
        cells = lamina.bincount(target * self.classes + found, minlength=self.classes**2)
        self.add(matrix=cells.reshape(self.classes, self.classes))

    def compute(self) -> Any:
        return self.sums.get("matrix", lamina.zeros(self.classes, self.classes, dtype=lamina.int64))


class _ByClass(ConfusionMatrix):
    """A score of each class from the confusion matrix, and their average."""

    def __init__(self, classes: int, average: str | None = "macro") -> None:
        super().__init__(classes)
        if average not in AVERAGES:
            raise ValueError(f"{type(self).__name__}: average must be one of {AVERAGES}, got {average!r}")
        self.average = average

    def score(self, right: Tensor, found: Tensor, true: Tensor) -> Tensor:
        """Of each class: from how often it was found rightly, found at all, and there."""
        raise NotImplementedError

    def compute(self) -> Any:
        matrix = super().compute().to(lamina.float64)
        right, found, true = matrix.diagonal(), matrix.sum(0), matrix.sum(1)
        if self.average == "micro":
            return float(self.score(right.sum(), found.sum(), true.sum()).item())
        scores = self.score(right, found, true)
        if self.average is None:
            return scores
        if self.average == "weighted":
            return float((scores * true).sum().item() / max(true.sum().item(), 1.0))
        present = (found + true) > 0  # a class that neither occurs nor is named says nothing
        return float((scores * present).sum().item() / max(int(present.sum().item()), 1))


class Precision(_ByClass):
    """Of the samples that were given a class, the share that belongs to it; 0 for a class never given.

    ``average``: "macro" (mean over the classes that occur), "micro" (over all samples), "weighted" (by how
    often each class occurs) or None (a tensor with one value per class).
    """

    def score(self, right: Tensor, found: Tensor, true: Tensor) -> Tensor:
        return right / found.clamp(min=1)


class Recall(_ByClass):
    """Of the samples that belong to a class, the share that was given it. ``average`` as for Precision."""

    def score(self, right: Tensor, found: Tensor, true: Tensor) -> Tensor:
        return right / true.clamp(min=1)


class F1(_ByClass):
    """The harmonic mean of precision and recall. ``average`` as for Precision."""

    def score(self, right: Tensor, found: Tensor, true: Tensor) -> Tensor:
        return 2 * right / (found + true).clamp(min=1)


class MeanAbsoluteError(Metric):
    """The mean of abs(output - target) over all elements."""

    def update(self, output: Any, target: Any) -> None:
        if tuple(output.shape) != tuple(target.shape):
            raise lamina.ShapeError(
                f"MeanAbsoluteError: output {tuple(output.shape)} and target {tuple(target.shape)} differ"
            )
        error = (output - target).abs().sum(dtype=lamina.float64)
        self.add(error=float(error.item()), count=target.numel())

    def compute(self) -> float:
        return self.ratio("error", "count")


class Perplexity(Metric):
    """exp of the mean cross entropy per token, of scores (n, classes, ...) or (..., classes).

    ``class_dim`` says where the classes are: 1 as for cross_entropy, or -1 as language models give them.
    """

    def __init__(self, class_dim: int = 1, ignore_index: int = -100) -> None:
        super().__init__()
        self.class_dim = class_dim
        self.ignore_index = ignore_index

    def update(self, output: Any, target: Any) -> None:
        scores = output.movedim(self.class_dim, -1).flatten(0, -2)
        loss = lamina.nn.functional.cross_entropy(
            scores, target.flatten(), ignore_index=self.ignore_index, reduction="sum"
        )
        self.add(loss=loss.item(), count=int((target != self.ignore_index).sum().item()))

    def compute(self) -> float:
        mean = self.ratio("loss", "count")
        return math.inf if mean > 700 else math.exp(mean)
