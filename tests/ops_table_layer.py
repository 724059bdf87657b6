"""One line per op: matrix products, linear algebra, images, normalisation."""

from __future__ import annotations

import numpy as np

import reference as ref
from harness import Case, calls, numbers

M, N, S = numbers(3, 4), numbers(4, 5, seed=1), numbers(3, 3)
BATCH, BATCH2 = numbers(2, 3, 4), numbers(2, 4, 5, seed=1)
V, W = numbers(4, seed=2), numbers(3, seed=3)
IMAGE, LARGE = numbers(2, 4, 5, 6), numbers(1, 2, 7, 8)
SPD = S @ S.T + 2 * np.eye(3)
BATCHED = np.stack([SPD, 2 * SPD + np.eye(3)])
ROWS = numbers(5, 3)
FACES = "the sign of a factor is LAPACK's choice"

MATRIX = [
    Case(
        "matmul",
        calls(
            (M, N),
            (V, N),
            (M, V),
            (V, V),
            (BATCH, BATCH2),
            (BATCH, N),
            (numbers(5, 1, 3, 4), BATCH2),
            (numbers(0, 4), N),
            (numbers(3, 0), numbers(0, 2)),
            (numbers(17, 33), numbers(33, 19, seed=1)),
        ),
        np.matmul,
        tolerance=16,
        half=False,
    ),
    Case(
        "matmul",
        calls((np.arange(6).reshape(2, 3), np.arange(12).reshape(3, 4))),
        np.matmul,
        grad="integers",
        dtype="int64",
    ),
    Case("mm", calls((M, N)), np.matmul, tolerance=8, half=False),
    Case("bmm", calls((BATCH, BATCH2)), np.matmul, tolerance=8, half=False),
    Case("mv", calls((M, V)), np.matmul, tolerance=8, half=False),
    Case("dot", calls((V, numbers(4, seed=9))), np.dot, tolerance=8, half=False),
    Case("vdot", calls((V, numbers(4, seed=9))), np.dot, tolerance=8, half=False),
    Case("inner", calls((BATCH, M), (V, V)), np.inner, tolerance=8, half=False),
    Case("outer", calls((V, W)), np.outer),
    Case("ger", calls((V, W)), np.outer),
    Case(
        "linear",
        calls((M, numbers(5, 4)), (BATCH, numbers(5, 4), numbers(5)), (V, numbers(5, 4))),
        lambda x, w, b=0: x @ w.T + b,
        tolerance=8,
        half=False,
    ),
    Case(
        "addmm",
        calls((numbers(3, 5), M, N, {"beta": 0.5, "alpha": 2.0}), (numbers(5), M, N)),
        lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
        tolerance=16,
        half=False,
    ),
    Case(
        "baddbmm",
        calls((numbers(2, 3, 5), BATCH, BATCH2, {"beta": 0.5, "alpha": 2.0})),
        lambda x, a, b, beta, alpha: beta * x + alpha * (a @ b),
        tolerance=16,
        half=False,
    ),
    Case(
        "addmv",
        calls((W, M, V, {"beta": 0.5, "alpha": 2.0})),
        lambda x, a, b, beta, alpha: beta * x + alpha * (a @ b),
        tolerance=8,
        half=False,
    ),
    Case(
        "addr",
        calls((S, W, W, {"alpha": 2.0})),
        lambda x, a, b, alpha: x + alpha * np.outer(a, b),
        tolerance=4,
        half=False,
    ),
    Case(
        "addbmm",
        calls((numbers(3, 5), BATCH, BATCH2)),
        lambda x, a, b: x + (a @ b).sum(0),
        tolerance=16,
        half=False,
    ),
    Case("chain_matmul", calls((M, N, numbers(5, 2))), lambda a, b, c: a @ b @ c, tolerance=16, half=False),
    Case("kron", calls((S, numbers(2, 2)), (V, numbers(2))), np.kron),
    Case(
        "cross",
        calls((ROWS, numbers(5, 3, seed=1), 1)),
        lambda a, b, d: np.cross(a, b),
        tolerance=4,
        half=False,
    ),
    Case(
        "einsum",
        calls(
            ("ij,jk->ik", M, N),
            ("bij,bjk->bik", BATCH, BATCH2),
            ("ii->i", S),
            ("ii", S),
            ("i,j->ij", V, W),
            ("...ij,jk->...ik", BATCH, N),
            ("ijk->kji", BATCH),
            ("ij,ij,ij->j", M, M, M),
        ),
        np.einsum,
        tolerance=16,
        half=False,
    ),
    Case(
        "tensordot",
        calls((BATCH, numbers(3, 4, 2), 2), (BATCH, numbers(4, 2), ([2], [0]))),
        np.tensordot,
        tolerance=16,
        half=False,
    ),
]

