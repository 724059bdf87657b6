"""Folders of files, one folder for each class, under torchvision's names."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lamina._core import FileFormatError
from lamina.io.file import open_regular
from lamina.utils.data import Dataset

from ..transforms.functional.kind import pillow

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
# An image may have so many pixels, or so many for each of its bytes if that is more.
MAX_PIXELS, MAX_PACKED = 1 << 25, 256


def default_loader(path: str | os.PathLike) -> Any:
    """The image in a file, in red, green and blue.

    Raises:
        FileNotFoundError: no such file.
        FileFormatError: the file is no image, or a damaged one.
        ImportError: Pillow is not installed.
    """
    image_module = pillow()
    try:
        with open_regular(path) as raw, io.BufferedReader(raw) as file:
            image = image_module.open(file)
            if image.format == "EPS":
                raise ValueError("it is a program in PostScript, which would be run")
            pixels, size = image.width * image.height, os.fstat(raw.fileno()).st_size
            if pixels > max(MAX_PIXELS, MAX_PACKED * size):
                raise ValueError(f"it claims {pixels} pixels in {size} bytes")
            return image.convert("RGB")
    except FileNotFoundError:
        raise
    except Exception as error:  # of many kinds
        raise FileFormatError(
            f"{os.fspath(path)}: this image cannot be read ({error}); delete or replace it, or leave it out "
            "with is_valid_file"
        ) from error


class DatasetFolder(Dataset):
    """The files below ``root/CLASS/``, each with the number of its class; folders are sorted by name.

    Either ``extensions`` or ``is_valid_file`` says which files count. ``classes``, ``class_to_idx``,
    ``samples`` (path, class) and ``targets`` hold what was found.

    Raises:
        FileNotFoundError: ``root`` has no folders, or a class has no file that counts (``allow_empty``).
        ValueError: both or neither of ``extensions`` and ``is_valid_file``.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        loader: Callable[[str], Any],
        extensions: Sequence[str] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        if (extensions is None) == (is_valid_file is None):
            raise ValueError("Both extensions and is_valid_file cannot be None or not None at the same time")
        self.root = os.fspath(root)
        self.loader = loader
        self.extensions = extensions
        self.transform = transform
        self.target_transform = target_transform
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self._find_samples(is_valid_file, allow_empty)
        self.targets = [target for _, target in self.samples]

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        """The names of the folders in ``directory``, sorted, and the number of each."""
        if not Path(directory).is_dir():
            raise FileNotFoundError(f"{directory}: there is no such folder")
        classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        if not classes:
            raise FileNotFoundError(
                f"Couldn't find any class folder in {directory}: there must be one folder for each class"
            )
        return classes, {name: number for number, name in enumerate(classes)}

    def _find_samples(self, is_valid_file: Any, allow_empty: bool) -> list[tuple[str, int]]:
        endings = tuple(ending.lower() for ending in self.extensions or ())
        counts = (lambda path: path.lower().endswith(endings)) if is_valid_file is None else is_valid_file
        samples: list[tuple[str, int]] = []
        empty = []
        for name, number in self.class_to_idx.items():
            paths = _files(os.path.join(self.root, name))
            found = [(path, number) for path in paths if counts(path)]
            samples += found
            if not found:
                empty.append(name)
        if empty and not allow_empty:
            kinds = f" Supported extensions are: {', '.join(endings)}." if endings else ""
            raise FileNotFoundError(
                f"{self.root}: Found no valid file for the classes {', '.join(empty)}.{kinds} Fill or delete "
                "these folders, or pass allow_empty=True"
            )
        return samples

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        sample = self.loader(path)
        if self.transform is not None:
            sample = self.transform(sample)
        return sample, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        lines = [f"Dataset {type(self).__name__}", f"    Number of datapoints: {len(self)}"]
        lines.append(f"    Root location: {self.root}")
        return "\n".join(lines)


def _files(root: str) -> Iterator[str]:
    """The files below a folder, sorted by folder and name.

    A folder that several links lead to counts once: links may lead round in circles.
    """
    seen, found = set(), []
    for folder, inner, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            inner.clear()
            continue
        seen.add(real)
        inner.sort()
        found.append((folder, sorted(files)))
    for folder, files in sorted(found):
        yield from (os.path.join(folder, file) for file in files)


class ImageFolder(DatasetFolder):
    """Images below ``root/CLASS/``, each with the number of its class.

    >>> ImageFolder("photographs", transform=transforms.ToTensor())[0]  # doctest: +SKIP

    Raises:
        FileNotFoundError: no folders, or a class without images.
        FileFormatError: on reading, a file that is no image.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        endings = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, endings, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
