"""Recurrent layers and packed sequences: laws in NumPy, gradients by differences, and beside PyTorch."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn.utils import rnn
from nn_check import array, check_gradient, close, tensor

LENGTHS = [2, 5, 1, 3]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def numpy_step(mode: str, x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    """One step of one sequence: vectors in, (h, c) out."""
    a, b = w_ih @ x + b_ih, w_hh @ h + b_hh
    if mode == "LSTM":
        i, f, g, o = np.split(a + b, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    if mode == "GRU":
        (ar, az, an), (br, bz, bn) = np.split(a, 3), np.split(b, 3)
        z = sigmoid(az + bz)
        return (1 - z) * np.tanh(an + sigmoid(ar + br) * bn) + z * h, c
    return (np.tanh(a + b) if mode == "tanh" else np.maximum(a + b, 0)), c


def numpy_layers(mode: str, layer: Any, x: np.ndarray, h0: np.ndarray, c0: np.ndarray) -> Any:
    """All layers and directions over one sequence (t, input): outputs, last h and last c."""
    last_h, last_c = [], []
    for number in range(layer.num_layers):
        halves = []
        for suffix in ("", "_reverse") if layer.bidirectional else ("",):
            names = [f"{kind}_l{number}{suffix}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            weights = [getattr(layer, name).detach().numpy() for name in names]
            h, c = h0[len(last_h)], c0[len(last_h)]
            outputs = []
            for step in x[::-1] if suffix else x:
                h, c = numpy_step(mode, step, h, c, *weights)
                outputs.append(h)
            halves.append(np.array(outputs[::-1] if suffix else outputs))
            last_h.append(h)
            last_c.append(c)
        x = np.concatenate(halves, 1)
    return x, np.array(last_h), np.array(last_c)


def make(mode: str, **options: Any) -> Any:
    if mode in ("tanh", "relu"):
        return nn.RNN(3, 4, nonlinearity=mode, **options).double()
    return getattr(nn, mode)(3, 4, **options).double()


def hidden(mode: str, h: Any, c: Any) -> Any:
    return (h, c) if mode == "LSTM" else h


@pytest.mark.parametrize("mode", ["tanh", "relu", "LSTM", "GRU"])
def test_layers_follow_their_law(mode: str) -> None:
    layer = make(mode, num_layers=2, bidirectional=True)
    x, h0, c0 = array(5, 4, 3), array(4, 4, 4, seed=1), array(4, 4, 4, seed=2)
    output, last = layer(tensor(x), hidden(mode, tensor(h0), tensor(c0)))
    packed = rnn.pack_padded_sequence(tensor(x), LENGTHS, enforce_sorted=False)
    short, short_last = layer(packed, hidden(mode, tensor(h0), tensor(c0)))
    padded, lengths = rnn.pad_packed_sequence(short)
    assert lengths.tolist() == LENGTHS
    for results, ends, sizes in ((output, last, [5] * 4), (padded, short_last, LENGTHS)):
        for b, size in enumerate(sizes):
            y, h, c = numpy_layers(mode, layer, x[:size, b], h0[:, b], c0[:, b])
            close(results[:size, b], y)
            assert not results[size:, b].detach().numpy().any()
            close((ends[0] if mode == "LSTM" else ends)[:, b], h)
            if mode == "LSTM":
                close(ends[1][:, b], c)
    y, h, _ = numpy_layers(mode, layer, x[:, 1], np.zeros((4, 4)), np.zeros((4, 4)))
    alone, end = layer(tensor(x[:, 1]))
    close(alone, y)
    close(end[0] if mode == "LSTM" else end, h)


@pytest.mark.parametrize("mode", ["tanh", "LSTM", "GRU"])
def test_cells_follow_their_law(mode: str) -> None:
    name = {"tanh": "RNNCell"}.get(mode, f"{mode}Cell")
    cell = getattr(nn, name)(3, 4).double()
    x, h0, c0 = array(2, 3), array(2, 4, seed=1), array(2, 4, seed=2)
    weights = [parameter.detach().numpy() for parameter in cell.parameters()]
    after = cell(tensor(x), hidden(mode, tensor(h0), tensor(c0)))
    single = cell(tensor(x[0]), hidden(mode, tensor(h0[0]), tensor(c0[0])))
    for b in range(2):
        h, c = numpy_step(mode, x[b], h0[b], c0[b], *weights)
        close((after[0] if mode == "LSTM" else after)[b], h)
        if mode == "LSTM":
            close(after[1][b], c)
        if b == 0:
            close(single[0] if mode == "LSTM" else single, h)
    zeros = tensor(np.zeros((2, 4)))
    got, expected = cell(tensor(x)), cell(tensor(x), hidden(mode, zeros, zeros))
    close(got[0] if mode == "LSTM" else got, (expected[0] if mode == "LSTM" else expected).detach().numpy())


@pytest.mark.parametrize("mode", ["tanh", "LSTM", "GRU"])
def test_gradients_reach_weights_inputs_and_first_states(mode: str) -> None:
    layer = make(mode, bidirectional=True)
    names = [name for name, _ in layer.named_parameters()]

    def run(x: Any, h: Any, c: Any, *weights: Any) -> Any:
        twin = copy.copy(layer)
        for name, weight in zip(names, weights, strict=True):
            twin.__dict__[name] = weight
        packed = rnn.pack_padded_sequence(x, [3, 2], batch_first=True)
        output, last = twin(packed, hidden(mode, h, c))
        ends = lamina.cat(last if isinstance(last, tuple) else (last, c))
        return lamina.cat([rnn.pad_packed_sequence(output)[0].reshape(-1), ends.reshape(-1)])

    weights = [parameter.detach().numpy() for parameter in layer.parameters()]
    check_gradient(run, array(2, 3, 3), array(2, 2, 4, seed=1), array(2, 2, 4, seed=2), *weights)


def test_dropout_acts_between_layers_in_training_only() -> None:
    layer = nn.GRU(3, 4, num_layers=2, dropout=1.0).double()
    x = tensor(array(5, 2, 3))
    deep = nn.GRU(4, 4).double()
    deep.load_state_dict({n.replace("l1", "l0"): v for n, v in layer.state_dict().items() if "l1" in n})
    close(layer(x)[0], deep(lamina.zeros(5, 2, 4, dtype=lamina.float64))[0].detach().numpy())
    assert not np.allclose(layer.eval()(x)[0].detach().numpy(), layer.train()(x)[0].detach().numpy())
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        nn.LSTM(3, 4, dropout=0.5)


def test_starting_values_lie_within_one_over_the_root_of_the_size() -> None:
    for layer in (nn.LSTM(3, 16), nn.GRUCell(3, 16)):
        for parameter in layer.parameters():
            assert 0.2 < parameter.abs().max().item() <= 0.25


def test_packing() -> None:
    x = array(4, 5, 2)
    packed = rnn.pack_padded_sequence(tensor(x), lamina.tensor(LENGTHS), True, enforce_sorted=False)
    order = [1, 3, 0, 2]
    rows = [x[b, t] for t in range(5) for b in order if LENGTHS[b] > t]
    close(packed.data, rows)
    assert packed.batch_sizes.tolist() == [4, 3, 2, 1, 1]
    assert packed.sorted_indices.tolist() == order
    assert packed.unsorted_indices.tolist() == [2, 0, 3, 1]
    padded, lengths = rnn.pad_packed_sequence(packed, batch_first=True, padding_value=7.0, total_length=6)
    assert lengths.tolist() == LENGTHS and padded.shape == (4, 6, 2)
    for b, length in enumerate(LENGTHS):
        close(padded[b, :length], x[b, :length])
        assert (padded[b, length:] == 7.0).all()
    parts = rnn.unpack_sequence(packed)
    again = rnn.pack_sequence(parts, enforce_sorted=False)
    close(again.data, rows)
    assert again.to(lamina.float32).data.dtype == lamina.float32 and again.double() is again
    check_gradient(
        lambda t: rnn.pad_packed_sequence(rnn.pack_padded_sequence(t, LENGTHS, True, False))[0],
        x,
    )


def test_padding() -> None:
    parts = [array(length, 2) for length in LENGTHS]
    right = rnn.pad_sequence(map(tensor, parts), padding_value=3.0)
    left = rnn.pad_sequence([tensor(part) for part in parts], batch_first=True, padding_side="left")
    assert right.shape == (5, 4, 2) and left.shape == (4, 5, 2)
    for b, part in enumerate(parts):
        close(right[: len(part), b], part)
        assert (right[len(part) :, b] == 3.0).all() and (left[b, : 5 - len(part)] == 0.0).all()
        close(left[b, 5 - len(part) :], part)
    for mine, part in zip(rnn.unpad_sequence(right, lamina.tensor(LENGTHS)), parts, strict=True):
        close(mine, part)
    assert rnn.pad_sequence([lamina.tensor([1, 2]), lamina.tensor([3])]).dtype == lamina.int64


X = np.zeros((4, 3, 2), np.float32)


def packed_of(of: Any, lengths: Any, **options: Any) -> Any:
    return of.nn.utils.rnn.pack_padded_sequence(of.tensor(X), lengths, **options)


# What must be refused, for lamina and PyTorch alike; the first words must be the same.
REFUSED = [
    lambda of: packed_of(of, [4, 3]),
    lambda of: packed_of(of, [4, 3, 4]),
    lambda of: packed_of(of, [4, 3, 0]),
    lambda of: packed_of(of, of.tensor([[4, 3, 1]])),
    lambda of: of.nn.utils.rnn.pack_padded_sequence(of.zeros(0, 0, 2), []),
    lambda of: of.nn.utils.rnn.pad_packed_sequence(packed_of(of, [3, 2, 1]), total_length=2),
    lambda of: of.nn.utils.rnn.pad_sequence(3),
    lambda of: of.nn.utils.rnn.pad_sequence([]),
    lambda of: of.nn.utils.rnn.pad_sequence([of.zeros(2)], padding_side="up"),
    lambda of: of.nn.LSTM(2, 3)(of.tensor(X), (of.zeros(1, 3, 3), of.zeros(1, 2, 3))),
    lambda of: of.nn.LSTM(2, 3)(of.tensor(X), (of.zeros(3, 3), of.zeros(1, 3))),
    lambda of: of.nn.LSTM(2, 3)(of.zeros(4, 2), (of.zeros(1, 3, 3), of.zeros(1, 3, 3))),
    lambda of: of.nn.LSTM(2, 3)(of.zeros(4, 3, 3)),
    lambda of: of.nn.LSTM(2, 3)(of.zeros(0, 3, 2)),
    lambda of: of.nn.LSTM(2, 3)(of.zeros(2)),
    lambda of: of.nn.GRU(2, 3)(of.tensor(X), of.zeros(1, 3)),
    lambda of: of.nn.RNN(2, 3)(packed_of(of, [4, 3, 1]), of.zeros(1, 2, 3)),
    lambda of: of.nn.LSTMCell(2, 3)(of.zeros(4, 3)),
    lambda of: of.nn.LSTMCell(2, 3)(of.zeros(4, 2), (of.zeros(3, 3), of.zeros(4, 3))),
    lambda of: of.nn.GRUCell(2, 3)(of.zeros(4, 2), of.zeros(4, 2)),
    lambda of: of.nn.GRUCell(2, 3)(of.zeros(4, 2), of.zeros(1, 4, 3)),
    lambda of: of.nn.RNNCell(2, 3)(of.zeros(1, 4, 2)),
    lambda of: of.nn.RNNCell(2, 3, nonlinearity="x")(of.zeros(2)),
    lambda of: of.nn.RNN(2, 3, nonlinearity="x"),
    lambda of: of.nn.RNNBase("ELMAN", 2, 3),
    lambda of: of.nn.LSTM(2, 0),
    lambda of: of.nn.LSTM(0, 2),
    lambda of: of.nn.LSTM(2, 3, num_layers=0),
    lambda of: of.nn.LSTM(2, 3, proj_size=3),
    lambda of: of.nn.LSTM(2, 3, proj_size=-1),
    lambda of: of.nn.LSTM(2, 3, dropout=2),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refusals_say_what_pytorch_says(number: int) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises((ValueError, RuntimeError)) as theirs:
        REFUSED[number](torch)
    with pytest.raises((ValueError, TypeError)) as ours:
        REFUSED[number](lamina)
    assert str(ours.value)[:40] == str(theirs.value)[:40]


def test_wrong_types_are_refused() -> None:
    for arguments in ((2.0, 3), (2, 3.0), (2, 3, 1, 1), (2, 3, 1, True, 1)):
        with pytest.raises(TypeError, match="should be of type"):
            nn.LSTM(*arguments)
    with pytest.raises(TypeError, match="does not match weight dtype"):
        nn.LSTM(2, 3)(lamina.zeros(4, 3, 2, dtype=lamina.float64))
    with pytest.raises(TypeError, match="int64"):
        rnn.pack_padded_sequence(lamina.tensor(X), lamina.tensor([1.0, 1.0, 1.0]))
    with pytest.raises(ValueError, match="up to 5"):
        rnn.pack_padded_sequence(lamina.tensor(X), [5, 2, 1])
    with pytest.raises(ValueError, match="alike"):
        rnn.pad_sequence([lamina.zeros(2, 3), lamina.zeros(2, 4)])


LAYERS = [
    "RNN(3, 4)",
    "RNN(3, 4, 2, 'relu', bidirectional=True)",
    "LSTM(3, 4, bias=False)",
    "LSTM(3, 4, num_layers=2, bidirectional=True)",
    "LSTM(3, 4, proj_size=2, num_layers=2, bidirectional=True, dropout=0.3)",
    "GRU(3, 4, num_layers=3)",
    "GRU(3, 4, bidirectional=True, bias=False, num_layers=2)",
]
CELLS = ["RNNCell(3, 4)", "RNNCell(3, 4, False, 'relu')", "LSTMCell(3, 4)", "GRUCell(3, 4, bias=False)"]


def pair(expression: str) -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    ours, theirs = (eval(expression, vars(of)).double().eval() for of in (nn, torch.nn))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({n: lamina.tensor(v.numpy().copy()) for n, v in theirs.state_dict().items()})
    return ours, theirs


def agree(mine: Any, other: Any) -> None:
    """Tensors, or tuples of them."""
    if hasattr(other, "numpy"):
        close(mine, other.detach().numpy())
    else:
        assert len(mine) == len(other)
        for a, b in zip(mine, other, strict=True):
            agree(a, b)


@pytest.mark.parametrize("expression", LAYERS)
@pytest.mark.parametrize("form", ["padded", "batch first", "packed", "unbatched"])
def test_layers_agree_with_pytorch(expression: str, form: str) -> None:
    torch = pytest.importorskip("torch")
    if form == "batch first":
        expression = expression[:-1] + ", batch_first=True)"
    found = []
    for of, layer in zip((lamina, torch), pair(expression), strict=True):
        x = of.tensor(array(5, 4, 3)[:, 0] if form == "unbatched" else array(5, 4, 3)).requires_grad_()
        packed = form == "packed"
        layer.flatten_parameters()
        given = of.nn.utils.rnn.pack_padded_sequence(x, LENGTHS, enforce_sorted=False) if packed else x
        output, last = layer(given)
        flat = output.data if packed else output
        factors = array(*flat.shape, seed=7)
        ends = last if isinstance(last, tuple) else (last,)
        (sum((end * end).sum() for end in ends) + (flat * of.tensor(factors)).sum()).backward()
        weights = [weight.grad for row in layer.all_weights for weight in row]
        found.append((flat, ends, x.grad, weights))
    agree(*found)


@pytest.mark.parametrize("expression", CELLS)
def test_cells_agree_with_pytorch(expression: str) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for of, cell in zip((lamina, torch), pair(expression), strict=True):
        x = of.tensor(array(5, 3)).requires_grad_()
        state = cell(x)
        for _ in range(2):
            state = cell(x, state)
        ends = state if isinstance(state, tuple) else (state,)
        sum((end * end).sum() for end in ends).backward()
        found.append((ends, x.grad, [parameter.grad for parameter in cell.parameters()]))
    agree(*found)


@pytest.mark.parametrize("name", [n for n in rnn.__dict__ if "pa" in n and "seq" in n])
def test_packing_functions_take_the_same_arguments(name: str) -> None:
    import inspect

    theirs = pytest.importorskip("torch").nn.utils.rnn
    ours, other = (inspect.signature(getattr(of, name)).parameters for of in (rnn, theirs))
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in other.values()]
