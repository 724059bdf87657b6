"""autocast: matrix products and convolutions take bfloat16 (or float16), losses take float32.

Which operations those are is said by the operations themselves: in the core, and in nn/functional/precision.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from lamina import _core
from lamina._core import Tensor
from lamina.autograd.grad_mode import _Mode

HALVES = (_core.bfloat16, _core.float16)
# Device types of PyTorch that are not here: autocast for them warns and does nothing, as on any machine
# without them.
ABSENT = ("cuda", "mps", "xpu")


class autocast(_Mode):
    """Inside, products of matrices and convolutions of float32 tensors are computed in ``dtype``; losses,
    products of elements and distances in float32; everything else in the dtype that comes in.

    Parameters stay float32 and so do their gradients. A parameter is converted once until the outermost block
    ends, unless ``cache_enabled`` is false. On the CPU ``dtype`` is bfloat16 unless float16 is asked for.
    For a ``device_type`` that is not here it warns and does nothing.

    Raises:
        RuntimeError: a device type that nobody knows.

    >>> with lamina.autocast("cpu"):
    ...     (lamina.ones(2, 2) @ lamina.ones(2, 2)).dtype
    lamina.bfloat16
    """

    def __init__(
        self,
        device_type: str,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"autocast: expected a str as device_type, got {type(device_type).__name__}")
        if device_type != "cpu" and device_type not in ABSENT:
            raise RuntimeError(f"autocast: unsupported device type {device_type!r}; here is 'cpu'")
        self.device = device_type
        self.fast_dtype = _core.autocast_mode()[1] if dtype is None else dtype
        self.cache_enabled = _core.autocast_mode()[2] if cache_enabled is None else bool(cache_enabled)
        self._enabled = bool(enabled)
        if self._enabled and device_type != "cpu":
            warnings.warn(f"autocast: {device_type} is not available. Disabling", stacklevel=2)
            self._enabled = False
        if self._enabled and self.fast_dtype not in HALVES:
            warnings.warn(
                f"autocast: on the CPU only bfloat16 and float16 are supported, got {dtype}. Disabling",
                stacklevel=2,
            )
            self._enabled = False
        self._before: list[Any] = []

    def clone(self) -> autocast:
        return autocast(self.device, self.fast_dtype, self._enabled, self.cache_enabled)

    def __enter__(self) -> autocast:  # type: ignore[override]
        global _depth
        before = _core.autocast_mode()
        self._before.append(before)
        _depth += 1
        if self.device == "cpu":
            dtype = self.fast_dtype if self.fast_dtype in HALVES else before[1]
            _core.set_autocast_mode(self._enabled, dtype, self.cache_enabled)
        return self

    def __exit__(self, *exception: object) -> None:
        global _depth
        _depth -= 1
        if _depth == 0:
            _core.clear_autocast_cache()
        _core.set_autocast_mode(*self._before.pop())


_depth = 0


def is_autocast_available(device_type: str) -> bool:
    """Whether ``autocast(device_type)`` does anything."""
    return device_type == "cpu"


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is on for this device type."""
    return device_type == "cpu" and _core.autocast_mode()[0]


def is_autocast_cpu_enabled() -> bool:
    """Whether autocast is on."""
    return _core.autocast_mode()[0]


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Switch autocast on or off for this thread."""
    _check_here(device_type, "set_autocast_enabled")
    _, dtype, cache = _core.autocast_mode()
    _core.set_autocast_mode(enabled, dtype, cache)


def get_autocast_dtype(device_type: str) -> Any:
    """The dtype that autocast chooses on this device type."""
    return _core.float16 if device_type in ABSENT else _core.autocast_mode()[1]


def get_autocast_cpu_dtype() -> Any:
    """The dtype that autocast chooses on the CPU."""
    return _core.autocast_mode()[1]


def get_autocast_gpu_dtype() -> Any:
    """The dtype that autocast would choose on a GPU: float16."""
    return _core.float16


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """Let autocast choose ``dtype`` unless it is told otherwise."""
    _check_here(device_type, "set_autocast_dtype")
    enabled, _, cache = _core.autocast_mode()
    _core.set_autocast_mode(enabled, dtype, cache)


def is_autocast_cache_enabled() -> bool:
    """Whether parameters that autocast has converted are kept until its block ends."""
    return _core.autocast_mode()[2]


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Whether autocast keeps converted parameters until its block ends."""
    on, dtype, _ = _core.autocast_mode()
    _core.set_autocast_mode(on, dtype, enabled)


def clear_autocast_cache() -> None:
    """Forget the parameters that autocast has converted."""
    _core.clear_autocast_cache()


def _check_here(device_type: str, word: str) -> None:
    if device_type != "cpu":
        raise RuntimeError(f"{word}: expected device type 'cpu', got {device_type!r}")


def _cast(value: Any, dtype: Any) -> Any:
    """Floating tensors but float64, inside of lists, tuples and dicts too, converted."""
    if isinstance(value, Tensor):
        eligible = value.is_floating_point() and value.dtype is not _core.float64
        return value.to(dtype) if eligible else value
    if isinstance(value, dict):
        return {_cast(key, dtype): _cast(item, dtype) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_cast(item, dtype) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: Any = None
) -> Callable[..., Any]:
    """Decorates ``forward`` of an ``autograd.Function``: notes the state of autocast for ``custom_bwd``.

    With ``cast_inputs`` floating tensors are converted to it first, and ``forward`` runs without autocast.

    >>> class Product(lamina.autograd.Function):
    ...     @staticmethod
    ...     @lamina.amp.custom_fwd(device_type="cpu")
    ...     def forward(ctx, a, b): return a @ b
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(*args: Any, **kwargs: Any) -> Any:
        args[0]._dtype = get_autocast_dtype(device_type)
        on = is_autocast_enabled(device_type)
        if cast_inputs is None or not on:
            args[0]._fwd_used_autocast = on
            return fwd(*args, **kwargs)
        args[0]._fwd_used_autocast = False
        with autocast(device_type, enabled=False):
            return fwd(*_cast(args, cast_inputs), **_cast(kwargs, cast_inputs))

    return forward


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Callable[..., Any]:
    """Decorates ``backward`` of an ``autograd.Function``: it runs with autocast as ``forward`` did."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(*args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, enabled=args[0]._fwd_used_autocast, dtype=args[0]._dtype):
            return bwd(*args, **kwargs)

    return backward
