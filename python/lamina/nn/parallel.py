"""DataParallel and what is about several devices, as PyTorch behaves where there is only the CPU.

The module is called as it is; the prefix ``module.`` of the state dict's names is PyTorch's.
"""

from __future__ import annotations

from typing import Any

from lamina.nn.modules.module import Module

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


def _check_devices(device_ids: Any, word: str) -> None:
    if device_ids:
        raise RuntimeError(f"{word}: lamina has no devices besides the cpu, got device_ids={device_ids}")


class DataParallel(Module):
    """``module`` itself, called as it is: there are no devices to spread a batch over.

    Raises:
        RuntimeError: ``device_ids`` names devices.

    >>> list(lamina.nn.DataParallel(lamina.nn.Linear(2, 1)).state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        _check_devices(device_ids, "DataParallel")
        self.dim = dim  # along which several devices would share a batch
        self.device_ids: list[int] = []
        self.output_device = output_device
        self.module = module

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """``module(*inputs, **module_kwargs)``.

    Raises:
        RuntimeError: ``device_ids`` names devices.
    """
    _check_devices(device_ids, "data_parallel")
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*inputs, **(module_kwargs or {}))


class DistributedDataParallel(Module):
    """Training by several processes, which lamina does not have: it says so.

    Raises:
        RuntimeError: always.
    """

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        raise RuntimeError("DistributedDataParallel: lamina trains in one process")
