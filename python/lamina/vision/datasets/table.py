"""Tables (CSV, also packed by gzip) of file names and labels, or of pixels and labels."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import lamina
from lamina._core import FileFormatError
from lamina.utils.data import Dataset

from .folder import default_loader

Column = str | int


def _rows(path: Path) -> list[list[str]]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error, EOFError) as error:
        raise FileFormatError(f"{path}: this table cannot be read ({error})") from error
    if not rows:
        raise FileFormatError(f"{path}: the table is empty")
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise FileFormatError(
                f"{path}: row {number} has {len(row)} cells, where the first has {len(rows[0])}"
            )
    return rows


def _place(path: Path, header: Sequence[str] | None, column: Column, width: int) -> int:
    if isinstance(column, int):
        if not -width <= column < width:
            raise FileFormatError(f"{path}: there is no column {column} among {width}")
        return column % width
    if header is None or column not in header:
        there = "the table has no header" if header is None else f"there are {', '.join(header)}"
        raise FileFormatError(f"{path}: there is no column {column!r}: {there}")
    return list(header).index(column)


class ImageCSV(Dataset):
    """Images named in a table with a header: a column of paths, below ``root``, and one of labels.

    Labels are any words; ``classes`` are the sorted ones, and samples have their numbers.

    Args:
        path: the table.
        root: what the paths start from; the table's folder unless given.
        image, label: the columns, by name or number.
        transform, target_transform: applied to the image and to the number.

    Raises:
        FileNotFoundError: no such table, or on reading no such image.
        FileFormatError: a row of another length, a missing column, an empty label; a damaged image.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        root: str | os.PathLike | None = None,
        image: Column = "image",
        label: Column = "label",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        table = Path(path)
        header, *rows = _rows(table)
        picture, word = (_place(table, header, column, len(header)) for column in (image, label))
        for number, row in enumerate(rows, 2):
            if not row[picture].strip() or not row[word].strip():
                raise FileFormatError(f"{table}: row {number} has no image or no label")
        if not rows:
            raise FileFormatError(f"{table}: there are no rows below the header")
        self.root = os.fspath(table.parent if root is None else root)
        self.loader = loader
        self.transform = transform
        self.target_transform = target_transform
        self.classes = sorted({row[word] for row in rows})
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self.samples = [(os.path.join(self.root, row[picture]), self.class_to_idx[row[word]]) for row in rows]
        self.targets = [target for _, target in self.samples]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        image = self.loader(path)
        if self.transform is not None:
            image = self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return len(self.samples)


class PixelCSV(Dataset):
    """Rows of numbers with a label: tensors float32 of ``shape`` and int64 class numbers.

    Args:
        path: the table; a first row that is no numbers is its header.
        label: the column of class numbers, by number or by name.
        shape: of a sample, such as (1, 28, 28); a vector unless given.
        scale: what the numbers are multiplied by, such as 1 / 255.
        transform, target_transform: applied to the tensor and to the number.

    Raises:
        FileNotFoundError: no such table.
        FileFormatError: no numbers, labels that are not whole, or too few numbers for ``shape``.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        label: Column = -1,
        shape: Sequence[int] | None = None,
        scale: float = 1.0,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        table = Path(path)
        rows = _rows(table)
        header = None if _is_number(rows[0][0]) else rows.pop(0)
        width = len(rows[0]) if rows else 0
        place = _place(table, header, label, width)
        try:
            numbers = np.array(rows, dtype=np.float32)
        except ValueError as error:
            raise FileFormatError(f"{table}: a cell is no number ({error})") from error
        classes = numbers[:, place]
        if not (np.isfinite(classes).all() and (classes == np.floor(classes)).all() and classes.min() >= 0):
            raise FileFormatError(
                f"{table}: the labels in column {label} are not all class numbers 0, 1, 2 ..."
            )
        values = np.delete(numbers, place, axis=1) * np.float32(scale)
        size = tuple(shape) if shape is not None else (width - 1,)
        if int(np.prod(size)) != width - 1:
            raise FileFormatError(f"{table}: rows of {width - 1} numbers do not make samples of shape {size}")
        self.data = lamina.from_numpy(np.ascontiguousarray(values).reshape(len(values), *size))
        self.targets = lamina.from_numpy(classes.astype(np.int64))
        self.classes = [str(number) for number in range(int(classes.max()) + 1)]
        self.transform = transform
        self.target_transform = target_transform

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        sample, target = self.data[index], int(self.targets[index].item())
        if self.transform is not None:
            sample = self.transform(sample)
        return sample, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return len(self.data)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
