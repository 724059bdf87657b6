"""lamina.models.vision: scores judged by torchvision, or by plain PyTorch; parameter counts; training."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
import model_golden as golden
from lamina import nn
from lamina.models import vision


def with_golden_weights(model: nn.Module) -> dict[str, np.ndarray]:
    made = golden.weights({name: tuple(value.shape) for name, value in model.state_dict().items()})
    model.load_state_dict({name: lamina.tensor(value) for name, value in made.items()})
    model.eval()
    return made


@pytest.mark.parametrize("name", golden.SCORES)
def test_scores_are_those_of_torchvision(name: str) -> None:
    model = vision.get_model(name, **golden.options(name))
    with_golden_weights(model)
    with lamina.no_grad():
        scores = model(lamina.tensor(golden.images(name)))
    assert tuple(scores.shape) == (2, 10)
    expected = np.array(golden.SCORES[name])
    np.testing.assert_allclose(scores[1, :4].numpy(), expected, rtol=0, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", [name for name in vision.list_models() if not name.startswith("vit_l")])
def test_parameter_counts_are_the_published_ones(name: str) -> None:
    published = re.search(r"([\d,]{4,}) parameters", getattr(vision, name).__doc__)
    assert published is not None
    count = sum(parameter.numel() for parameter in vision.get_model(name).parameters())
    assert f"{count:,}" == published.group(1)


# Scores of networks that torchvision does not have, by PyTorch's functions straight from the weights.


def lite_scores(torch: Any, w: dict[str, Any], x: Any) -> Any:
    F = torch.nn.functional

    def conv(name: str, x: Any, kernel: int, stride: int = 1, groups: int = 1) -> Any:
        size = x.shape[-1]
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        sides = (total // 2, total - total // 2)
        return F.conv2d(F.pad(x, sides + sides), w[f"{name}.weight"], None, stride, 0, 1, groups)

    def norm(name: str, x: Any) -> Any:
        parts = [w[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *parts, False, 0.0, 1e-3)

    x = F.relu6(norm("_bn0", conv("_conv_stem", x, 3, 2)))
    plan = (
        (3, 1, 16, 1),
        (3, 2, 24, 2),
        (5, 2, 40, 2),
        (3, 2, 80, 3),
        (5, 1, 112, 3),
        (5, 2, 192, 4),
        (3, 1, 320, 1),
    )
    number, channels = 0, 32
    for kernel, first, outputs, repeats in plan:
        for repeat in range(repeats):
            base, kept, stride = f"_blocks.{number}.", x, 1 if repeat else first
            if f"{base}_expand_conv.weight" in w:
                x = F.relu6(norm(f"{base}_bn0", conv(f"{base}_expand_conv", x, 1)))
            x = conv(f"{base}_depthwise_conv", x, kernel, stride, x.shape[1])
            x = F.relu6(norm(f"{base}_bn1", x))
            x = norm(f"{base}_bn2", conv(f"{base}_project_conv", x, 1))
            x = x + kept if stride == 1 and channels == outputs else x
            number, channels = number + 1, outputs
    x = F.relu6(norm("_bn1", conv("_conv_head", x, 1)))
    return F.linear(x.mean((2, 3)), w["_fc.weight"], w["_fc.bias"])


def unet_scores(torch: Any, w: dict[str, Any], x: Any) -> Any:
    F = torch.nn.functional

    def double(name: str, x: Any) -> Any:
        for conv, norm in ((0, 1), (3, 4)):
            x = F.conv2d(x, w[f"{name}.double_conv.{conv}.weight"], None, 1, 1)
            parts = [
                w[f"{name}.double_conv.{norm}.{part}"]
                for part in ("running_mean", "running_var", "weight", "bias")
            ]
            x = F.relu(F.batch_norm(x, *parts))
        return x

    kept = [double("inc", x)]
    for i in range(1, 5):
        kept.append(double(f"down{i}.maxpool_conv.1", F.max_pool2d(kept[-1], 2)))
    x = kept.pop()
    for i in range(1, 5):
        x = F.conv_transpose2d(x, w[f"up{i}.up.weight"], w[f"up{i}.up.bias"], 2)
        bridge = kept.pop()
        below, beside = bridge.shape[2] - x.shape[2], bridge.shape[3] - x.shape[3]
        x = F.pad(x, (beside // 2, beside - beside // 2, below // 2, below - below // 2))
        x = double(f"up{i}.conv", torch.cat([bridge, x], 1))
    return F.conv2d(x, w["outc.conv.weight"], w["outc.conv.bias"])


def lenet_scores(torch: Any, w: dict[str, Any], x: Any) -> Any:
    F = torch.nn.functional
    for layer, border in ((0, 2), (3, 0)):
        x = F.conv2d(x, w[f"features.{layer}.weight"], w[f"features.{layer}.bias"], 1, border)
        x = F.avg_pool2d(torch.tanh(x), 2)
    x = x.flatten(1)
    for layer in (1, 3):
        x = torch.tanh(F.linear(x, w[f"classifier.{layer}.weight"], w[f"classifier.{layer}.bias"]))
    return F.linear(x, w["classifier.5.weight"], w["classifier.5.bias"])


@pytest.mark.parametrize(
    ("name", "scores", "shape"),
    [
        ("efficientnet_lite0", lite_scores, (2, 3, 75, 75)),
        ("unet", unet_scores, (1, 3, 41, 50)),
        ("lenet5", lenet_scores, (3, 1, 28, 28)),
    ],
)
def test_scores_are_those_of_plain_pytorch(name: str, scores: Any, shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    model = vision.get_model(name)
    made = with_golden_weights(model)
    x = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
    expected = scores(
        torch, {key: torch.from_numpy(value) for key, value in made.items()}, torch.from_numpy(x)
    )
    with lamina.no_grad():
        found = model(lamina.tensor(x)).numpy()
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-5 * float(expected.abs().max()))


# One network of each file, without what is random in training.
STILL: dict[str, dict[str, Any]] = {
    "lenet5": {},
    "alexnet": {"dropout": 0.0},
    "vgg11_bn": {"dropout": 0.0},
    "resnet18": {},
    "resnet50": {"zero_init_residual": True},
    "resnext50_32x4d": {},
    "densenet121": {},
    "squeezenet1_1": {"dropout": 0.0},
    "mobilenet_v2": {"dropout": 0.0},
    "mobilenet_v3_small": {"dropout": 0.0},
    "efficientnet_b0": {"dropout": 0.0, "stochastic_depth_prob": 0.0},
    "efficientnet_lite0": {"dropout": 0.0, "stochastic_depth_prob": 0.0},
    "convnext_tiny": {"stochastic_depth_prob": 0.0, "layer_scale": 0.1},
    "vit_b_32": {"image_size": 64},
}


@pytest.mark.parametrize("name", STILL)
def test_a_step_against_the_gradient_lowers_the_loss(name: str) -> None:
    model = vision.get_model(name, num_classes=5, **STILL[name]).train()
    shape = (4, 1, 28, 28) if name == "lenet5" else (4, 3, 64, 64)
    x = lamina.tensor(np.random.default_rng(2).standard_normal(shape, dtype=np.float32))
    labels = lamina.tensor([0, 1, 2, 3])
    losses = []
    for turn in range(2):
        loss = nn.functional.cross_entropy(model(x), labels)
        losses.append(loss.item())
        if turn:
            break
        loss.backward()
        parameters = list(model.parameters())
        slope = sum(float((p.grad * p.grad).sum().item()) for p in parameters)
        assert np.isfinite(slope) and slope > 0
        with lamina.no_grad():  # a step that should lower the loss by 1 % were it straight
            for parameter in parameters:
                parameter -= parameter.grad * (0.01 * losses[0] / slope)
    assert losses[1] < losses[0]


def test_a_unet_learns_a_picture() -> None:
    model = vision.unet(n_channels=1, n_classes=2, bilinear=True)
    x = lamina.randn(2, 1, 32, 32)
    labels = (x[:, 0] > 0).to(lamina.int64)
    optimizer = lamina.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        loss = nn.functional.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_stochastic_depth_drops_samples_and_keeps_the_mean() -> None:
    drop = vision.block.StochasticDepth(0.25)
    output = drop(lamina.ones(4000, 2, 1, 1))
    values = output.numpy()[:, :, 0, 0]
    assert set(np.unique(values)) == {np.float32(0), np.float32(1 / 0.75)}
    assert (values[:, 0] == values[:, 1]).all()
    assert abs(values.mean() - 1) < 0.05
    assert (drop.eval()(lamina.ones(3, 1)) == 1).all()


def test_weights_come_from_a_state_dict_or_a_file(tmp_path: Path) -> None:
    first = vision.squeezenet1_1(num_classes=3)
    path = tmp_path / "squeezenet.pt"
    lamina.save(first.state_dict(), path)
    lamina.io.safetensors.save_file(first.state_dict(), tmp_path / "squeezenet.safetensors")
    for weights in (first.state_dict(), path, str(path), tmp_path / "squeezenet.safetensors"):
        second = vision.squeezenet1_1(weights=weights, num_classes=3)
        for name, value in first.state_dict().items():
            assert (second.state_dict()[name] == value).all()
    with pytest.raises(FileNotFoundError, match="downloads nothing"):
        vision.squeezenet1_1(weights="DEFAULT")
    with pytest.raises(RuntimeError, match="classifier"):
        vision.squeezenet1_1(weights=path)  # 1000 classes


def test_the_names_of_early_densenet_files_are_read() -> None:
    model = vision.densenet121(num_classes=2)
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): value + 1
        for name, value in model.state_dict().items()
    }
    assert any(".norm.1." in name for name in old)
    model.load_state_dict(old)
    name = "features.denseblock1.denselayer1.norm1.weight"
    assert (model.state_dict()[name] == 2).all()


def test_bad_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="resnet18"):
        vision.get_model("resnet19")
    with pytest.raises(AttributeError, match="resnet19"):
        vision.resnet19  # noqa: B018
    with pytest.raises(lamina.ShapeError, match="multiple of the patch"):
        vision.vit_b_16(image_size=100)
    with pytest.raises(lamina.ShapeError, match="224, 224"):
        vision.VisionTransformer(224, 32, 1, 2, 8, 8)(lamina.zeros(1, 3, 64, 64))
    with pytest.raises(TypeError, match="classes"):
        vision.resnet18(classes=10)


def test_dilation_in_place_of_strides_keeps_the_size() -> None:
    model = vision.resnet50(replace_stride_with_dilation=(False, True, True)).eval()
    x = lamina.zeros(1, 3, 64, 64)
    for stage in (model.conv1, model.maxpool, model.layer1, model.layer2, model.layer3, model.layer4):
        x = stage(x) if stage is not model.conv1 else lamina.zeros(1, 64, 32, 32)
    assert tuple(x.shape) == (1, 2048, 8, 8)


def test_everything_agrees_with_torchvision_where_it_is_installed() -> None:
    torchvision = pytest.importorskip("torchvision")
    for name in golden.SCORES:
        ours, theirs = (get(name, num_classes=7) for get in (vision.get_model, torchvision.models.get_model))
        assert repr(ours) == repr(theirs)
        assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
            k: tuple(v.shape) for k, v in theirs.state_dict().items()
        }