LINALG = [
    Case("linalg.inv", calls((SPD,), (BATCHED,)), np.linalg.inv, tolerance=16, half=False),
    Case("linalg.det", calls((S,), (BATCHED,)), np.linalg.det, tolerance=40, half=False),
    Case("linalg.slogdet", calls((SPD,)), lambda a: tuple(np.linalg.slogdet(a)), tolerance=16, half=False),
    Case("logdet", calls((SPD,)), lambda a: np.linalg.slogdet(a)[1], tolerance=16, half=False),
    Case(
        "linalg.solve",
        calls((SPD, ROWS.T), (SPD, W), (BATCHED, W[:, None])),
        np.linalg.solve,
        tolerance=40,
        half=False,
    ),
    Case(
        "linalg.solve_triangular",
        calls((SPD, ROWS.T, {"upper": True})),
        lambda a, b, upper: np.linalg.solve(np.triu(a), b),
        tolerance=40,
        half=False,
    ),
    Case(
        "linalg.svdvals", calls((M,)), lambda a: np.linalg.svd(a, compute_uv=False), tolerance=40, half=False
    ),
    Case(
        "linalg.eigvalsh",
        calls((np.tril(S),)),
        np.linalg.eigvalsh,
        tolerance=40,
        half=False,
        grad="differences move both triangles, and one is read",
    ),
    Case("linalg.pinv", calls((ROWS,), (M,)), np.linalg.pinv, tolerance=100, half=False),
    Case(
        "linalg.matrix_rank",
        calls((SPD,), (np.ones((3, 3)),)),
        np.linalg.matrix_rank,
        grad="a count has no slope",
        dtype="int64",
        half=False,
    ),
    Case(
        "linalg.matrix_norm",
        calls((M,), (M, 1), (M, np.inf), (M, "nuc"), (M, 2)),
        np.linalg.norm,
        tolerance=40,
        half=False,
    ),
    Case("linalg.matrix_power", calls((S, 3), (SPD, -2)), np.linalg.matrix_power, tolerance=100, half=False),
    Case("linalg.multi_dot", calls(([M, N, numbers(5, 2)],)), np.linalg.multi_dot, tolerance=16, half=False),
    Case("linalg.cond", calls((SPD,)), np.linalg.cond, tolerance=100, half=False),
    Case("linalg.vecdot", calls((M, V)), lambda x, y: (x * y).sum(-1), tolerance=8),
]

