"""Convolution, pooling, batch norm and whole convolutional networks: workloads of compare.py, written as
those of workload.py are."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import image_model
import numpy as np
from workload import Make, Step, Workload, normal

Shape = tuple[int, ...]
Model = Callable[[ModuleType], Any]


def call(build: Callable[[Any], Any], shape: Shape, backward: bool) -> Make:
    """A layer on standard normal numbers, or with the way back to the input and the parameters."""

    def make(torch: ModuleType) -> Step:
        layer = build(torch.nn)
        x = torch.from_numpy(normal(*shape))
        if not backward:

            def forward() -> Any:
                with torch.no_grad():
                    return layer(x)

            return forward
        x.requires_grad_(True)
        gradient = torch.from_numpy(normal(*layer(x).shape))

        def both() -> None:
            x.grad = None
            layer.zero_grad()
            layer(x).backward(gradient)

        return both

    return make


def conv(
    name: str, shape: Shape, out: int, kernel: int, stride: int = 1, pad: int = 0, groups: int = 1,
    backward: bool = False, goal: float | None = None, share_goal: float | None = None,
) -> Workload:  # fmt: skip
    n, c, *size = shape
    places = n * np.prod([(s + 2 * pad - kernel) // stride + 1 for s in size])
    work = 2.0 * places * out * c // groups * kernel**2 * (3 if backward else 1)

    def build(nn: Any) -> Any:
        return nn.Conv2d(c, out, kernel, stride, pad, groups=groups, bias=False)

    return Workload(
        f"conv {name}{', backward' if backward else ''}", call(build, shape, backward),
        None, "fma", work, goal, share_goal,
    )  # fmt: skip


def memory_bound(
    name: str, build: Callable[[Any], Any], shape: Shape, passes: float, goal: float
) -> Workload:
    """A layer whose work is `passes` times the bytes of its input."""
    work = 4.0 * passes * float(np.prod(shape))
    return Workload(name, call(build, shape, backward=False), None, "copy", work, goal)


def inference(model: Model, given: np.ndarray) -> Make:
    def make(torch: ModuleType) -> Step:
        torch.manual_seed(0)
        network = model(torch).eval()
        x = torch.from_numpy(given)

        def step() -> Any:
            with torch.no_grad():
                return network(x)

        return step

    return make


def inference_onnx(model: Model, x: np.ndarray) -> Callable[[int], Step | None]:
    """The same network in ONNX Runtime, handed over by PyTorch's exporter; None where one is missing."""

    def make(threads: int) -> Step | None:
        try:
            import onnxruntime
            import torch
        except ImportError:
            return None
        network = model(torch).eval()
        graph = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(network, (torch.from_numpy(x),), graph, dynamo=False, input_names=["x"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Its threads would spin through the others' turns.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        session = onnxruntime.InferenceSession(graph.getvalue(), options, ["CPUExecutionProvider"])
        return lambda: session.run(None, {"x": x})

    return make


def training(model: Model, shape: Shape) -> Make:
    def make(torch: ModuleType) -> Step:
        torch.manual_seed(0)
        network = model(torch)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
        loss_fn = torch.nn.CrossEntropyLoss()
        x = torch.from_numpy(normal(*shape))
        label = torch.from_numpy(np.arange(shape[0]) % 10)

        def step() -> None:
            optimizer.zero_grad()
            loss_fn(network(x), label).backward()
            optimizer.step()

        return step

    return make


def on_features(model: Model, shape: Shape) -> Make:
    """A step on the last layer alone: the others are frozen, and run without a record."""

    def make(torch: ModuleType) -> Step:
        torch.manual_seed(0)
        network = model(torch)
        body, head = network[:-1].eval().requires_grad_(False), network[-1]
        optimizer = torch.optim.SGD(head.parameters(), lr=0.01, momentum=0.9)
        loss_fn = torch.nn.CrossEntropyLoss()
        x = torch.from_numpy(normal(*shape))
        label = torch.from_numpy(np.arange(shape[0]) % 10)

        def step() -> None:
            with torch.no_grad():
                features = body(x)
            optimizer.zero_grad()
            loss_fn(head(features), label).backward()
            optimizer.step()

        return step

    return make


def infers(name: str, model: Model, gflop: float, goal: float, onnx_goal: float) -> Workload:
    x = normal(1, 3, 224, 224)
    return Workload(
        f"{name} inference", inference(model, x), None, "fma", gflop * 1e9, goal,
        onnx=inference_onnx(model, x), onnx_goal=onnx_goal,
    )  # fmt: skip


def trains(name: str, model: Model, shape: Shape, goal: float, gflop: float) -> Workload:
    """gflop: of one image and one pass forward; the two ways back cost as much each."""
    work = 3e9 * gflop * shape[0]
    return Workload(
        f"{name} step {'x'.join(map(str, shape))}", training(model, shape), None, "fma", work, goal
    )


SMALL, LARGE = (1, 64, 56, 56), (8, 64, 56, 56)
IMAGES, PLANES = (8, 3, 224, 224), (8, 64, 112, 112)
PHOTOGRAPHS = (16, 3, 128, 128)
WORKLOADS = [
    conv("3x3 64->64 at 56", SMALL, 64, 3, 1, 1, share_goal=0.95),
    conv("3x3 64->64 at 56, 8 images", LARGE, 64, 3, 1, 1, share_goal=0.95),
    conv("3x3 64->64 at 56", SMALL, 64, 3, 1, 1, backward=True, share_goal=0.85),
    conv("3x3 64->64 at 56, 8 images", LARGE, 64, 3, 1, 1, backward=True, share_goal=0.85),
    conv("1x1 256->64 at 56", (1, 256, 56, 56), 64, 1, share_goal=0.85),
    conv("7x7 stride 2 stem, 8 images", IMAGES, 64, 7, 2, 3, share_goal=0.85),
    conv("7x7 stride 2 stem, 8 images", IMAGES, 64, 7, 2, 3, backward=True, share_goal=0.7),
    conv("depthwise 3x3 96 at 112, 8 images", (8, 96, 112, 112), 96, 3, 1, 1, 96, goal=4.0),
    conv("depthwise 3x3 96 at 112, 8 images", (8, 96, 112, 112), 96, 3, 1, 1, 96, backward=True, goal=4.0),
    conv("depthwise 5x5 240 at 28, 8 images", (8, 240, 28, 28), 240, 5, 1, 2, 240, goal=4.0),
    conv("depthwise 5x5 240 at 28, 8 images", (8, 240, 28, 28), 240, 5, 1, 2, 240, backward=True, goal=10.0),
    memory_bound("max_pool 3x3 stride 2, 8x64x112x112", lambda nn: nn.MaxPool2d(3, 2, 1), PLANES, 1.25, 8.0),
    memory_bound("batch_norm training, 64x64x64x64", lambda nn: nn.BatchNorm2d(64), (64,) * 4, 2.0, 3.0),
    infers("ResNet-18", image_model.resnet18, 3.64, 1.0, 1.15),
    infers("ResNet-50", image_model.resnet50, 8.18, 1.0, 1.15),
    infers("VGG-11", image_model.vgg11, 15.2, 1.0, 1.15),
    infers("EfficientNet-B0", image_model.efficient_net, 0.77, 1.0, 1.15),
    trains("LeNet", image_model.lenet, (64, 1, 28, 28), 3.0, 0.00083),
    trains("ResNet-18", image_model.resnet18, (16, 3, 64, 64), 1.5, 0.3),
    trains("ResNet-18", image_model.resnet18, IMAGES, 1.5, 3.64),
    trains("EfficientNet-B0", image_model.efficient_net, (8, 3, 96, 96), 3.0, 0.143),
    trains("EfficientNet-Lite0 fine-tuning", image_model.efficient_net_lite, PHOTOGRAPHS, 3.0, 0.266),
    Workload(
        f"EfficientNet-Lite0 frozen, step of the head {'x'.join(map(str, PHOTOGRAPHS))}",
        on_features(image_model.efficient_net_lite, PHOTOGRAPHS),
        None,
        "fma",
        0.266e9 * 16,
        5.0,
    ),
]
