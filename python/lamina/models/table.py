"""A model as a table: what each layer makes, how many parameters it has, how much it multiplies and keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import lamina
from lamina import nn
from lamina._core import Tensor


@dataclass(frozen=True)
class Row:
    """One call of a layer: its name and kind, the shape it makes, parameters, multiply-adds, bytes made."""

    name: str
    kind: str
    shape: tuple[int, ...] | None
    parameters: int
    multiply_adds: int
    memory: int


@dataclass(frozen=True)
class Summary:
    """The rows of a model in the order of their calls, and its totals; prints as a table."""

    title: str
    rows: list[Row] = field(repr=False)
    parameters: int
    trainable: int
    buffers: int
    multiply_adds: int
    parameter_memory: int
    output_memory: int

    def __str__(self) -> str:
        head = ("layer", "kind", "output shape", "parameters", "multiply-adds", "memory")
        cells = [head] + [
            (
                row.name,
                row.kind,
                "-" if row.shape is None else " x ".join(map(str, row.shape)),
                f"{row.parameters:,}" if row.parameters else "-",
                amount(row.multiply_adds) if row.multiply_adds else "-",
                size(row.memory),
            )
            for row in self.rows
        ]
        widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
        lines = []
        for line in cells:
            left = [line[i].ljust(widths[i]) for i in range(3)]
            right = [line[i].rjust(widths[i]) for i in range(3, len(head))]
            lines.append("  ".join(left + right).rstrip())
        rule = "-" * max(len(line) for line in lines)
        frozen = self.parameters - self.trainable
        return "\n".join(
            [
                self.title,
                rule,
                lines[0],
                rule,
                *lines[1:],
                rule,
                f"parameters     {self.parameters:,} ({self.trainable:,} trainable, {frozen:,} frozen), "
                f"{self.buffers:,} numbers in buffers",
                f"multiply-adds  {amount(self.multiply_adds)} for one pass forward",
                f"memory         {size(self.parameter_memory)} of parameters and buffers, "
                f"{size(self.output_memory)} of layers' outputs",
            ]
        )


def amount(count: float) -> str:
    """A count in a few digits.

    >>> amount(1814083944)
    '1.814 G'
    """
    for unit in ("", " K", " M", " G"):
        if count < 1000:
            return f"{count:.4g}{unit}"
        count /= 1000
    return f"{count:.4g} T"


def size(count: float) -> str:
    """A number of bytes in a few digits.

    >>> size(2048)
    '2.0 KB'
    """
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GB"


def summary(model: nn.Module, *shapes: Any, dtype: Any = None) -> Summary:
    """Run ``model`` once, in evaluation mode and without recording, and list the layers that were called.

    Multiply-adds are those of convolutions, dense and recurrent layers, attention and bilinear layers; what
    is added and scaled element by element is left out, as in published figures.

    Args:
        shapes: of each argument of the model, with the batch, such as ``(1, 3, 224, 224)``; or the tensors
            themselves.
        dtype: of the arguments that are given as shapes, float32 unless given.

    Raises:
        TypeError: ``model`` is no module, or there are no shapes.

    >>> print(summary(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), (1, 3, 8, 8)).multiply_adds)
    7776
    """
    if not isinstance(model, nn.Module) or not shapes:
        raise TypeError("summary: expected a module and the shape of each of its arguments")
    inputs = [s if isinstance(s, Tensor) else _zeros(s, dtype) for s in shapes]
    rows: list[Row] = []
    seen: set[int] = set()
    handles = [
        module.register_forward_hook(_note(name or "(itself)", rows, seen), with_kwargs=True)
        for name, module in model.named_modules()
        if isinstance(module, nn.MultiheadAttention) or not any(True for _ in module.children())
    ]
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with lamina.no_grad():
            model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    parameters, buffers = list(model.parameters()), list(model.buffers())
    kept = [*parameters, *buffers]
    given = ", ".join(str(tuple(x.shape)) for x in inputs)
    return Summary(
        title=f"{type(model).__name__} of {given}",
        rows=rows,
        parameters=sum(p.numel() for p in parameters),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        buffers=sum(b.numel() for b in buffers),
        multiply_adds=sum(row.multiply_adds for row in rows),
        parameter_memory=sum(t.numel() * t.element_size() for t in kept),
        output_memory=sum(row.memory for row in rows),
    )


def _zeros(shape: Sequence[int], dtype: Any) -> Tensor:
    if isinstance(shape, int) or not all(isinstance(n, int) for n in shape):
        raise TypeError(f"summary: expected a shape of whole numbers for each argument, got {shape!r}")
    return lamina.zeros(tuple(shape), dtype=lamina.float32 if dtype is None else dtype)


def _note(name: str, rows: list[Row], seen: set[int]) -> Callable[..., None]:
    """A hook that writes down each call; the parameters of a layer count at its first."""

    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        made = _tensors(output)
        fresh = [p for p in module.parameters() if id(p) not in seen]
        seen.update(id(p) for p in fresh)
        taken = _tensors([*args, *kwargs.values()])
        rows.append(
            Row(
                name,
                type(module).__name__,
                tuple(made[0].shape) if made else None,
                sum(p.numel() for p in fresh),
                _multiply_adds(module, taken, made) if taken and made else 0,
                sum(t.numel() * t.element_size() for t in made),
            )
        )

    return hook


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return [tensor for part in inside for tensor in _tensors(part)]


def _multiply_adds(module: Any, taken: list[Tensor], made: list[Tensor]) -> int:
    x, y = taken[0], made[0]
    if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        return x.numel() * math.prod(module.weight.shape[1:])
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return y.numel() * math.prod(module.weight.shape[1:])
    if isinstance(module, nn.Linear):
        return y.numel() * module.in_features
    if isinstance(module, nn.Bilinear):
        return y.numel() * (module.in1_features + 1) * module.in2_features
    if isinstance(module, nn.RNNBase):  # each weight once for every step of every sequence
        steps = x.numel() // x.shape[-1]
        return steps * sum(p.numel() for name, p in module.named_parameters() if name.startswith("weight"))
    if isinstance(module, nn.RNNCellBase):
        return (x.numel() // x.shape[-1]) * (module.weight_ih.numel() + module.weight_hh.numel())
    if isinstance(module, nn.MultiheadAttention):
        return _attention(module, *(taken * 3)[:3] if len(taken) < 3 else taken[:3])
    return 0


def _attention(module: Any, query: Tensor, key: Tensor, value: Tensor) -> int:
    """Four projections, the scores and the sums they weigh."""
    dim = module.embed_dim
    along = 1 if module.batch_first or query.ndim == 2 else 0
    along = 0 if query.ndim == 2 else along
    batch = query.shape[1 - along] if query.ndim == 3 else 1
    asked, there = query.shape[along], key.shape[along]
    projections = 2 * asked * dim * dim + there * dim * (key.shape[-1] + value.shape[-1])
    return batch * (projections + 2 * asked * there * dim)
