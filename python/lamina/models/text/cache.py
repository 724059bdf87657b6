"""Keys and values of the tokens that were read, kept for the next: allocated once, before the start."""

from __future__ import annotations

import os
from typing import Any

import lamina
from lamina._core import ShapeError, Tensor


class KVCache:
    """Room for ``length`` tokens in each of ``layers``: two tensors (batch, heads, length, size) per layer.

    Raises:
        MemoryError: it would not fit into the memory that is free.
        ShapeError: a size is not positive, or more tokens come than there is room for.

    >>> cache = KVCache(layers=1, batch=1, heads=2, length=8, size=4)
    >>> keys, values = cache.update(0, lamina.ones(1, 2, 3, 4), lamina.ones(1, 2, 3, 4))
    >>> cache.advance(3)
    >>> tuple(keys.shape), cache.used
    ((1, 2, 3, 4), 3)
    """

    def __init__(
        self, layers: int, batch: int, heads: int, length: int, size: int, dtype: lamina.dtype | None = None
    ) -> None:
        if min(layers, batch, heads, length, size) < 1:
            raise ShapeError(
                f"KVCache: sizes must be positive, got {layers=}, {batch=}, {heads=}, {length=}, {size=}"
            )
        dtype = lamina.get_default_dtype() if dtype is None else dtype
        wanted = 2 * layers * batch * heads * length * size * lamina.empty(0, dtype=dtype).element_size()
        free = free_memory()
        if wanted > free:
            raise MemoryError(
                f"KVCache: {length} tokens in {layers} layers of {heads} heads of {size} for a batch of "
                f"{batch} need {wanted / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free"
            )
        shape = (batch, heads, length, size)
        self.keys = [lamina.empty(shape, dtype=dtype) for _ in range(layers)]
        self.values = [lamina.empty(shape, dtype=dtype) for _ in range(layers)]
        self.length = length
        self.used = 0
        self.plan: Any = False  # the core's form of the model that writes here; None: it has none

    def update(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write what belongs to the next tokens, and return all that the layer has, as views.

        ``advance`` moves on once every layer has written.
        """
        end = self.used + keys.shape[2]
        if end > self.length:
            raise ShapeError(f"KVCache: {end} tokens, but there is room for {self.length}")
        own_keys, own_values = self.keys[layer], self.values[layer]
        own_keys[:, :, self.used : end] = keys
        own_values[:, :, self.used : end] = values
        return own_keys[:, :, :end], own_values[:, :, :end]

    def advance(self, count: int) -> None:
        """The tokens written are ``count`` more."""
        self.used += count

    def reorder(self, rows: Tensor) -> None:
        """Let row i go on from what row ``rows[i]`` has read, as beam search does."""
        for table in (self.keys, self.values):
            for layer, old in enumerate(table):
                old[:, :, : self.used] = old[:, :, : self.used].index_select(0, rows)
                table[layer] = old

    def crop(self, length: int) -> None:
        """Forget all tokens but the first ``length``."""
        self.used = min(self.used, length)


def free_memory() -> int:
    """Bytes that this process may still take: what the system has free, and its container's limit."""
    free = 1 << 62
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":", 1) for line in file)
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        with open("/sys/fs/cgroup/memory.max") as most, open("/sys/fs/cgroup/memory.current") as now:
            free = min(free, int(most.read()) - int(now.read()))
    except (OSError, ValueError):
        pass
    return free
