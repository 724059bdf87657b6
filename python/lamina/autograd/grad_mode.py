"""Whether operations are recorded: context managers that are decorators too, per thread."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from lamina import _core

GENERATOR = 0x20  # inspect.CO_GENERATOR; importing inspect would cost as much as half of this package
F = TypeVar("F", bound=Callable[..., Any])


class _Mode:
    """Something set inside of a ``with`` block, or of a decorated function, and put back behind it."""

    def clone(self) -> _Mode:
        """A fresh one like this, for each call of a decorated function."""
        return type(self)()

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, *exception: object) -> None:
        raise NotImplementedError

    def __call__(self, function: F) -> F:
        if getattr(getattr(function, "__code__", None), "co_flags", 0) & GENERATOR:
            return self._generator(function)

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return inside  # type: ignore[return-value]

    def _generator(self, function: F) -> F:
        """The mode holds while the generator runs, not while its caller does."""

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            generator = function(*args, **kwargs)
            resume: Callable[[], Any] = functools.partial(next, generator)
            while True:
                try:
                    with self.clone():
                        item = resume()
                except StopIteration as stop:
                    return stop.value
                try:
                    resume = functools.partial(generator.send, (yield item))
                except GeneratorExit:
                    with self.clone():
                        generator.close()
                    raise
                except BaseException as error:
                    resume = functools.partial(generator.throw, error)

        return inside  # type: ignore[return-value]


class _NoArgument(_Mode):
    """A mode that may decorate without parentheses: ``@no_grad``."""

    on: bool

    def __new__(cls, function: Any = None) -> Any:
        mode = super().__new__(cls)
        if function is None:
            return mode
        mode.__init__()  # type: ignore[misc]
        return mode(function)

    def __init__(self) -> None:
        self.before = False

    def __enter__(self) -> None:
        self.before = _core.grad_enabled()
        _core.set_grad_enabled(self.on)

    def __exit__(self, *exception: object) -> None:
        _core.set_grad_enabled(self.before)


class no_grad(_NoArgument):
    """Nothing is recorded inside: results require no gradient, whatever they were computed from.

    >>> with lamina.no_grad():
    ...     (lamina.ones(1, requires_grad=True) * 2).requires_grad
    False
    """

    on = False


class enable_grad(_NoArgument):
    """Operations are recorded inside, within ``no_grad`` too."""

    on = True


class set_grad_enabled(_Mode):
    """Switch recording on or off: from the call on, or inside of a ``with`` block.

    >>> with lamina.set_grad_enabled(False):
    ...     lamina.is_grad_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        self.before = _core.grad_enabled()
        self.mode = bool(mode)
        _core.set_grad_enabled(self.mode)

    def clone(self) -> set_grad_enabled:
        return type(self)(self.mode)

    def __call__(self, function: F) -> F:
        _core.set_grad_enabled(self.before)  # the call that made this decorator was no switch
        return super().__call__(function)

    def __enter__(self) -> None:
        _core.set_grad_enabled(self.mode)

    def __exit__(self, *exception: object) -> None:
        _core.set_grad_enabled(self.before)


class inference_mode(_Mode):
    """``no_grad`` that also says so to ``is_inference_mode_enabled``; with ``mode=False`` its opposite."""

    def __new__(cls, mode: Any = True) -> Any:
        made = super().__new__(cls)
        if isinstance(mode, bool):
            return made
        made.__init__()  # type: ignore[misc]
        return made(mode)  # @inference_mode without parentheses

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode
        self.before = (False, False)

    def clone(self) -> inference_mode:
        return type(self)(self.mode)

    def __enter__(self) -> None:
        self.before = (_core.inference_mode(), _core.grad_enabled())
        _core.set_inference_mode(self.mode)
        _core.set_grad_enabled(not self.mode)

    def __exit__(self, *exception: object) -> None:
        _core.set_inference_mode(self.before[0])
        _core.set_grad_enabled(self.before[1])


def is_grad_enabled() -> bool:
    """Whether this thread records operations now."""
    return _core.grad_enabled()


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside of ``inference_mode``."""
    return _core.inference_mode()
