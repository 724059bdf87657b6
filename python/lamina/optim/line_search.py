"""A line search for the strong Wolfe conditions. It knows no optimizer: it asks for values and slopes.

Nocedal and Wright, Numerical Optimization (2006): algorithms 3.5 (bracket) and 3.6 (zoom), equation 3.59.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

SUFFICIENT_DECREASE = 1e-4  # c1
CURVATURE = 0.9  # c2
SMALLEST_MOVE = 1e-9


class Point(NamedTuple):
    """Where the search has looked: the step length, the loss there, its gradient, its slope on the line."""

    step: float
    loss: float
    grad: Any
    slope: float


def cubic_minimum(a: Point, b: Point, low: float, high: float) -> float:
    """Where the cubic through two points with slopes is least within [low, high]; the middle if nowhere."""
    left, right = (a, b) if a.step <= b.step else (b, a)
    width = right.step - left.step
    chord = left.slope + right.slope - 3 * (right.loss - left.loss) / width
    square = chord * chord - left.slope * right.slope
    if not square >= 0:
        return (low + high) / 2
    root = math.sqrt(square)
    turn = right.slope - left.slope + 2 * root
    if turn == 0:
        return (low + high) / 2
    return min(max(right.step - width * (right.slope + root - chord) / turn, low), high)


def strong_wolfe(
    look: Callable[[float], Point], start: Point, step: float, limit: int, size: float
) -> tuple[Point, int]:
    """A point on the line that meets the strong Wolfe conditions, or the best one seen, and the looks taken.

    ``look(step)`` evaluates, ``start`` is the point of step 0, ``size`` the largest component of the
    direction: an interval that moves no parameter by more than 1e-9 is not divided further.
    """

    def rises(point: Point) -> bool:
        return point.loss > start.loss + SUFFICIENT_DECREASE * point.step * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -CURVATURE * start.slope

    before, here = start, look(step)
    looks, rounds = 1, 0
    while rounds < limit:
        if rises(here) or (rounds > 1 and here.loss >= before.loss):
            break
        if flat(here):
            return here, looks
        if here.slope >= 0:
            break
        reach = here.step + 0.01 * (here.step - before.step)
        step = cubic_minimum(before, here, reach, 10 * here.step)
        before, here = here, look(step)
        looks, rounds = looks + 1, rounds + 1
    else:
        before = start

    low, high = (before, here) if before.loss <= here.loss else (here, before)
    stalled = False
    while rounds < limit and abs(high.step - low.step) * size >= SMALLEST_MOVE:
        step, stalled = _inside(low, high, stalled)
        here = look(step)
        looks, rounds = looks + 1, rounds + 1
        if rises(here) or here.loss >= low.loss:
            low, high = (low, here) if low.loss <= here.loss else (here, low)
            continue
        if flat(here):
            return here, looks
        if here.slope * (high.step - low.step) >= 0:
            high = low
        low = here
    return low, looks


def _inside(low: Point, high: Point, stalled: bool) -> tuple[float, bool]:
    """The next step to try in the bracket, and whether it lies near an end for the first time in a row."""
    left, right = sorted((low.step, high.step))
    step = cubic_minimum(low, high, left, right)
    margin = 0.1 * (right - left)
    if min(right - step, step - left) >= margin:
        return step, False
    if not stalled and left < step < right:
        return step, True
    return (right - margin if right - step < step - left else left + margin), False
