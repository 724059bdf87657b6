"""The package einops on lamina's tensors, whichever of the two is imported first."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest

import lamina
from lamina import nn

einops = pytest.importorskip("einops")

X = np.arange(2 * 3 * 4 * 6, dtype="f4").reshape(2, 3, 4, 6) / 144 + 0.5


@pytest.mark.parametrize(
    ("word", "pattern", "sizes"),
    [
        ("rearrange", "b c h w -> b (h w) c", {}),
        ("rearrange", "b c (h p) (w q) -> (b h w) (p q c)", {"p": 2, "q": 3}),
        ("repeat", "b c h w -> b c (h 2) w r", {"r": 3}),
        ("reduce", "b c h w -> b c", {"reduction": "mean"}),
        ("reduce", "b c (h p) w -> b h c", {"reduction": "max", "p": 2}),
        ("reduce", "b c h w -> w", {"reduction": "sum"}),
        ("reduce", "b c h w -> b", {"reduction": "prod"}),
        ("reduce", "b c h w -> b 1 1 w", {"reduction": "min"}),
    ],
)
def test_patterns_give_what_they_give_on_arrays(word: str, pattern: str, sizes: dict) -> None:
    function = getattr(einops, word)
    got = function(lamina.tensor(X), pattern, **sizes)
    assert isinstance(got, lamina.Tensor)
    np.testing.assert_allclose(got.numpy(), function(X, pattern, **sizes), rtol=1e-5)


def test_lists_einsum_packing_and_gradients() -> None:
    rows = [lamina.tensor(row) for row in X]
    np.testing.assert_array_equal(einops.rearrange(rows, "b c h w -> c b h w").numpy(), X.swapaxes(0, 1))
    a = lamina.tensor(X, requires_grad=True)
    y = einops.einsum(a, lamina.ones(6, 5), "b c h w, w d -> b c d")
    np.testing.assert_allclose(y.detach().numpy(), np.einsum("bchw,wd->bcd", X, np.ones((6, 5))), rtol=1e-5)
    einops.reduce(a * 2, "b c h w -> ", "sum").backward()
    np.testing.assert_array_equal(a.grad.numpy(), np.full_like(X, 2))
    packed, shapes = einops.pack([lamina.ones(2, 3), lamina.ones(2, 4, 5)], "b *")
    assert packed.shape == (2, 23)
    assert [tuple(x.shape) for x in einops.unpack(packed, shapes, "b *")] == [(2, 3), (2, 4, 5)]
    assert einops.parse_shape(a, "b c _ w") == {"b": 2, "c": 3, "w": 6}
    np.testing.assert_array_equal(einops.asnumpy(a), X)


def test_layers_are_modules_of_lamina() -> None:
    layers = importlib.import_module("einops.layers.lamina")
    net = nn.Sequential(
        layers.Rearrange("b c h w -> b h w c"), nn.Linear(3, 5), layers.Reduce("b h w c -> b c", "mean")
    )
    assert net(lamina.tensor(X)).shape == (2, 5) and "Rearrange" in repr(net)
    mix = layers.EinMix("b c h w -> b d h w", weight_shape="c d", bias_shape="d", c=3, d=5)
    y = mix(lamina.tensor(X))
    wanted = np.einsum("bchw,cd->bdhw", X, mix.weight.detach().numpy().reshape(3, 5))
    np.testing.assert_allclose(
        y.detach().numpy(), wanted + mix.bias.detach().numpy().reshape(1, 5, 1, 1), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("order", ["lamina, einops", "einops, lamina", "einops._backends, lamina, einops"])
def test_either_may_be_imported_first(order: str) -> None:
    program = f"import {order}\nassert einops.rearrange(lamina.ones(2, 3), 'a b -> b a').shape == (3, 2)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_lamina_alone_loads_nothing_of_einops() -> None:
    program = "import lamina, sys; assert not any(name.startswith('einops') for name in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_layer_of_another_framework_is_refused_with_a_hint() -> None:
    pytest.importorskip("torch")
    layers = importlib.import_module("einops.layers.torch")
    with pytest.raises(TypeError, match=r"Rearrange is not a Module subclass; .* einops\.layers\.lamina"):
        lamina.nn.Sequential(layers.Rearrange("a b -> b a"))
