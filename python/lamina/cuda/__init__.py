"""CUDA, of which there is none here: what a script asks before it decides for the CPU, and what PyTorch lets
pass.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from lamina.cuda import amp as amp

_initialized = False  # what scripts read instead of is_initialized()


def __getattr__(name: str) -> Any:
    if name != "amp":
        raise AttributeError(f"module 'lamina.cuda' has no attribute {name!r}")
    return import_module("lamina.cuda.amp")


def is_available() -> bool:
    """Whether tensors can live on an NVIDIA GPU: no."""
    return False


def device_count() -> int:
    """How many GPUs there are: none."""
    return 0


def is_initialized() -> bool:
    """Whether CUDA has been started: no."""
    return False


def manual_seed(seed: int) -> None:
    """Seeds the generator of the current GPU, of which there is none; for the CPU: ``lamina.manual_seed``."""


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all GPUs, of which there are none; the CPU's is ``lamina.manual_seed``'s."""


def empty_cache() -> None:
    """Gives back what is cached on GPUs, which is nothing; ``lamina.empty_cache`` does so for the CPU."""


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the GPU computes in bfloat16: there is none."""
    return False


def memory_allocated(device: Any = None) -> int:
    """Bytes in use on the GPU: 0."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that were in use on the GPU: 0."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """Bytes held on the GPU: 0."""
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes that were held on the GPU: 0."""
    return 0


def get_rng_state_all() -> list[Any]:
    """The states of the generators of all GPUs: none."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Sets the generators of all GPUs, of which there are none."""


class OutOfMemoryError(RuntimeError):
    """What PyTorch raises where a GPU's memory is full: never here. The CPU raises MemoryError."""


def _absent(word: str) -> Any:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise AssertionError(f"{word}: lamina has no CUDA; ask cuda.is_available() first")

    refuse.__name__ = word
    refuse.__doc__ = "Raises AssertionError: there is no GPU."
    return refuse


Event = _absent("Event")
Stream = _absent("Stream")
current_device = _absent("current_device")
current_stream = _absent("current_stream")
get_device_capability = _absent("get_device_capability")
get_device_name = _absent("get_device_name")
get_device_properties = _absent("get_device_properties")
init = _absent("init")
mem_get_info = _absent("mem_get_info")
memory_summary = _absent("memory_summary")
reset_peak_memory_stats = _absent("reset_peak_memory_stats")
set_device = _absent("set_device")
synchronize = _absent("synchronize")
