"""Recurrent layers over whole sequences: RNN, LSTM, GRU. All layers, directions and steps are one call of the
core; single steps: lamina.nn.modules.rnn_cell; batches of different lengths: lamina.nn.utils.rnn."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn import init
from lamina.nn.modules.module import Module
from lamina.nn.modules.rnn_cell import GATES, State
from lamina.nn.parameter import Parameter
from lamina.nn.utils.rnn import PackedSequence


class RNNBase(Module):
    """What RNN, LSTM and GRU share: parameters, arguments and the walk over layers.

    Each layer and direction has ``weight_ih_l0`` (gates * hidden, input), ``weight_hh_l0`` (gates * hidden,
    hidden), ``bias_ih_l0`` and ``bias_hh_l0`` (gates * hidden), in the order of the gates; the number is the
    layer's, and the backward direction adds ``_reverse``. All start from U(-b, b), ``b = 1 / sqrt(hidden)``.
    ``mode`` is RNN_TANH, RNN_RELU, LSTM or GRU.

    Raises:
        ShapeError: a size that is not positive, a projection that is not smaller than the hidden size, or a
            ``dropout`` that is no probability.
        TypeError: an argument of the wrong type.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._check_types()
        self._check_values()
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse") if bidirectional else ("",):
                shapes = self._shapes(layer)
                for name, shape in shapes.items():
                    empty = lamina.empty(shape, device=device, dtype=dtype)
                    self.register_parameter(f"{name}_l{layer}{suffix}", Parameter(empty))
                self._all_weights.append([f"{name}_l{layer}{suffix}" for name in shapes])
        self.reset_parameters()

    def _check_types(self) -> None:
        for name, kind in (("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")

    def _check_values(self) -> None:
        for name in ("input_size", "hidden_size", "num_layers"):
            if getattr(self, name) <= 0:
                raise _core.ShapeError(f"{name} must be greater than zero")
        p: Any = self.dropout
        if isinstance(p, bool) or not isinstance(p, (int, float)) or not 0 <= p <= 1:
            raise _core.ShapeError(
                "dropout should be a number in range [0, 1] representing the probability of an element "
                "being zeroed"
            )
        if p > 0 and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={p} and num_layers={self.num_layers}",
                stacklevel=4,
            )
        if self.proj_size < 0:
            raise _core.ShapeError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise _core.ShapeError("proj_size has to be smaller than hidden_size")
        if self.proj_size and self.mode != "LSTM":
            raise _core.ShapeError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if self.mode not in GATES:
            raise _core.ShapeError(f"Unrecognized RNN mode: {self.mode}")

    @property
    def _output_size(self) -> int:
        return self.proj_size or self.hidden_size

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        directions = 2 if self.bidirectional else 1
        rows = GATES[self.mode] * self.hidden_size
        columns = self.input_size if layer == 0 else self._output_size * directions
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, columns),
            "weight_hh": (rows, self._output_size),
        }
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        return shapes

    def reset_parameters(self) -> None:
        """Draw new starting values."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Does nothing, as in PyTorch on the CPU: the weights are used where they lie."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights of each layer and direction, in the order of their names."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [getattr(self, name) for name in self._flat_weights_names]

    def _weights(self) -> list[Tensor | None]:
        """As the core wants them, five to each layer and direction, with None for what is not there."""
        weights: list[Tensor | None] = []
        for names in self._all_weights:
            found = [getattr(self, name) for name in names]
            biases = found[2:4] if self.bias else [None, None]
            weights += [*found[:2], *biases, found[-1] if self.proj_size else None]
        return weights

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for name, usual in (
            ("proj_size", 0),
            ("num_layers", 1),
            ("bias", True),
            ("batch_first", False),
            ("dropout", 0),
            ("bidirectional", False),
        ):
            if getattr(self, name) != usual:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)

    # The walk. ``states`` is a tuple for all modes: (h) or (h, c).

    def _check_input(self, input: Tensor, ndim: int) -> None:
        dtype = getattr(self, self._all_weights[0][0]).dtype
        if input.dtype != dtype and not _core.autocast_mode()[0]:
            raise _core.DtypeError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). "
                f"Convert input: input.to({dtype}), or convert model: model.to({input.dtype})"
            )
        if input.ndim != ndim:
            raise _core.ShapeError(f"input must have {ndim} dimensions, got {input.ndim}")
        if input.shape[-1] != self.input_size:
            raise _core.ShapeError(
                "input.size(-1) must be equal to input_size. "
                f"Expected {self.input_size}, got {input.shape[-1]}"
            )

    def _start(self, given: State | None, batch: int, order: Tensor | None) -> State | None:
        """The first states, checked, in the order of the packed rows."""
        directions = 2 if self.bidirectional else 1
        lead = (self.num_layers * directions, batch)
        shapes = [(*lead, self._output_size), (*lead, self.hidden_size)][: 2 if self.mode == "LSTM" else 1]
        if given is None:
            return None
        for i, (part, shape) in enumerate(zip(given, shapes, strict=True)):
            if tuple(part.shape) != shape:
                word = f"hidden[{i}]" if len(shapes) > 1 else "hidden"
                raise _core.ShapeError(f"Expected {word} size {shape}, got {list(part.shape)}")
        return given if order is None else tuple(part.index_select(1, order) for part in given)

    def _run(self, data: Tensor, sizes: Sequence[int], states: State | None) -> tuple[Tensor, State]:
        if _core.autocast_mode()[0]:  # what came out of a product is half, and goes on in the weights' dtype
            dtype = getattr(self, self._all_weights[0][0]).dtype
            data = data.to(dtype)
            states = None if states is None else tuple(part.to(dtype) for part in states)
        h, c = (*(states or ()), None, None)[:2]
        dropout = self.dropout if self.training else 0.0
        output, *last = _core.recurrent(
            self.mode, data, sizes, h, c, self._weights(), self.bidirectional, dropout
        )
        return output, tuple(last)

    def _run_packed(self, input: PackedSequence, states: State | None) -> tuple[PackedSequence, State]:
        data, batch_sizes, order, way_back = input
        self._check_input(data, 2)
        sizes = batch_sizes.tolist()
        output, last = self._run(data, sizes, self._start(states, sizes[0], order))
        if way_back is not None:
            last = tuple(part.index_select(1, way_back) for part in last)
        return PackedSequence(output, batch_sizes, order, way_back), last

    def _run_padded(self, input: Tensor, states: State | None) -> tuple[Tensor, State]:
        if input.ndim not in (2, 3):
            word = self.mode.partition("_")[0]
            raise _core.ShapeError(f"{word}: Expected input to be 2D or 3D, got {input.ndim}D instead")
        batched = input.ndim == 3
        if states is not None and any(part.ndim != input.ndim for part in states):
            raise _core.ShapeError(self._wrong_dimensions(batched, states))
        if not batched:
            input = input.unsqueeze(1)
            states = None if states is None else tuple(part.unsqueeze(1) for part in states)
        elif self.batch_first:
            input = input.transpose(0, 1)
        self._check_input(input, 3)
        steps, batch = input.shape[:2]
        if steps == 0:
            raise _core.ShapeError("Expected sequence length to be larger than 0 in RNN")
        start = self._start(states, batch, None)
        output, last = self._run(input.reshape(steps * batch, input.shape[2]), [batch] * steps, start)
        output = output.reshape(steps, batch, output.shape[1])
        if not batched:
            return output.squeeze(1), tuple(part.squeeze(1) for part in last)
        return output.transpose(0, 1) if self.batch_first else output, last

    @staticmethod
    def _wrong_dimensions(batched: bool, states: State) -> str:
        case, wanted = ("batched 3-D", "3-D") if batched else ("unbatched 2-D", "2-D")
        got = [f"{part.ndim}-D" for part in states]
        if len(got) == 1:
            return f"For {case} input, hx should also be {wanted} but got {got[0]} tensor"
        return f"For {case} input, hx and cx should also be {wanted} but got ({', '.join(got)}) tensors"

    def _forward(self, input: Any, states: State | None) -> tuple[Any, State]:
        if isinstance(input, PackedSequence):
            return self._run_packed(input, states)
        return self._run_padded(input, states)


class RNN(RNNBase):
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`` over a sequence, or with relu.

    The input is (t, n, input_size), with ``batch_first`` (n, t, input_size), (t, input_size) for a single
    sequence, or a ``PackedSequence``; ``hx`` is (layers * directions, n, hidden_size), zeros unless given.
    Returns the outputs (t, n, directions * hidden_size) in the form of the input, and the last states.
    ``dropout`` acts between layers, in training.

    >>> output, last = lamina.nn.RNN(3, 4, num_layers=2)(lamina.ones(5, 2, 3))
    >>> tuple(output.shape), tuple(last.shape)
    ((5, 2, 4), (2, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise _core.ShapeError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(
            mode,
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
        )
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        output, (last,) = self._forward(input, None if hx is None else (hx,))
        return output, last


class LSTM(RNNBase):
    """Long short-term memory: ``c' = f c + i g``, ``h' = o tanh(c')``; shapes and arguments as in ``RNN``.

    ``hx`` is the pair (h, c). With ``proj_size`` the outputs and h have that size, by ``weight_hr_l0``
    (proj_size, hidden_size). Source: Hochreiter and Schmidhuber, 1997.

    >>> output, (h, c) = lamina.nn.LSTM(3, 4, bidirectional=True)(lamina.ones(5, 2, 3))
    >>> output.shape[2], h.shape[0]
    (8, 2)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )

    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Any, tuple[Tensor, ...]]:
        return self._forward(input, None if hx is None else tuple(hx))


class GRU(RNNBase):
    """Gated recurrent unit: gates r, z, n; ``h' = (1 - z) n + z h``. Shapes and arguments as in ``RNN``.

    Source: Cho et al., 2014, with r behind the product: ``n = tanh(W_in x + b_in + r (W_hn h + b_hn))``.

    >>> lamina.nn.GRU(3, 4, batch_first=True)(lamina.ones(2, 5, 3))[0].shape[1]
    5
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "GRU",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
        )

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        output, (last,) = self._forward(input, None if hx is None else (hx,))
        return output, last
