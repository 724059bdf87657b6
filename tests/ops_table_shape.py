"""One line per op: views, joining and cutting, reading and writing at indices, new tensors."""

from __future__ import annotations

import numpy as np

import reference as ref
from harness import Case, calls, numbers

X, M, V = numbers(2, 3, 4), numbers(3, 4), numbers(5, seed=2)
SQUARE = numbers(3, 3)
MASK = np.arange(12).reshape(3, 4) % 3 == 0
AT = np.array([2, 0, 2])
PLACES = np.array([[0, 2, 1, 1], [2, 0, 0, 1]])
ONCE = np.array([[0, 2, 1, 0], [2, 0, 0, 1]])
SOURCE = numbers(3, 4, seed=4)
PICKS = "the gradient of extremes and products of scattered values is missing"
NEW = "there is no float argument"

VIEW = [
    Case(
        "view",
        calls((M, (2, 6)), (M, (-1,)), (M, (1, 3, 1, 4))),
        np.reshape,
        layouts=False,
        torch="Tensor.view",
    ),
    Case("reshape", calls((M, (2, 6)), (M, (-1,)), (numbers(), (1, 1))), np.reshape),
    Case("permute", calls((X, (2, 0, 1)), (X, (-1, 1, 0))), np.transpose),
    Case("transpose", calls((X, 0, 2), (M, -1, 0)), np.swapaxes),
    Case("t", calls((M,), (V,)), np.transpose),
    Case(
        "expand",
        calls((numbers(3, 1), (2, 3, 4)), (V, (-1,)), (numbers(), (2, 2))),
        lambda x, shape: np.broadcast_to(x, [x.shape[0] if n == -1 else n for n in shape]),
        torch="Tensor.expand",
    ),
    Case(
        "squeeze",
        calls((numbers(1, 3, 1),), (numbers(1, 3, 1), 0), (numbers(1, 3, 1), (0, 2)), (M, 1)),
        lambda x, dim=None: np.squeeze(x, dim) if dim is None or np.prod(np.take(x.shape, dim)) == 1 else x,
    ),
    Case("unsqueeze", calls((M, 0), (M, -1), (numbers(), 0)), np.expand_dims),
    Case("select", calls((X, 1, 2), (X, -1, -1)), lambda x, dim, i: np.take(x, i, dim)),
    Case(
        "slice",
        calls((X, 1, 0, 2, 1), (V, 0, 1, 5, 2), (V, 0, -3, 99, 1)),
        lambda x, d, a, b, s: x[(slice(None),) * d + (slice(a, b, s),)],
        torch=None,
    ),
    Case("narrow", calls((X, 1, 1, 2), (V, 0, 4, 1)), lambda x, d, a, n: np.take(x, range(a, a + n), d)),
    Case("diagonal", calls((M,), (M, 1), (M, -2), (X, 0, 1, 2), (X, 1, 2, 0)), np.diagonal),
    Case(
        "as_strided",
        calls((V, (3, 2), (1, 2)), (V, (2, 2), (2, 1), 1)),
        lambda x, shape, strides, offset=0: np.array(
            [[x[offset + i * strides[0] + j * strides[1]] for j in range(shape[1])] for i in range(shape[0])]
        ),
        layouts=False,
    ),
    Case("Tensor.unfold", calls((V, 0, 3, 1), (X, 2, 2, 2), (X, 1, 2, 1)), ref.unfold),
    Case(
        "flatten",
        calls((X,), (X, 1), (X, 0, 1), (numbers(),)),
        lambda x, a=0, b=-1: x.reshape((*x.shape[:a], -1, *(x.shape[b % x.ndim + 1 :] if x.ndim else ()))),
    ),
    Case("unflatten", calls((X, 2, (2, -1))), lambda x, dim, sizes: x.reshape(2, 3, 2, 2)),
    Case("movedim", calls((X, 0, 2), (X, (0, 1), (1, 0))), np.moveaxis),
    Case("moveaxis", calls((X, 0, 2)), np.moveaxis),
    Case("swapaxes", calls((X, 0, 2)), np.swapaxes),
    Case("swapdims", calls((X, 0, 2)), np.swapaxes),
    Case("ravel", calls((X,)), np.ravel),
    Case("broadcast_to", calls((V, (2, 5))), np.broadcast_to),
    Case("Tensor.expand_as", calls((V, numbers(2, 5))), lambda x, y: np.broadcast_to(x, y.shape)),
    Case("Tensor.view_as", calls((M, numbers(2, 6))), lambda x, y: x.reshape(y.shape), layouts=False),
    Case("Tensor.reshape_as", calls((M, numbers(2, 6))), lambda x, y: x.reshape(y.shape)),
    Case(
        "Tensor.sum_to_size",
        calls((X, (1, 3, 1)), (X, (4,))),
        lambda x, shape: x.sum((0, 2), keepdims=True) if len(shape) == 3 else x.sum((0, 1)),
        tolerance=4,
    ),
]

