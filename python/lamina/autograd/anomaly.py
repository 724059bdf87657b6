"""Looking for anomalies: which operation's way back gave NaN or failed, and where it had been called."""

from __future__ import annotations

from lamina import _core
from lamina.autograd.grad_mode import _Mode


class set_detect_anomaly(_Mode):
    """Switch the search for anomalies on or off: from the call on, or inside of a ``with`` block.

    While it is on, every recorded operation notes the lines of Python that called it, and the walk back looks
    at every gradient. A way back that raises, or whose gradients hold NaN (unless ``check_nan=False``), is
    named in a warning together with those lines, and NaN raises. It is slow: only to find a fault.

    Raises:
        RuntimeError: in ``backward``, where an operation returned NaN.

    >>> with lamina.autograd.set_detect_anomaly(True):
    ...     lamina.is_anomaly_enabled()
    True
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = _core.anomaly()
        self.mode, self.check_nan = bool(mode), bool(check_nan)
        _core.set_anomaly(self.mode, self.check_nan)

    def clone(self) -> set_detect_anomaly:
        return type(self)(self.mode, self.check_nan)

    def __enter__(self) -> None:
        _core.set_anomaly(self.mode, self.check_nan)

    def __exit__(self, *exception: object) -> None:
        _core.set_anomaly(*self.before)


class detect_anomaly(_Mode):
    """Look for anomalies inside of a ``with`` block, as ``set_detect_anomaly`` says.

    >>> x = lamina.zeros(1, requires_grad=True)
    >>> with lamina.autograd.detect_anomaly():
    ...     (x.sqrt() * 0).sum().backward()
    Traceback (most recent call last):
    RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = bool(check_nan)
        self.before = _core.anomaly()

    def clone(self) -> detect_anomaly:
        return type(self)(self.check_nan)

    def __enter__(self) -> None:
        self.before = _core.anomaly()
        _core.set_anomaly(True, self.check_nan)

    def __exit__(self, *exception: object) -> None:
        _core.set_anomaly(*self.before)


def is_anomaly_enabled() -> bool:
    """Whether anomalies are looked for now."""
    return _core.anomaly()[0]


def is_anomaly_check_nan_enabled() -> bool:
    """Whether NaN counts as an anomaly."""
    return _core.anomaly()[1]
