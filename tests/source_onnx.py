"""Making ONNX models for the tests, in memory."""

from __future__ import annotations

import io

import numpy as np
from onnx import TensorProto, helper

import lamina

rng = np.random.default_rng(0)


def f(*shape):
    return rng.normal(size=shape).astype(np.float32)


def i(*values):
    return np.array(values, np.int64)


X, IMAGE = f(2, 3, 4), f(2, 4, 6, 7)


def out(name, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, None)


def model_of(nodes, inputs, outputs, opset, initializers=()):
    ports = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.asarray(x).dtype), np.shape(x))
        for name, x in inputs.items()
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs]
    graph = helper.make_graph(nodes, "graph", ports, ends, list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def load(model):
    return lamina.onnx.load(io.BytesIO(model.SerializeToString()))


def tensor(x):
    return lamina.from_numpy(np.array(x))
