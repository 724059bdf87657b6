"""Attention and transformers: laws in NumPy, gradients by differences, and beside PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F
from nn_check import array, check_gradient, close, tensor


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def numpy_attention(
    layer: Any, query: np.ndarray, key: np.ndarray, value: np.ndarray, mask: Any
) -> tuple[np.ndarray, np.ndarray]:
    """One sequence (l, e), (s, e), head by head; ``mask`` (heads, l, s) is added: output and weights."""
    weights = np.split(layer.in_proj_weight.detach().numpy(), 3)
    biases = np.split(layer.in_proj_bias.detach().numpy(), 3)
    q, k, v = (x @ w.T + b for x, w, b in zip((query, key, value), weights, biases, strict=True))
    size, outputs, looks = layer.head_dim, [], []
    for head in range(layer.num_heads):
        part = slice(head * size, (head + 1) * size)
        looks.append(softmax(q[:, part] @ k[:, part].T / np.sqrt(size) + mask[head]))
        outputs.append(looks[-1] @ v[:, part])
    last = layer.out_proj
    output = np.concatenate(outputs, 1) @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    return output, np.array(looks)


def test_multi_head_attention_follows_its_law() -> None:
    layer = nn.MultiheadAttention(6, 3).double()
    nn.init.normal_(layer.in_proj_bias)
    query, key, value = array(4, 2, 6), array(5, 2, 6, seed=1), array(5, 2, 6, seed=2)
    hidden = np.zeros((2, 5), bool)
    hidden[1, 3:] = True
    added = array(6, 4, 5, seed=3)
    full = added.reshape(2, 3, 4, 5) + np.where(hidden, -np.inf, 0.0)[:, None, None]
    inputs = [tensor(x) for x in (query, key, value)]
    masks = {"attn_mask": tensor(added), "key_padding_mask": tensor(np.where(hidden, -np.inf, 0.0))}
    output, weights = layer(*inputs, **masks)
    quick, nothing = layer(*inputs, need_weights=False, **masks)
    _, single = layer(*inputs, average_attn_weights=False, **masks)
    assert nothing is None
    for b in range(2):
        wanted, looks = numpy_attention(layer, query[:, b], key[:, b], value[:, b], full[b])
        close(output[:, b], wanted)
        close(quick[:, b], wanted)
        close(single[b], looks)
        close(weights[b], looks.mean(0))
    alone, look = layer(*(tensor(x[:, 0]) for x in (query, key, value)))
    wanted, looks = numpy_attention(layer, query[:, 0], key[:, 0], value[:, 0], np.zeros((3, 1, 1)))
    close(alone, wanted)
    close(look, looks.mean(0))


def test_bool_masks_hide_where_they_are_true() -> None:
    layer = nn.MultiheadAttention(4, 2, batch_first=True).double()
    x = tensor(array(2, 3, 4))
    later = np.triu(np.ones((3, 3), bool), 1)
    hidden = np.array([[False, False, True], [False, False, False]])
    for need_weights in (True, False):
        output, _ = layer(x, x, x, tensor(hidden), need_weights, tensor(later))
        for b in range(2):
            mask = np.where(later | hidden[b], -np.inf, 0.0)[None].repeat(2, 0)
            row = x[b].numpy()
            close(output[b], numpy_attention(layer, row, row, row, mask)[0])
    causal, _ = layer(x, x, x, need_weights=False, attn_mask=tensor(later), is_causal=True)
    close(causal, layer(x, x, x, attn_mask=tensor(later))[0].detach().numpy())


def test_learnt_and_zero_keys_are_seen_by_all() -> None:
    plain = nn.MultiheadAttention(4, 2).double()
    layer = nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True).double()
    layer.load_state_dict(plain.state_dict(), strict=False)
    x = tensor(array(3, 1, 4))
    _, weights = layer(x, x, x, attn_mask=tensor(np.ones((3, 3), bool)), average_attn_weights=False)
    q = F.linear(x, plain.in_proj_weight[:4], plain.in_proj_bias[:4]).detach().numpy()
    scores = [
        [q[i, 0, part] @ layer.bias_k.detach().numpy()[0, 0, part] / np.sqrt(2), 0.0]
        for part in (slice(2), slice(2, 4))
        for i in range(3)
    ]
    close(weights[0, :, :, :3], np.zeros((2, 3, 3)))
    close(weights[0, :, :, 3:], softmax(np.array(scores)).reshape(2, 3, 2))


def test_gradients_of_attention() -> None:
    layer = nn.MultiheadAttention(4, 2, add_bias_kv=True).double()
    q, k = array(3, 2, 4), array(4, 2, 4, seed=1)
    mask = np.triu(np.full((3, 4), -np.inf), 2)

    def run(query: Any, key: Any, weight: Any, bias: Any, need_weights: bool = False) -> Any:
        arguments = (4, 2, weight, bias, layer.bias_k, layer.bias_v, False, 0.0)
        last = (layer.out_proj.weight, layer.out_proj.bias)
        options = {"need_weights": need_weights, "attn_mask": tensor(mask)}
        output, weights = F.multi_head_attention_forward(query, key, key, *arguments, *last, **options)
        return lamina.cat([output.reshape(-1), weights.reshape(-1)]) if need_weights else output

    check_gradient(run, q, k, array(12, 4, seed=2), array(12, seed=3))
    check_gradient(lambda *x: run(*x, need_weights=True), q, k, array(12, 4, seed=2), array(12, seed=3))


def test_dropout_acts_on_weights_in_training_only() -> None:
    lamina.manual_seed(0)
    layer = nn.MultiheadAttention(4, 2, dropout=0.5).double()
    x = tensor(array(50, 1, 4))
    _, weights = layer(x, x, x, average_attn_weights=False)
    quiet = layer.eval()(x, x, x, average_attn_weights=False)[1].detach().numpy()
    kept = weights.detach().numpy() != 0
    assert 0.45 < kept.mean() < 0.55
    close(weights, np.where(kept, 2 * quiet, 0.0))
    with pytest.raises(ValueError, match="dropout"):
        F.scaled_dot_product_attention(x, x, x, dropout_p=-0.5)


def test_static_keys_and_values_replace_projected_ones() -> None:
    layer = nn.MultiheadAttention(4, 2).double()
    q, k = tensor(array(3, 2, 4)), tensor(array(5, 2, 4, seed=1))
    arguments = (4, 2, layer.in_proj_weight, layer.in_proj_bias, None, None, False, 0.0)
    arguments += (layer.out_proj.weight, layer.out_proj.bias)
    weights = layer.in_proj_weight[4:]
    both = F.linear(k, weights).reshape(5, 2, 2, 2, 2).permute(2, 1, 3, 0, 4)
    static = [part.reshape(4, 5, 2) for part in both]
    options = {"static_k": static[0], "static_v": static[1]}
    output, _ = F.multi_head_attention_forward(q, q, q, *arguments, **options)
    close(output, layer(q, k, k)[0].detach().numpy())
    with pytest.raises(ValueError, match="static_k"):
        F.multi_head_attention_forward(q, q, q, *arguments, static_k=static[0][:3])


def test_causal_mask() -> None:
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    assert mask.tolist() == [[0, -np.inf, -np.inf], [0, 0, -np.inf], [0, 0, 0]]


def call(of: Any, *shapes: Any, **options: Any) -> Callable[[Any], Any]:
    return of(*(lamina.zeros(shape) for shape in shapes), **options)


REFUSED: list[tuple[str, Callable[[], Any]]] = [
    ("must be greater than 0", lambda: nn.MultiheadAttention(0, 1)),
    ("divisible by num_heads", lambda: nn.MultiheadAttention(4, 3)),
    ("query should be", lambda: call(nn.MultiheadAttention(4, 2), (4,), (4,), (4,))),
    ("`key` and `value` to be 3-D", lambda: call(nn.MultiheadAttention(4, 2), (3, 1, 4), (3, 4), (3, 4))),
    ("was expecting embedding", lambda: call(nn.MultiheadAttention(4, 2), (3, 6), (3, 6), (3, 6))),
    ("key shape", lambda: call(nn.MultiheadAttention(4, 2), (3, 4), (5, 4), (6, 4))),
    ("key's sequence", lambda: call(nn.MultiheadAttention(4, 2, kdim=3), (3, 4), (5, 3), (6, 4))),
    (
        "Need attn_mask",
        lambda: call(nn.MultiheadAttention(4, 2), (3, 4), (3, 4), (3, 4), is_causal=True),
    ),
    (
        "shape of the 2D attn_mask",
        lambda: call(nn.MultiheadAttention(4, 2), *[(3, 1, 4)] * 3, attn_mask=lamina.zeros(3, 4)),
    ),
    (
        "shape of the 3D attn_mask",
        lambda: call(nn.MultiheadAttention(4, 2), *[(3, 1, 4)] * 3, attn_mask=lamina.zeros(1, 3, 3)),
    ),
    (
        "Expected `attn_mask` shape",
        lambda: call(nn.MultiheadAttention(4, 2), *[(3, 4)] * 3, attn_mask=lamina.zeros(1, 3, 3)),
    ),
    (
        "`attn_mask` to be `None`, 2-D or 3-D",
        lambda: call(nn.MultiheadAttention(4, 2), *[(3, 4)] * 3, attn_mask=lamina.zeros(3)),
    ),
    (
        "`key_padding_mask` to be `None` or 2-D",
        lambda: call(nn.MultiheadAttention(4, 2), *[(3, 1, 4)] * 3, key_padding_mask=lamina.zeros(3)),
    ),
    (
        "Expected key_padded_mask",
        lambda: call(nn.MultiheadAttention(4, 2), *[(3, 1, 4)] * 3, key_padding_mask=lamina.zeros(1, 2)),
    ),
    ("activation should be", lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh")),
    ("batch number", lambda: call(nn.Transformer(4, 2, 1, 1, 4), (3, 2, 4), (3, 1, 4))),
    ("feature number", lambda: call(nn.Transformer(4, 2, 1, 1, 4), (3, 2, 4), (3, 2, 5))),
]


@pytest.mark.parametrize(("text", "attempt"), REFUSED, ids=[text for text, _ in REFUSED])
def test_refusals(text: str, attempt: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=text):
        attempt()


def test_masks_of_other_types_are_refused() -> None:
    x, mask = lamina.zeros(3, 4), lamina.zeros(3, 3, dtype=lamina.int64)
    with pytest.raises(TypeError, match="only bool and floating types of attn_mask"):
        nn.MultiheadAttention(4, 2)(x, x, x, attn_mask=mask)
    with pytest.raises(TypeError, match="attn_mask dtype"):
        F.scaled_dot_product_attention(x, x, x, mask)
    hidden = lamina.zeros(3, dtype=lamina.bool)
    with pytest.warns(UserWarning, match="mismatched key_padding_mask and attn_mask"):
        nn.MultiheadAttention(4, 2)(x, x, x, attn_mask=lamina.zeros(3, 3), key_padding_mask=hidden)


# Beside PyTorch: what makes a layer, shapes of the inputs, and the masks; "c" is causal, "p" hides the last
# of the second sequence, numbers are shapes of additive masks.
LAYERS: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("MultiheadAttention(4, 2)", [(3, 2, 4)] * 3, {}),
    ("MultiheadAttention(4, 2, bias=False)", [(3, 2, 4), (5, 2, 4), (5, 2, 4)], {}),
    ("MultiheadAttention(4, 2, batch_first=True)", [(2, 3, 4)] * 3, {"key_padding_mask": "p"}),
    ("MultiheadAttention(4, 2, kdim=3, vdim=5)", [(3, 2, 4), (5, 2, 3), (5, 2, 5)], {"attn_mask": (3, 5)}),
    ("MultiheadAttention(4, 2, add_bias_kv=True)", [(3, 2, 4)] * 3, {"attn_mask": (4, 3, 3)}),
    (
        "MultiheadAttention(4, 1, add_zero_attn=True, add_bias_kv=True, dropout=0.1)",
        [(3, 2, 4)] * 3,
        {"key_padding_mask": "p", "attn_mask": "c"},
    ),
    (
        "MultiheadAttention(4, 2)",
        [(3, 2, 4)] * 3,
        {"attn_mask": "c", "is_causal": True, "need_weights": False},
    ),
    ("MultiheadAttention(4, 2)", [(3, 4)] * 3, {"average_attn_weights": False, "attn_mask": (2, 3, 3)}),
    ("TransformerEncoderLayer(4, 2, 8)", [(3, 2, 4)], {"src_key_padding_mask": "p"}),
    ("TransformerEncoderLayer(4, 2, 8, 0.0, 'gelu', 0.1, True, True)", [(2, 3, 4)], {"src_mask": "c"}),
    ("TransformerEncoderLayer(4, 2, 8, bias=False, activation=ReLU6())", [(3, 4)], {}),
    ("TransformerDecoderLayer(4, 2, 8)", [(3, 2, 4), (5, 2, 4)], {"tgt_mask": "c", "memory_mask": (3, 5)}),
    (
        "TransformerDecoderLayer(4, 2, 8, norm_first=True, batch_first=True)",
        [(2, 3, 4), (2, 3, 4)],
        {"tgt_key_padding_mask": "p", "memory_key_padding_mask": "p"},
    ),
    ("TransformerDecoderLayer(4, 2, 8)", [(3, 4), (5, 4)], {"tgt_mask": "c", "tgt_is_causal": True}),
    (
        "TransformerEncoder(TransformerEncoderLayer(4, 2, 8), 2, enable_nested_tensor=False)",
        [(3, 2, 4)],
        {"mask": "c"},
    ),
    (
        "TransformerEncoder(TransformerEncoderLayer(4, 2, 8, batch_first=True), 2, LayerNorm(4))",
        [(2, 3, 4)],
        {"src_key_padding_mask": "p"},
    ),
    (
        "TransformerDecoder(TransformerDecoderLayer(4, 2, 8), 2, norm=LayerNorm(4))",
        [(3, 2, 4), (3, 2, 4)],
        {"tgt_mask": "c"},
    ),
    (
        "Transformer(4, 2, 1, 2, 8, batch_first=True, activation='gelu')",
        [(2, 3, 4), (2, 3, 4)],
        {"tgt_mask": "c", "src_key_padding_mask": "p", "memory_key_padding_mask": "p"},
    ),
]


def make_mask(of: Any, kind: Any) -> Any:
    if kind == "c":
        return of.nn.Transformer.generate_square_subsequent_mask(3, dtype=of.float64)
    if kind == "p":
        mask = np.zeros((2, 3))
        mask[1, 2] = -np.inf
        return of.tensor(mask)
    return of.tensor(array(*kind, seed=9)) if isinstance(kind, tuple) else kind


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize(("expression", "shapes", "masks"), LAYERS)
def test_layers_agree_with_pytorch(expression: str, shapes: list[Any], masks: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = (eval(expression, dict(vars(of))).double() for of in (nn, torch.nn))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    state = {name: array(*value.shape, seed=i) for i, (name, value) in enumerate(theirs.state_dict().items())}
    found = []
    for of, layer in ((lamina, ours), (torch, theirs)):
        layer.load_state_dict({name: of.tensor(value) for name, value in state.items()})
        for module in layer.modules():
            if isinstance(module, of.nn.Dropout):
                module.p = 0.0
            if isinstance(module, of.nn.MultiheadAttention):
                module.dropout = 0.0
        given = {name: make_mask(of, kind) for name, kind in masks.items()}
        inputs = [of.tensor(array(*shape, seed=i)).requires_grad_() for i, shape in enumerate(shapes)]
        results = layer(*inputs, **given)
        results = results if isinstance(results, tuple) else (results,)
        results = [result for result in results if result is not None]
        sum((result * of.tensor(array(*result.shape, seed=7))).sum() for result in results).backward()
        grads = [x.grad for x in (*inputs, *layer.parameters())]
        found.append([*results, *grads])
    for mine, other in zip(*found, strict=True):
        assert (mine is None) == (other is None)
        if other is not None:
            close(mine, other.detach().numpy(), 1e-9)


# The hidden place of the second sequence, then options of the layer and of the encoder.
ENCODERS: list[tuple[int, dict[str, Any], dict[str, Any]]] = [
    (1, {"batch_first": True}, {}),
    (2, {"batch_first": True}, {}),
    (2, {"batch_first": True, "activation": "gelu"}, {"mask_check": False}),
    (2, {"batch_first": True}, {"enable_nested_tensor": False}),
    (2, {"batch_first": True, "norm_first": True}, {}),
]


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True", "ignore:The PyTorch API of nested")
@pytest.mark.parametrize(("place", "options", "more"), ENCODERS)
def test_inference_drops_what_stands_at_padding(place: int, options: Any, more: Any) -> None:
    torch = pytest.importorskip("torch")
    hidden = np.zeros((2, 3), bool)
    hidden[1, place] = True
    found = []
    for of in (torch, lamina):
        layer = of.nn.TransformerEncoderLayer(4, 2, 8, **options)
        net = of.nn.TransformerEncoder(layer, 2, of.nn.LayerNorm(4), **more).double().eval()
        state = net.state_dict()
        if found:
            net.load_state_dict({name: of.tensor(value) for name, value in found[0][1].items()})
        with of.no_grad():
            output = net(of.tensor(array(2, 3, 4)), src_key_padding_mask=of.tensor(hidden))
        found.append((output.numpy(), {name: value.numpy().copy() for name, value in state.items()}))
    close(found[1][0], found[0][0], 1e-6)


HEADS: list[tuple[Any, Any, Any, dict[str, Any]]] = [
    ((2, 4, 3, 5), (2, 2, 6, 5), (2, 2, 6, 4), {"enable_gqa": True}),
    ((2, 4, 3, 5), (2, 4, 6, 5), (2, 4, 6, 4), {"is_causal": True, "scale": 0.3}),
    ((3, 5), (6, 5), (6, 2), {}),
    ((2, 4, 3, 5), (2, 1, 6, 5), (2, 1, 6, 4), {"attn_mask": (1, 1, 3, 6), "enable_gqa": True}),
]


@pytest.mark.parametrize(("query", "key", "value", "options"), HEADS)
def test_scaled_dot_product_attention_agrees_with_pytorch(
    query: Any, key: Any, value: Any, options: dict[str, Any]
) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for of in (lamina, torch):
        inputs = [of.tensor(array(*shape)).requires_grad_() for shape in (query, key, value)]
        given = {name: make_mask(of, kind) for name, kind in options.items()}
        output = of.nn.functional.scaled_dot_product_attention(*inputs, **given)
        (output * output).sum().backward()
        found.append([output, *(x.grad for x in inputs)])
    for mine, other in zip(*found, strict=True):
        close(mine, other.detach().numpy())
