"""Makes one batch of a list of samples. How the samples were chosen and fetched is left to the loader."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

import lamina


def default_collate(batch: Sequence[Any]) -> Any:
    """One batch of a list of samples of the same kind, with a new first dimension.

    Tensors and NumPy arrays are stacked; numbers become a tensor (float64 for Python floats); strings and
    bytes stay a list; dicts, tuples and lists are collated field by field, tuples as lists.

    Raises:
        TypeError: a sample is none of these.
        RuntimeError: lists of different length.
        ShapeError: tensors of different shape.

    >>> images, labels = default_collate([(image0, 3), (image1, 7)])
    """
    first = batch[0]
    if isinstance(first, lamina.Tensor):
        return lamina.stack(list(batch))
    if isinstance(first, (np.ndarray, np.generic)):
        if first.dtype.kind not in "biuf":
            raise TypeError(_unknown(first.dtype))
        return lamina.from_numpy(np.stack(batch))
    if isinstance(first, float):
        return lamina.tensor(batch, dtype=lamina.float64)
    if isinstance(first, int):
        return lamina.tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _rebuild(first, {key: default_collate([sample[key] for sample in batch]) for key in first})
    if isinstance(first, Sequence):
        if len({len(sample) for sample in batch}) > 1:
            raise RuntimeError("each element in list of batch should be of equal size")
        fields = [default_collate(field) for field in zip(*batch, strict=True)]
        return fields if type(first) is tuple else _rebuild(first, fields)
    raise TypeError(_unknown(type(first)))


def default_convert(data: Any) -> Any:
    """A single sample with its NumPy arrays and numbers turned into tensors, and everything else as it is.

    >>> image, label = default_convert((np.zeros((28, 28), np.float32), "seven"))
    """
    if isinstance(data, (np.ndarray, np.generic)):
        return lamina.from_numpy(np.asarray(data)) if data.dtype.kind in "biuf" else data
    if isinstance(data, Mapping):
        return _rebuild(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        fields = [default_convert(value) for value in data]
        return fields if type(data) is tuple else _rebuild(data, fields)
    return data


def _rebuild(like: Any, parts: Any) -> Any:
    """``parts``, a dict or a list, in the type of ``like`` where that type can be made of it."""
    try:
        if isinstance(like, tuple) and hasattr(like, "_fields"):  # a named tuple
            return type(like)(*parts)
        if isinstance(like, MutableMapping):
            result: Any = copy.copy(like)
            result.update(parts)
            return result
        if isinstance(like, MutableSequence):
            result = copy.copy(like)
            for index, part in enumerate(parts):
                result[index] = part
            return result
        maker: Callable[[Any], Any] = type(like)
        return maker(parts)
    except TypeError:
        return parts


def _unknown(kind: Any) -> str:
    return f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {kind}"
