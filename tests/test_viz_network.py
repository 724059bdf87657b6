"""lamina.viz of networks: what is drawn, slopes by differences, the place that a network really looks at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn, viz


class Corner(nn.Module):
    """Two classes: red in the upper left quarter, and anything in the lower right one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        with lamina.no_grad():
            self.conv.weight.copy_(lamina.tensor([[1.0, 0, 0], [1.0, 1.0, 1.0]]).reshape(2, 3, 1, 1))

    def forward(self, x: Any) -> Any:
        x = self.drop(self.relu(self.conv(x)))
        return lamina.stack([x[:, 0, :4, :4].sum((1, 2)), x[:, 1, 4:, 4:].sum((1, 2))], 1)


def test_saliency_is_the_slope_of_the_score() -> None:
    model = Corner()
    x = lamina.rand(3, 8, 8)
    x[:, :4, :4] += 1.0
    first, second = viz.saliency_values(model, x), viz.saliency_values(model, x[None], target=1)
    quarter = np.zeros((8, 8))
    quarter[:4, :4] = 1
    np.testing.assert_array_equal(first, quarter)
    np.testing.assert_array_equal(second, quarter[::-1, ::-1])
    assert model.training and model.conv.weight.grad is None and x.grad is None


def test_grad_cam_finds_where_the_class_is_seen() -> None:
    model = Corner()
    x = lamina.zeros(3, 8, 8)
    x[0, 1, 2] = x[1, 6, 5] = 1.0
    for target, place in ((0, (1, 2)), (1, (6, 5))):
        heat = viz.grad_cam_values(model, x, "conv", target)
        assert heat.shape == (8, 8) and heat.max() == 1.0 and heat.min() == 0.0
        # Channel 0 sees red alone, channel 1 both; each is weighed by its own mean slope.
        assert heat[place] == 1.0
    only = viz.grad_cam_values(model, x, model.conv, 0)
    assert (only > 0).sum() == 1
    assert model.training and not model.conv._forward_hooks


def test_bad_layers_classes_and_images_are_refused() -> None:
    model, x = Corner(), lamina.rand(3, 8, 8)
    with pytest.raises(ValueError, match="no layer 'cnov'; there are conv, relu, drop"):
        viz.grad_cam_values(model, x, "cnov")
    with pytest.raises(ValueError, match="no class 2 among 2"):
        viz.saliency_values(model, x, 2)
    with pytest.raises(ValueError, match="floating image"):
        viz.saliency_values(model, lamina.rand(8, 8))
    with pytest.raises(ValueError, match="makes no images"):
        viz.grad_cam_values(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), x, "0")
    with pytest.raises(ValueError, match="filters: expected weights"):
        viz.filters(nn.Linear(2, 2))


def test_pictures(tmp_path: Any) -> None:
    pytest.importorskip("matplotlib")
    model, x = Corner(), lamina.rand(1, 3, 8, 8)
    colour = viz.filters(nn.Conv2d(3, 5, 7), columns=4)
    drawn = [axes.images[0].get_array() for axes in colour.axes if axes.images]
    assert len(drawn) == 5 and drawn[0].shape == (7, 7, 3)
    assert all(picture.min() == 0 and picture.max() == pytest.approx(1) for picture in drawn)
    grey = viz.filters(nn.Conv2d(4, 9, 3).weight, count=6)
    assert [axes.images[0].get_array().shape for axes in grey.axes if axes.images] == [(3, 3)] * 6
    maps = viz.feature_maps(model, x, "conv")
    shown = np.stack([axes.images[0].get_array() for axes in maps.axes if axes.images])
    np.testing.assert_allclose(shown[1], x[0].sum(0).numpy(), rtol=1e-5)
    for page in (
        viz.saliency(model, x),
        viz.grad_cam(model, x, "relu", 1),
        viz.grad_cam(model, x[0], "conv"),
    ):
        page.savefig(tmp_path / "page.png")
        assert len(page.axes) == 2 and (tmp_path / "page.png").stat().st_size > 1000
