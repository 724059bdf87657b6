"""models.summary: published multiply-adds of networks, sums over layers by hand, and the table."""

from __future__ import annotations

import pytest

import lamina
from lamina import nn
from lamina.models import summary, vision

# In 10^9, as torchvision publishes them, for pictures of 224 pixels a side.
PUBLISHED = {
    "alexnet": 0.714,
    "resnet18": 1.814,
    "resnet50": 4.089,
    "densenet121": 2.834,
    "squeezenet1_1": 0.349,
    "mobilenet_v2": 0.301,
    "mobilenet_v3_small": 0.057,
    "efficientnet_b0": 0.386,
    "convnext_tiny": 4.456,
    "vit_b_32": 4.409,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_multiply_adds_are_the_published_ones(name: str) -> None:
    model = vision.get_model(name)
    found = summary(model, (1, 3, 224, 224))
    assert found.multiply_adds / 1e9 == pytest.approx(PUBLISHED[name], abs=6e-4)
    assert found.parameters == sum(p.numel() for p in model.parameters())


def test_rows_say_what_was_called() -> None:
    relu = nn.ReLU()
    model = nn.Sequential(nn.Conv2d(3, 8, 3), relu, nn.ConvTranspose2d(8, 4, 2, stride=2), relu, nn.Flatten())
    model.append(nn.Linear(4 * 12 * 12, 5))
    model[0].requires_grad_(False)
    model.train()
    found = summary(model, (2, 3, 8, 8))
    assert [row.name for row in found.rows] == ["0", "1", "2", "1", "4", "5"]
    assert [row.shape for row in found.rows][:3] == [(2, 8, 6, 6), (2, 8, 6, 6), (2, 4, 12, 12)]
    conv, up, dense = 2 * 8 * 36 * 27, 2 * 8 * 36 * 16, 2 * 5 * 576
    assert [row.multiply_adds for row in found.rows] == [conv, 0, up, 0, 0, dense]
    assert found.trainable == found.parameters - 8 * 28
    assert found.rows[0].memory == 2 * 8 * 36 * 4
    assert model.training and not model[0]._forward_hooks
    text = str(found)
    assert "2 x 4 x 12 x 12" in text and "ConvTranspose2d" in text
    assert f"{found.parameters:,} ({found.trainable:,} trainable, 224 frozen)" in text


def test_sequences_and_attention() -> None:
    lstm = summary(nn.LSTM(5, 7, 2, bidirectional=True), (11, 3, 5))
    assert lstm.multiply_adds == 33 * (2 * 28 * (5 + 7) + 2 * 28 * (14 + 7))
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    x = lamina.rand(3, 6, 8)
    assert summary(attention, x, x, x).multiply_adds == 3 * (4 * 6 * 64 + 2 * 36 * 8)
    table = nn.Embedding(9, 4)
    assert summary(table, (2, 5), dtype=lamina.int64).rows[0].shape == (2, 5, 4)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="shape of each"):
        summary(nn.Linear(2, 2))
    with pytest.raises(TypeError, match="whole numbers"):
        summary(nn.Linear(2, 2), 2)
    model = nn.Linear(2, 2)
    with pytest.raises(RuntimeError):
        summary(model, (1, 3))
    assert not model._forward_hooks and model.training
