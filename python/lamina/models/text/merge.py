"""Merging neighbours until no pair is known: the heart of byte-pair encoding, in O(n log n)."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

Order = Callable[[str, str], float | None]


def merge(symbols: Sequence[str], order: Order) -> list[str]:
    """``symbols`` after joining, again and again, the pair with the least ``order``, the leftmost of equals.

    ``order(left, right)`` is None for pairs that are never joined. Source: Sennrich et al., Neural Machine
    Translation of Rare Words with Subword Units, 2016.

    >>> merge("abab", lambda left, right: {"ab": 0}.get(left + right))
    ['ab', 'ab']
    """
    parts: list[str] = list(symbols)
    size = len(parts)
    following, before = list(range(1, size + 1)), list(range(-1, size - 1))
    alive = [True] * size
    heap: list[tuple[float, int, str, str]] = []

    def offer(left: int) -> None:
        right = following[left]
        if right < size:
            rank = order(parts[left], parts[right])
            if rank is not None:
                heapq.heappush(heap, (rank, left, parts[left], parts[right]))

    for place in range(size - 1):
        offer(place)
    while heap:
        _, left, first, second = heapq.heappop(heap)
        right = following[left]
        # An entry is stale once one of its two has been joined with another.
        if not alive[left] or right >= size or parts[left] != first or parts[right] != second:
            continue
        parts[left] = first + second
        alive[right] = False
        following[left] = following[right]
        if following[left] < size:
            before[following[left]] = left
        offer(left)
        if before[left] >= 0:
            offer(before[left])
    return [part for part, living in zip(parts, alive, strict=True) if living]
