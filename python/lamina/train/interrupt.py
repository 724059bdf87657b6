"""Ctrl-C during a training: it waits for the end of a step, so that weights and optimizer stay in step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any


class Interrupt:
    """While it is entered, the first SIGINT is only noted in ``asked``; a second raises KeyboardInterrupt.

    Outside of the main thread signals cannot be caught, and nothing changes.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.asked = False
        self._say = say
        self._before: Any = None

    def __enter__(self) -> Interrupt:
        self.asked = False
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def check(self) -> None:
        """Between two steps: raise if it was asked for."""
        if self.asked:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self._say("interrupted: the step at hand is brought to its end (once more: at once)")
