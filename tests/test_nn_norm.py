"""Normalisation, dropout, embedding, attention, distances against formulas in NumPy and differences."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F
from nn_check import array, check_gradient, close, tensor


def normal(x: np.ndarray, axes: tuple[int, ...], eps: float = 1e-5) -> np.ndarray:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


# ---- normalisation


def test_layer_norm_and_rms_norm() -> None:
    x, w, b = array(2, 3, 4), array(3, 4, seed=1), array(3, 4, seed=2)
    close(F.layer_norm(tensor(x), (3, 4), tensor(w), tensor(b), 0.1), normal(x, (1, 2), 0.1) * w + b)
    close(F.layer_norm(tensor(x), [4]), normal(x, (2,)))
    check_gradient(lambda x, w, b: F.layer_norm(x, (3, 4), w, b), x, w, b)
    rms = np.sqrt((x * x).mean(-1, keepdims=True) + 0.1)
    close(F.rms_norm(tensor(x), (4,), tensor(w[0]), 0.1), x / rms * w[0])
    check_gradient(lambda x, w: F.rms_norm(x, (4,), w), x, w[0])
    tiny = np.full((1, 4), 1e-8)
    close(F.rms_norm(tensor(tiny), (4,)), tiny / np.sqrt(1e-16 + np.finfo(np.float64).eps))
    with pytest.raises((ValueError, RuntimeError)):
        F.layer_norm(tensor(x), (5,))


def test_group_norm() -> None:
    x, w, b = array(2, 6, 3), array(6, seed=1), array(6, seed=2)
    expected = normal(x.reshape(2, 3, -1), (2,)).reshape(x.shape)
    close(F.group_norm(tensor(x), 3), expected)
    close(F.group_norm(tensor(x), 3, tensor(w), tensor(b)), expected * w[:, None] + b[:, None])
    check_gradient(lambda x, w, b: F.group_norm(x, 3, w, b), x, w, b)
    with pytest.raises(ValueError):
        nn.GroupNorm(4, 6)
    with pytest.raises((ValueError, RuntimeError)):
        F.group_norm(tensor(x), 4)


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2), (2, 3, 2, 4)])
def test_batch_norm(shape: tuple[int, ...]) -> None:
    x, w, b = array(*shape), array(3, seed=1), array(3, seed=2)
    axes = (0, *range(2, len(shape)))
    column = (3,) + (1,) * (len(shape) - 2)
    mean, var = tensor(np.ones(3)), tensor(np.full(3, 2.0))
    output = F.batch_norm(tensor(x), mean, var, tensor(w), tensor(b), True, 0.3)
    close(output, normal(x, axes) * w.reshape(column) + b.reshape(column))
    close(mean, 0.7 + 0.3 * x.mean(axes))
    close(var, 1.4 + 0.3 * x.var(axes, ddof=0) * (x.size / 3) / (x.size / 3 - 1))
    output = F.batch_norm(tensor(x), mean, var)
    shifted = x - mean.numpy().reshape(column)
    close(output, shifted / np.sqrt(var.numpy().reshape(column) + 1e-5))
    check_gradient(lambda x, w, b: F.batch_norm(x, None, None, w, b, True), x, w, b)
    check_gradient(lambda x, w, b: F.batch_norm(x, mean, var, w, b), x, w, b)


def test_batch_norm_layer_keeps_statistics() -> None:
    layer = nn.BatchNorm1d(2, momentum=None).double()
    batches = [array(4, 2, seed=i) for i in range(3)]
    for batch in batches:
        layer(tensor(batch))
    assert layer.num_batches_tracked.item() == 3
    close(layer.running_mean, np.mean([batch.mean(0) for batch in batches], 0))
    layer.eval()
    layer(tensor(batches[0]))
    assert layer.num_batches_tracked.item() == 3
    layer.reset_running_stats()
    assert layer.running_var.tolist() == [1.0, 1.0] and layer.num_batches_tracked.item() == 0
    free = nn.BatchNorm1d(2, affine=False, track_running_stats=False).double().eval()
    assert list(free.state_dict()) == [] and free.weight is None
    close(free(tensor(batches[0])), normal(batches[0], (0,)))


def test_batch_norm_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm1d(3)(lamina.zeros(1, 3))
    for layer, dims in ((nn.BatchNorm1d(3), 4), (nn.BatchNorm2d(3), 3), (nn.BatchNorm3d(3), 4)):
        with pytest.raises(ValueError, match=f"got {dims}D input"):
            layer(lamina.zeros(*(2, 3, 4, 5)[:dims]))


def test_instance_norm() -> None:
    x, w, b = array(2, 3, 4), array(3, seed=1), array(3, seed=2)
    close(F.instance_norm(tensor(x)), normal(x, (2,)))
    close(
        F.instance_norm(tensor(x), weight=tensor(w), bias=tensor(b)),
        normal(x, (2,)) * w[:, None] + b[:, None],
    )
    mean, var = tensor(np.zeros(3)), tensor(np.ones(3))
    close(
        F.instance_norm(tensor(x), mean, var, tensor(w), tensor(b)), normal(x, (2,)) * w[:, None] + b[:, None]
    )
    close(mean, 0.1 * x.mean(2).mean(0))
    close(var, 0.9 + 0.1 * x.var(2, ddof=1).mean(0))
    expected = (x - mean.numpy()[:, None]) / np.sqrt(var.numpy()[:, None] + 1e-5)
    close(F.instance_norm(tensor(x), mean, var, use_input_stats=False), expected)
    close(nn.InstanceNorm1d(3).double()(tensor(x[0])), normal(x, (2,))[0])
    check_gradient(lambda x, w, b: F.instance_norm(x, None, None, w, b), x, w, b)
    with pytest.raises(ValueError):
        F.instance_norm(tensor(x[:, :, :1]))
    with pytest.raises(ValueError):
        F.instance_norm(tensor(x), use_input_stats=False)
    with pytest.raises(ValueError, match="got 2D input"):
        nn.InstanceNorm2d(3)(tensor(x[0]))
    with pytest.raises(ValueError, match="to match num_features"):
        nn.InstanceNorm1d(4, affine=True)(tensor(x))
    with pytest.warns(UserWarning, match="instead of num_features"):
        nn.InstanceNorm1d(4)(tensor(x))


def test_local_response_norm_and_normalize() -> None:
    x = array(2, 5, 3)
    square = np.pad(x * x, ((0, 0), (2, 1), (0, 0)))
    means = sum(square[:, i : i + 5] for i in range(4)) / 4
    close(F.local_response_norm(tensor(x), 4, 0.5, 0.6, 2.0), x / (2 + 0.5 * means) ** 0.6)
    check_gradient(lambda x: F.local_response_norm(x, 3, 0.5), x)
    close(F.normalize(tensor(x)), x / np.linalg.norm(x, axis=1, keepdims=True))
    close(F.normalize(tensor(x), 1, -1), x / np.abs(x).sum(-1, keepdims=True))
    check_gradient(F.normalize, x)
    assert F.normalize(lamina.zeros(1, 3)).tolist() == [[0.0, 0.0, 0.0]]
    with pytest.raises(ValueError):
        F.local_response_norm(tensor(x[0]), 3)


# ---- dropout


def test_dropout_zeroes_and_scales() -> None:
    x = lamina.ones(100, 200, requires_grad=True)
    output = nn.Dropout(0.3)(x)
    values = output.detach().numpy()
    dropped = (values == 0).mean()
    assert abs(dropped - 0.3) < 0.02 and np.allclose(values[values != 0], 1 / 0.7)
    output.sum().backward()
    assert np.array_equal(x.grad.numpy(), values)
    assert nn.Dropout(0.3).eval()(x) is x
    assert F.dropout(lamina.ones(5), 1.0).tolist() == [0.0] * 5
    assert F.dropout(lamina.ones(5), 0.0).tolist() == [1.0] * 5
    y = lamina.ones(50)
    assert F.dropout(y, 0.5, inplace=True) is y and set(y.tolist()) == {0.0, 2.0}


def test_dropout_of_whole_channels() -> None:
    for law, shape in (
        (F.dropout1d, (8, 16, 5)),
        (F.dropout2d, (8, 16, 5, 4)),
        (F.dropout3d, (8, 16, 2, 3, 2)),
    ):
        for inplace in (False, True):
            values = law(lamina.ones(*shape), 0.5, inplace=inplace).numpy().reshape(8 * 16, -1)
            assert set(np.unique(values)) == {0.0, 2.0}
            assert (values == values[:, :1]).all()
    assert set(F.dropout1d(lamina.ones(64, 3), 0.5).sum(1).tolist()) == {0.0, 6.0}
    x = lamina.ones(2, 3)
    assert F.dropout2d(x, training=False) is x
    for law in (F.dropout1d, F.dropout2d, F.dropout3d):
        with pytest.raises(ValueError):
            law(lamina.ones(3))


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    x = tensor(np.random.default_rng(0).normal(size=(200, 500)))
    for law in (F.alpha_dropout, F.feature_alpha_dropout):
        values = law(x, 0.2, training=True).numpy()
        assert abs(values.mean()) < 0.02 and abs(values.var() - 1) < 0.03
    layer = nn.AlphaDropout(0.2)
    assert layer.eval()(x) is x
    assert F.alpha_dropout(x, 1.0, True).abs().sum().item() == 0.0
    y = x.clone()
    assert F.alpha_dropout(y, 0.2, True, inplace=True) is y and (y.numpy() != x.numpy()).any()
    channels = F.feature_alpha_dropout(lamina.ones(40, 10, 6), 0.5, True).numpy()
    assert (channels == channels[:, :, :1]).all() and len(np.unique(channels)) == 2
    check_gradient(lambda t: F.alpha_dropout(t, 0.0, True), array(3, 2))


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_dropout_needs_a_probability(p: float) -> None:
    for call in (
        lambda: F.dropout(lamina.ones(1), p),
        lambda: F.dropout(lamina.ones(1), p, training=False),
        lambda: F.dropout2d(lamina.ones(1, 1), p),
        lambda: F.alpha_dropout(lamina.ones(1), p),
        lambda: nn.Dropout(p),
    ):
        with pytest.raises(ValueError, match="between 0 and 1"):
            call()


# ---- embedding and linear maps


def test_embedding() -> None:
    weight, index = array(5, 3), np.array([[1, 4, 1], [0, 3, 3]])
    close(F.embedding(tensor(index), tensor(weight)), weight[index])
    check_gradient(lambda w: F.embedding(tensor(index), w), weight)
    leaf = tensor(weight, requires_grad=True)
    output = F.embedding(tensor(index), leaf, padding_idx=-2)
    close(output, weight[index])
    output.sum().backward()
    assert leaf.grad.tolist() == [[1.0] * 3, [2.0] * 3, [0.0] * 3, [0.0] * 3, [1.0] * 3]
    for wrong in ([5], [-1]):
        with pytest.raises(IndexError):
            F.embedding(lamina.tensor(wrong), tensor(weight))
    with pytest.raises(ValueError):
        F.embedding(lamina.tensor([0]), tensor(weight), padding_idx=5)


def test_embedding_limits_norms_in_place() -> None:
    weight = array(5, 3)
    layer = nn.Embedding.from_pretrained(tensor(weight), max_norm=0.5, freeze=False)
    output = layer(lamina.tensor([1, 4, 1]))
    norms = np.linalg.norm(output.detach().numpy(), axis=1)
    assert np.allclose(norms, 0.5) and (norms <= 0.5).all()
    close(layer.weight[0], weight[0])
    output.sum().backward()
    assert layer.weight.grad.sum(1).tolist() == [0.0, 6.0, 0.0, 0.0, 3.0]


def test_embedding_layer() -> None:
    layer = nn.Embedding(6, 2, padding_idx=-1)
    assert layer.padding_idx == 5 and layer.weight[5].tolist() == [0.0, 0.0]
    assert layer.weight[:5].abs().min().item() > 0
    fixed = nn.Embedding.from_pretrained(lamina.ones(3, 2))
    assert not fixed.weight.requires_grad and fixed.num_embeddings == 3
    for call in (
        lambda: nn.Embedding(3, 2, padding_idx=3),
        lambda: nn.Embedding(3, 2, _weight=lamina.ones(2, 2)),
        lambda: nn.Embedding.from_pretrained(lamina.ones(3)),
    ):
        with pytest.raises(ValueError):
            call()


def test_gradients_of_rows_are_shared_by_how_often_they_are_used() -> None:
    index, g = np.array([[1, 1], [3, 1]]), array(2, 2, 2)
    for layer in (
        nn.Embedding(4, 2, scale_grad_by_freq=True),
        nn.Embedding.from_pretrained(lamina.ones(4, 2), freeze=False, scale_grad_by_freq=True),
    ):
        (layer.double()(tensor(index)) * tensor(g)).sum().backward()
        close(layer.weight.grad[1], (g[0, 0] + g[0, 1] + g[1, 1]) / 3)
        close(layer.weight.grad[3], g[1, 0])
        assert not layer.weight.grad[::2].any()
    assert layer.eval()(lamina.zeros(0, dtype=lamina.int64)).shape == (0, 2)


def test_gradients_of_bags_are_shared_too() -> None:
    # Not beside PyTorch: 2.13 divides by the counts of other rows than those it means.
    index, g = tensor(np.array([[2, 0, 2], [2, 4, 3]])), array(2, 2)
    bag = nn.EmbeddingBag(5, 2, scale_grad_by_freq=True).double()
    (bag(index) * tensor(g)).sum().backward()
    close(bag.weight.grad, [g[0] / 3, [0, 0], (2 * g[0] + g[1]) / 9, g[1] / 3, g[1] / 3])


@pytest.mark.parametrize("word", ["Embedding", "EmbeddingBag", "embedding", "embedding_bag"])
def test_sparse_gradients_are_refused(word: str) -> None:
    with pytest.raises(NotImplementedError, match=f"^{word}: gradients are dense"):
        if word[0] == "E":
            getattr(nn, word)(3, 2, sparse=True)
        else:
            getattr(F, word)(lamina.tensor([[1]]), lamina.ones(3, 2), sparse=True)


def test_one_hot() -> None:
    labels = lamina.tensor([[0, 2], [1, 0]])
    assert F.one_hot(labels).tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [1, 0, 0]]]
    assert F.one_hot(labels, 4).shape[-1] == 4 and F.one_hot(labels).dtype == lamina.int64
    assert tuple(F.one_hot(lamina.zeros(0, dtype=lamina.int64), 3).shape) == (0, 3)
    for wrong in (lambda: F.one_hot(labels, 2), lambda: F.one_hot(-labels), lambda: F.one_hot(labels[:0])):
        with pytest.raises(ValueError):
            wrong()
    with pytest.raises(TypeError):
        F.one_hot(lamina.zeros(2))


def test_linear_and_bilinear() -> None:
    x, y, w, b = array(2, 5, 3), array(2, 5, 4), array(6, 3), array(6)
    close(F.linear(tensor(x), tensor(w), tensor(b)), x @ w.T + b)
    check_gradient(F.linear, x, w, b)
    cube = array(6, 3, 4)
    close(
        F.bilinear(tensor(x), tensor(y), tensor(cube), tensor(b)),
        np.einsum("abi,oij,abj->abo", x, cube, y) + b,
    )
    check_gradient(F.bilinear, x[0, :2], y[0, :2], cube, b)
    for wrong in ((y, x, cube), (x, y[:1], cube), (x, y, cube[0])):
        with pytest.raises(ValueError, match="bilinear: expected"):
            F.bilinear(*map(tensor, wrong))
    with pytest.raises(ValueError):
        nn.Bilinear(0, 2, 3)


# ---- attention and distances


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, bias: np.ndarray | float = 0.0) -> np.ndarray:
    scores = np.exp(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]) + bias)
    return scores / scores.sum(-1, keepdims=True) @ v


def test_attention() -> None:
    q, k, v = array(2, 3, 4, 5, seed=1), array(2, 3, 6, 5, seed=2), array(2, 3, 6, 7, seed=3)
    law = F.scaled_dot_product_attention
    close(law(tensor(q), tensor(k), tensor(v)), attention(q, k, v))
    close(law(tensor(q), tensor(k), tensor(v), scale=1.0), attention(q * np.sqrt(5), k, v))
    bias = array(4, 6, seed=4)
    close(law(tensor(q), tensor(k), tensor(v), tensor(bias)), attention(q, k, v, bias))
    mask = bias > -1
    mask[:, 0] = True
    close(law(tensor(q), tensor(k), tensor(v), tensor(mask)), attention(q, k, v, np.where(mask, 0, -np.inf)))
    causal = np.where(np.tri(4, 6, dtype=bool), 0, -np.inf)
    close(law(tensor(q), tensor(k), tensor(v), is_causal=True), attention(q, k, v, causal))
    check_gradient(lambda q, k, v: law(q, k, v, tensor(mask)), q[0, 0], k[0, 0], v[0, 0])
    check_gradient(lambda q, k, v, b: law(q, k, v, b), q[0, 0], k[0, 0], v[0, 0], bias)
    grouped = law(tensor(q), tensor(k[:, :1]), tensor(v[:, :1]), enable_gqa=True)
    close(grouped, attention(q, k[:, :1], v[:, :1]))
    with pytest.raises(ValueError):
        law(tensor(q), tensor(k), tensor(v), tensor(mask), is_causal=True)
    with pytest.raises(ValueError, match="heads"):
        law(tensor(q), tensor(k[:, :2]), tensor(v[:, :2]), enable_gqa=True)


def test_attention_that_sees_nothing_gives_zeros_and_no_nan() -> None:
    q = tensor(array(2, 4), requires_grad=True)
    mask = np.array([[True, True], [False, False]])
    for given in (tensor(mask), tensor(np.where(mask, 0.0, -np.inf))):
        output = F.scaled_dot_product_attention(q, q, q, given)
        assert output[1].tolist() == [0.0] * 4 and output[0].abs().sum().item() > 0
        q.grad = None
        output.sum().backward()
        assert np.isfinite(q.grad.numpy()).all()


def test_attention_drops_weights() -> None:
    q, v = lamina.zeros(1, 200, 4), lamina.ones(1, 200, 4)
    output = F.scaled_dot_product_attention(q, q, v, dropout_p=0.5).numpy()
    assert abs(output.mean() - 1) < 0.05 and output.std() > 0.01


def test_distances() -> None:
    x, y = array(4, 3, seed=1), array(4, 3, seed=2)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    close(F.cosine_similarity(tensor(x), tensor(y)), (x * y).sum(1) / norms)
    close(F.cosine_similarity(tensor(x), tensor(y[:1]), dim=-1).sum(0).shape, ())
    assert F.cosine_similarity(lamina.zeros(1, 3), lamina.ones(1, 3)).tolist() == [0.0]
    close(F.pairwise_distance(tensor(x), tensor(y)), np.linalg.norm(x - y + 1e-6, axis=1))
    close(F.pairwise_distance(tensor(x), tensor(y), 1, 0.0, True), np.abs(x - y).sum(1, keepdims=True))
    close(F.pairwise_distance(tensor(x), tensor(y), np.inf, 0.0), np.abs(x - y).max(1))
    check_gradient(F.cosine_similarity, x, y)
    check_gradient(F.pairwise_distance, x, y)
