"""The loss of labels without places in time: connectionist temporal classification. Other losses: loss.py."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.padding import pad
from lamina.nn.functional.precision import in_float32
from lamina.nn.functional.reduction import reduced

Lengths = Tensor | Sequence[int]

# The logarithm of a probability of nothing. Minus infinity would give gradients that are not numbers.
NEVER = -1e30


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
    labels = _labels(targets, counts, blank)
    sizes = lamina.tensor(counts, dtype=lamina.int64)
    steps_of = lamina.tensor(times, dtype=lamina.int64)
    loss = _slope_of_sums(log_probs, steps_of) - _log_likelihood(log_probs, labels, steps_of, sizes, blank)
    loss = loss.masked_fill(loss.detach() > -NEVER / 2, 0.0 if zero_infinity else math.inf)
    if reduction == "mean":
        loss = loss / sizes.clamp(min=1).to(loss.dtype)
    return reduced(loss if batched else loss.squeeze(0), reduction)


def _slope_of_sums(log_probs: Tensor, times: Tensor) -> Tensor:
    """Zeros (n), whose gradient is that of the sum of all probabilities."""
    within = lamina.arange(log_probs.shape[0]).unsqueeze(1) < times
    sums = log_probs.exp().masked_fill(~within.unsqueeze(2), 0.0).sum((0, 2))
    return sums - sums.detach()


def _lengths(name: str, lengths: Lengths, n: int, most: int | None) -> list[int]:
    numbers = lengths.reshape(-1).tolist() if isinstance(lengths, Tensor) else [int(k) for k in lengths]
    if len(numbers) != n:
        raise _core.ShapeError(f"ctc_loss: {name} must be of size batch_size {n}, got {len(numbers)}")
    if min(numbers, default=0) < 0 or (most is not None and max(numbers, default=0) > most):
        limit = "" if most is None else f" at most {most} and"
        raise _core.ShapeError(f"ctc_loss: Expected {name} to have values{limit} not negative, got {numbers}")
    return numbers


def _labels(targets: Tensor, counts: list[int], blank: int) -> Tensor:
    """Targets side by side (n, s), with blanks behind the shorter ones."""
    longest = max(counts, default=0)
    if targets.ndim == 1:
        if targets.shape[0] != sum(counts):
            raise _core.ShapeError(
                f"ctc_loss: Expected targets of size {sum(counts)}, the sum of target_lengths, "
                f"but got {tuple(targets.shape)}"
            )
        parts = targets.split(counts, 0)
        return lamina.stack([pad(part, (0, longest - len(part)), value=blank) for part in parts])
    if targets.ndim != 2 or targets.shape[0] != len(counts) or targets.shape[1] < longest:
        raise _core.ShapeError(
            f"ctc_loss: Expected targets of {len(counts)} rows with at least {longest} labels, "
            f"but got {tuple(targets.shape)}"
        )
    return targets[:, :longest]


def _log_likelihood(log_probs: Tensor, labels: Tensor, times: Tensor, counts: Tensor, blank: int) -> Tensor:
    """The forward recursion over blank, label, blank, label ... blank; ``ways[:, k]`` is the logarithm of the
    probability of being at place k after the steps so far."""
    steps, n, _ = log_probs.shape
    size = labels.shape[1]
    blanks = lamina.full((n, size + 1), blank, dtype=lamina.int64)
    # Interleaved: (blank, label) for each label, and a blank at the end.
    pairs = lamina.stack([blanks[:, :size], labels], 2).reshape(n, 2 * size)
    places = lamina.cat([pairs, blanks[:, size:]], 1)
    # A blank may be left out between different labels.
    bound = (places == blank) | (places == _shifted(places, 2, blank))
    picked = log_probs.gather(2, places.expand(steps, n, 2 * size + 1))
    emitted = _core.split_with_sizes(picked, [1] * steps, 0)
    ways = pad(log_probs.new_zeros(n, 1), (0, 2 * size), value=NEVER)
    for step, emission in enumerate(emitted):
        two = _shifted(ways, 2, NEVER).masked_fill(bound, NEVER)
        after = lamina.stack([ways, _shifted(ways, 1, NEVER), two]).logsumexp(0) + emission.squeeze(0)
        ways = lamina.where((step < times).unsqueeze(1), after, ways)
    last = ways.gather(1, (2 * counts).unsqueeze(1))
    before = ways.gather(1, (2 * counts - 1).clamp(min=0).unsqueeze(1))
    before = before.masked_fill((counts == 0).unsqueeze(1), NEVER)
    return lamina.cat([last, before], 1).logsumexp(1)


def _shifted(x: Tensor, by: int, value: float) -> Tensor:
    """(n, k) moved ``by`` places on, with ``value`` in the first ones."""
    return pad(x, (by, 0), value=value)[:, : x.shape[1]]
