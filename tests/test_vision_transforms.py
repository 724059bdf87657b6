"""lamina.vision.transforms: judged by Pillow and NumPy, tensors by Pillow's images, chance by its range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.vision import transforms as T
from lamina.vision.transforms import functional as F
from lamina.vision.transforms import v2

Image = pytest.importorskip("PIL.Image")
ImageOps = pytest.importorskip("PIL.ImageOps")
ImageEnhance = pytest.importorskip("PIL.ImageEnhance")


@pytest.fixture
def photograph() -> Any:
    """Smooth colours with some noise, 47 wide and 33 high."""
    y, x = np.mgrid[:33, :47]
    waves = np.stack([np.sin(x / 7), np.cos(y / 5), np.sin((x + y) / 9)], -1) * 100 + 128
    return Image.fromarray(
        (waves + np.random.default_rng(0).uniform(-20, 20, waves.shape)).clip(0, 255).astype(np.uint8)
    )


def pixels(image: Any) -> np.ndarray:
    """Values (h, w, c) from 0 to 255 of an image or a tensor."""
    if isinstance(image, lamina.Tensor):
        values = image.numpy().astype(np.float64).transpose(1, 2, 0)
        return values * 255 if image.is_floating_point() else values
    values = np.asarray(image).astype(np.float64)
    return values[..., None] if values.ndim == 2 else values


def test_conversions_there_and_back(photograph: Any) -> None:
    values = np.asarray(photograph)
    made = T.ToTensor()(photograph)
    assert made.dtype == lamina.float32 and tuple(made.shape) == (3, 33, 47)
    np.testing.assert_array_equal(made.numpy(), values.transpose(2, 0, 1).astype(np.float32) / 255)
    np.testing.assert_array_equal(np.asarray(T.ToPILImage()(made)), values)
    whole = T.PILToTensor()(photograph)
    assert whole.dtype == lamina.uint8
    np.testing.assert_array_equal(T.ToTensor()(values).numpy(), made.numpy())
    np.testing.assert_array_equal(F.convert_image_dtype(whole).numpy(), made.numpy())
    np.testing.assert_array_equal(F.convert_image_dtype(made, lamina.uint8).numpy(), whole.numpy())
    assert F.convert_image_dtype(whole, lamina.int16)[0, 0, 0].item() == int(values[0, 0, 0]) * 128
    assert F.to_tensor(np.ones((2, 3))).dtype == lamina.float64
    assert F.to_tensor(photograph.convert("1")).max().item() == 1.0
    normal = T.Normalize([0.5, 0.4, 0.3], [0.1, 0.2, 0.3])(made)
    expected = (values / 255 - [0.5, 0.4, 0.3]) / [0.1, 0.2, 0.3]
    np.testing.assert_allclose(normal.numpy().transpose(1, 2, 0), expected, atol=1e-5)


@pytest.mark.parametrize("size", [20, (12, 50), (70, 90)])
@pytest.mark.parametrize("word", ["BILINEAR", "BICUBIC"])
def test_tensors_are_resized_as_pillow_does(photograph: Any, size: Any, word: str) -> None:
    image = T.Resize(size, T.InterpolationMode[word])(photograph)
    if size == 20:
        assert image.size == (28, 20)  # 47 * 20 / 33, cut
    expected = photograph.resize(image.size, getattr(Image, word))
    np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
    # Pillow rounds between its two passes.
    for kind in (F.pil_to_tensor, F.to_tensor):
        found = T.Resize(size, T.InterpolationMode[word])(kind(photograph))
        assert np.abs(pixels(found).clip(0, 255) - pixels(image)).max() <= 1.6


def test_cuts_and_borders(photograph: Any) -> None:
    values = np.asarray(photograph)
    made = F.pil_to_tensor(photograph)
    for image in (photograph, made):
        np.testing.assert_array_equal(pixels(F.crop(image, 5, 7, 11, 13)), values[5:16, 7:20])
        outside = pixels(F.crop(image, -2, 40, 10, 20))
        np.testing.assert_array_equal(outside[2:, :7], values[:8, 40:])
        assert not outside[:2].any() and not outside[:, 7:].any()
        np.testing.assert_array_equal(pixels(T.CenterCrop((10, 20))(image)), values[12:22, 14:34])
        large = pixels(T.CenterCrop(60)(image))
        assert large.shape == (60, 60, 3)
        np.testing.assert_array_equal(large[13:46, 6:53], values)
        np.testing.assert_array_equal(pixels(F.hflip(image)), values[:, ::-1])
        np.testing.assert_array_equal(pixels(F.vflip(image)), values[::-1])
        for mode, same in (("edge", "edge"), ("reflect", "reflect"), ("symmetric", "symmetric")):
            padded = T.Pad((1, 2, 3, 4), padding_mode=mode)(image)
            expected: Any = np.pad(values, ((2, 4), (1, 3), (0, 0)), mode=same)
            np.testing.assert_array_equal(pixels(padded), expected)
        constant = pixels(T.Pad((1, 2), fill=9)(image))
        np.testing.assert_array_equal(constant, np.pad(values, ((2, 2), (1, 1), (0, 0)), constant_values=9))
        np.testing.assert_array_equal(pixels(F.pad(image, (-3, 0, 1, 0)))[:, :-1], values[:, 3:])
        corners = T.FiveCrop(8)(image)
        np.testing.assert_array_equal(pixels(corners[3]), values[-8:, -8:])
        assert len(T.TenCrop(8)(image)) == 10


ENHANCED = {
    "Brightness": "brightness",
    "Contrast": "contrast",
    "Color": "saturation",
    "Sharpness": "sharpness",
}


@pytest.mark.parametrize("word", ENHANCED)
@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.8])
def test_colours_change_as_pillow_does(photograph: Any, word: str, factor: float) -> None:
    change = getattr(F, f"adjust_{ENHANCED[word]}")
    expected = getattr(ImageEnhance, word)(photograph).enhance(factor)
    np.testing.assert_array_equal(np.asarray(change(photograph, factor)), np.asarray(expected))
    for kind in (F.pil_to_tensor, F.to_tensor):
        found = pixels(change(kind(photograph), factor))
        inside = np.s_[1:-1, 1:-1] if word == "Sharpness" else np.s_[:]
        assert np.abs(found - pixels(expected))[inside].max() <= 2.01  # Pillow rounds its grey


@pytest.mark.parametrize("word", ["invert", "equalize", "autocontrast"])
def test_tables_of_values(photograph: Any, word: str) -> None:
    expected = getattr(ImageOps, word)(photograph)
    np.testing.assert_array_equal(np.asarray(getattr(F, word)(photograph)), np.asarray(expected))
    found = getattr(F, word)(F.pil_to_tensor(photograph))
    assert np.abs(pixels(found) - pixels(expected)).max() <= 1
    for bits, threshold in ((3, 100), (8, 0)):
        for image in (photograph, F.pil_to_tensor(photograph)):
            np.testing.assert_array_equal(
                pixels(F.posterize(image, bits)), pixels(ImageOps.posterize(photograph, bits))
            )
            np.testing.assert_array_equal(
                pixels(F.solarize(image, threshold)), pixels(ImageOps.solarize(photograph, threshold))
            )


def test_hues_turn_and_turn_back(photograph: Any) -> None:
    made = F.to_tensor(photograph)
    red = lamina.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1)
    assert F.adjust_hue(red, 1 / 3).flatten().tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    assert F.adjust_hue(red, -1 / 6).flatten().tolist() == pytest.approx([1, 0, 1], abs=1e-6)
    back = F.adjust_hue(F.adjust_hue(made, 0.3), -0.3)
    np.testing.assert_allclose(back.numpy(), made.numpy(), atol=1e-5)
    grey = F.rgb_to_grayscale(made)
    np.testing.assert_allclose(
        grey[0].numpy(), np.tensordot([0.2989, 0.587, 0.114], made.numpy(), 1), atol=1e-6
    )
    # Pillow knows 256 hues.
    assert np.abs(pixels(F.adjust_hue(photograph, 0.2)) - pixels(F.adjust_hue(made, 0.2))).mean() < 1.5
    assert F.rgb_to_grayscale(photograph, 3).mode == "RGB"


def test_rotations(photograph: Any) -> None:
    square = photograph.crop((0, 0, 32, 32))
    values = np.asarray(square)
    for image in (square, F.pil_to_tensor(square)):
        np.testing.assert_array_equal(pixels(F.rotate(image, 90)), np.rot90(values))
        moved = pixels(F.affine(image, 0.0, (3, -2), 1.0, 0.0))
        np.testing.assert_array_equal(moved[:-2, 3:], values[2:, :-3])
        assert not moved[:, :3].any() and not moved[-2:].any()
        assert (pixels(F.rotate(image, 45, fill=[7]))[0, 0] == 7).all()
    bilinear = T.InterpolationMode.BILINEAR
    turned, expected = (F.rotate(i, 20, bilinear) for i in (F.to_tensor(square), square))
    assert np.abs(pixels(turned) - pixels(expected))[8:-8, 8:-8].max() < 1.5
    assert F.rotate(photograph, 90, expand=True).size == (33, 47)


def test_a_blur_keeps_the_mean_and_takes_the_variance() -> None:
    x = lamina.rand(1, 32, 32)
    for sigma in (0.8, 2.0):
        blurred = F.gaussian_blur(x, 9, sigma)
        assert abs(blurred.mean().item() - x.mean().item()) < 0.02
        assert blurred.var().item() < 0.3 * x.var().item()
    one = lamina.zeros(1, 11, 11)
    one[0, 5, 5] = 1.0
    bell = np.exp(-0.5 * (np.arange(-2, 3) / 1.5) ** 2)
    expected = np.outer(bell, bell) / bell.sum() ** 2
    np.testing.assert_allclose(F.gaussian_blur(one, 5, 1.5)[0, 3:8, 3:8].numpy(), expected, atol=1e-6)


def test_learned_policies_are_those_of_the_paper() -> None:
    for policy in T.AutoAugmentPolicy:
        pairs = T.AutoAugment(policy).policies
        assert len(pairs) == 25
        for word, chance, bin in (step for pair in pairs for step in pair):
            assert 0 <= chance <= 1 and (bin is None) == (word in ("Equalize", "AutoContrast", "Invert"))
    assert T.AutoAugment().policies[0] == (("Posterize", 0.4, 8), ("Rotate", 0.6, 9))
    assert T.AutoAugment(T.AutoAugmentPolicy.CIFAR10).policies[9] == (
        ("Contrast", 0.6, 7),
        ("Sharpness", 0.6, 5),
    )
    assert T.AutoAugment(T.AutoAugmentPolicy.SVHN).policies[14] == (("Contrast", 0.3, 3), ("Rotate", 0.8, 4))
    space = T.AutoAugment()._augmentation_space(10, (331, 662))
    assert space["Posterize"][0].tolist() == [8, 8, 7, 7, 6, 6, 5, 5, 4, 4] and space["Rotate"][0][9] == 30
    np.testing.assert_allclose([space["TranslateX"][0][9], space["TranslateY"][0][9]], [300, 150])
    space = T.AugMix(all_ops=False)._augmentation_space(10, (30, 60))
    assert (
        space["Posterize"][0].tolist() == [4, 4, 3, 3, 2, 2, 1, 1, 0, 0] and space["TranslateX"][0][9] == 20
    )
    assert "Brightness" not in space and "Identity" not in space


def test_mixed_images_lie_between(photograph: Any) -> None:
    """Of an image of one colour, operations on which colours and places have no say leave it as it is."""
    flat = lamina.full((3, 8, 8), 128, dtype=lamina.uint8)
    plain = T.AugMix()
    plain._augmentation_space = lambda bins, size: {  # type: ignore[method-assign]
        word: pair
        for word, pair in T.AugMix()._augmentation_space(bins, size).items()
        if word in ("AutoContrast", "Equalize")
    }
    assert {int(n) for _ in range(4) for n in plain(flat).reshape(-1).tolist()} <= {127, 128}
    pictures = [np.asarray(T.AugMix(severity=10)(photograph)) for _ in range(4)]
    assert all(picture.shape == np.asarray(photograph).shape for picture in pictures)
    assert any((picture != np.asarray(photograph)).any() for picture in pictures)


def test_chance_follows_the_seed_and_its_ranges(photograph: Any) -> None:
    chain = T.Compose(
        [
            T.RandomResizedCrop(24),
            T.RandomHorizontalFlip(),
            T.ColorJitter(0.4, 0.4, 0.4, 0.1),
            T.RandAugment(),
            T.TrivialAugmentWide(),
            T.AutoAugment(),
            T.AugMix(),
            T.RandomRotation(10),
            T.RandomAffine(5, (0.1, 0.1), (0.9, 1.1), 5),
            T.RandomGrayscale(0.2),
            T.RandomApply([T.GaussianBlur(3)], 0.5),
            T.RandomOrder([T.RandomInvert(), T.RandomEqualize(), T.RandomAutocontrast()]),
            T.RandomChoice([T.RandomSolarize(128), T.RandomPosterize(4), T.RandomAdjustSharpness(2)]),
            T.ToTensor(),
            T.RandomErasing(value="random"),
        ]
    )
    drawn = []
    for seed in (1, 1, 2):
        lamina.manual_seed(seed)
        drawn.append([chain(photograph).numpy() for _ in range(8)])
    assert all((a == b).all() for a, b in zip(drawn[0], drawn[1], strict=True))
    assert any((a != b).any() for a, b in zip(drawn[0], drawn[2], strict=True))
    assert all(image.shape == (3, 24, 24) for image in drawn[0])
    for _ in range(50):
        top, left, height, width = T.RandomResizedCrop.get_params(photograph, (0.2, 0.5), (0.75, 4 / 3))
        assert 0 <= top <= 33 - height and 0 <= left <= 47 - width
        assert 0.15 < height * width / (33 * 47) < 0.56 and 0.6 < width / height < 1.65
    places = {T.RandomCrop.get_params(photograph, (32, 45))[:2] for _ in range(60)}
    assert places == {(top, left) for top in range(2) for left in range(3)}
    flips = sum(
        (np.asarray(T.RandomHorizontalFlip(0.3)(photograph)) != np.asarray(photograph)).any()
        for _ in range(300)
    )
    assert 60 < flips < 120
    factors = [T.ColorJitter.get_params((0.5, 1.5), None, None, (-0.1, 0.1))[1:] for _ in range(100)]
    assert all(0.5 <= f[0] <= 1.5 and f[1] is None and -0.1 <= f[3] <= 0.1 for f in factors)
    assert max(f[0] for f in factors) > 1.3 and min(f[0] for f in factors) < 0.7


def test_erasing_writes_a_rectangle() -> None:
    x = lamina.rand(3, 40, 40) + 1
    erased = T.RandomErasing(p=1.0, scale=(0.1, 0.2), value=(0.0, 0.5, -1.0))(x)
    changed = (erased != x).numpy()
    assert (changed[0] == changed[1]).all() and 0.08 < changed[0].mean() < 0.22
    rows, columns = np.nonzero(changed[0])
    assert changed[0][rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()
    assert (erased.numpy()[1][changed[1]] == 0.5).all()
    assert (T.RandomErasing(p=0.0)(x) == x).all()


def test_mixing_batches() -> None:
    images, labels = lamina.eye(4).reshape(4, 1, 2, 2), lamina.tensor([0, 1, 2, 0])
    shares = []
    for _ in range(40):
        mixed, chances = v2.MixUp(alpha=0.7, num_classes=3)(images, labels)
        share = mixed[1, 0, 0, 1].item()
        np.testing.assert_allclose(
            mixed.numpy(), (share * images + (1 - share) * images.roll(1, 0)).numpy(), atol=1e-6
        )
        assert chances[1].tolist() == pytest.approx([1 - share, share, 0.0], abs=1e-6)
        shares.append(share)
    assert min(shares) < 0.2 and max(shares) > 0.8
    batch = lamina.arange(3.0).reshape(3, 1, 1, 1).expand(3, 1, 20, 30)
    for _ in range(20):
        mixed, chances = v2.CutMix(num_classes=3)((batch, lamina.tensor([0, 1, 2])))
        own = (mixed == batch).to(lamina.float32).mean((1, 2, 3))
        assert own.tolist() == pytest.approx([chances[i, i].item() for i in range(3)], abs=1e-6)
        assert chances.sum(1).tolist() == pytest.approx([1.0] * 3)
    soft = v2.MixUp()(images, lamina.full((4, 3), 1 / 3))[1]
    np.testing.assert_allclose(soft.numpy(), 1 / 3, atol=1e-6)
    assert v2.Resize is T.Resize


REFUSED: list[tuple[type[Exception], str, Any]] = [
    (TypeError, "PIL|Pillow", lambda p: F.to_tensor("picture.png")),
    (TypeError, "Pillow image or a tensor", lambda p: F.resize(np.zeros((3, 4)), 2)),
    (TypeError, "float tensor", lambda p: F.normalize(F.pil_to_tensor(p), [0.0], [1.0])),
    (ValueError, "division by zero", lambda p: F.normalize(F.to_tensor(p), [0.0], [0.0])),
    (ValueError, "larger than input", lambda p: T.RandomCrop(64)(p)),
    (ValueError, "bigger than input", lambda p: T.FiveCrop(64)(p)),
    (ValueError, "non-negative", lambda p: F.adjust_contrast(p, -1)),
    (ValueError, "hue_factor", lambda p: F.adjust_hue(p, 0.7)),
    (ValueError, "odd and positive", lambda p: F.gaussian_blur(p, 4)),
    (ValueError, "hue values", lambda p: T.ColorJitter(hue=0.7)),
    (ValueError, "padding|Padding", lambda p: T.Pad((1, 2, 3))(p)),
    (ValueError, "1 to 4 channels", lambda p: F.to_pil_image(lamina.zeros(7, 2, 2))),
    (ValueError, "magnitude", lambda p: T.RandAugment(magnitude=31)),
    (ValueError, "policy imagenet is not recognized", lambda p: T.AutoAugment("imagenet")),
    (ValueError, "severity", lambda p: T.AugMix(severity=11)),
    (ValueError, "num_classes", lambda p: v2.MixUp()(lamina.zeros(2, 1, 2, 2), lamina.tensor([0, 1]))),
    (RuntimeError, "safely", lambda p: F.convert_image_dtype(F.to_tensor(p), lamina.int32)),
]


@pytest.mark.parametrize(("kind", "text", "attempt"), REFUSED, ids=[text for _, text, _ in REFUSED])
def test_refusals(photograph: Any, kind: type[Exception], text: str, attempt: Any) -> None:
    with pytest.raises(kind, match=text):
        attempt(photograph)


def test_printing_and_chaining() -> None:
    chain = T.Compose([T.Resize(8), T.RandomCrop(4, padding=1), T.ToTensor(), T.Normalize([0.5], [0.2])])
    assert repr(chain) == (
        "Compose(\n    Resize(size=8, interpolation=bilinear, max_size=None, antialias=True)\n"
        "    RandomCrop(size=(4, 4), padding=1)\n    ToTensor()\n    Normalize(mean=[0.5], std=[0.2])\n)"
    )
    both = lamina.nn.Sequential(T.CenterCrop(4), T.Grayscale())
    assert tuple(both(lamina.rand(3, 6, 6)).shape) == (1, 4, 4)
