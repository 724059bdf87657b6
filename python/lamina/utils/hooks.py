"""The handle that a hook's registration returns. Who calls the hooks, and when, is left to their owners."""

from __future__ import annotations

import itertools
from collections.abc import Callable, MutableMapping
from types import TracebackType
from typing import Any

Hooks = MutableMapping[int, Callable[..., Any]]

_ids = itertools.count()


class RemovableHandle:
    """Takes one hook out of the dictionary that holds it; usable as a context manager.

    >>> with optimizer.register_step_post_hook(lambda opt, args, kwargs: print("stepped")):
    ...     optimizer.step()
    """

    def __init__(self, hooks_dict: Hooks) -> None:
        self.hooks_dict = hooks_dict
        self.id = next(_ids)

    @classmethod
    def register(cls, hooks_dict: Hooks, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Put ``hook`` last (or first) into ``hooks_dict`` and return the handle that takes it out."""
        handle = cls(hooks_dict)
        rest = dict(hooks_dict) if prepend else {}
        if prepend:
            hooks_dict.clear()
        hooks_dict[handle.id] = hook
        hooks_dict.update(rest)
        return handle

    def remove(self) -> None:
        """Take the hook out. Doing so twice is harmless."""
        self.hooks_dict.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
