"""What einops asks of a framework, answered for lamina."""

from __future__ import annotations

from typing import Any


class Answers:
    """The methods of a back end of einops."""

    framework_name = "lamina"

    def __init__(self) -> None:
        import lamina

        self.lamina: Any = lamina

    def is_appropriate_type(self, tensor: Any) -> bool:
        return isinstance(tensor, self.lamina.Tensor)

    def from_numpy(self, x: Any) -> Any:
        return self.lamina.from_numpy(x)

    def to_numpy(self, x: Any) -> Any:
        return x.detach().numpy()

    def arange(self, start: int, stop: int) -> Any:
        return self.lamina.arange(start, stop)

    def reduce(self, x: Any, operation: str, axes: Any) -> Any:
        word = {"min": "amin", "max": "amax"}.get(operation, operation)
        if word in ("amin", "amax", "sum", "mean"):
            return getattr(x, word)(tuple(axes))
        if word not in ("any", "all", "prod"):
            raise NotImplementedError(f"einops with lamina: unknown reduction {operation!r}")
        for axis in sorted(axes, reverse=True):  # one dimension at a time
            x = getattr(x, word)(axis)
        return x

    def transpose(self, x: Any, axes: Any) -> Any:
        return x.permute(tuple(axes))

    def stack_on_zeroth_dimension(self, tensors: Any) -> Any:
        return self.lamina.stack(list(tensors))

    def add_axis(self, x: Any, new_position: int) -> Any:
        return x.unsqueeze(new_position)

    def add_axes(self, x: Any, n_axes: int, pos2len: Any) -> Any:
        sizes = [-1] * n_axes
        for position, length in pos2len.items():
            x = x.unsqueeze(position)
            sizes[position] = length
        return x.expand(sizes)

    def tile(self, x: Any, repeats: Any) -> Any:
        return x.repeat(repeats)

    def concat(self, tensors: Any, axis: int) -> Any:
        return self.lamina.cat(list(tensors), axis)

    def is_float_type(self, x: Any) -> bool:
        return bool(x.is_floating_point())

    def layers(self) -> Any:
        from importlib import import_module

        return import_module("einops.layers.lamina")

    def einsum(self, pattern: str, *x: Any) -> Any:
        return self.lamina.einsum(pattern, *x)


def register(backends: Any) -> None:
    """Define the back end; einops finds it among the subclasses of ``backends.AbstractBackend``."""
    # einops holds its subclasses weakly, so somebody has to keep this one
    backends.LaminaBackend = type("LaminaBackend", (Answers, backends.AbstractBackend), {})
