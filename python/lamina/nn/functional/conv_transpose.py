"""Transposed convolutions: arguments as users write them, onto the one 2-d law of the core.

Layers: lamina.nn.modules.conv_transpose."""

from __future__ import annotations

from collections.abc import Sequence

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn.functional.padding import pad
from lamina.nn.functional.precision import integers_too, through_float32
from lamina.nn.functional.shape_args import in_own_name, sizes

Size = int | Sequence[int]


@in_own_name
@integers_too
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The transpose of ``conv1d``: (n, c, l) or (c, l) -> (n, out, l') or (out, l').

    ``weight`` is (c, out / groups, k); the rest as in ``conv_transpose2d``.
    """
    if weight.ndim != 3 or input.ndim not in (2, 3):
        raise _core.ShapeError(
            f"conv_transpose1d: expected input (n, c, l) or (c, l) and weight (c, out / groups, k), "
            f"got {tuple(input.shape)} and {tuple(weight.shape)}"
        )
    return _transposed(
        input.unsqueeze(-2),
        weight.unsqueeze(-2),
        bias,
        (1, *sizes(stride, 1, "stride")),
        (0, *sizes(padding, 1, "padding")),
        (0, *sizes(output_padding, 1, "output_padding")),
        groups,
        (1, *sizes(dilation, 1, "dilation")),
    ).squeeze(-2)


@in_own_name
@integers_too
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The transpose of ``conv2d``: (n, c, h, w) or (c, h, w) -> (n, out, h', w') or (out, h', w').

    ``weight`` is (c, out / groups, kh, kw), ``bias`` (out).
    ``h' = (h - 1) * stride - 2 * padding + dilation * (kh - 1) + output_padding + 1``: every input adds its
    window to the output. ``output_padding`` chooses among the sizes that ``conv2d`` makes h of.

    Raises:
        ShapeError: sizes do not fit, or ``output_padding`` is not below stride or dilation.

    >>> lamina.nn.functional.conv_transpose2d(lamina.ones(1, 1, 1, 1), lamina.ones(1, 1, 2, 2)).sum().item()
    4.0
    """
    return _transposed(
        input,
        weight,
        bias,
        sizes(stride, 2, "stride"),
        sizes(padding, 2, "padding"),
        sizes(output_padding, 2, "output_padding"),
        groups,
        sizes(dilation, 2, "dilation"),
    )


@in_own_name
@integers_too
@through_float32
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The transpose of ``conv3d``: (n, c, d, h, w) or (c, d, h, w) -> (n, out, d', h', w') or without n.

    ``weight`` is (c, out / groups, kd, kh, kw); the rest as in ``conv_transpose2d``.

    >>> cube = lamina.ones(1, 1, 2, 2, 2)
    >>> lamina.nn.functional.conv_transpose3d(cube, cube, stride=2).shape[2]
    4
    """
    if weight.ndim != 5 or input.ndim not in (4, 5):
        raise _core.ShapeError(
            "conv_transpose3d: expected input (n, c, d, h, w) or (c, d, h, w) and weight (c, out / groups, "
            f"kd, kh, kw), got {tuple(input.shape)} and {tuple(weight.shape)}"
        )
    if input.ndim == 4:
        options = (stride, padding, output_padding, groups, dilation)
        return conv_transpose3d(input.unsqueeze(0), weight, bias, *options).squeeze(0)
    step, *steps = sizes(stride, 3, "stride")
    border, *borders = sizes(padding, 3, "padding")
    more, *extra = sizes(output_padding, 3, "output_padding")
    spacing, *spacings = sizes(dilation, 3, "dilation")
    n, channels, depth, *plane = input.shape
    kernel = weight.shape[2]
    size = (depth - 1) * step + spacing * (kernel - 1) + 1 + more
    if (
        min(step, spacing) <= 0
        or border < 0
        or more < 0
        or size - 2 * border <= 0
        or more >= max(step, spacing)
    ):
        raise _core.ShapeError(
            f"conv_transpose3d: depth {depth} with kernel {kernel}, stride {step}, padding {border}, output "
            f"padding {more} and dilation {spacing} has no output; output padding must be smaller than "
            "either stride or dilation"
        )
    # Every slice of the input makes kd slices of the output, which are added up where they lie.
    slices = input.transpose(1, 2).reshape(n * depth, channels, *plane)
    arguments = (tuple(steps), tuple(borders), tuple(extra), groups, tuple(spacings))
    parts = _transposed(slices, weight.flatten(1, 2), None, *arguments)
    outputs = parts.shape[1] // kernel
    parts = parts.reshape(n, depth, outputs, kernel, *parts.shape[2:]).transpose(1, 2)
    levels = lamina.arange(depth).unsqueeze(1) * step + lamina.arange(kernel) * spacing
    total = parts.new_zeros(n, outputs, size, *parts.shape[4:])
    total = total.index_add(2, levels.reshape(-1), parts.flatten(2, 3))
    total = total.narrow(2, border, size - 2 * border)
    return total if bias is None else total + bias.reshape(-1, 1, 1, 1)


def _transposed(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    extra: tuple[int, ...],
    groups: int,
    dilation: tuple[int, ...],
) -> Tensor:
    """With output padding below the stride, as the core wants it: whole steps are zeros behind the input."""
    steps = [more // step if step > 0 else 0 for more, step in zip(extra, stride, strict=True)]
    if any(steps):
        if any(m >= s and m >= d for m, s, d in zip(extra, stride, dilation, strict=True)):
            raise _core.ShapeError(
                "conv_transpose2d: output padding must be smaller than either stride or dilation, "
                f"but got output_padding {extra}, stride {stride} and dilation {dilation}"
            )
        input = pad(input, (0, steps[1], 0, steps[0]))
        extra = tuple(more % step for more, step in zip(extra, stride, strict=True))
    return _core.conv_transpose2d(input, weight, bias, stride, padding, extra, groups, dilation)
