"""lamina.nn beside PyTorch, where that is installed: signatures, names, printing, values and gradients."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from nn_check import array, close

torch = pytest.importorskip("torch")

# What a layer is made by, and the shapes of its inputs; a string stands for int64 numbers below it: "5:2,3".
LAYERS: list[tuple[str, list[Any]]] = [
    ("Identity()", [(2, 3)]),
    ("Linear(4, 3)", [(2, 5, 4)]),
    ("Linear(4, 3, bias=False)", [(4,)]),
    ("Bilinear(3, 4, 2)", [(5, 3), (5, 4)]),
    ("Bilinear(3, 4, 2, bias=False)", [(2, 5, 3), (2, 5, 4)]),
    ("Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2)", [(2, 4, 11)]),
    ("Conv1d(4, 6, 4, padding='same')", [(4, 9)]),
    ("Conv1d(2, 3, 3, padding=2, padding_mode='circular')", [(2, 2, 7)]),
    ("Conv2d(3, 4, 3)", [(2, 3, 7, 6)]),
    ("Conv2d(4, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=4)", [(2, 4, 8, 7)]),
    ("Conv2d(2, 3, (4, 3), padding='same', dilation=(1, 2), bias=False)", [(1, 2, 8, 7)]),
    ("Conv2d(2, 3, 3, padding='valid')", [(2, 6, 5)]),
    ("Conv2d(2, 3, 3, padding=(2, 1), padding_mode='reflect')", [(1, 2, 6, 5)]),
    ("Conv2d(2, 3, 2, padding='same', padding_mode='replicate')", [(1, 2, 6, 5)]),
    ("MaxPool1d(3, stride=2, padding=1)", [(2, 3, 10)]),
    ("MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), ceil_mode=True)", [(2, 3, 9, 8)]),
    ("MaxPool2d(2)", [(3, 6, 6)]),
    ("AvgPool1d(3, stride=2, padding=1, count_include_pad=False)", [(2, 3, 9)]),
    ("AvgPool2d(3, stride=2, padding=1, ceil_mode=True)", [(2, 3, 8, 7)]),
    ("AvgPool2d((2, 3), divisor_override=5)", [(2, 3, 8, 7)]),
    ("AdaptiveAvgPool1d(4)", [(2, 3, 10)]),
    ("AdaptiveAvgPool2d((3, 4))", [(2, 3, 10, 7)]),
    ("AdaptiveAvgPool2d((None, 2))", [(3, 5, 6)]),
    ("AdaptiveAvgPool2d(1)", [(2, 3, 5, 6)]),
    ("AdaptiveMaxPool1d(4)", [(2, 3, 10)]),
    ("AdaptiveMaxPool2d((3, 4))", [(2, 3, 10, 7)]),
    ("Flatten()", [(2, 3, 4)]),
    ("Flatten(0, 1)", [(2, 3, 4)]),
    ("Unflatten(1, (2, -1))", [(2, 6)]),
    ("LayerNorm((3, 4))", [(2, 3, 4)]),
    ("LayerNorm(4, eps=0.01, bias=False)", [(2, 3, 4)]),
    ("LayerNorm(4, elementwise_affine=False)", [(2, 4)]),
    ("RMSNorm(4)", [(2, 3, 4)]),
    ("RMSNorm((3, 4), eps=0.01, elementwise_affine=False)", [(2, 3, 4)]),
    ("GroupNorm(2, 6)", [(3, 6, 4)]),
    ("GroupNorm(3, 6, affine=False)", [(3, 6, 2, 4)]),
    ("BatchNorm1d(3)", [(5, 3)]),
    ("BatchNorm1d(3, momentum=None)", [(5, 3, 4)]),
    ("BatchNorm2d(3, affine=False)", [(2, 3, 4, 5)]),
    ("BatchNorm2d(3, track_running_stats=False)", [(2, 3, 4, 5)]),
    ("BatchNorm3d(2, eps=0.1, momentum=0.3)", [(2, 2, 3, 4, 2)]),
    ("InstanceNorm1d(3)", [(2, 3, 5)]),
    ("InstanceNorm2d(3, affine=True, track_running_stats=True)", [(2, 3, 4, 5)]),
    ("LocalResponseNorm(3)", [(2, 5, 4, 3)]),
    ("LocalResponseNorm(4, alpha=0.5, k=2.0)", [(2, 5, 4)]),
    ("PixelShuffle(2)", [(2, 8, 3, 2)]),
    ("PixelUnshuffle(2)", [(2, 2, 4, 6)]),
    ("Unfold((2, 3), dilation=2, padding=1, stride=2)", [(2, 3, 8, 9)]),
    ("Upsample(scale_factor=2)", [(1, 2, 3, 4)]),
    ("Upsample(size=7, mode='nearest')", [(1, 2, 4)]),
    ("Upsample(size=(7, 3), mode='nearest-exact')", [(1, 2, 4, 5)]),
    ("Upsample(scale_factor=(1.5, 2.0), mode='bilinear')", [(1, 2, 5, 4)]),
    ("Upsample(size=(3, 9), mode='bilinear', align_corners=True)", [(1, 2, 5, 4)]),
    ("Upsample(size=11, mode='linear')", [(1, 2, 4)]),
    ("Upsample(size=(7, 3), mode='bicubic')", [(1, 2, 5, 6)]),
    ("Upsample(scale_factor=2, mode='trilinear')", [(1, 1, 3, 2, 2)]),
    ("UpsamplingNearest2d(scale_factor=2)", [(1, 2, 3, 4)]),
    ("UpsamplingBilinear2d(size=(5, 6))", [(1, 2, 3, 4)]),
    ("ConstantPad1d((2, 1), 3.5)", [(2, 3, 4)]),
    ("ConstantPad2d(1, 0.5)", [(3, 4, 2)]),
    ("ConstantPad3d(1, 0.5)", [(1, 2, 3, 4, 2)]),
    ("ZeroPad1d(2)", [(2, 3, 4)]),
    ("ZeroPad2d((1, -1, 0, 2))", [(2, 3, 4)]),
    ("ZeroPad3d(1)", [(1, 2, 3, 2, 2)]),
    ("ReflectionPad1d(3)", [(2, 3, 4)]),
    ("ReflectionPad2d((1, 2, 0, 1))", [(1, 2, 4, 3)]),
    ("ReplicationPad1d((3, 1))", [(2, 4)]),
    ("ReplicationPad2d(2)", [(1, 2, 4, 3)]),
    ("CircularPad1d(2)", [(1, 2, 4)]),
    ("CircularPad2d((1, 2, 3, 0))", [(1, 2, 4, 3)]),
    ("ReLU()", [(3, 4)]),
    ("ReLU6()", [(3, 4)]),
    ("LeakyReLU(0.2)", [(3, 4)]),
    ("PReLU()", [(3, 4)]),
    ("PReLU(4, init=0.1)", [(3, 4, 2)]),
    ("RReLU().eval()", [(3, 4)]),
    ("ELU(alpha=0.7)", [(3, 4)]),
    ("CELU(alpha=0.7)", [(3, 4)]),
    ("SELU()", [(3, 4)]),
    ("GELU()", [(3, 4)]),
    ("GELU(approximate='tanh')", [(3, 4)]),
    ("SiLU()", [(3, 4)]),
    ("Mish()", [(3, 4)]),
    ("Sigmoid()", [(3, 4)]),
    ("LogSigmoid()", [(3, 4)]),
    ("Tanh()", [(3, 4)]),
    ("Tanhshrink()", [(3, 4)]),
    ("Softsign()", [(3, 4)]),
    ("Softplus()", [(3, 4)]),
    ("Softplus(beta=2, threshold=1)", [(3, 4)]),
    ("Hardtanh()", [(3, 4)]),
    ("Hardtanh(-0.3, 0.4)", [(3, 4)]),
    ("Hardsigmoid()", [(3, 4)]),
    ("Hardswish()", [(3, 4)]),
    ("Hardshrink()", [(3, 4)]),
    ("Hardshrink(0.9)", [(3, 4)]),
    ("Softshrink(0.9)", [(3, 4)]),
    ("Threshold(0.1, 20)", [(3, 4)]),
    ("GLU()", [(3, 4)]),
    ("GLU(dim=0)", [(4, 3)]),
    ("Softmax(dim=1)", [(3, 4)]),
    ("Softmax2d()", [(2, 3, 4, 2)]),
    ("LogSoftmax(dim=-1)", [(3, 4)]),
    ("Softmin(dim=0)", [(3, 4)]),
    ("Embedding(5, 3)", ["5:2,3"]),
    ("Embedding(5, 3, padding_idx=-2)", ["5:2,6"]),
    ("Embedding(5, 3, max_norm=0.8, norm_type=1.0)", ["5:2,3"]),
    ("Embedding(5, 3, padding_idx=1, scale_grad_by_freq=True)", ["5:4,7"]),
    ("CosineSimilarity()", [(3, 4), (3, 4)]),
    ("CosineSimilarity(dim=-1, eps=0.1)", [(2, 3, 4), (1, 3, 4)]),
    ("PairwiseDistance()", [(3, 4), (3, 4)]),
    ("PairwiseDistance(p=1, keepdim=True)", [(3, 4), (4,)]),
    ("CrossEntropyLoss()", [(3, 4), "4:3"]),
    ("CrossEntropyLoss(weight=T([0.5, 1.0, 2.0]), ignore_index=1, reduction='sum')", [(4, 3, 2), "3:4,2"]),
    ("CrossEntropyLoss(weight=T([0.5, 1.0, 2.0]), label_smoothing=0.2)", [(4, 3), "3:4"]),
    ("CrossEntropyLoss(label_smoothing=0.2, ignore_index=1, reduction='none')", [(4, 3), "3:4"]),
    ("CrossEntropyLoss()", [(4,), "4:"]),
    ("CrossEntropyLoss(weight=T([0.5, 1.0, 2.0]), label_smoothing=0.1)", [(4, 3), "p:4,3"]),
    ("CrossEntropyLoss(reduction='none')", [(2, 3, 2, 2), "p:2,3,2,2"]),
    ("NLLLoss()", [(3, 4), "4:3"]),
    ("NLLLoss(weight=T([0.5, 1.0, 2.0]), ignore_index=2)", [(4, 3, 2, 2), "3:4,2,2"]),
    ("NLLLoss(reduction='none')", [(4,), "4:"]),
    ("MSELoss()", [(3, 4), (3, 4)]),
    ("MSELoss(reduction='sum')", [(3, 4), (3, 4)]),
    ("L1Loss(reduction='none')", [(3, 4), (3, 4)]),
    ("SmoothL1Loss()", [(3, 4), (3, 4)]),
    ("SmoothL1Loss(beta=0.3, reduction='sum')", [(3, 4), (3, 4)]),
    ("SmoothL1Loss(beta=0.0)", [(3, 4), (3, 4)]),
    ("HuberLoss(delta=0.6)", [(3, 4), (3, 4)]),
    ("BCELoss()", ["p:3,4", "p:3,4"]),
    ("BCELoss(weight=T([0.5, 1.0, 2.0]), reduction='sum')", ["p:2,3", "p:2,3"]),
    ("BCEWithLogitsLoss()", [(3, 4), "p:3,4"]),
    ("BCEWithLogitsLoss(weight=T([0.5, 1.0]), pos_weight=T([3.0, 0.2]))", [(3, 2), "p:3,2"]),
    ("KLDivLoss(reduction='batchmean')", [(3, 4), "p:3,4"]),
    ("KLDivLoss(reduction='sum', log_target=True)", [(3, 4), (3, 4)]),
    ("PoissonNLLLoss()", [(3, 4), "9:3,4"]),
    ("PoissonNLLLoss(log_input=False, full=True, reduction='sum')", ["p:3,4", "p:3,4"]),
    ("PoissonNLLLoss(full=True)", [(3, 4), "f:3,4"]),
    ("GaussianNLLLoss()", [(3, 4), (3, 4), "p:3,4"]),
    ("GaussianNLLLoss(full=True, eps=0.5, reduction='sum')", [(3, 4), (3, 4), "p:3,1"]),
    ("HingeEmbeddingLoss(margin=0.5)", [(3, 4), "s:3,4"]),
    ("MarginRankingLoss(margin=0.5)", [(5,), (5,), "s:5"]),
    ("CosineEmbeddingLoss(margin=0.2)", [(5, 3), (5, 3), "s:5"]),
    ("TripletMarginLoss()", [(5, 3), (5, 3), (5, 3)]),
    ("TripletMarginLoss(margin=2.0, p=1, swap=True, reduction='sum')", [(5, 3), (5, 3), (5, 3)]),
    ("MultiMarginLoss()", [(5, 3), "3:5"]),
    ("MultiMarginLoss(p=2, margin=0.7, weight=T([0.5, 1.0, 2.0]), reduction='none')", [(5, 3), "3:5"]),
    ("SoftMarginLoss()", [(5, 3), "s:5,3"]),
    ("MultiLabelSoftMarginLoss(weight=T([0.5, 1.0, 2.0]))", [(5, 3), "b:5,3"]),
]

# Where PyTorch rounds a constant of the gradient (1/6, alpha) to float32 although the values are float64.
ROUNDED = ("CELU", "Hardsigmoid")

# Printed only: they draw random numbers, or write over their input.
PRINTED = [
    "Dropout()",
    "Dropout(0.2, inplace=True)",
    "Dropout1d(0.1)",
    "Dropout2d()",
    "Dropout3d()",
    "AlphaDropout(0.3)",
    "FeatureAlphaDropout()",
    "RReLU(0.1, 0.3, inplace=True)",
    "ReLU(inplace=True)",
    "ReLU6(inplace=True)",
    "LeakyReLU(0.3, inplace=True)",
    "ELU(inplace=True)",
    "CELU(inplace=True)",
    "SELU(inplace=True)",
    "SiLU(inplace=True)",
    "Mish(inplace=True)",
    "Hardtanh(inplace=True)",
    "Hardsigmoid(inplace=True)",
    "Hardswish(inplace=True)",
    "Threshold(0.1, 2, inplace=True)",
    "Softmax()",
    "Sequential(Linear(2, 3), Sequential(), ReLU())",
    "ModuleList([Linear(2, 3), Linear(2, 3), ReLU(), Linear(2, 3)])",
    "ModuleList()",
    "ModuleDict({'a': Linear(2, 3), 'b': ReLU()})",
    "Embedding(4, 2, padding_idx=1, max_norm=2.0, norm_type=1.0)",
    "Embedding(4, 2, scale_grad_by_freq=True)",
]


def space(module: Any, make: Any) -> dict[str, Any]:
    return {**vars(module), "T": make}


def make_input(wanted: Any, seed: int) -> np.ndarray:
    if isinstance(wanted, tuple):
        return array(*wanted, seed=seed)
    kind, _, sizes = wanted.partition(":")
    shape = tuple(int(n) for n in sizes.split(",") if n)
    random = np.random.default_rng([seed, *shape])
    if kind == "p":
        return random.uniform(0.05, 0.95, shape)
    if kind == "s":
        return random.choice([-1.0, 1.0], shape)
    if kind == "b":
        return random.choice([0.0, 1.0], shape)
    if kind == "f":
        return random.integers(0, 6, shape).astype(np.float64)
    return random.integers(0, int(kind), shape)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("expression", "shapes"), LAYERS, ids=[f"{e} {s}" for e, s in LAYERS])
def test_layers_agree(expression: str, shapes: list[Any]) -> None:
    def weights(of: Any) -> Any:
        return lambda values: of.tensor(values, dtype=of.float64)

    ours = eval(expression, space(nn, weights(lamina))).double()
    theirs = eval(expression, space(torch.nn, weights(torch))).double()
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    with torch.no_grad():
        for i, parameter in enumerate(theirs.parameters()):
            parameter.copy_(torch.from_numpy(array(*parameter.shape, seed=50 + i)))
    state = {key: lamina.tensor(np.array(value.numpy())) for key, value in theirs.state_dict().items()}
    assert repr(ours.load_state_dict(state)) == "<All keys matched successfully>"

    for turn in range(2):  # twice, for layers that keep statistics
        arrays = [make_input(shape, 10 * turn + i) for i, shape in enumerate(shapes)]
        mine = [lamina.tensor(values) for values in arrays]
        other = [torch.tensor(values) for values in arrays]
        for tensors in (mine, other):
            for x in tensors[: 1 if len(tensors) > 1 and "Loss" in expression else None]:
                if x.is_floating_point():
                    x.requires_grad_()
        output, expected = ours(*mine), theirs(*other)
        close(output, expected.detach().numpy())
        if not expected.requires_grad:
            continue
        factors = array(*expected.shape, seed=7)
        (output * lamina.tensor(factors)).sum().backward()
        (expected * torch.tensor(factors)).sum().backward()
        for a, b in zip([*mine, *ours.parameters()], [*other, *theirs.parameters()], strict=True):
            assert (a.grad is None) == (b.grad is None)
            if b.grad is not None:
                close(a.grad, b.grad.numpy(), 1e-7 if expression.startswith(ROUNDED) else 1e-10)
    for key, value in theirs.state_dict().items():
        close(ours.state_dict()[key], value.numpy())
    if isinstance(ours, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm2d)):
        close(ours.eval()(*mine), theirs.eval()(*other).detach().numpy())


@pytest.mark.parametrize("expression", PRINTED)
def test_printing_agrees(expression: str) -> None:
    assert repr(eval(expression, vars(nn))) == repr(eval(expression, vars(torch.nn)))


def test_parameter_lists_print_alike() -> None:
    text = "ParameterList([Z(2, 3), Z(1), 'x'])"
    ours = repr(eval(text, {**vars(nn), "Z": lamina.zeros}))
    theirs = repr(eval(text, {**vars(torch.nn), "Z": torch.zeros}))
    assert ours.replace("lamina.", "torch.") == theirs


# What of PyTorch's arguments lamina leaves out, because it has no such thing.
ABSENT = {
    "normalize": {"out"},
    "Hardtanh": {"min_value", "max_value"},
}


def parameters(function: Any, without: set[str]) -> list[tuple[str, Any]]:
    found = inspect.signature(function).parameters.values()
    # A default that is a function is known by its name.
    return [
        (p.name, getattr(p.default, "__name__", p.default)) for p in found if p.name not in without | {"self"}
    ]


def has_signature(function: Any) -> bool:
    try:
        return "args" not in inspect.signature(function).parameters
    except ValueError:
        return False


@pytest.mark.parametrize("name", sorted(nn.functional.__all__))
def test_functions_take_the_same_arguments(name: str) -> None:
    theirs = getattr(torch.nn.functional, name)
    if has_signature(theirs):
        without = ABSENT.get(name, set())
        assert parameters(getattr(nn.functional, name), without) == parameters(theirs, without)


@pytest.mark.parametrize("name", sorted(name for name in nn.__all__ if inspect.isclass(getattr(nn, name))))
def test_layers_take_the_same_arguments(name: str) -> None:
    ours, theirs = getattr(nn, name), getattr(torch.nn, name)
    if has_signature(theirs.__init__) and has_signature(ours.__init__):
        without = ABSENT.get(name, set())
        assert parameters(ours.__init__, without) == parameters(theirs.__init__, without)
    public = {method for method in vars(ours) if not method.startswith("_")}
    assert public <= set(dir(theirs))


@pytest.mark.parametrize("name", [n for n in dir(nn.init) if n.endswith("_") and not n.startswith("_")])
def test_initialisers_take_the_same_arguments(name: str) -> None:
    assert parameters(getattr(nn.init, name), set()) == parameters(getattr(torch.nn.init, name), set())
