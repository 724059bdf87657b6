"""LayerReport: the norms of what each layer gives and of the gradients that come back, while a model trains.

It listens through hooks, and names layers whose gradients vanish or explode, and layers that are dead.
"""

from __future__ import annotations

import math
from typing import Any

import lamina
from lamina._core import Tensor
from lamina.nn.modules.module import Module

__all__ = ["LayerReport"]


class _Layer:
    """What was seen of one module; the numbers are means over its calls."""

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind
        self.outputs: list[float] = []  # root mean squares
        self.zeros: list[float] = []  # shares
        self.bad = 0  # calls with NaN or infinity, forward or backward
        self.grads: list[float] = []  # root mean squares of the gradient of the output
        self.weight_grads: dict[str, float] = {}  # norm of the gradient by norm of the parameter

    @staticmethod
    def _mean(values: list[float]) -> float:
        return sum(values) / len(values) if values else math.nan


def _rms(x: Tensor) -> float:
    return x.detach().double().square().mean().sqrt().item() if x.numel() else 0.0


class LayerReport:
    """Listens to the layers of ``model`` inside of a ``with`` block, and reports on them.

    Listened to are the modules without submodules that are called. Judged are, over all calls:

    - ``vanishing``: the root mean square of the gradient at the output is below ``vanishing`` times the
      largest of all layers;
    - ``exploding``: it is above ``exploding`` times the median, or above 1e6;
    - ``dead``: at least ``dead`` of the outputs were exactly 0, or the gradient was exactly 0 everywhere;
    - ``not finite``: NaN or infinity came by.

    Raises:
        ValueError: a threshold that cannot be.

    >>> net = lamina.nn.Sequential(lamina.nn.Linear(4, 4), lamina.nn.ReLU(), lamina.nn.Linear(4, 1))
    >>> with lamina.utils.diagnosis.LayerReport(net) as report:
    ...     net(lamina.ones(8, 4)).square().mean().backward()
    >>> print(report)  # doctest: +SKIP
    """

    def __init__(
        self, model: Module, *, vanishing: float = 1e-4, exploding: float = 1e3, dead: float = 0.99
    ) -> None:
        if not (0 < vanishing < 1 < exploding and 0 < dead <= 1):
            raise lamina.ShapeError(
                "LayerReport: expected 0 < vanishing < 1 < exploding and 0 < dead <= 1, "
                f"got {vanishing}, {exploding} and {dead}"
            )
        self.model = model
        self.thresholds = vanishing, exploding, dead
        self._layers: dict[str, _Layer] = {}
        self._handles: list[Any] = []

    def __enter__(self) -> LayerReport:
        for name, module in self.model.named_modules():
            if next(module.children(), None) is None:
                layer = _Layer(name or "(model)", type(module).__name__)
                self._handles.append(module.register_forward_hook(self._listener(layer)))
                for key, parameter in module.named_parameters(recurse=False):
                    if parameter.requires_grad:
                        hook = self._parameter_listener(layer, key, parameter)
                        self._handles.append(parameter.register_hook(hook))
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _listener(self, layer: _Layer) -> Any:
        def heard(module: Module, args: Any, output: Any) -> None:
            self._layers.setdefault(layer.name, layer)
            outputs = output if isinstance(output, (tuple, list)) else (output,)
            for y in outputs:
                if not isinstance(y, Tensor) or not y.is_floating_point():
                    continue
                size = _rms(y)
                layer.bad += not math.isfinite(size)
                layer.outputs.append(size)
                layer.zeros.append((y.detach() == 0).double().mean().item() if y.numel() else 0.0)
                if y.requires_grad:
                    y.register_hook(back)

        def back(grad: Tensor) -> None:
            size = _rms(grad)
            layer.bad += not math.isfinite(size)
            layer.grads.append(size)

        return heard

    @staticmethod
    def _parameter_listener(layer: _Layer, key: str, parameter: Tensor) -> Any:
        def back(grad: Tensor) -> None:
            size = _rms(parameter)
            layer.weight_grads[key] = _rms(grad) / size if size else math.inf

        return back

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per layer in the order of their first calls.

        ``name``, ``kind``, ``output`` (root mean square), ``zeros`` (share of zeros), ``gradient`` (root
        mean square at the output; NaN where none came), ``update`` (the largest gradient by weight of its
        parameters) and ``verdicts``.
        """
        sizes = [layer._mean(layer.grads) for layer in self._layers.values()]
        known = sorted(size for size in sizes if math.isfinite(size))
        largest = known[-1] if known else math.nan
        median = known[len(known) // 2] if known else math.nan
        rows = []
        for layer, size in zip(self._layers.values(), sizes, strict=True):
            zeros = layer._mean(layer.zeros)
            rows.append(
                {
                    "name": layer.name,
                    "kind": layer.kind,
                    "output": layer._mean(layer.outputs),
                    "zeros": zeros,
                    "gradient": size,
                    "update": max(layer.weight_grads.values(), default=math.nan),
                    "verdicts": self._verdicts(layer, size, zeros, largest, median),
                }
            )
        return rows

    def _verdicts(self, layer: _Layer, size: float, zeros: float, largest: float, median: float) -> list[str]:
        vanishing, exploding, dead = self.thresholds
        found = []
        if layer.bad:
            found.append("not finite")
        if zeros >= dead or (layer.grads and size == 0):
            found.append("dead")
        elif size < vanishing * largest:
            found.append("vanishing")
        if size > 1e6 or (median > 0 and size > exploding * median):
            found.append("exploding")
        return found

    def named(self, verdict: str) -> list[str]:
        """The layers with this verdict: ``vanishing``, ``exploding``, ``dead`` or ``not finite``."""
        return [row["name"] for row in self.rows() if verdict in row["verdicts"]]

    @property
    def vanishing(self) -> list[str]:
        """Layers whose gradients are far smaller than the others'."""
        return self.named("vanishing")

    @property
    def exploding(self) -> list[str]:
        """Layers whose gradients are far larger than the others', or huge."""
        return self.named("exploding")

    @property
    def dead(self) -> list[str]:
        """Layers that give nothing but zeros, or get nothing but zeros back."""
        return self.named("dead")

    def __str__(self) -> str:
        rows = self.rows()
        if not rows:
            return "LayerReport: no layer has been called"
        wide = max(len(row["name"]) for row in rows)
        kind = max(len(row["kind"]) for row in rows)
        lines = [f"{'layer':<{wide}}  {'kind':<{kind}}     output   zeros   gradient  grad/weight"]
        for row in rows:
            lines.append(
                f"{row['name']:<{wide}}  {row['kind']:<{kind}}  {row['output']:9.2e}  {row['zeros']:6.1%}  "
                f"{row['gradient']:9.2e}    {row['update']:9.2e}  {', '.join(row['verdicts'])}".rstrip()
            )
        return "\n".join(lines)
