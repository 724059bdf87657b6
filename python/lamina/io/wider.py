"""Numbers of dtypes that lamina lacks, as those of the next one that holds them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import lamina

if TYPE_CHECKING:
    from lamina import Tensor


def _e4m3fn(data: Any) -> Any:
    """A sign, four bits of exponent, three of fraction; no infinities (https://arxiv.org/abs/2209.05433)."""
    code = np.arange(128)
    exponent, fraction = code >> 3, code & 7
    size = np.where(exponent, np.ldexp(8.0 + fraction, exponent - 10), np.ldexp(1.0 * fraction, -9))
    size[127] = np.nan
    return np.concatenate([size, -size]).astype(np.float32)[data]


def _e5m2(data: Any) -> Any:
    """The upper half of a float16."""
    return (np.arange(256, dtype=np.uint16) << 8).view(np.float16).astype(np.float32)[data]


class Wider(NamedTuple):
    """The bytes of a number, and what makes wider ones of many bytes."""

    bytes: int
    read: Callable[[Any], Any]


# PyTorch's name of the dtype.
WIDER = {
    "float8_e4m3fn": Wider(1, _e4m3fn),
    "float8_e5m2": Wider(1, _e5m2),
    "uint16": Wider(2, lambda data: data.view("<u2").astype(np.int32)),
    "uint32": Wider(4, lambda data: data.view("<u4").astype(np.int64)),
}


def widened(name: str, data: Any) -> Tensor:
    """The numbers in an array of bytes, as a tensor of one dimension: float32, int32 or int64."""
    return lamina.from_numpy(WIDER[name].read(np.frombuffer(data, np.uint8).copy()))
