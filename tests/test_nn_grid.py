"""grid_sample and affine_grid: places worked out by hand, gradients by differences, and beside PyTorch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import lamina
from lamina.nn import functional as F
from nn_check import array, check_gradient, close, tensor

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")


def test_places_on_a_line() -> None:
    """Pixels 1, 3, 7 with middles at -2/3, 0 and 2/3, or at -1, 0, 1 with aligned corners."""
    image = tensor(np.array([[[[1.0, 3.0, 7.0]]]]))

    def at(x: float, **options: object) -> float:
        return F.grid_sample(image, tensor(np.array([[[[x, 0.0]]]])), **options).item()

    assert [round(at(x), 9) for x in (-2 / 3, -1 / 3, 2 / 3)] == [1.0, 2.0, 7.0]
    assert [round(at(x, align_corners=True), 9) for x in (-1.0, -0.5, 1.0)] == [1.0, 2.0, 7.0]
    assert round(at(1.0), 9) == 3.5  # half of it lies outside, where zeros are
    assert at(5.0) == 0.0 and at(5.0, padding_mode="border") == 7.0
    assert (
        round(at(4 / 3, padding_mode="reflection"), 9) == 7.0
        and round(at(2.0, padding_mode="reflection"), 9) == 3.0
    )
    assert at(0.3, mode="nearest") == 3.0 and round(at(0.0, mode="bicubic"), 9) == 3.0


@pytest.mark.parametrize(("mode", "padding"), [*itertools.product(MODES, PADDINGS)])
@pytest.mark.parametrize("align", [False, True])
def test_sampling(mode: str, padding: str, align: bool) -> None:
    torch = pytest.importorskip("torch")
    image, grid = array(2, 3, 5, 4), array(2, 6, 7, 2, low=-3.0, high=3.0)
    found = []
    for of in (lamina, torch):
        inputs = [of.tensor(image).requires_grad_(), of.tensor(grid).requires_grad_()]
        output = of.nn.functional.grid_sample(*inputs, mode, padding, align)
        (output * of.tensor(array(*output.shape, seed=7))).sum().backward()
        found.append([output, *(x.grad for x in inputs)])
    for mine, other in zip(*found, strict=True):
        close(mine, other.detach().numpy())


@pytest.mark.filterwarnings("ignore:Since version 1.3.0")
def test_affine_grid_moves_places() -> None:
    torch = pytest.importorskip("torch")
    theta = array(2, 2, 3)
    for size, align in itertools.product(((2, 1, 3, 4), (2, 3, 1, 1)), (False, True)):
        wanted = torch.nn.functional.affine_grid(torch.tensor(theta), size, align).numpy()
        close(F.affine_grid(tensor(theta), size, align), wanted)
    image = array(1, 2, 4, 3)
    mirror = tensor(np.array([[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]))
    close(F.grid_sample(tensor(image), F.affine_grid(mirror, image.shape)), image[..., ::-1])


def test_gradients_by_differences() -> None:
    image, theta = array(1, 2, 4, 5), array(1, 2, 3, low=-0.7, high=0.7)
    for mode in ("bilinear", "bicubic"):
        check_gradient(lambda x, t, m=mode: F.grid_sample(x, F.affine_grid(t, (1, 2, 3, 3)), m), image, theta)


@pytest.mark.parametrize(("mode", "padding"), [*itertools.product(MODES[:2], PADDINGS)])
@pytest.mark.parametrize("align", [False, True])
def test_volumes(mode: str, padding: str, align: bool) -> None:
    torch = pytest.importorskip("torch")
    volume, grid, theta = array(2, 3, 5, 4, 3), array(2, 4, 5, 6, 3, low=-2.0), array(2, 3, 4)
    found = []
    for of in (lamina, torch):
        inputs = [of.tensor(values).requires_grad_() for values in (volume, grid, theta)]
        places = inputs[1] + of.nn.functional.affine_grid(inputs[2], (2, 1, 4, 5, 6), align)
        output = of.nn.functional.grid_sample(inputs[0], places, mode, padding, align)
        (output * of.tensor(array(*output.shape, seed=7))).sum().backward()
        found.append([output, *(x.grad for x in inputs)])
    for mine, other in zip(*found, strict=True):
        close(mine, other.detach().numpy())


def test_refusals() -> None:
    image, grid = lamina.zeros(1, 1, 2, 2), lamina.zeros(1, 2, 2, 2)
    for arguments in (
        (image, grid, "cubic"),
        (image, grid, "nearest", "wrap"),
        (image[0], grid),
        (image, grid[0]),
        (image, lamina.zeros(1, 2, 2, 3)),
        (image, lamina.zeros(2, 2, 2, 2)),
        (lamina.zeros(1, 1, 0, 2), grid),
    ):
        with pytest.raises(ValueError, match="grid_sample"):
            F.grid_sample(*arguments)
    for theta, size in (((1, 2, 2), (1, 1, 2, 2)), ((2, 2, 3), (1, 1, 2, 2)), ((1, 2, 3), (1, 1, 2))):
        with pytest.raises(ValueError, match="Nx2x3"):
            F.affine_grid(lamina.zeros(theta), size)
    with pytest.raises(ValueError, match="positive"):
        F.affine_grid(lamina.zeros(1, 2, 3), (1, 1, 0, 2))
