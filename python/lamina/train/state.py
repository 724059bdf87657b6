"""Everything that decides how a training goes on, as one nested dict of tensors and numbers: so that a run
that was killed and resumed ends with the same bits as one that never was.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

import lamina

if TYPE_CHECKING:
    from .trainer import Trainer

VERSION = 1


def random_state() -> dict[str, Any]:
    """Where the random numbers of lamina, NumPy and Python are; data sets draw from any of them."""
    kind, key, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, internal, next_gauss = random.getstate()
    return {
        "lamina": lamina.get_rng_state(),
        "numpy": [str(kind), lamina.tensor(np.asarray(key, np.int64)), int(position), int(has_gauss), gauss],
        "python": [version, lamina.tensor(list(internal), dtype=lamina.int64), next_gauss],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Put them back to where ``random_state`` found them."""
    lamina.set_rng_state(state["lamina"])
    kind, key, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, key.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, internal, next_gauss = state["python"]
    random.setstate((version, tuple(internal.tolist()), next_gauss))


def generators_of(loader: Any) -> Iterator[lamina.Generator]:
    """The generators of its own that a loader draws its order from, each once."""
    seen: list[lamina.Generator] = []
    batch_sampler = getattr(loader, "batch_sampler", None)
    for holder in (
        loader,
        getattr(loader, "sampler", None),
        batch_sampler,
        getattr(batch_sampler, "sampler", None),
    ):
        generator = getattr(holder, "generator", None)
        if isinstance(generator, lamina.Generator) and not any(generator is one for one in seen):
            seen.append(generator)
            yield generator


def order_state(loader: Any) -> dict[str, Any]:
    """What the order of the next pass through ``loader`` depends on."""
    return {"random": random_state(), "generators": [one.get_state() for one in generators_of(loader)]}


def set_order_state(loader: Any, state: dict[str, Any]) -> None:
    """Put it back, so that the next pass is the same one.

    Raises:
        ValueError: the loader has more or fewer generators of its own than the one that was saved.
    """
    generators = list(generators_of(loader))
    if len(generators) != len(state["generators"]):
        raise ValueError(
            f"resume: the loader has {len(generators)} generators, the one of the checkpoint had "
            f"{len(state['generators'])}"
        )
    set_random_state(state["random"])
    for generator, value in zip(generators, state["generators"], strict=True):
        generator.set_state(value)


def capture(trainer: Trainer) -> dict[str, Any]:
    """The state of a training between two steps of its optimizer."""
    return {
        "version": VERSION,
        "model": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "scheduler": None if trainer.scheduler is None else plain(trainer.scheduler.state_dict()),
        "callbacks": [one.state_dict() for one in trainer.callbacks],
        "history": {name: list(values) for name, values in trainer.history.items()},
        "epoch": trainer.epoch,
        "step": trainer.step,
        "batch": trainer.batch,
        "order": trainer.order,
        "sums": {name: dict(metric.sums) for name, metric in trainer.gathering.items()},
        "random": random_state(),
    }


def restore(trainer: Trainer, state: dict[str, Any]) -> None:
    """Put a trainer into the state that ``capture`` found; nothing is changed if it does not fit.

    Raises:
        ValueError: it is not the state of a training, or of one with other parts.
        RuntimeError: the weights do not fit the model.
    """
    if not isinstance(state, dict) or state.get("version") != VERSION or "optimizer" not in state:
        raise ValueError("resume: the file does not hold the state of a training")
    if len(state["callbacks"]) != len(trainer.callbacks):
        raise ValueError(
            f"resume: the checkpoint was made with {len(state['callbacks'])} callbacks, there are "
            f"{len(trainer.callbacks)}"
        )
    if (state["scheduler"] is None) != (trainer.scheduler is None):
        raise ValueError("resume: either the checkpoint or the trainer has a scheduler, but not both")
    if sorted(state["sums"]) != sorted(trainer.gathering):
        raise ValueError(
            f"resume: the checkpoint has the metrics {sorted(state['sums'])}, the trainer has "
            f"{sorted(trainer.gathering)}"
        )
    trainer.model.load_state_dict(state["model"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    if trainer.scheduler is not None:
        trainer.scheduler.load_state_dict(state["scheduler"])
    for one, value in zip(trainer.callbacks, state["callbacks"], strict=True):
        one.load_state_dict(value)
    trainer.history = {name: list(values) for name, values in state["history"].items()}
    trainer.epoch, trainer.step, trainer.batch = state["epoch"], state["step"], state["batch"]
    trainer.order = state["order"]
    for name, metric in trainer.gathering.items():
        metric.sums = dict(state["sums"][name])
    set_random_state(state["random"])


def plain(value: Any) -> Any:
    """A scheduler's state without what cannot be written to a file: functions are the program's to give."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if not callable(item)}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value if not callable(item))
    return value


def copy_of(value: Any) -> Any:
    """The same state with tensors of its own, which further training does not change."""
    if lamina.is_tensor(value):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: copy_of(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(copy_of(item) for item in value)
    return value
