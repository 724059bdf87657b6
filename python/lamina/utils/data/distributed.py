"""DistributedSampler: the part of a data set that one of several processes reads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import lamina

from .sampler import Sampler


class DistributedSampler(Sampler):
    """Every ``num_replicas``-th index from ``rank`` on, in an order that ``seed`` and ``set_epoch`` decide.

    All parts are equally long: the data set is filled up from its beginning, or with ``drop_last`` cut.

    Raises:
        RuntimeError: ``num_replicas`` or ``rank`` is left out, since there is no process group to ask.
        ValueError: ``rank`` outside of [0, num_replicas).

    >>> sampler = lamina.utils.data.DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False)
    >>> list(sampler)
    [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise RuntimeError("DistributedSampler: needs num_replicas and rank: there is no process group")
        if not 0 <= rank < num_replicas:
            raise lamina.ShapeError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.seed, self.drop_last, self.epoch = shuffle, seed, drop_last, 0
        count = len(dataset)
        self.num_samples = count // num_replicas if drop_last else math.ceil(count / num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        if self.shuffle:
            generator = lamina.Generator()
            generator.manual_seed(self.seed + self.epoch)
            indices = lamina.randperm(count, generator=generator).tolist()
        else:
            indices = list(range(count))
        while 0 < len(indices) < self.total_size:
            indices += indices[: self.total_size - len(indices)]
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Give the next iteration another order."""
        self.epoch = epoch
