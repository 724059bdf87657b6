"""Transfer learning: what is frozen keeps its bits, adapters merge, averages are PyTorch's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina import nn, optim, train
from lamina.models import lora, transfer
from lamina.optim import swa_utils
from lamina.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: lamina.Tensor) -> lamina.Tensor:
        return self.fc(self.pool(self.features(x)).flatten(1))


@pytest.fixture
def net() -> Net:
    lamina.manual_seed(0)
    return Net()


def samples(n: int = 24) -> TensorDataset:
    return TensorDataset(lamina.randn(n, 1, 8, 8), lamina.randint(0, 3, (n,)))


def copy_of(model: nn.Module) -> dict[str, lamina.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def fit(model: nn.Module, epochs: int = 1, **options: object) -> train.Trainer:
    found = train.Trainer(
        model, optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), progress=False, **options
    )
    found.fit(DataLoader(samples(), batch_size=8), epochs=epochs)
    return found


@pytest.mark.parametrize("batch_norm", ["eval", "train"])
def test_frozen_layers_keep_their_bits(net: Net, batch_norm: str) -> None:
    transfer.freeze(net, "features.*", batch_norm=batch_norm)
    before = copy_of(net)
    fit(net)
    for name, value in net.state_dict().items():
        same = lamina.equal(value, before[name])
        if name.startswith("fc"):
            assert not same
        elif "running" in name or "tracked" in name:
            assert same == (batch_norm == "eval"), name
        else:
            assert same, name
    transfer.unfreeze(net, "features.3", "features.4")
    before = copy_of(net)
    fit(net)
    changed = {name for name, value in net.state_dict().items() if not lamina.equal(value, before[name])}
    assert {"features.3.weight", "features.4.weight", "features.4.running_mean"} <= changed
    assert ("features.1.running_mean" in changed) == (batch_norm == "train")
    assert "features.0.weight" not in changed
    with pytest.raises(ValueError, match=r"no parameter is called 'feature\.\*'; the model consists of fea"):
        transfer.freeze(net, "feature.*")


def test_a_new_head_and_features(net: Net) -> None:
    x = lamina.randn(2, 1, 8, 8)
    transfer.replace_head(net, 7)
    assert net(x).shape == (2, 7) and transfer.head_of(net) == "fc"
    net.eval()
    features = transfer.feature_extractor(net, "pool")
    assert lamina.equal(features(x), net.pool(net.features(x)).flatten(1))
    assert not net.pool._forward_hooks
    with pytest.raises(ValueError, match="neither linear nor"):
        transfer.replace_head(net, 7, "features.1")
    with pytest.raises(AttributeError, match="pol"):
        transfer.feature_extractor(net, "pol")


def test_every_architecture_is_a_network() -> None:
    model = lamina.models.vision.squeezenet1_1()
    model.freeze("features.*").replace_head(4)
    assert {name for name, one in model.named_parameters() if one.requires_grad} == {
        "classifier.1.weight",
        "classifier.1.bias",
    }
    model.eval()
    x = lamina.rand(1, 3, 64, 64)
    assert model(x).shape == (1, 4) and model.feature_extractor("features")(x).shape == (1, 512 * 3 * 3)
    assert [group["name"] for group in model.layer_groups(1e-3)] == ["classifier"]
    model.unfreeze()
    assert all(one.requires_grad for one in model.parameters())


def test_rates_fall_towards_the_input(net: Net) -> None:
    groups = transfer.layer_groups(net, lr=1.0, decay=0.1)
    assert [(one["name"], one["lr"]) for one in groups] == [("features", 0.1), ("fc", 1.0)]
    assert sum(len(one["params"]) for one in groups) == len(list(net.parameters()))
    transfer.freeze(net, "features")
    assert [one["name"] for one in transfer.layer_groups(net, lr=1.0)] == ["fc"]


def test_layers_thaw_one_by_one(net: Net) -> None:
    learned: list[set[str]] = []

    class Look(train.Callback):
        def epoch_end(self, trainer: train.Trainer, logs: dict) -> None:
            learned.append({name for name, one in net.named_parameters() if one.requires_grad})

    fit(net, 3, callbacks=[transfer.GradualUnfreezing(["features.[01]", "features.[34]", "fc"]), Look()])
    assert learned[0] == {"fc.weight", "fc.bias"}
    assert "features.3.weight" in learned[1] and "features.0.weight" not in learned[1]
    assert learned[2] == {name for name, _ in net.named_parameters()}


def test_features_are_computed_once(net: Net, tmp_path: Path) -> None:
    features = transfer.feature_extractor(net, "pool")
    loader = DataLoader(samples(), batch_size=8)
    first = transfer.cache_features(features, loader, tmp_path / "f.safetensors")
    again = transfer.cache_features(features, [], tmp_path / "f.safetensors")  # nothing is left to read
    assert all(lamina.equal(a, b) for a, b in zip(first.tensors, again.tensors, strict=True))
    with lamina.no_grad():
        net.features[0].weight.mul_(2)
    with pytest.raises(ValueError, match="no batches"):  # other weights: the file does not serve
        transfer.cache_features(features, [], tmp_path / "f.safetensors")


def test_adapters_learn_alone_and_merge(tmp_path: Path) -> None:
    lamina.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    x, y = lamina.randn(16, 6), lamina.randint(0, 3, (16,))
    plain, names = model(x), list(model.state_dict())
    lora.attach(model, "0", rank=2)
    assert lamina.equal(model(x), plain)  # B is zero
    assert [name for name in model.state_dict() if ".lora_" not in name] == names
    before = copy_of(model)
    optimizer = optim.Adam([one for one in model.parameters() if one.requires_grad], lr=0.05)
    for _ in range(5):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not lamina.equal(value, before[name])}
    assert changed == {"0.lora_A", "0.lora_B"}
    lamina.save(lora.state_dict(model), tmp_path / "adapter.safetensors")

    adapted = model(x).detach().numpy()
    other = lora.attach(nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)), "0", rank=2)
    other.load_state_dict(before)
    lora.load_state_dict(other, lamina.load(tmp_path / "adapter.safetensors"))
    np.testing.assert_array_equal(other(x).detach().numpy(), adapted)
    lora.merge(model)
    assert list(model.state_dict()) == names and type(model[0]) is nn.Linear
    np.testing.assert_allclose(model(x).detach().numpy(), adapted, atol=1e-6)
    with pytest.raises(ValueError, match="no linear layer"):
        lora.attach(model, "query")


@pytest.mark.parametrize("kind", ["swa", "ema", "ema tensor by tensor"])
@pytest.mark.parametrize("buffers", [False, True])
def test_averages_are_pytorchs(kind: str, buffers: bool) -> None:
    torch = pytest.importorskip("torch")
    results = []
    for library in (lamina, torch):
        module = library.nn.Sequential(library.nn.Linear(3, 2), library.nn.BatchNorm1d(2))
        utils = swa_utils if library is lamina else library.optim.swa_utils
        options = {
            "swa": {},
            "ema": {"multi_avg_fn": utils.get_ema_multi_avg_fn(0.9)},
            "ema tensor by tensor": {"avg_fn": utils.get_ema_avg_fn(0.9)},
        }[kind]
        random = np.random.default_rng(0)
        averaged = utils.AveragedModel(module, use_buffers=buffers, **options)
        for _ in range(4):
            with library.no_grad():
                for one in module.parameters():
                    one.copy_(library.tensor(random.normal(size=tuple(one.shape)).astype(np.float32)))
            module(library.tensor(random.normal(size=(5, 3)).astype(np.float32)))
            averaged.update_parameters(module)
        results.append({name: value.numpy() for name, value in averaged.state_dict().items()})
    assert list(results[0]) == list(results[1])
    for name, value in results[0].items():
        np.testing.assert_allclose(value, results[1][name], rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 4])
def test_the_averaging_schedule_is_pytorchs(strategy: str, epochs: int) -> None:
    torch = pytest.importorskip("torch")
    rates = []
    for library in (lamina, torch):
        weight = library.nn.Parameter(library.zeros(1))
        optimizer = library.optim.SGD([weight], lr=1.0)
        utils = swa_utils if library is lamina else library.optim.swa_utils
        schedule = utils.SWALR(optimizer, 0.05, epochs, strategy)
        seen = []
        for _ in range(7):
            optimizer.step()
            schedule.step()
            seen.append(optimizer.param_groups[0]["lr"])
        rates.append(seen)
    np.testing.assert_allclose(rates[0], rates[1], rtol=1e-12)


def test_statistics_are_made_anew(net: Net) -> None:
    data = samples()
    swa_utils.update_bn(DataLoader(data, batch_size=24), net)
    with lamina.no_grad():
        x = net.features[0](data.tensors[0])
    np.testing.assert_allclose(net.features[1].running_mean.numpy(), x.mean((0, 2, 3)).numpy(), atol=1e-6)
    assert net.features[1].momentum == 0.1
