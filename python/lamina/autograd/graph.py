"""The graph behind a tensor: its nodes, and in which form tensors are kept for the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamina import _core
from lamina._core import Node, Tensor

__all__ = ["Node", "increment_version", "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks"]


class saved_tensors_hooks:
    """Inside, tensors kept for the way back are kept as what ``pack_hook(tensor)`` gives, and
    ``unpack_hook(packed)`` brings them again.

    Of nested pairs the innermost counts. What ``unpack_hook`` returns must equal the tensor in value.

    Raises:
        TypeError: in ``backward``, where ``unpack_hook`` returned something else than a tensor.

    >>> x = lamina.ones(2, requires_grad=True)
    >>> with lamina.autograd.graph.saved_tensors_hooks(lambda x: x.half(), lambda x: x.float()):
    ...     y = x.exp()
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        _core.push_saved_tensors_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *exception: object) -> None:
        _core.pop_saved_tensors_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Tensors kept for the way back live on the CPU, where they are in any case."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda x: x, lambda x: x)


def increment_version(tensor: Tensor | Sequence[Tensor]) -> None:
    """Count a change in place that lamina did not see: a saved tensor that is meant raises in backward."""
    for x in (tensor,) if isinstance(tensor, Tensor) else tensor:
        x._bump_version()


def register_multi_grad_hook(tensors: Sequence[Tensor], fn: Callable[..., None], *, mode: str = "all") -> Any:
    """Call ``fn`` with the gradients of all ``tensors`` once the last of them is known (``mode="all"``), or
    with the first one that is known (``mode="any"``).

    Returns a handle whose ``remove()`` takes the hook away.

    Raises:
        ValueError: another mode.
    """
    if mode not in ("all", "any"):
        raise _core.ShapeError(f"register_multi_grad_hook: expected mode 'all' or 'any', got {mode!r}")
    wanted = [x for x in tensors if x.requires_grad]
    seen: dict[int, Tensor] = {}

    def arrived(place: int, grad: Tensor) -> None:
        first = not seen
        seen[place] = grad
        last = len(seen) == len(wanted)
        if mode == "any" and first:
            fn(grad)
        elif mode == "all" and last:
            places = iter(range(len(wanted)))
            fn([seen[next(places)] if x.requires_grad else None for x in tensors])
        if last:
            seen.clear()

    def hook(place: int) -> Callable[[Tensor], None]:
        return lambda grad: arrived(place, grad)

    return _Handles([x.register_hook(hook(place)) for place, x in enumerate(wanted)])


class _Handles:
    """Several hooks that are taken away together."""

    def __init__(self, handles: Sequence[Any]) -> None:
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _Handles:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()
