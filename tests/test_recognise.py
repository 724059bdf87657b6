"""Which architecture a file of weights is of: every constructor is found again, and what is odd is named."""

from __future__ import annotations

from pathlib import Path

import pytest

import lamina
from lamina.models import from_pretrained, text, vision
from lamina.models.recognise import FAMILIES, recognise
from lamina.nn import init

SMALL = ["resnet18", "mobilenet_v2", "mobilenet_v3_small", "squeezenet1_0", "squeezenet1_1", "lenet5"]
MORE = [
    "densenet121",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_lite1",
    "resnext50_32x4d",
    "resnet50",
]


@pytest.mark.parametrize("name", SMALL + MORE)
def test_every_network_is_told_by_its_tensors(name: str) -> None:
    with init.values_to_come():
        state = getattr(vision, name)(num_classes=7).state_dict()
    assert recognise(state) == (name, 7)


def test_every_constructor_is_in_a_family() -> None:
    known = {name for names in FAMILIES.values() for name in names.split()} | {"lenet5", "unet"}
    assert known == {name for name in vision.__all__ if name[0].islower()}


def test_a_file_becomes_a_model(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    lamina.manual_seed(0)
    model = vision.squeezenet1_1(num_classes=5).eval()
    wrapped = {f"module.{name}": value for name, value in model.state_dict().items()}
    lamina.save({"epoch": 3, "optimizer": {"state": {}}, "net": wrapped}, tmp_path / "all.pt")
    found = from_pretrained(tmp_path / "all.pt")
    assert "all.pt: squeezenet1_1 with 5 classes" in capsys.readouterr().err
    x = lamina.rand(1, 3, 48, 48)
    assert lamina.equal(found(x), model(x)) and not found.training
    found = from_pretrained(tmp_path, quiet=True)  # a folder with one file
    assert lamina.equal(found(x), model(x))
    assert capsys.readouterr().err == ""


def test_what_is_odd_is_named(tmp_path: Path) -> None:
    state = vision.resnet18().state_dict()
    state["layer1.0.conv1.weight"] = lamina.zeros(64, 64, 1, 1)
    with pytest.raises(
        lamina.FileFormatError, match=r"nearest is resnet18, but layer1.0.conv1.weight is \(64, 6"
    ):
        recognise(state)
    with pytest.raises(lamina.FileFormatError, match="holds no dict of named tensors"):
        lamina.io.weights_in({"epoch": 3})
    with pytest.raises(FileNotFoundError, match="neither a path nor an installed package"):
        from_pretrained("resnet18")
    with pytest.raises(FileNotFoundError, match="no weights in"):
        from_pretrained(tmp_path)


def bert() -> text.BertModel:
    config = text.BertConfig(vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    return text.BertModel(config).eval()


def test_folders_say_what_they_are(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bert().save_pretrained(tmp_path / "bert")
    for place in (tmp_path / "bert", tmp_path / "bert" / "model.safetensors"):
        assert isinstance(from_pretrained(place), text.BertModel)
        assert "bert: BertModel" in capsys.readouterr().err
    vit = vision.ViTModel(vision.ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2))
    vit.save_pretrained(tmp_path / "vit")
    assert isinstance(from_pretrained(tmp_path / "vit", quiet=True), vision.ViTModel)
    resnet = vision.resnet18(num_classes=5).eval()
    (tmp_path / "timm").mkdir()
    lamina.save(resnet.state_dict(), tmp_path / "timm" / "model.safetensors")
    (tmp_path / "timm" / "config.json").write_text('{"architecture": "resnet18", "num_classes": 5}')
    x = lamina.rand(1, 3, 32, 32)
    assert lamina.equal(from_pretrained(tmp_path / "timm", quiet=True)(x), resnet(x))


def test_names_are_looked_up_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--org--toy"
    bert().save_pretrained(folder / "snapshots" / "abc")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc\n")
    assert isinstance(from_pretrained("org/toy", quiet=True), text.BertModel)
    for name in ("org/other", "../toy", "/etc/passwd/x"):
        with pytest.raises(FileNotFoundError, match="nothing is downloaded"):
            from_pretrained(name)
    for lie in ("../../../etc", "..", "/etc", ""):
        (folder / "refs" / "main").write_text(lie)
        with pytest.raises(FileNotFoundError):
            from_pretrained("org/toy")
