"""MNIST, CIFAR and their kin: read from files like theirs, and files that are not."""

from __future__ import annotations

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

import lamina

pytest.importorskip("PIL")
datasets = lamina.vision.datasets
rng = np.random.default_rng(0)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize("kind", ["MNIST", "FashionMNIST", "KMNIST"])
@pytest.mark.parametrize("packed", [False, True])
def test_images_in_the_idx_format(tmp_path: Path, kind: str, packed: bool) -> None:
    folder = tmp_path / kind / "raw"
    folder.mkdir(parents=True)
    images = rng.integers(0, 256, (5, 28, 28)).astype(np.uint8)
    classes = np.array([3, 0, 9, 1, 1], np.uint8)
    for name, array in (("t10k-images-idx3-ubyte", images), ("t10k-labels-idx1-ubyte", classes)):
        data = idx(array)
        (folder / f"{name}.gz" if packed else folder / name).write_bytes(
            gzip.compress(data) if packed else data
        )
    found = getattr(datasets, kind)(tmp_path, train=False, target_transform=lambda y: y + 1)
    assert len(found) == 5 and found.data.dtype is lamina.uint8 and found.targets.dtype is lamina.int64
    np.testing.assert_array_equal(found.data.numpy(), images)
    assert found.train_data is found.test_data is found.data and found.test_labels is found.targets
    image, target = found[2]
    assert image.mode == "L" and image.size == (28, 28) and target == 10 and len(found.classes) == 10
    as_tensor = getattr(datasets, kind)(tmp_path, False, lamina.vision.transforms.ToTensor())
    x, y = next(iter(lamina.utils.data.DataLoader(as_tensor, batch_size=5)))
    np.testing.assert_allclose(x.numpy()[:, 0], images / np.float32(255), rtol=1e-6)
    assert y.tolist() == classes.tolist()
    with pytest.raises(RuntimeError, match="there is no train-images"):
        getattr(datasets, kind)(tmp_path)


@pytest.mark.parametrize(
    "data", [b"", b"\0\0\x08\x01", idx(np.zeros((2, 28, 28), np.uint8))[:-1], idx(np.zeros(9, np.uint8))]
)
def test_a_file_that_is_not_idx_is_refused(tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / "train-images-idx3-ubyte").write_bytes(data)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(2, np.uint8)))
    with pytest.raises(lamina.FileFormatError, match="IDX format with 3 dimensions"):
        datasets.MNIST(tmp_path)
    (folder / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((3, 28, 28), np.uint8)))
    with pytest.raises(lamina.FileFormatError, match="3 images, but 2 classes"):
        datasets.MNIST(tmp_path)


def test_a_download_that_fails_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.MNIST, "mirrors", ((tmp_path / "nowhere").as_uri() + "/",))
    with pytest.raises(RuntimeError, match=r"train-images-idx3-ubyte\.gz: none of .*nowhere"):
        datasets.MNIST(tmp_path, download=True)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for name, array in (
        ("images-idx3", np.ones((2, 28, 28), np.uint8)),
        ("labels-idx1", np.ones(2, np.uint8)),
    ):
        (mirror / f"train-{name}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
    monkeypatch.setattr(datasets.MNIST, "mirrors", (mirror.as_uri() + "/",))
    assert len(datasets.MNIST(tmp_path, download=True)) == 2


@pytest.mark.parametrize("hundred", [False, True])
def test_photographs_in_pickles(tmp_path: Path, hundred: bool) -> None:
    kind = datasets.CIFAR100 if hundred else datasets.CIFAR10
    folder = tmp_path / kind.base_folder
    folder.mkdir()
    images = rng.integers(0, 256, (4, 3, 32, 32)).astype(np.uint8)
    for name in (*kind.batches[0], *kind.batches[1]):
        batch = {"data": images.reshape(4, -1), kind.labels: [1, 0, 3, 2], "batch_label": name}
        (folder / name).write_bytes(pickle.dumps(batch, 2))
    names = [f"class {number}" for number in range(100 if hundred else 10)]
    (folder / kind.names[0]).write_bytes(pickle.dumps({kind.names[1]: names}, 2))
    train, test = kind(tmp_path), kind(tmp_path, train=False)
    assert len(train) == 4 * len(kind.batches[0]) and len(test) == 4 and test.class_to_idx["class 3"] == 3
    np.testing.assert_array_equal(train.data[:4], images.transpose(0, 2, 3, 1))
    image, target = test[2]
    assert image.mode == "RGB" and target == 3
    np.testing.assert_array_equal(np.asarray(image), images[2].transpose(1, 2, 0))
    (folder / kind.batches[1][0]).write_bytes(pickle.dumps({"data": images[0, 0], kind.labels: []}, 2))
    with pytest.raises(lamina.FileFormatError, match=kind.batches[1][0]):
        kind(tmp_path, train=False)
    (folder / kind.batches[1][0]).unlink()
    with pytest.raises(RuntimeError, match="download=True"):
        kind(tmp_path, train=False)
