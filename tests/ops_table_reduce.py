"""One line per op: reductions, running results, sorting, statistics, and what is found in a tensor."""

from __future__ import annotations

import numpy as np

import reference as ref
from harness import Case, Sample, calls, fixed, numbers

X = numbers(2, 3, 4)
V = numbers(7, seed=3)
POSITIVE = numbers(2, 3, 4, low=0.4, high=1.6)
EMPTY = np.zeros((0, 3))
HOLES = np.where(np.arange(24).reshape(2, 3, 4) % 5 == 0, np.nan, X)
MASK = np.arange(24).reshape(2, 3, 4) % 3 == 0
INTS = np.array([[3, 1, 3, 2], [1, 1, 0, 3]])
ORDER = "the result is an index"
LOGIC = "the result is no float"
COUNT = "a count has no slope"
DIMS = [
    Sample((X,)),
    Sample((X, 1)),
    Sample((X, -1, True)),
    Sample((X, (0, 2))),
    Sample((X, (0, -1)), {"keepdim": True}),
    Sample((numbers(),)),
    Sample((V, 0)),
    Sample((numbers(5, 37), 0)),
    Sample((numbers(5, 37), 1)),
]
SUMS = calls(*DIMS, (EMPTY,), (EMPTY, 0), (EMPTY, 1))
SPREADS = calls((X,), (X, 1), (X, (0, 2), {"keepdim": True}), (X, 1, {"correction": 0}), (numbers(5, 37), 0))
ALONG = calls((X, 0), (X, 1), (X, -1), (V, 0), (numbers(3, 37), 1))
PICKS = calls((X, 0), (X, 1, True), (X, -1), (V, 0), (numbers(3, 37), 1))

REDUCE = [
    Case("sum", SUMS, ref.over(np.sum), tolerance=4),
    Case("sum", calls((INTS,), (INTS, 1), (MASK, (0, 1))), ref.over(np.sum), grad=LOGIC, dtype="int64"),
    Case("mean", calls(*DIMS), ref.over(np.mean), tolerance=4),
    Case(
        "prod",
        calls((POSITIVE,), (POSITIVE, 1), (POSITIVE, (0, 2), True), (EMPTY, 0)),
        ref.over(np.prod),
        tolerance=8,
    ),
    Case(
        "prod",
        calls((np.array([[2.0, 0.0, 3.0], [1.5, 2.0, 0.5]]), 1)),
        ref.over(np.prod),
        second="the gradient's slope at a zero factor is not followed",
    ),
    Case("amax", calls(*DIMS), ref.over(np.max)),
    Case("amin", calls(*DIMS), ref.over(np.min)),
    Case("any", calls((MASK,), (MASK, 1), (MASK, (0, 2), True)), ref.over(np.any), grad=LOGIC, dtype="bool"),
    Case("all", calls((MASK,), (MASK, 1), (MASK, (0, 2), True)), ref.over(np.all), grad=LOGIC, dtype="bool"),
    Case("var", SPREADS, ref.variance, tolerance=4),
    Case("std", SPREADS, lambda *a, **k: np.sqrt(ref.variance(*a, **k)), tolerance=4),
    Case(
        "vector_norm",
        calls(
            (X,),
            (X, 1.0, 1),
            (X, 2.0, (0, 2), True),
            (X, 3.0, 1),
            (POSITIVE, 0.5, -1),
            (X, np.inf, 1),
            (X, -np.inf, 1),
        ),
        ref.vector_norm,
        tolerance=8,
        half=False,
        torch="linalg.vector_norm",
    ),
    Case("vector_norm", calls((X, 0.0, 1)), ref.vector_norm, grad=COUNT, torch="linalg.vector_norm"),
    Case(
        "count_nonzero",
        calls((INTS,), (INTS, 1), (MASK, (0, 2))),
        lambda x, dim=None: np.count_nonzero(x, axis=ref.axis(dim)),
        grad=COUNT,
        dtype="int64",
    ),
    Case(
        "logsumexp",
        calls((X, 1), (X, -1, True), (X, (0, 2))),
        lambda x, dim, keepdim=False: ref.logsumexp(x, ref.axis(dim), keepdim),
        tolerance=2,
    ),
]

