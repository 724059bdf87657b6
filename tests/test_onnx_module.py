"""lamina.onnx: graphs as modules that are trained and saved, and files made to lie."""

from __future__ import annotations

import os

import numpy as np
import pytest

import lamina
from lamina import nn

pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper

from source_onnx import X, f, i, load, model_of

# ---- as a module


def perceptron():
    nodes = [
        helper.make_node("Gemm", ["x", "net.0.weight", "net.0.bias"], ["h"], transB=1),
        helper.make_node("BatchNormalization", ["h", "bn.weight", "bn.bias", "bn.mean", "bn.var"], ["n"]),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("MatMul", ["r", "onnx::MatMul_7"], ["y"]),
    ]
    values = {
        "net.0.weight": f(8, 3),
        "net.0.bias": f(8),
        "bn.weight": f(8),
        "bn.bias": f(8),
        "bn.mean": f(8),
        "bn.var": np.abs(f(8)),
        "onnx::MatMul_7": f(8, 2),
    }
    weights = [numpy_helper.from_array(value, name) for name, value in values.items()]
    return model_of(nodes, {"x": f(4, 3)}, ["y"], 15, weights), values


def test_weights_have_their_names_and_can_be_trained(tmp_path):
    proto, values = perceptron()
    model = load(proto)
    assert set(model.state_dict()) == set(values)
    assert {name for name, _ in model.named_parameters()} == set(values) - {"bn.mean", "bn.var"}
    x, wanted = lamina.randn(4, 3), lamina.randn(4, 2)
    optimizer = lamina.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), wanted)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    lamina.save(model.state_dict(), tmp_path / "f.pt")
    again = load(proto)
    again.load_state_dict(lamina.load(tmp_path / "f.pt"))
    assert again(x).tolist() == model(x).tolist() and "4 nodes" in repr(model)


def test_inputs_are_checked():
    model = load(perceptron()[0])
    for arguments, names, error, text in (
        ((), {}, TypeError, "inputs are x; missing: x"),
        ((lamina.zeros(4, 3),) * 2, {}, TypeError, "has 1 inputs, got 2"),
        ((lamina.zeros(4, 3),), {"x": lamina.zeros(4, 3)}, TypeError, "x given twice"),
        ((lamina.zeros(4, 3),), {"z": lamina.zeros(1)}, TypeError, "unknown: z"),
        ((np.zeros((4, 3)),), {}, TypeError, "expected a Tensor, got ndarray"),
        ((lamina.zeros(4, 3).double(),), {}, TypeError, "expected lamina.float32, got lamina.float64"),
        ((lamina.zeros(4, 5),), {}, ValueError, r"expected \(4, 3\), got \(4, 5\)"),
    ):
        with pytest.raises(error, match=text):
            model(*arguments, **names)


# ---- lies


def test_files_that_lie(tmp_path):
    def refused(data, text, error=lamina.FileFormatError):
        path = tmp_path / "liar.onnx"
        path.write_bytes(data if isinstance(data, bytes) else data.SerializeToString())
        with pytest.raises(error, match=text) as caught:
            lamina.onnx.load(path)
        assert "liar.onnx" in str(caught.value)

    refused(b"", "no ONNX model")
    refused(b"\xff" * 100, "no ONNX model")
    refused(b"PK\x03\x04" + bytes(100), "no ONNX model")
    good = perceptron()[0].SerializeToString()
    refused(good[: len(good) // 2], "no ONNX model")
    relu = helper.make_node("Relu", ["x"], ["y"])
    for nodes, text in (
        ([helper.make_node("Relu", ["z"], ["y"])], "reads 'z', which is not there before it"),
        ([helper.make_node("Relu", ["h"], ["y"]), helper.make_node("Relu", ["x"], ["h"])], "reads 'h'"),
        ([relu, relu], "writes 'y', which is there already"),
        ([helper.make_node("Relu", ["x"], ["z"])], "output 'y' is computed by no node"),
        ([helper.make_node("Relu", ["x"], [])], "has no outputs"),
        ([helper.make_node("If", ["x"], ["y"])], "lacks one of then_branch"),
    ):
        refused(model_of(nodes, {"x": X}, ["y"], 15), text)
    strange = [
        helper.make_node("Telepathy", ["x"], ["h"]),
        helper.make_node("Fly", ["h"], ["y"], domain="my.own"),
    ]
    refused(
        model_of(strange, {"x": X}, ["y"], 15),
        r"lacks? no |Telepathy \(1\), my\.own\.Fly \(1\)",
        NotImplementedError,
    )

    def weight(**fields):
        proto = numpy_helper.from_array(f(2, 3), "w")
        for name, value in fields.items():
            getattr(proto, name).extend(value) if isinstance(value, list) else setattr(proto, name, value)
        return model_of([relu], {"x": X}, ["y"], 15, [proto])

    refused(weight(dims=[2**40]), "takes .* bytes, got 24")
    refused(weight(dims=[-1]), r"has the shape \[2, 3, -1\]")
    refused(weight(raw_data=bytes(23)), "takes 24 bytes, got 23")
    refused(weight(data_type=TensorProto.STRING), "dtype 8, which lamina lacks")
    for place in ("/etc/passwd", "../secret", "..", "folder/x", ""):
        proto = numpy_helper.from_array(f(2, 3), "w")
        proto.ClearField("raw_data")
        proto.data_location = TensorProto.EXTERNAL
        proto.external_data.add(key="location", value=place)
        refused(model_of([relu], {"x": X}, ["y"], 15, [proto]), "no file beside the model")
    proto.external_data[0].value = "weights.bin"
    proto.external_data.add(key="length", value=str(2**40))
    (tmp_path / "weights.bin").write_bytes(bytes(24))
    refused(model_of([relu], {"x": X}, ["y"], 15, [proto]), "of 24 in")
    proto.external_data[1].value = "24"
    (tmp_path / "good.onnx").write_bytes(model_of([relu], {"x": X}, ["y"], 15, [proto]).SerializeToString())
    assert lamina.onnx.load(tmp_path / "good.onnx").state_dict()["w"].tolist() == [[0] * 3] * 2


def test_a_constant_cannot_take_all_memory():
    node = helper.make_node("ConstantOfShape", ["x"], ["y"])
    model = load(model_of([node], {"x": i(2**20, 2**20)}, ["y"], 15))
    with pytest.raises(MemoryError, match="ConstantOfShape"):
        model(lamina.tensor([2**20, 2**20]))


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'lamina\[onnx\]'"):
        lamina.onnx.load(os.devnull)


def test_what_asks_for_more_than_it_is(tmp_path):
    """Sizes without number, names that nest modules without end, weights in a pipe."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**62] * 100_000, raw_data=b"")
    relu = helper.make_node("Relu", ["x"], ["y"])
    with pytest.raises(lamina.FileFormatError, match="tensor 'w' has the shape"):
        load(model_of([relu], {"x": X}, ["y"], 15, [tensor]))
    deep = numpy_helper.from_array(f(2), ".".join("a" * 5000))
    module = load(model_of([relu], {"x": X}, ["y"], 15, [deep]))
    assert list(module.state_dict()) == ["value_0"]
    os.mkfifo(tmp_path / "w.bin")
    outside = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="w.bin")
    (tmp_path / "x.onnx").write_bytes(model_of([relu], {"x": X}, ["y"], 15, [outside]).SerializeToString())
    with pytest.raises(lamina.FileFormatError, match="a pipe or a device"):
        lamina.onnx.load(tmp_path / "x.onnx")
