"""lamina.vision.datasets and utils: what is found, in which order, and what is said about bad files."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.vision import datasets, transforms, utils

Image = pytest.importorskip("PIL.Image")


def picture(path: Path, value: int, size: tuple[int, int] = (6, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 0, 255 - value)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, value in (("dog/b.png", 10), ("dog/a.png", 20), ("cat/x/deep.png", 30), ("cat/top.PNG", 40)):
        picture(tmp_path / name, value)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "loose.txt").write_text("not in a folder")
    return tmp_path


def test_folders_are_classes_and_both_are_sorted(folder: Path) -> None:
    found = datasets.ImageFolder(folder)
    assert found.classes == ["cat", "dog"] and found.class_to_idx == {"cat": 0, "dog": 1}
    names = [(Path(path).name, target) for path, target in found.samples]
    assert names == [("top.PNG", 0), ("deep.png", 0), ("a.png", 1), ("b.png", 1)]
    assert found.targets == [0, 0, 1, 1] and found.imgs == found.samples and len(found) == 4
    image, target = found[2]
    assert image.getpixel((0, 0)) == (20, 0, 235) and target == 1
    loader = lamina.utils.data.DataLoader(
        datasets.ImageFolder(folder, transforms.ToTensor(), lambda target: 1 - target), batch_size=4
    )
    images, targets = next(iter(loader))
    assert tuple(images.shape) == (4, 3, 4, 6) and targets.tolist() == [1, 1, 0, 0]
    assert (images[:, 0, 0, 0] * 255).round().tolist() == [40, 30, 20, 10]
    only = datasets.ImageFolder(folder, is_valid_file=lambda path: path.endswith(("deep.png", "a.png")))
    assert len(only) == 2
    assert "Number of datapoints: 4" in repr(found)


def test_bad_folders_and_images_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        datasets.ImageFolder(folder / "nowhere")
    (folder / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"classes empty.*allow_empty"):
        datasets.ImageFolder(folder)
    assert datasets.ImageFolder(folder, allow_empty=True).classes == ["cat", "dog", "empty"]
    with pytest.raises(FileNotFoundError, match="one folder for each class"):
        datasets.ImageFolder(folder / "empty")
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    whole = (tmp_path / "noise.png").read_bytes()
    for damaged in (b"", b"no image at all", whole[: len(whole) // 2]):
        (folder / "empty" / "bad.png").write_bytes(damaged)
        found = datasets.ImageFolder(folder)
        with pytest.raises(lamina.FileFormatError, match=r"bad\.png.*is_valid_file"):
            found[-1]
    with pytest.raises(ValueError, match="is_valid_file"):
        datasets.DatasetFolder(folder, datasets.default_loader)


def test_a_table_of_images(folder: Path) -> None:
    table = folder / "labels.csv"
    table.write_text("id,label,image\n1,wet,dog/a.png\n2,dry,cat/top.PNG\n3,wet,dog/b.png\n")
    found = datasets.ImageCSV(table, transform=transforms.ToTensor())
    assert found.classes == ["dry", "wet"] and found.targets == [1, 0, 1] and len(found) == 3
    assert round(found[0][0][0, 0, 0].item() * 255) == 20
    other = datasets.ImageCSV(table, folder, 2, "id", target_transform=str)
    assert other[2][1] == "2"
    for text, match in (
        ("image,label\n", "no rows"),
        ("picture,label\na,b\n", "no column 'image': there are picture, label"),
        ("image,label\na.png\n", "row 2 has 1 cells"),
        ("image,label\na.png,\n", "row 2 has no image or no label"),
        ("", "empty"),
    ):
        table.write_text(text)
        with pytest.raises(lamina.FileFormatError, match=match):
            datasets.ImageCSV(table)
    with pytest.raises(FileNotFoundError):
        datasets.ImageCSV(folder / "none.csv")


def test_a_table_of_pixels(tmp_path: Path) -> None:
    values = np.arange(24).reshape(4, 6)
    rows = [",".join(map(str, [*row, label])) for row, label in zip(values, (0, 2, 1, 2), strict=True)]
    table = tmp_path / "digits.csv.gz"
    table.write_bytes(gzip.compress("\n".join(rows).encode()))
    found = datasets.PixelCSV(table, shape=(1, 2, 3), scale=0.5)
    assert len(found) == 4 and found.classes == ["0", "1", "2"]
    sample, target = found[1]
    assert target == 2 and sample.tolist() == [[[3.0, 3.5, 4.0], [4.5, 5.0, 5.5]]]
    plain = tmp_path / "named.csv"
    plain.write_text("digit,a,b\n" + "1,2,3\n")
    assert datasets.PixelCSV(plain, label="digit", transform=lambda x: x + 1)[0][0].tolist() == [3.0, 4.0]
    cases: Any = (
        ("1,2,3\n", {"shape": (2, 2)}, "do not make samples"),
        ("1,x,3\n", {}, "no number"),
        ("1,2,3.5\n", {}, "class numbers"),
        ("1,2,3\n", {"label": "digit"}, "no header"),
        ("1,2,3\n", {"label": 7}, "no column 7"),
    )
    for text, options, match in cases:
        plain.write_text(text)
        with pytest.raises(lamina.FileFormatError, match=match):
            datasets.PixelCSV(plain, **options)
    table.write_bytes(table.read_bytes()[:40])
    with pytest.raises(lamina.FileFormatError, match="cannot be read"):
        datasets.PixelCSV(table)


def test_grids(tmp_path: Path) -> None:
    images = lamina.arange(1.0, 6.0).reshape(5, 1, 1, 1).expand(5, 1, 2, 3)
    grid = utils.make_grid(images, nrow=3, padding=1, pad_value=9.0)
    assert tuple(grid.shape) == (3, 7, 13)
    assert grid[0, 1].tolist() == [9, 1, 1, 1, 9, 2, 2, 2, 9, 3, 3, 3, 9]
    assert grid[2, 4].tolist() == [9, 4, 4, 4, 9, 5, 5, 5, 9, 9, 9, 9, 9]
    normal = utils.make_grid(images, normalize=True, padding=0)
    assert normal[0, 0, ::3].tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    utils.save_image(lamina.rand(4, 3, 5, 5), tmp_path / "grid.png", nrow=2)
    with Image.open(tmp_path / "grid.png") as image:
        assert image.size == (16, 16)


def test_vision_stands_for_torchvision() -> None:
    import lamina.vision as torchvision

    assert torchvision.models.resnet18 is lamina.models.vision.resnet18
    assert torchvision.transforms is transforms and torchvision.datasets is datasets
    with pytest.raises(AttributeError, match="io"):
        torchvision.io  # noqa: B018
