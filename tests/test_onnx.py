"""lamina.onnx: every operator against onnx's own NumPy evaluator, and its sets of graphs by PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina import nn

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from source_onnx import IMAGE, X, f, i, load, model_of, out, tensor  # noqa: E402

ROOT = Path(onnx.__file__).parent / "backend/test/data"
GRAPHS = sorted(
    p.parent for kind in ("pytorch-converted", "pytorch-operator") for p in ROOT.glob(f"{kind}/*/*.onnx")
)


def read(path):
    return numpy_helper.to_array(TensorProto.FromString(path.read_bytes()))


@pytest.mark.parametrize("folder", GRAPHS, ids=lambda folder: folder.name[5:])
def test_graphs_that_pytorch_wrote(folder):
    model = lamina.onnx.load(folder / "model.onnx")
    for case in sorted(folder.glob("test_data_set_*")):
        given, expected = (
            [read(case / f"{kind}_{n}.pb") for n in range(len(list(case.glob(f"{kind}_*.pb"))))]
            for kind in ("input", "output")
        )
        with lamina.no_grad():
            found = model(*[lamina.from_numpy(np.array(x)) for x in given])
        for ours, theirs in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
            assert ours.numpy().dtype == theirs.dtype
            np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=1e-5)


# ---- each operator

UNARY = (
    "Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Erf Exp Floor HardSwish Identity IsNaN Log Mish Neg "
    "Reciprocal Relu Round Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Tan Tanh"
).split()
BINARY = (
    "Add Sub Mul Div Pow Equal Greater GreaterOrEqual Less LessOrEqual PRelu Mod Max Min Sum Mean".split()
)
REDUCE = [f"Reduce{word}" for word in "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare".split()]
# operator, inputs, attributes, opset, outputs
CASES = [
    *[(kind, [np.abs(X) / 9 + (1 if kind == "Acosh" else 0.1)], {}, 20, 1) for kind in UNARY],
    *[
        (kind, [np.abs(X), f(4) if kind == "PRelu" else np.abs(f(3, 1))], {}, 20, 1)
        for kind in BINARY
        if kind != "Mod"
    ],
    *[(kind, [X > 0, f(4) > 0], {}, 20, 1) for kind in ("And", "Or", "Xor")],
    *[(kind, [np.arange(6), np.array(5)], {}, 20, 1) for kind in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")],
    ("Not", [X > 0], {}, 20, 1),
    ("Mod", [np.arange(-5, 5), np.array(3)], {}, 20, 1),
    ("Mod", [X * 5, np.array(1.5, np.float32)], {"fmod": 1}, 20, 1),
    ("Div", [np.arange(-7, 8), np.array(2)], {}, 20, 1),
    ("IsInf", [np.array([1, np.inf, -np.inf], np.float32)], {"detect_negative": 0}, 20, 1),
    ("Clip", [X, np.array(-0.5, np.float32), np.array(0.5, np.float32)], {}, 20, 1),
    ("Elu", [X], {"alpha": 0.7}, 20, 1),
    ("Celu", [X], {"alpha": 0.7}, 20, 1),
    ("Selu", [X], {}, 20, 1),
    ("LeakyRelu", [X], {"alpha": 0.2}, 20, 1),
    ("ThresholdedRelu", [X], {"alpha": 0.4}, 20, 1),
    ("HardSigmoid", [X], {"alpha": 0.3}, 20, 1),
    ("Shrink", [X], {"bias": 0.1, "lambd": 0.4}, 20, 1),
    ("Gelu", [X], {}, 20, 1),
    ("Gelu", [X], {"approximate": "tanh"}, 20, 1),
    ("Softmax", [X], {"axis": 1}, 20, 1),
    ("LogSoftmax", [X], {}, 20, 1),
    ("Hardmax", [X], {"axis": 1}, 20, 1),
    ("Where", [X > 0, X, f(4)], {}, 20, 1),
    ("Cast", [X], {"to": TensorProto.INT64}, 20, 1),
    ("CastLike", [X, i(1)], {}, 20, 1),
    ("Dropout", [X], {}, 20, 2),
    ("MatMul", [f(2, 3, 4), f(4, 5)], {}, 20, 1),
    ("Gemm", [f(4, 3), f(5, 4), f(5)], {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}, 20, 1),
    ("Gemm", [f(3, 4), f(5, 4), f(5)], {"transB": 1}, 20, 1),
    ("Einsum", [f(2, 3), f(3, 4)], {"equation": "ij,jk->ki"}, 20, 1),
    ("Conv", [IMAGE, f(6, 4, 3, 2), f(6)], {"pads": [1, 0, 2, 1], "strides": [2, 1]}, 20, 1),
    ("Conv", [IMAGE, f(6, 2, 3, 3)], {"group": 2, "auto_pad": "SAME_UPPER", "strides": [2, 2]}, 20, 1),
    ("Conv", [IMAGE, f(6, 4, 2, 2)], {"auto_pad": "SAME_LOWER"}, 20, 1),
    ("Conv", [f(2, 3, 9), f(4, 3, 3)], {"dilations": [2], "pads": [1, 1]}, 20, 1),
    ("ConvTranspose", [f(1, 2, 4, 4), f(2, 3, 3, 3), f(3)], {"strides": [2, 2], "pads": [1, 0, 0, 1]}, 20, 1),
    ("ConvTranspose", [f(1, 2, 4, 4), f(2, 3, 3, 3)], {"strides": [2, 2], "output_padding": [1, 1]}, 20, 1),
    ("MaxPool", [IMAGE], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 0]}, 20, 1),
    ("MaxPool", [IMAGE], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, 20, 1),
    ("MaxPool", [IMAGE], {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"}, 20, 1),
    ("MaxPool", [f(1, 2, 4, 5, 6)], {"kernel_shape": [2, 2, 2], "strides": [1, 2, 2]}, 20, 1),
    ("AveragePool", [IMAGE], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, 20, 1),
    ("AveragePool", [IMAGE], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, 20, 1),
    ("AveragePool", [IMAGE], {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"}, 20, 1),
    ("LpPool", [IMAGE], {"kernel_shape": [2, 3], "p": 3}, 20, 1),
    ("GlobalAveragePool", [IMAGE], {}, 20, 1),
    ("GlobalMaxPool", [IMAGE], {}, 20, 1),
    ("BatchNormalization", [IMAGE, f(4), f(4), f(4), np.abs(f(4))], {"epsilon": 1e-3}, 15, 1),
    ("InstanceNormalization", [IMAGE, f(4), f(4)], {}, 20, 1),
    ("GroupNormalization", [IMAGE, f(4), f(4)], {"num_groups": 2}, 21, 1),
    ("LayerNormalization", [X, f(3, 4), f(3, 4)], {"axis": 1}, 20, 3),
    ("LpNormalization", [X], {"p": 2, "axis": 1}, 20, 1),
    ("LpNormalization", [np.abs(X)], {"p": 1}, 20, 1),
    ("MeanVarianceNormalization", [IMAGE], {}, 20, 1),
    ("LRN", [f(4, 4, 2, 3)], {"size": 3, "alpha": 0.01, "beta": 0.6, "bias": 1.5}, 20, 1),
    *[(kind, [np.abs(X), i(0, 2)], {"keepdims": n % 2}, 20, 1) for n, kind in enumerate(REDUCE)],
    *[(kind, [np.abs(X)], {"axes": [1]}, 11, 1) for kind in REDUCE],
    ("ReduceSum", [X], {}, 20, 1),
    ("ReduceSum", [X], {"noop_with_empty_axes": 1}, 20, 1),
    ("ArgMax", [X], {"axis": 1, "keepdims": 0}, 20, 1),
    ("ArgMin", [np.round(X)], {"axis": 2, "select_last_index": 1}, 20, 1),
    ("TopK", [X, i(2)], {"axis": 1, "largest": 0}, 20, 2),
    ("CumSum", [X, np.array(1)], {"exclusive": 1, "reverse": 1}, 20, 1),
    ("Shape", [X], {"start": 1}, 20, 1),
    ("Size", [X], {}, 20, 1),
    ("Reshape", [X, i(0, -1, 2)], {}, 20, 1),
    ("Flatten", [IMAGE], {"axis": -1}, 20, 1),
    ("Flatten", [IMAGE], {"axis": 0}, 20, 1),
    ("Transpose", [X], {}, 20, 1),
    ("Transpose", [X], {"perm": [1, 2, 0]}, 20, 1),
    ("Squeeze", [X[:, :1], i(1)], {}, 20, 1),
    ("Squeeze", [X[:1, :1]], {}, 20, 1),
    ("Unsqueeze", [X, i(-1, 0)], {}, 20, 1),
    ("Unsqueeze", [X], {"axes": [0, 2]}, 11, 1),
    ("Concat", [X, f(2, 1, 4)], {"axis": -2}, 20, 1),
    ("Split", [f(7, 2)], {"num_outputs": 3}, 20, 3),
    ("Split", [f(7, 2), i(3, 4)], {}, 20, 2),
    ("Slice", [IMAGE, i(1, -1), i(9, -9), i(1, 3), i(2, -2)], {}, 20, 1),
    ("Slice", [IMAGE, i(5), i(-(2**62)), i(2), i(-1)], {}, 20, 1),
    ("Slice", [X], {"starts": [0, 1], "ends": [1, -1], "axes": [0, 2]}, 9, 1),
    ("Expand", [f(3, 1), i(2, 1, 4)], {}, 20, 1),
    ("Tile", [X, i(1, 2, 3)], {}, 20, 1),
    ("Pad", [X, i(0, 1, 2, 1, 0, 3), np.array(7, np.float32)], {}, 20, 1),
    ("Pad", [X, i(0, 1, 2, 0, 2, 1)], {"mode": "reflect"}, 20, 1),
    ("Pad", [X, i(1, 0, 2, 0, 0, 3)], {"mode": "edge"}, 20, 1),
    ("Pad", [X, i(1, 2), np.array(0, np.float32), i(-1)], {"mode": "wrap"}, 20, 1),
    ("DepthToSpace", [f(2, 8, 3, 2)], {"blocksize": 2}, 20, 1),
    ("DepthToSpace", [f(2, 8, 3, 2)], {"blocksize": 2, "mode": "CRD"}, 20, 1),
    ("SpaceToDepth", [f(2, 2, 4, 6)], {"blocksize": 2}, 20, 1),
    ("Trilu", [f(4, 5), np.array(1)], {"upper": 0}, 20, 1),
    ("ReverseSequence", [f(4, 3), i(1, 4, 2)], {}, 20, 1),
    ("ConstantOfShape", [i(2, 3)], {"value": helper.make_tensor("v", TensorProto.INT64, [1], [5])}, 20, 1),
    ("Range", [np.array(1), np.array(9), np.array(3)], {}, 20, 1),
    ("EyeLike", [f(3, 4)], {"k": 1, "dtype": TensorProto.INT32}, 20, 1),
    ("Gather", [X, np.array([[0, -1], [2, 1]])], {"axis": 1}, 20, 1),
    ("Gather", [f(5, 4), i(-5, 3)], {}, 20, 1),
    ("Gather", [X, np.array(1)], {"axis": -1}, 20, 1),
    ("GatherElements", [f(2, 3), np.array([[0, -1], [2, 1]])], {"axis": 1}, 20, 1),
    ("GatherND", [X, np.array([[0, -1], [1, 2]])], {}, 20, 1),
    ("ScatterElements", [f(2, 3), np.array([[0, -1], [2, 1]]), f(2, 2)], {"axis": 1}, 20, 1),
    (
        "ScatterElements",
        [f(2, 3), np.array([[0, 0], [2, 1]]), f(2, 2)],
        {"axis": 1, "reduction": "add"},
        20,
        1,
    ),
    ("ScatterND", [f(4, 2), np.array([[1], [-1]]), f(2, 2)], {}, 20, 1),
    ("OneHot", [i(0, -1, 2), np.array(4), np.array([0.5, 2], np.float32)], {"axis": 0}, 20, 1),
    ("NonZero", [X > 0], {}, 20, 1),
    ("Compress", [X, np.array([True, False, True])], {"axis": 1}, 20, 1),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]}-{n}" for n, case in enumerate(CASES)])
def test_operators(case):
    from onnx.reference import ReferenceEvaluator

    kind, values, attributes, opset, outputs = case
    inputs = {f"in{n}": np.asarray(x) for n, x in enumerate(values)}
    names = [f"out{n}" for n in range(outputs)]
    node = helper.make_node(kind, list(inputs), names, **attributes)
    model = model_of([node], inputs, names, opset)
    with lamina.no_grad():
        found = load(model)(*map(tensor, values))
    found = found if isinstance(found, tuple) else (found,)
    expected = ReferenceEvaluator(model).run(None, inputs)
    for ours, theirs in zip(found, expected, strict=True):
        theirs = np.asarray(theirs)
        assert tuple(ours.shape) == theirs.shape and ours.numpy().dtype == theirs.dtype
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=1e-5)


def test_operators_as_they_were():
    """What the evaluator of today no longer knows."""
    exp = np.exp(X.reshape(2, 12))
    for kind, values, attributes, opset, expected in (
        (
            "Add",
            [X, np.arange(3, dtype=np.float32)],
            {"broadcast": 1, "axis": 1},
            6,
            X + np.arange(3)[:, None],
        ),
        ("Clip", [X], {"min": -0.3, "max": 0.4}, 6, X.clip(-0.3, 0.4)),
        ("Softmax", [X], {}, 11, (exp / exp.sum(1, keepdims=True)).reshape(X.shape)),
    ):
        inputs = {f"in{n}": x for n, x in enumerate(values)}
        model = model_of([helper.make_node(kind, list(inputs), ["y"], **attributes)], inputs, ["y"], opset)
        np.testing.assert_allclose(load(model)(*map(tensor, values)).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_recurrent_layers(kind, direction):
    """Against the onnx definition, step by step in NumPy."""
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    ways, hidden = (2 if direction == "bidirectional" else 1), 3
    x, w, r = f(5, 2, 4), f(ways, gates * hidden, 4), f(ways, gates * hidden, hidden)
    b, h0, c0 = f(ways, 2 * gates * hidden), f(ways, 2, hidden), f(ways, 2, hidden)
    names, values = ["x", "w", "r", "b", "", "h"], [x, w, r, b, h0]
    if kind == "LSTM":
        names, values = [*names, "c"], [*values, c0]
    options = {"linear_before_reset": 1} if kind == "GRU" else {}
    outputs = ["y", "y_h", "y_c"][: 3 if kind == "LSTM" else 2]
    node = helper.make_node(kind, names, outputs, hidden_size=hidden, direction=direction, **options)
    inputs = dict(zip([name for name in names if name], values, strict=True))
    found = load(model_of([node], inputs, outputs, 14))(*map(tensor, values))

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    y = np.zeros((5, ways, 2, hidden))
    for way in range(ways):
        h, c = h0[way].astype(float), c0[way].astype(float)
        wb, rb = b[way, : gates * hidden], b[way, gates * hidden :]
        back = direction == "reverse" or way == 1
        for t in reversed(range(5)) if back else range(5):
            a, s = np.split(x[t] @ w[way].T + wb, gates, 1), np.split(h @ r[way].T + rb, gates, 1)
            if kind == "LSTM":
                i_, o, f_, g = (p + q for p, q in zip(a, s, strict=True))
                c = sigmoid(f_) * c + sigmoid(i_) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
            elif kind == "GRU":
                z, reset = sigmoid(a[0] + s[0]), sigmoid(a[1] + s[1])
                h = (1 - z) * np.tanh(a[2] + reset * s[2]) + z * h
            else:
                h = np.tanh(a[0] + s[0])
            y[t, way] = h
        np.testing.assert_allclose(found[1][way].detach().numpy(), h, rtol=1e-4, atol=1e-5)
        if kind == "LSTM":
            np.testing.assert_allclose(found[2][way].detach().numpy(), c, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[0].detach().numpy(), y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "size", "options"),
    [
        (("nearest", "asymmetric", "floor"), (9, 5), {"mode": "nearest"}),
        (("linear", "half_pixel", "floor"), (9, 5), {"mode": "bilinear"}),
        (("linear", "align_corners", "floor"), (9, 5), {"mode": "bilinear", "align_corners": True}),
        (("cubic", "pytorch_half_pixel", "floor"), (12, 14), {"mode": "bicubic"}),
    ],
)
def test_resize_is_interpolate(how, size, options):
    words = ("mode", "coordinate_transformation_mode", "nearest_mode")
    attributes = dict(zip(words, how, strict=True))
    node = helper.make_node("Resize", ["x", "", "", "size"], ["y"], **attributes)
    model = model_of([node], {"x": IMAGE, "size": i(2, 4, *size)}, ["y"], 18)
    expected = nn.functional.interpolate(tensor(IMAGE), size, **options)
    assert load(model)(tensor(IMAGE), lamina.tensor([2, 4, *size])).tolist() == expected.tolist()
    scales = [1.0, 1.0, 2.0, 3.0]
    node = helper.make_node("Resize", ["x", "", "s"], ["y"], **attributes)
    model = model_of([node], {"x": IMAGE, "s": np.array(scales, np.float32)}, ["y"], 18)
    expected = nn.functional.interpolate(tensor(IMAGE), (12, 21), **options)
    assert load(model)(tensor(IMAGE), lamina.tensor(scales)).tolist() == expected.tolist()


def test_if_and_loop():
    then = helper.make_graph([helper.make_node("Neg", ["x"], ["t"])], "then", [], [out("t")])
    other = helper.make_graph([helper.make_node("Exp", ["x"], ["e"])], "else", [], [out("e")])
    node = helper.make_node("If", ["go"], ["y"], then_branch=then, else_branch=other)
    model = load(model_of([node], {"go": np.array(True), "x": X}, ["y"], 16))
    assert model(lamina.tensor(True), tensor(X)).tolist() == (-X).tolist()
    assert model(lamina.tensor(False), tensor(X)).tolist() == tensor(X).exp().tolist()
    ends = [out("keep"), out("next"), out("row")]
    steps = [
        helper.make_node("Identity", ["go"], ["keep"]),
        helper.make_node("Add", ["sum", "x"], ["next"]),
        helper.make_node("Identity", ["next"], ["row"]),
    ]
    starts = [out("turn", TensorProto.INT64), out("go", TensorProto.BOOL), out("sum")]
    body = helper.make_graph(steps, "body", starts, ends)
    node = helper.make_node("Loop", ["count", "", "x"], ["last", "rows"], body=body)
    model = load(model_of([node], {"count": np.array(3), "x": X}, ["last", "rows"], 16))
    last, rows = model(lamina.tensor(3), tensor(X))
    np.testing.assert_allclose(last.numpy(), 4 * X, rtol=1e-6)
    np.testing.assert_allclose(rows.numpy(), np.stack([2 * X, 3 * X, 4 * X]), rtol=1e-6)
