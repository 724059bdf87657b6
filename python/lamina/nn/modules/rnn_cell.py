"""Single steps of recurrent layers: RNNCell, LSTMCell, GRUCell. Whole sequences: lamina.nn.modules.rnn."""

from __future__ import annotations

import math
from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn import init
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter

# What a cell hands from step to step: (hidden) or (hidden, cell).
State = tuple[Tensor, ...]
# The rows of a weight are those of so many gates.
GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


class RNNCellBase(Module):
    """What the cells share: ``weight_ih`` (gates * hidden, input), ``weight_hh`` (gates * hidden, hidden),
    ``bias_ih`` and ``bias_hh`` (gates * hidden), from U(-b, b) with ``b = 1 / sqrt(hidden)``."""

    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(lamina.empty(rows, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(lamina.empty(rows, hidden_size, device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            value = Parameter(lamina.empty(rows, device=device, dtype=dtype)) if bias else None
            self.register_parameter(name, value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new starting values."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")

    def _step(self, mode: str, input: Tensor, states: State | None) -> State:
        word = type(self).__name__
        if input.ndim not in (1, 2):
            raise _core.ShapeError(f"{word}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        parts = 2 if mode == "LSTM" else 1
        for i, part in enumerate(states or ()):
            if part.ndim not in (1, 2):
                name = f"hx[{i}]" if parts > 1 else "hidden"
                raise _core.ShapeError(f"{word}: Expected {name} to be 1D or 2D, got {part.ndim}D instead")
        batched = input.ndim == 2
        if not batched:
            input = input.unsqueeze(0)
            states = None if states is None else tuple(part.unsqueeze(0) for part in states)
        self._check(input, states or ())
        h, c = (*(part.unsqueeze(0) for part in states or ()), None, None)[:2]
        weights = [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, None]
        output, *last = _core.recurrent(mode, input, [input.shape[0]], h, c, weights)
        after = (output, *(part.squeeze(0) for part in last[1:]))
        return after if batched else tuple(part.squeeze(0) for part in after)

    def _check(self, input: Tensor, states: State) -> None:
        if input.shape[1] != self.input_size:
            raise _core.ShapeError(
                f"input has inconsistent input_size: got {input.shape[1]} expected {self.input_size}"
            )
        for i, part in enumerate(states):
            if part.ndim != 2 or part.shape[1] != self.hidden_size:
                raise _core.ShapeError(
                    f"hidden{i} has inconsistent hidden_size: got {part.shape[1]}, "
                    f"expected {self.hidden_size}"
                )
            if part.shape[0] != input.shape[0]:
                raise _core.ShapeError(
                    f"Input batch size {input.shape[0]} doesn't match hidden{i} batch size {part.shape[0]}"
                )


class RNNCell(RNNCellBase):
    """One step of ``RNN``: (n, input_size) and ``hx`` (n, hidden_size), or both without n -> next ``hx``.

    >>> lamina.nn.RNNCell(3, 4)(lamina.ones(2, 3)).shape[1]
    4
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise _core.ShapeError(f"Unknown nonlinearity: {self.nonlinearity}")
        mode = f"RNN_{self.nonlinearity.upper()}"
        return self._step(mode, input, None if hx is None else (hx,))[0]

    def extra_repr(self) -> str:
        extra = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + extra


class LSTMCell(RNNCellBase):
    """One step of ``LSTM``: (n, input_size) and ``hx``, the pair (h, c) of (n, hidden_size) each, or all
    without n -> the next pair.

    >>> h, c = lamina.nn.LSTMCell(3, 4)(lamina.ones(2, 3))
    >>> c.shape[1]
    4
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, ...]:
        return self._step("LSTM", input, None if hx is None else tuple(hx))


class GRUCell(RNNCellBase):
    """One step of ``GRU``: (n, input_size) and ``hx`` (n, hidden_size), or both without n -> next ``hx``.

    >>> lamina.nn.GRUCell(3, 4)(lamina.ones(2, 3)).shape[1]
    4
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step("GRU", input, None if hx is None else (hx,))[0]
