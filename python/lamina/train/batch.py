"""What a batch is made of, and passing through batches. The loop itself is in trainer.py."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from lamina.utils.data import DataLoader


def split_batch(batch: Any, model_has_loss: bool) -> tuple[tuple[Any, ...], dict[str, Any], Any]:
    """The model's arguments and keyword arguments, and the target, in a batch.

    A dict's ``labels`` are the target; a model that computes its loss itself is given them too.

    Raises:
        TypeError: the batch is neither a dict nor a tuple or list of at least two.
    """
    if isinstance(batch, dict):
        named = dict(batch)
        target = named.get("labels") if model_has_loss else named.pop("labels", None)
        return (), named, target
    if isinstance(batch, (tuple, list)) and len(batch) > 1:
        return tuple(batch[:-1]), {}, batch[-1]
    raise TypeError(
        "Trainer: a batch must be (inputs..., target) or a dict of the model's arguments, got "
        f"{type(batch).__name__}; override Trainer.forward for others"
    )


def scores_of(output: Any) -> Any:
    """What the loss and the metrics judge: the output, or its ``logits`` where a model gives several."""
    if isinstance(output, dict):
        return output.get("logits")
    return getattr(output, "logits", output)


def length_of(loader: Iterable[Any]) -> int | None:
    """How many batches there are, if that is known."""
    try:
        return len(loader)  # type: ignore[arg-type]
    except TypeError:
        return None


def iterate_from(loader: Iterable[Any], start: int) -> Iterator[Any]:
    """The batches from number ``start`` on; a DataLoader draws those before without reading them."""
    if isinstance(loader, DataLoader) and type(loader).__iter__ is DataLoader.__iter__:
        return loader.iterate_from(start)
    batches = iter(loader)
    for _ in islice(batches, start):
        pass
    return batches


def timed(batches: Iterator[Any], waited: list[float]) -> Iterator[Any]:
    """The same batches, with the time that they were waited for added to ``waited[0]``."""
    while True:
        start = time.perf_counter()
        try:
            batch = next(batches)
        except StopIteration:
            return
        finally:
            waited[0] += time.perf_counter() - start
        yield batch