JOIN = [
    Case("clone", calls((X,), (numbers(),)), np.copy),
    Case("contiguous", calls((X,)), np.copy, torch="Tensor.contiguous"),
    Case("cat", calls(([M, SOURCE],), ([M, SOURCE], 1), ([M, numbers(1, 4)], -2)), np.concatenate),
    Case("stack", calls(([M, SOURCE],), ([M, SOURCE], 1), ([V, V], -1)), np.stack),
    Case("hstack", calls(([M, SOURCE],), ([V, V],)), np.hstack),
    Case("vstack", calls(([M, SOURCE],), ([V, V],)), np.vstack),
    Case("dstack", calls(([M, SOURCE],), ([V, V],)), np.dstack),
    Case("column_stack", calls(([V, V],)), np.column_stack),
    Case("Tensor.repeat", calls((M, 2, 3), (V, 2, 2)), lambda x, *n: np.tile(x, n)),
    Case("tile", calls((M, (2, 3)), (M, (2,))), np.tile),
    Case("repeat_interleave", calls((M, 2), (M, 2, 0), (M, np.array([1, 0, 2]), 0)), np.repeat),
    Case("roll", calls((X, 1), (X, (1, -2), (0, 2))), np.roll),
    Case("rot90", calls((X, 1, (0, 1)), (X, -1, (2, 0)), (X, 2, (0, 1))), np.rot90),
    Case("fliplr", calls((M,)), np.fliplr),
    Case("flipud", calls((M,)), np.flipud),
    Case(
        "split",
        calls((V, 2), (X, [1, 2], 1)),
        lambda x, n, dim=0: np.split(
            x, range(n, x.shape[dim], n) if isinstance(n, int) else np.cumsum(n)[:-1], dim
        ),
    ),
    Case("chunk", calls((V, 2), (X, 2, 2)), lambda x, n, dim=0: np.split(x, [-(-x.shape[dim] // n)], dim)),
    Case("tensor_split", calls((V, 3), (X, (1, 3), 2)), lambda x, n, dim=0: np.array_split(x, n, dim)),
    Case("unbind", calls((X,), (X, 1)), lambda x, dim=0: list(np.moveaxis(x, dim, 0))),
    Case(
        "meshgrid",
        calls((V, numbers(2), {"indexing": "xy"}), (V, numbers(2), {"indexing": "ij"})),
        np.meshgrid,
    ),
    Case("cartesian_prod", calls((V, numbers(2))), lambda a, b: np.array([(i, j) for i in a for j in b])),
    Case(
        "combinations",
        calls((V, 2)),
        lambda x, r: np.array([(x[i], x[j]) for i in range(5) for j in range(i + 1, 5)]),
    ),
    Case(
        "block_diag",
        calls((M, numbers(1, 2))),
        lambda a, b: np.block([[a, np.zeros((3, 2))], [np.zeros((1, 4)), b]]),
    ),
    Case("diag", calls((V,), (M,), (V, 1), (M, -1)), np.diag),
    Case("diag_embed", calls((V,), (V, -1)), np.diag),
    Case("diagflat", calls((M,)), np.diagflat),
    Case("trace", calls((M,)), np.trace),
    Case("tril", calls((M,), (M, 1), (X, -1)), np.tril),
    Case("triu", calls((M,), (M, 1), (X, -1)), np.triu),
    Case("atleast_2d", calls((V,), (numbers(),)), np.atleast_2d),
    Case("atleast_3d", calls((V,), (M,)), np.atleast_3d),
    Case("vander", calls((V,), (V, 3, True)), np.vander, tolerance=40, half=False),
]

INDEX = [
    Case(
        "index_select",
        calls((M, 0, AT), (X, 2, AT), (V, 0, np.array([4]))),
        lambda x, dim, i: np.take(x, i, dim),
    ),
    Case(
        "index_add", calls((M, 0, AT, SOURCE), (M, 0, AT, SOURCE, {"alpha": 0.5})), ref.index_add, tolerance=2
    ),
    Case(
        "gather",
        calls((M, 0, PLACES), (M, 1, PLACES[:, :2])),
        lambda x, dim, i: np.take_along_axis(x[: i.shape[0]] if dim == 1 else x[:, : i.shape[1]], i, dim),
    ),
    Case(
        "scatter",
        calls((M, 0, ONCE, SOURCE), (M, 1, np.array([[3, 0]]), SOURCE), (M, 0, ONCE, 1.5)),
        ref.scatter,
    ),
    Case("scatter", calls((M, 0, PLACES, SOURCE, {"reduce": "add"})), ref.scatter, tolerance=2),
    Case(
        "scatter",
        calls((M, 0, PLACES, SOURCE, {"reduce": "multiply"})),
        ref.scatter,
        tolerance=4,
    ),
    Case("scatter_add", calls((M, 0, PLACES, SOURCE)), lambda *a: ref.scatter(*a, "add"), tolerance=2),
    Case("scatter_reduce", calls((M, 0, PLACES, SOURCE, "sum")), lambda *a: ref.scatter(*a), tolerance=2),
    Case(
        "scatter_reduce",
        calls((M, 0, PLACES, SOURCE, "amax"), (M, 0, PLACES, SOURCE, "prod")),
        ref.scatter,
        tolerance=4,
    ),
    Case("masked_fill", calls((M, MASK, 0.5), (X, MASK, -1.0)), lambda x, m, v: np.where(m, v, x)),
    Case("masked_select", calls((M, MASK)), lambda x, m: x[m]),
    Case(
        "masked_scatter", calls((M, MASK, SOURCE)), lambda x, m, s: ref.put(x, (m,), s.reshape(-1)[: m.sum()])
    ),
    Case("take", calls((M, PLACES)), np.take),
    Case("take_along_dim", calls((M, np.array([[3, 0, 1], [2, 2, 0], [1, 1, 3]]), 1)), np.take_along_axis),
    Case(
        "index_put",
        calls((M, (AT, None), SOURCE, True), (M, (np.array([0, 2]),), SOURCE[:2]), (M, (MASK,), numbers(4))),
        ref.put,
        tolerance=2,
    ),
    Case("index_copy", calls((M, 0, np.array([2, 0]), SOURCE[:2])), lambda x, d, i, s: ref.put(x, (i,), s)),
    Case("index_fill", calls((M, 1, np.array([0, 3]), 0.5)), lambda x, d, i, v: ref.put(x, (None, i), v)),
    Case(
        "put",
        calls((M, np.array([0, 7]), numbers(2))),
        lambda x, i, s: ref.put(x.reshape(-1), (i,), s).reshape(x.shape),
    ),
    Case("select_scatter", calls((M, V[:4], 0, 1)), lambda x, s, d, i: ref.put(x, (i,), s)),
    Case(
        "slice_scatter", calls((M, SOURCE[:2], 0, 1, 3)), lambda x, s, d, a, b: ref.put(x, (slice(a, b),), s)
    ),
    Case("diagonal_scatter", calls((SQUARE, V[:3])), lambda x, s: x - np.diag(np.diag(x)) + np.diag(s)),
    Case("embedding", calls((M, PLACES)), lambda w, i: w[i], torch=None),
]

CREATE = [
    Case("full", calls(((2, 3), 1.5)), np.full, grad=NEW, dtype="float32"),
    Case("full_like", calls((M, 2)), np.full_like, grad="the values are constant"),
    Case("arange", calls((5,), (1, 9, 3), (5, 0, -2)), np.arange, grad=NEW, dtype="int64"),
    Case("arange", calls((0.0, 1.0, 0.25)), np.arange, grad=NEW, dtype="float32"),
    Case("linspace", calls((0, 1, 5), (3.0, -2.0, 7)), np.linspace, grad=NEW, dtype="float32", tolerance=2),
    Case("logspace", calls((0.0, 2.0, 5)), np.logspace, grad=NEW, dtype="float32", tolerance=4),
    Case("eye", calls((3,), (2, 3)), np.eye, grad=NEW, dtype="float32"),
    Case("zeros", calls((2, 3)), lambda *n: np.zeros(n), grad=NEW, dtype="float32"),
    Case("ones", calls((2, 3)), lambda *n: np.ones(n), grad=NEW, dtype="float32"),
    Case("zeros_like", calls((M,)), np.zeros_like, grad="the values are constant"),
    Case("ones_like", calls((M,)), np.ones_like, grad="the values are constant"),
    Case(
        "tril_indices",
        calls((3, 4), (3, 4, 1)),
        lambda n, m, k=0: np.stack(np.tril_indices(n, k, m)),
        grad=NEW,
        dtype="int64",
    ),
    Case(
        "triu_indices",
        calls((3, 4), (3, 4, 1)),
        lambda n, m, k=0: np.stack(np.triu_indices(n, k, m)),
        grad=NEW,
        dtype="int64",
    ),
]

SHAPE = VIEW + JOIN + INDEX + CREATE