ROWS = [
    Case("max", PICKS, ref.extreme(True)),
    Case("min", PICKS, ref.extreme(False)),
    Case("max", calls((X,), (numbers(),)), np.max),
    Case("min", calls((X,), (V,)), np.min),
    Case(
        "argmax",
        calls((X, 1), (X,), (V, 0, True)),
        lambda x, dim=None, keepdim=False: x.argmax(dim, keepdims=keepdim),
        grad=ORDER,
        dtype="int64",
    ),
    Case(
        "argmin",
        calls((X, 1), (X,), (V, 0, True)),
        lambda x, dim=None, keepdim=False: x.argmin(dim, keepdims=keepdim),
        grad=ORDER,
        dtype="int64",
    ),
    Case("cumsum", ALONG, np.cumsum, tolerance=4),
    Case("cumprod", calls((POSITIVE, 0), (POSITIVE, -1)), np.cumprod, tolerance=4),
    Case("cummax", ALONG, ref.running(True)),
    Case("cummin", ALONG, ref.running(False)),
    Case("logcumsumexp", ALONG, ref.logcumsumexp, tolerance=4),
    Case("sort", calls((X, 0), (X, 1, True), (X,), (V, {"dim": 0, "stable": True})), ref.sort),
    Case("argsort", calls((X, 0), (X, -1, True)), lambda *a: ref.sort(*a)[1], grad=ORDER, dtype="int64"),
    Case("topk", calls((X, 2), (X, 1, 0), (V, 3, 0, False), (numbers(3, 37), 5)), ref.topk),
    Case("flip", calls((X, (0,)), (X, (0, 2)), (V, (0,))), np.flip),
    Case("softmax", ALONG, ref.softmax, tolerance=2),
    Case("log_softmax", ALONG, lambda x, dim: np.log(ref.softmax(x, dim)), tolerance=4),
    Case(
        "softmax",
        calls((X, 1, {"dtype": "dtype:float64"})),
        lambda x, dim, dtype: ref.softmax(x, dim),
        tolerance=2,
    ),
    Case(
        "nll_loss",
        calls(
            (numbers(5, 4, low=-3, high=-0.2), np.array([0, 3, 1, 2, 3])),
            (
                numbers(5, 4, low=-3, high=-0.2),
                np.array([0, 3, -100, 2, 3]),
                fixed(numbers(4, low=0.3, high=2)),
            ),
            (
                numbers(2, 3, 4, low=-3, high=-0.2),
                np.array([[0, 2, 1, 0], [2, 2, 1, 0]]),
                {"reduction": "none"},
            ),
            (
                numbers(5, 4, low=-3, high=-0.2),
                np.array([0, 3, 1, 2, 3]),
                {"reduction": "sum", "ignore_index": 3},
            ),
        ),
        ref.nll_loss,
        second="linear in its float argument",
        torch_tolerance=4,
    ),
    Case(
        "cross_entropy",
        calls(
            (numbers(5, 4), np.array([0, 3, 1, 2, 3])),
            (numbers(3, 37), np.array([36, -100, 5]), fixed(numbers(37, low=0.3, high=2))),
            (numbers(2, 3, 19), np.arange(38).reshape(2, 19) % 3, {"reduction": "sum", "ignore_index": 1}),
            (
                numbers(2, 3, 4),
                np.array([[0, 2, 1, 0], [2, 2, 1, 0]]),
                fixed(numbers(3, low=0.3, high=2)),
                {"reduction": "none", "label_smoothing": 0.2},
            ),
            (numbers(4, 3), np.array([0, 2, 1, 0]), {"ignore_index": 2, "label_smoothing": 0.3}),
        ),
        ref.cross_entropy,
        tolerance=8,
        torch_tolerance=8,
    ),
]

STATISTIC = [
    Case(
        "aminmax",
        calls((X,), (X, {"dim": 1, "keepdim": True})),
        lambda x, dim=None, keepdim=False: (x.min(dim, keepdims=keepdim), x.max(dim, keepdims=keepdim)),
    ),
    Case(
        "var_mean",
        calls((X, 1), (X, (0, 2), {"correction": 0, "keepdim": True})),
        lambda x, dim, correction=1, keepdim=False: (
            ref.variance(x, dim, keepdim, correction),
            x.mean(dim, keepdims=keepdim),
        ),
        tolerance=4,
    ),
    Case("std_mean", calls((X, 1)), lambda x, dim: (np.std(x, dim, ddof=1), x.mean(dim)), tolerance=4),
    Case("nansum", calls((HOLES,), (HOLES, 1)), ref.over(np.nansum), tolerance=4),
    Case("nanmean", calls((HOLES,), (HOLES, 1, True)), ref.over(np.nanmean), tolerance=4),
    Case(
        "norm",
        calls((X,), (X, 1, 2), (X, "fro", (0, 1), True)),
        lambda x, p=2, dim=None, keepdim=False: ref.vector_norm(x, 2 if p == "fro" else p, dim, keepdim),
        tolerance=8,
    ),
    Case(
        "dist",
        calls((X, numbers(3, 4, seed=1)), (V, V + 1, 1)),
        lambda x, y, p=2: ref.vector_norm(x - y, p),
        tolerance=8,
    ),
    Case(
        "cdist",
        calls(
            (numbers(4, 3), numbers(5, 3, seed=1)),
            (numbers(4, 3), numbers(5, 3, seed=1), 1.0),
            (numbers(30, 3), numbers(27, 3, seed=1)),
        ),
        lambda x, y, p=2: ref.vector_norm(x[:, None] - y[None], p, -1),
        tolerance=40,
        half=False,
    ),
    Case(
        "pdist",
        calls((numbers(4, 3),)),
        lambda x: np.array([np.linalg.norm(x[i] - x[j]) for i in range(4) for j in range(i + 1, 4)]),
        tolerance=8,
    ),
    Case("cov", calls((numbers(3, 6),), (V,)), np.cov, tolerance=8, half=False),
    Case("corrcoef", calls((numbers(3, 6),)), np.corrcoef, tolerance=8, half=False),
    Case("median", calls((V,), (numbers(3, 5),)), np.median),
    Case("nanmedian", calls((np.array([3.0, np.nan, 1.0, 2.0]),)), np.nanmedian, second="piecewise linear"),
    Case(
        "kthvalue",
        calls((X, 2, 1), (V, 3)),
        lambda x, k, dim=-1: tuple(np.take(part, k - 1, dim) for part in ref.sort(x, dim)),
    ),
    Case(
        "mode",
        calls((np.array([[1.0, 2.0, 2.0, 3.0], [3.0, 1.0, 3.0, 1.0]]),)),
        lambda x: (np.array([2.0, 1.0]), np.array([2, 3])),
        grad="differences part what is equal",
        torch=None,
    ),
    Case("msort", calls((X,)), lambda x: np.sort(x, 0)),
    Case(
        "quantile",
        calls((X, 0.3), (X, 0.3, 1), (X, 0.7, -1, True)),
        lambda x, q, dim=None, keepdim=False: np.quantile(x, q, axis=dim, keepdims=keepdim),
        tolerance=4,
        half=False,
    ),
    Case(
        "nanquantile",
        calls((HOLES, 0.3, 1)),
        lambda x, q, dim: np.nanquantile(x, q, axis=dim),
        tolerance=4,
        half=False,
        grad="differences move NaN",
    ),
    Case(
        "trapezoid",
        calls((X,), (X, {"dx": 0.5, "dim": 1})),
        lambda y, dx=1, dim=-1: (np.trapezoid if hasattr(np, "trapezoid") else np.trapz)(y, dx=dx, axis=dim),
        tolerance=4,
        torch=None,
    ),
    Case("diff", calls((X,), (X, 2, 1)), lambda x, n=1, dim=-1: np.diff(x, n, dim)),
    Case(
        "nan_to_num",
        calls((HOLES, 0.5, 2.0, -2.0)),
        lambda x, nan, posinf, neginf: np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
        grad="differences move NaN",
    ),
    Case("logit", calls((numbers(3, 4, low=0.1, high=0.9),)), lambda x: np.log(x / (1 - x)), tolerance=4),
    Case("deg2rad", calls((X,)), np.deg2rad),
    Case("rad2deg", calls((X,)), np.rad2deg),
    Case("ldexp", calls((X, np.array([1, -1, 2, 0]))), np.ldexp, half=False, torch=None),
    Case(
        "heaviside",
        calls((np.array([-1.0, 0.0, 2.0]), np.array([0.5, 0.25, 0.75]))),
        np.heaviside,
        grad="a step",
    ),
    Case("isclose", calls((X, X + 1e-9), (X, X + 1.0)), np.isclose, grad=LOGIC, dtype="bool", half=False),
]

SEARCH = [
    Case(
        "unique",
        calls((INTS, {"return_inverse": True, "return_counts": True})),
        lambda x, return_inverse, return_counts: (
            (u := np.unique(x, return_inverse=True, return_counts=True))[0],
            u[1].reshape(x.shape),
            u[2],
        ),
        grad=LOGIC,
        dtype="int64",
    ),
    Case(
        "unique",
        calls((INTS.T, {"dim": 0})),
        lambda x, dim: np.unique(x, axis=dim),
        grad=LOGIC,
        dtype="int64",
    ),
    Case(
        "unique_consecutive",
        calls((INTS,)),
        lambda x: np.array([3, 1, 3, 2, 1, 0, 3]),
        grad=LOGIC,
        dtype="int64",
    ),
    Case(
        "searchsorted",
        calls((np.sort(V), X), (np.sort(V), V, {"right": True})),
        lambda s, x, right=False: np.searchsorted(s, x, "right" if right else "left"),
        grad=ORDER,
        dtype="int64",
    ),
    Case("bucketize", calls((X, np.sort(V))), lambda x, s: np.searchsorted(s, x), grad=ORDER, dtype="int64"),
    Case(
        "isin",
        calls((INTS, np.array([1, 2])), (INTS, np.array([1, 2]), {"invert": True})),
        np.isin,
        grad=LOGIC,
        dtype="bool",
    ),
    Case(
        "bincount",
        calls((INTS.reshape(-1),), (INTS.reshape(-1), {"minlength": 9})),
        np.bincount,
        grad=LOGIC,
        dtype="int64",
    ),
    Case(
        "histc",
        calls((V, 4, -2.0, 2.0)),
        lambda x, bins, lo, hi: np.histogram(x, bins, (lo, hi))[0].astype(float),
        grad=COUNT,
    ),
    Case("nonzero", calls((INTS,), (MASK,)), lambda x: np.argwhere(x), grad=ORDER, dtype="int64"),
    Case("argwhere", calls((MASK,)), np.argwhere, grad=ORDER, dtype="int64"),
]

REDUCTION = REDUCE + ROWS + STATISTIC + SEARCH