IMAGES = [
    Case(
        "nn.functional.conv2d",
        calls(
            (IMAGE, numbers(3, 4, 3, 2, seed=1)),
            (IMAGE, numbers(3, 4, 3, 3, seed=1), numbers(3)),
            (
                LARGE,
                numbers(4, 1, 3, 3, seed=1),
                numbers(4),
                {"stride": (2, 1), "padding": (1, 2), "groups": 2},
            ),
            (LARGE, numbers(2, 2, 2, 3, seed=1), {"dilation": 2, "padding": 1}),
            (IMAGE[0], numbers(2, 4, 1, 1)),
        ),
        ref.conv2d,
        tolerance=40,
        half=False,
    ),
    Case(
        "conv2d",
        calls((numbers(1, 2, 4, 4), numbers(2, 1, 3, 3, seed=1), numbers(2), (1, 1), (1, 1), (1, 1), 2)),
        ref.conv2d,
        tolerance=40,
        half=False,
    ),
    Case(
        "conv2d",
        calls((numbers(1, 1, 4, 5), numbers(2, 1, 2, 2, seed=1), numbers(2), (2, 1), (1, 0))),
        ref.conv2d,
        tolerance=40,
        half=False,
    ),
    Case(
        "_core.max_pool2d",
        calls(
            (IMAGE, 2),
            (LARGE, (3, 2), (2, 1), (1, 1)),
            (LARGE, 3, (), 0, 1, True),
            (numbers(1, 1, 4, 5), 2, 1),
            (numbers(1, 2, 20, 53), (9, 19), (5, 6), (4, 9)),
        ),
        ref.max_pool2d,
        half=False,
        torch=None,
    ),
    Case(
        "nn.functional.avg_pool2d",
        calls(
            (IMAGE, 2),
            (LARGE, (3, 2), (2, 1), (1, 1)),
            (numbers(1, 1, 4, 5), 2, 1),
            (LARGE, 3, 2, 1, False, False),
            (IMAGE, 2, 2, 0, False, True, 3),
        ),
        ref.avg_pool2d,
        tolerance=4,
    ),
    Case("_core.avg_pool2d", calls((numbers(1, 1, 4, 5), (2, 2))), ref.avg_pool2d, tolerance=4, torch=None),
    Case(
        "_core.interpolate",
        calls(
            (LARGE, "nearest", (3, 20), (7 / 3, 8 / 20)),
            (LARGE, "nearest-exact", (14, 5), (0.5, 8 / 5)),
            (LARGE, "linear", (14, 5), (0.5, 8 / 5)),
            (numbers(20, 1, 6), "linear", (13,), (5 / 12,), True),
            (numbers(2, 3, 4, 5), "linear", (5, 2, 9), (3 / 5, 2, 5 / 9)),
            (numbers(2, 7, 4, 5), "mean", (3, 4, 2), (0.0, 0.0, 0.0)),
            (numbers(1, 400), "mean", (2,), (0.0,)),
        ),
        ref.interpolate,
        tolerance=40,
        torch=None,
    ),
    Case(
        "_core.pad_from_inside",
        calls(
            (LARGE, "reflect", (2, 3), (4, 0)),
            (numbers(20, 3, 11), "replicate", (5,), (2,)),
            (numbers(2, 3, 4, 11), "circular", (1, 2, 3), (2, 0, 1)),
        ),
        ref.pad_from_inside,
        tolerance=4,
        torch=None,
    ),
]

NORMS = [
    Case(
        "layer_norm",
        calls((M, (4,)), (BATCH, (3, 4), M, S[:, :1] @ V[None]), (M, (4,), V, V, 0.1)),
        ref.layer_norm,
        tolerance=20,
        half=False,
    ),
    Case(
        "rms_norm", calls((M, (4,), V, 1e-5), (BATCH, (3, 4), M, 0.1)), ref.rms_norm, tolerance=20, half=False
    ),
    Case(
        "group_norm",
        calls((IMAGE, 2), (numbers(3, 4, 2), 2, V, numbers(4, seed=8))),
        ref.group_norm,
        tolerance=20,
        half=False,
    ),
    Case(
        "_core.batch_norm",
        calls(
            (numbers(5, 3), W, numbers(3, seed=8), None, None, True, 0.1, 1e-5),
            (IMAGE, None, None, None, None, True, 0.1, 1e-5),
        ),
        ref.batch_norm,
        tolerance=40,
        half=False,
        torch=None,
    ),
]

ATTENTION = [
    Case(
        "scaled_dot_product_attention",
        calls(
            (numbers(4, 3), numbers(5, 3, seed=1), numbers(5, 2, seed=2)),
            (numbers(2, 3, 4, 3), numbers(3, 5, 3, seed=1), numbers(2, 1, 5, 2, seed=2)),
            (numbers(2, 4, 3), numbers(2, 5, 3, seed=1), numbers(2, 5, 2, seed=2), numbers(4, 5, seed=3)),
            (M, numbers(6, 4, seed=1), numbers(6, 4, seed=2), None, 0.0, True, 0.3),
            (numbers(1, 4, 2, 3), numbers(1, 2, 9, 3), numbers(1, 2, 9, 2), None, 0.0, False, None, True),
        ),
        ref.scaled_dot_product_attention,
        tolerance=40,
        half=False,
    ),
]

LAYER = MATRIX + LINALG + IMAGES + NORMS + ATTENTION
