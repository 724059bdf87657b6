"""The judge of fused recurrent layers: the same laws, made of single ops, one step after the other.

A sequence is packed: data (total, features) holds all rows of step 0, then those of step 1 and so on, and
``sizes`` says how many rows each step has, longest sequences first, so that they never grow in number. A
batch of equal lengths is the case of equal sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor

# What a cell hands from step to step: (hidden) or (hidden, cell). The hidden state is its output.
State = tuple[Tensor, ...]
# weight_ih, weight_hh, bias_ih or None, bias_hh or None, weight_hr or None (the projection of an LSTM).
Weights = Sequence[Any]


def rnn_tanh_step(projected: Tensor, state: State, weights: Weights) -> State:
    """``tanh(W_ih x + b_ih + W_hh h + b_hh)``. Source: Elman, Finding Structure in Time, 1990."""
    return (_core.tanh(projected + _core.linear(state[0], weights[1], weights[3])),)


def rnn_relu_step(projected: Tensor, state: State, weights: Weights) -> State:
    """As ``rnn_tanh_step`` with relu. Source: Le et al., Initializing Recurrent Networks, 2015."""
    return (_core.relu(projected + _core.linear(state[0], weights[1], weights[3])),)


def lstm_step(projected: Tensor, state: State, weights: Weights) -> State:
    """Input, forget, cell and output gate, in this order: ``c' = f c + i g``, ``h' = o tanh(c')``.

    With a projection ``h'`` is multiplied by ``weight_hr``. Source: Hochreiter and Schmidhuber, Long
    Short-Term Memory, 1997; the projection: Sak et al., 2014.
    """
    hidden, cell = state
    gates = projected + _core.linear(hidden, weights[1], weights[3])
    i, f, g, o = _core.split_with_sizes(gates, [cell.shape[1]] * 4, 1)
    cell = _core.sigmoid(f) * cell + _core.sigmoid(i) * _core.tanh(g)
    hidden = _core.sigmoid(o) * _core.tanh(cell)
    return (hidden if weights[4] is None else _core.linear(hidden, weights[4], None)), cell


def gru_step(projected: Tensor, state: State, weights: Weights) -> State:
    """Reset gate r, update gate z and candidate n, in this order: ``h' = (1 - z) n + z h``.

    ``n = tanh(W_in x + b_in + r (W_hn h + b_hn))``. Source: Cho et al., Learning Phrase Representations using
    RNN Encoder-Decoder, 2014, with the reset gate behind the product.
    """
    (hidden,) = state
    size = hidden.shape[1]
    recurrent = _core.linear(hidden, weights[1], weights[3])
    x_gates, x_new = _core.split_with_sizes(projected, [2 * size, size], 1)
    h_gates, h_new = _core.split_with_sizes(recurrent, [2 * size, size], 1)
    r, z = _core.split_with_sizes(_core.sigmoid(x_gates + h_gates), [size, size], 1)
    new = _core.tanh(x_new + r * h_new)
    return (_core.lerp(new.to(hidden.dtype), hidden, z.to(hidden.dtype)),)  # autocast leaves z half


STEPS: dict[str, Callable[[Tensor, State, Weights], State]] = {
    "RNN_TANH": rnn_tanh_step,
    "RNN_RELU": rnn_relu_step,
    "LSTM": lstm_step,
    "GRU": gru_step,
}


def _forward(
    step: Callable[..., State], inputs: Sequence[Tensor], state: State, weights: Weights
) -> tuple[list[Tensor], State]:
    """From the first step to the last; sequences that are over leave the batch with the state they have."""
    outputs, finished = [], []
    for projected in inputs:
        rows, alive = state[0].shape[0], projected.shape[0]
        if alive < rows:
            cuts = [_core.split_with_sizes(part, [alive, rows - alive], 0) for part in state]
            state = tuple(kept for kept, _ in cuts)
            finished.append([left for _, left in cuts])
        state = step(projected, state, weights)
        outputs.append(state[0])
    if finished:
        finished.reverse()
        state = tuple(lamina.cat([part, *left]) for part, *left in zip(state, *finished, strict=True))
    return outputs, state


def _backward(
    step: Callable[..., State], inputs: Sequence[Tensor], start: State, weights: Weights
) -> tuple[list[Tensor], State]:
    """From the last step to the first; a sequence joins the batch at its own last step."""
    outputs: list[Tensor] = []
    state = tuple(part[:0] for part in start)
    for projected in reversed(inputs):
        rows, alive = state[0].shape[0], projected.shape[0]
        if alive > rows:
            joining = tuple(part[rows:alive] for part in start)
            state = tuple(map(lamina.cat, zip(state, joining, strict=True))) if rows else joining
        state = step(projected, state, weights)
        outputs.append(state[0])
    outputs.reverse()
    return outputs, state


def recurrent(
    mode: str,
    data: Tensor,
    sizes: Sequence[int],
    state: State,
    weights: Sequence[Weights],
    bidirectional: bool = False,
) -> tuple[Tensor, State]:
    """Layers of cells over packed ``data`` (total, features) -> (total, directions * hidden), last state.

    ``mode`` is a key of ``STEPS``; parts of ``state`` are (layers * directions, batch, hidden), ``weights``
    has one entry for each layer and direction.
    """
    directions = 2 if bidirectional else 1
    last: list[State] = []
    for place, own in enumerate(weights):
        if place % directions == 0:
            halves = []
        # The input's part of all steps at once; the state's part can only be had step by step.
        steps = _core.split_with_sizes(_core.linear(data, own[0], own[2]), list(sizes), 0)
        walk = _backward if place % directions else _forward
        outputs, after = walk(STEPS[mode], steps, tuple(part[place] for part in state), own)
        halves.append(lamina.cat(outputs))
        last.append(after)
        if len(halves) == directions:
            data = lamina.cat(halves, 1) if bidirectional else halves[0]
    return data, tuple(lamina.stack(parts) for parts in zip(*last, strict=True))
