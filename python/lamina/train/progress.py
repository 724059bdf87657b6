"""What a training shows while it goes on: a bar with tqdm in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any


class Progress:
    """Shows batches as they pass, and lines of text between them.

    In a terminal, with tqdm installed (``pip install "lamina[train]"``), a bar tells the loss, the rate and
    the time left. Without either, a line is printed whenever ``seconds`` have gone by.
    """

    def __init__(self, shown: bool = True, seconds: float = 30.0) -> None:
        self.shown = shown
        self.seconds = seconds
        self._bar: Any = None
        self._figures: Callable[[], dict[str, float]] = _nothing

    def batches(self, loader: Iterable[Any], title: str, total: int | None, done: int = 0) -> Iterator[Any]:
        """The same batches, while they are counted."""
        if not self.shown:
            yield from loader
            return
        bar_class = _tqdm() if sys.stderr.isatty() else None
        if bar_class is not None:
            self._bar = bar_class(loader, desc=title, total=total, initial=done, leave=False)
            try:
                yield from self._bar
            finally:
                self._bar.close()
                self._bar = None
            return
        start = told = time.perf_counter()
        self._figures = _nothing
        for count, batch in enumerate(loader, 1):
            yield batch
            now = time.perf_counter()
            if now - told >= self.seconds:
                told = now
                rate = count / (now - start)
                rest = "" if total is None else f", {max(0, total - done - count) / rate:.0f} s left"
                of = "" if total is None else f" of {total}"
                figures = "".join(f"{name} {value:.4g}, " for name, value in self._figures().items())
                self.say(f"{title}: {done + count}{of} batches, {figures}{rate:.1f} batches a second{rest}")

    def figures(self, found: Callable[[], dict[str, float]]) -> None:
        """Where the newest figures of the pass that goes on come from; asked only when they are shown."""
        if self._bar is not None:
            values = {name: f"{figure:.4g}" for name, figure in found().items()}
            self._bar.set_postfix(values, refresh=False)
        else:
            self._figures = found

    def say(self, text: str) -> None:
        """A line of text that a bar does not run over."""
        if not self.shown:
            return
        if self._bar is not None:
            self._bar.write(text)
        else:
            print(text, flush=True)


def _nothing() -> dict[str, float]:
    return {}


def _tqdm() -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm
