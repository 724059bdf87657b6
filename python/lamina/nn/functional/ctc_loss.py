"""The loss of labels without places in time: connectionist temporal classification. Other losses: loss.py."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.precision import in_float32
from lamina.nn.functional.reduction import reduced

Lengths = Tensor | Sequence[int]


@in_float32
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Minus the logarithm of the probability of ``targets``, over all ways to spread them in time.

    ``log_probs`` (t, n, classes), or (t, classes) for a single sequence, are logarithms of probabilities, as
    ``log_softmax`` gives them. ``targets`` are int64 classes other than ``blank``, (n, s) or all sequences
    one after the other. A way takes each label for one or more steps, with blanks between, which must be
    there between two of the same label. ``"mean"`` divides each loss by the length of its target. Where the
    input is too short for the target the loss is infinite and has no gradient, or 0 with ``zero_infinity``.
    The gradient takes it that the probabilities of a step sum to 1, as PyTorch's does: it is the probability
    of a class minus its share in the ways, which a ``log_softmax`` before it passes on unchanged.

    Source: Graves et al., Connectionist Temporal Classification, 2006.

    Raises:
        ShapeError: shapes or lengths that do not fit, or ``blank`` is no class.
        IndexError: a target that is no class.
        TypeError: ``log_probs`` are neither float32 nor float64.

    >>> even = lamina.zeros(2, 1, 2).log_softmax(2)  # of the 4 ways, all but blank, blank give one label
    >>> round(lamina.nn.functional.ctc_loss(even, lamina.tensor([[1]]), [2], [1]).item(), 4)
    0.2877
    """
    if log_probs.ndim not in (2, 3):
        raise _core.ShapeError(
            f"ctc_loss: expected log_probs (t, n, classes) or (t, classes), got {tuple(log_probs.shape)}"
        )
    if log_probs.dtype not in (lamina.float32, lamina.float64):
        raise _core.DtypeError(f"ctc_loss: expected log_probs in float32 or float64, got {log_probs.dtype}")
    batched = log_probs.ndim == 3
    if not batched:
        log_probs, targets = log_probs.unsqueeze(1), targets.reshape(1, -1)
    steps, n, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise _core.ShapeError(f"ctc_loss: blank must be in label range 0 to {classes - 1}, got {blank}")
    times = _lengths("input_lengths", input_lengths, n, steps)
    counts = _lengths("target_lengths", target_lengths, n, None)
    starts = _starts(targets, counts)
    loss = _core.ctc_loss(log_probs, targets.reshape(-1), starts, counts, times, blank, zero_infinity)
    if reduction == "mean":
        loss = loss / lamina.tensor(counts, dtype=loss.dtype).clamp(min=1)
    return reduced(loss if batched else loss.squeeze(0), reduction)


def _lengths(name: str, lengths: Lengths, n: int, most: int | None) -> list[int]:
    numbers = lengths.reshape(-1).tolist() if isinstance(lengths, Tensor) else [int(k) for k in lengths]
    if len(numbers) != n:
        raise _core.ShapeError(f"ctc_loss: {name} must be of size batch_size {n}, got {len(numbers)}")
    if min(numbers, default=0) < 0 or (most is not None and max(numbers, default=0) > most):
        limit = "" if most is None else f" at most {most} and"
        raise _core.ShapeError(f"ctc_loss: Expected {name} to have values{limit} not negative, got {numbers}")
    return numbers


def _starts(targets: Tensor, counts: list[int]) -> list[int]:
    """Where the labels of each sequence begin among all targets."""
    if targets.ndim == 1:
        if targets.shape[0] != sum(counts):
            raise _core.ShapeError(
                f"ctc_loss: Expected targets of size {sum(counts)}, the sum of target_lengths, "
                f"but got {tuple(targets.shape)}"
            )
        return [0, *itertools.accumulate(counts)][: len(counts)]
    longest = max(counts, default=0)
    if targets.ndim != 2 or targets.shape[0] != len(counts) or targets.shape[1] < longest:
        raise _core.ShapeError(
            f"ctc_loss: Expected targets of {len(counts)} rows with at least {longest} labels, "
            f"but got {tuple(targets.shape)}"
        )
    return [i * targets.shape[1] for i in range(len(counts))]
