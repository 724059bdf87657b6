"""Small images that many scripts begin with, in a few packed files: MNIST and its kin, CIFAR-10 and -100.

Files that lie below ``root`` are read; they are fetched only when ``download`` asks for it."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import tarfile
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import lamina
from lamina._core import FileFormatError
from lamina.hub import download_url_to_file
from lamina.utils.data import Dataset

from ..transforms.functional.kind import pillow


class PackedImages(Dataset):
    """Images in one array with a class each; ``classes`` and ``class_to_idx`` name the classes."""

    classes: list[str]
    data: Any
    targets: Any

    def __init__(
        self,
        root: str | os.PathLike,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        self.root = Path(root).expanduser()
        self.train = train
        self.transform = transform
        self.target_transform = target_transform
        if download:
            self.download()
        self._read()
        if len(self.data) != len(self.targets):
            text = f"{self.root}: {len(self.data)} images, but {len(self.targets)} classes"
            raise FileFormatError(text)

    def download(self) -> None:
        """Fetch what is not below ``root``."""
        raise NotImplementedError

    def _read(self) -> None:
        raise NotImplementedError

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = pillow().fromarray(np.asarray(self.data[index]))
        target = int(self.targets[index])
        if self.transform is not None:
            image = self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)


class MNIST(PackedImages):
    """Handwritten digits of 28 x 28 pixels (LeCun et al., 1998), read from ``root/MNIST/raw``.

    ``data`` is a tensor (n, 28, 28) of uint8, ``targets`` one (n,) of int64; an item is an image of Pillow
    and an int, after ``transform`` and ``target_transform``. Files may be packed by gzip.

    Raises:
        RuntimeError: a file is missing, and ``download`` is False or fails.
        FileFormatError: a file is not in the IDX format, or does not fit its header.
    """

    mirrors: tuple[str, ...] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    classes = (
        "0 - zero,1 - one,2 - two,3 - three,4 - four,5 - five,6 - six,7 - seven,8 - eight,9 - nine".split(",")
    )

    @property
    def train_data(self) -> Any:
        """``data``, as scripts of old call it; ``train_labels`` is ``targets``, and ``test_`` the same."""
        return self.data

    @property
    def train_labels(self) -> Any:
        return self.targets

    test_data, test_labels = train_data, train_labels

    @property
    def raw_folder(self) -> str:
        return str(self.root / type(self).__name__ / "raw")

    def _names(self) -> list[str]:
        kind = "train" if self.train else "t10k"
        return [f"{kind}-images-idx3-ubyte", f"{kind}-labels-idx1-ubyte"]

    def _path(self, name: str) -> Path | None:
        places = (Path(self.raw_folder, name), Path(self.raw_folder, f"{name}.gz"))
        return next((place for place in places if place.is_file()), None)

    def download(self) -> None:
        os.makedirs(self.raw_folder, exist_ok=True)
        for name in self._names():
            if self._path(name) is None:
                _fetch([f"{mirror}{name}.gz" for mirror in self.mirrors], Path(self.raw_folder, f"{name}.gz"))

    def _read(self) -> None:
        arrays = []
        for name, dims in zip(self._names(), (3, 1), strict=True):
            path = self._path(name)
            if path is None:
                raise RuntimeError(
                    f"Dataset not found: there is no {name} in {self.raw_folder}. "
                    "You can use download=True to download it"
                )
            arrays.append(_idx(path, dims))
        self.data, self.targets = lamina.from_numpy(arrays[0]), lamina.from_numpy(arrays[1]).long()


class FashionMNIST(MNIST):
    """Clothes of ten kinds in the form of MNIST (Xiao et al., 2017), read from ``root/FashionMNIST/raw``."""

    mirrors = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
    classes = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(",")


class KMNIST(MNIST):
    """Japanese letters of ten kinds in the form of MNIST (Clanuwat et al., 2018)."""

    mirrors = ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",)
    classes = "o ki su tsu na ha ma ya re wo".split()


class CIFAR10(PackedImages):
    """Photographs of 32 x 32 pixels in ten classes (Krizhevsky, 2009): ``root/cifar-10-batches-py``.

    ``data`` is an array (n, 32, 32, 3) of uint8, ``targets`` a list. The files are pickles; they are read as
    ``lamina.load`` reads, running nothing.

    Raises:
        RuntimeError: a file is missing, and ``download`` is False or fails.
        FileFormatError: a file is broken.
    """

    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    md5 = "c58f30108f718f92721af3b95e74349a"
    base_folder = "cifar-10-batches-py"
    batches: tuple[tuple[str, ...], tuple[str, ...]] = (
        tuple(f"data_batch_{number}" for number in range(1, 6)),
        ("test_batch",),
    )
    names, labels = ("batches.meta", "label_names"), "labels"

    def download(self) -> None:
        folder = self.root / self.base_folder
        if all((folder / name).is_file() for name in (*self.batches[0], *self.batches[1])):
            return
        os.makedirs(self.root, exist_ok=True)
        packed = self.root / self.url.rpartition("/")[2]
        if not packed.is_file():
            _fetch([self.url], packed)
        if hashlib.md5(packed.read_bytes()).hexdigest() != self.md5:
            raise RuntimeError(f"{packed}: this is not the file that was expected; delete it and try again")
        with tarfile.open(packed) as archive:
            archive.extractall(self.root, filter="data")

    def _read(self) -> None:
        images, self.targets = [], []
        for name in self.batches[0 if self.train else 1]:
            batch = self._file(name)
            try:
                images.append(np.asarray(batch["data"], np.uint8).reshape(-1, 3, 32, 32))
                self.targets.extend(batch[self.labels])
            except (KeyError, TypeError, ValueError) as error:
                raise FileFormatError(f"{self.root / self.base_folder / name}: {error}") from error
        self.data = np.ascontiguousarray(np.concatenate(images).transpose(0, 2, 3, 1))
        self.classes = list(self._file(self.names[0])[self.names[1]])

    def _file(self, name: str) -> Any:
        path = self.root / self.base_folder / name
        if not path.is_file():
            raise RuntimeError(
                f"Dataset not found: there is no {path}. You can use download=True to download it"
            )
        return lamina.load(path)


class CIFAR100(CIFAR10):
    """The same in a hundred classes, read from ``root/cifar-100-python``."""

    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    base_folder = "cifar-100-python"
    batches = ("train",), ("test",)
    names, labels = ("meta", "fine_label_names"), "fine_labels"


def _fetch(addresses: list[str], path: Path) -> None:
    for address in addresses:
        try:
            return download_url_to_file(address, str(path))
        except (urllib.error.URLError, OSError) as error:
            failed = error
    raise RuntimeError(f"{path.name}: none of {addresses} could be fetched: {failed}") from failed


def _idx(path: Path, dims: int) -> np.ndarray:
    """The array of uint8 in a file of the IDX format: type and number of dimensions, sizes, elements."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise FileFormatError(f"{path}: {error}") from error
    shape = tuple(int.from_bytes(data[4 + 4 * d : 8 + 4 * d], "big") for d in range(dims))
    if data[:4] != bytes((0, 0, 8, dims)) or len(data) != 4 + 4 * dims + math.prod(shape):
        raise FileFormatError(
            f"{path}: expected bytes in the IDX format with {dims} dimensions, got {len(data)} bytes that "
            f"begin with {data[:4]!r}"
        )
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dims).reshape(shape).copy()
