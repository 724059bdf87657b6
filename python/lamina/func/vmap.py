"""vmap: a function of single samples applied to a batch. Here it is a loop: the function is called once per
sample and the results are stacked, so it costs what the loop costs, and nothing in it needs a rule."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import lamina
from lamina._core import ShapeError, Tensor
from lamina.func.tree import leaves, mapped, rebuilt


def _spread(dims: Any, tree: Any, word: str) -> Any:
    """``dims`` as a nest like ``tree``: a number or None stands for all below it."""
    if dims is None or isinstance(dims, int):
        return mapped(lambda _: dims, tree)
    if isinstance(tree, dict) and isinstance(dims, dict) and dims.keys() == tree.keys():
        return type(tree)((key, _spread(dims[key], item, word)) for key, item in tree.items())
    if isinstance(tree, (tuple, list)) and isinstance(dims, (tuple, list)) and len(dims) == len(tree):
        spread = [_spread(d, item, word) for d, item in zip(dims, tree, strict=True)]
        return type(tree)(*spread) if hasattr(tree, "_fields") else type(tree)(spread)
    raise ShapeError(f"vmap: {word} {dims} does not fit the structure of what it is for")


def _batch_size(args: list[Any], dims: list[Any]) -> int:
    sizes = set()
    for x, dim in zip(args, dims, strict=True):
        if dim is None:
            continue
        if not isinstance(x, Tensor):
            raise ShapeError(f"vmap: in_dims {dim} for an argument that is no tensor: {type(x).__name__}")
        if not -x.ndim <= dim < x.ndim:
            raise ShapeError(f"vmap: in_dims {dim} for a tensor of shape {tuple(x.shape)}")
        sizes.add(x.shape[dim])
    if not sizes:
        raise ShapeError("vmap: expected at least one argument with a dimension to map over")
    if len(sizes) > 1:
        raise ShapeError(f"vmap: expected the same size in all mapped dimensions, got {sorted(sizes)}")
    return sizes.pop()


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that maps ``func`` over dimension ``in_dims`` of its arguments (None: the same for all) and
    stacks the results along ``out_dims``.

    It calls ``func`` once per sample; ``chunk_size``, which bounds memory elsewhere, changes nothing.
    ``randomness`` says whether samples may draw random numbers: "different" ones, the "same", or none.

    Raises:
        ShapeError: dimensions that do not fit, sizes that differ, or an empty batch.
        RuntimeError: random numbers under ``randomness="error"``.

    >>> lamina.func.vmap(lamina.dot)(lamina.ones(3, 2), lamina.ones(3, 2)).tolist()
    [2.0, 2.0, 2.0]
    """
    if randomness not in ("error", "different", "same"):
        raise ShapeError(f"vmap: expected randomness 'error', 'different' or 'same', got {randomness!r}")

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        dims = in_dims if not isinstance(in_dims, list) else tuple(in_dims)
        flat, places = leaves(args), leaves(_spread(dims, args, "in_dims"))
        count = _batch_size(flat, places)
        if count == 0:
            raise ShapeError("vmap: the batch is empty, so the shape of a result is unknown")
        columns = [[x] * count if d is None else x.unbind(d) for x, d in zip(flat, places, strict=True)]
        named = {key: mapped(_rows, value) for key, value in kwargs.items()}
        results = []
        start = lamina.get_rng_state()
        for i in range(count):
            if randomness == "same" and i:
                lamina.set_rng_state(start)
            own = {key: mapped(functools.partial(_row, i), value) for key, value in named.items()}
            results.append(func(*rebuilt(args, iter([column[i] for column in columns])), **own))
            if randomness == "error" and not lamina.equal(start, lamina.get_rng_state()):
                raise RuntimeError(
                    "vmap: called random operation while in randomness error mode. Please either use the "
                    "'same' or 'different' randomness flags on vmap or perform the randomness operation out "
                    "of vmap"
                )
        return _stacked(results, out_dims)

    return wrapped


class _Rows:
    """A keyword's tensor, taken apart along dimension 0."""

    def __init__(self, x: Tensor) -> None:
        self.rows = x.unbind(0)


def _rows(value: Any) -> Any:
    return _Rows(value) if isinstance(value, Tensor) else value


def _row(i: int, value: Any) -> Any:
    return value.rows[i] if isinstance(value, _Rows) else value


def _stacked(results: list[Any], out_dims: Any) -> Any:
    table = [leaves(result) for result in results]
    for leaf in table[0]:
        if not isinstance(leaf, Tensor):
            raise ShapeError(f"vmap: expected the function to return tensors, got {type(leaf).__name__}")
    places = leaves(_spread(out_dims, results[0], "out_dims"))
    stacked = [
        row[0] if dim is None else lamina.stack(list(row), dim)
        for row, dim in zip(zip(*table, strict=True), places, strict=True)
    ]
    return rebuilt(results[0], iter(stacked))
