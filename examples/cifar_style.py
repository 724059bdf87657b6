"""A second lesson: teach a small ResNet to tell small colour pictures apart, and look at what it looks for.

    python examples/cifar_style.py --epochs 12 --threads 2 --out examples/out

The pictures are squares of 32 pixels, as in CIFAR-10, out of ten photographs inside the PyPI package
scikit-image (pip install "lamina[images]"): a person, bricks, a cat, coffee, grass, gravel, stars, tissue, a
bike, a retina. Each photograph is cut into blocks; some blocks are learned from, others are for the
examination, and no square lies in both.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import lamina
from lamina import nn, optim, viz
from lamina.models import summary
from lamina.models.vision.resnet import BasicBlock
from lamina.utils.data import DataLoader, TensorDataset
from lamina.vision import transforms

SEED = 0
BATCH = 64
SIDE, BLOCK = 32, 64  # pixels
PHOTOGRAPHS = {
    "person": "astronaut.png",
    "bricks": "brick.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "stars": "hubble_deep_field.jpg",
    "tissue": "ihc.png",
    "bike": "motorcycle_left.png",
    "retina": "retina.jpg",
}
MEAN, STD = (0.45, 0.42, 0.40), (0.26, 0.26, 0.26)


class SmallResNet(nn.Module):
    """32x32 pixels in, ten scores out: the shape of network that He et al. (2016) used for CIFAR-10.

    A first convolution looks for colours and edges. Three stages of two blocks follow; each block adds to
    its input what two convolutions make of it, so that a stage begins as nearly nothing and learns to do
    more. The second and third stage halve the picture and double the channels.
    """

    def __init__(self, classes: int = len(PHOTOGRAPHS)) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 5, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        stages, before = [], 16
        for channels, stride in ((16, 1), (32, 2), (64, 2)):
            joined = nn.Sequential(
                nn.Conv2d(before, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
            stages.append(BasicBlock(before, channels, stride, joined if stride > 1 else None))
            stages.append(BasicBlock(channels, channels))
            before = channels
        self.stages = nn.Sequential(*stages)
        self.fc = nn.Linear(64, classes)

    def forward(self, image: lamina.Tensor) -> lamina.Tensor:  # (n, 3, 32, 32)
        x = self.relu(self.bn1(self.conv1(image)))  # (n, 16, 32, 32)
        x = self.stages(x)  # (n, 64, 8, 8)
        return self.fc(x.mean((2, 3)))  # (n, 10)


def squares(pixels: Any, seed: int) -> tuple[list[Any], list[Any]]:
    """Squares of a photograph, to learn from and for the examination: 300 and 60, of blocks apart."""
    random = np.random.default_rng(seed)
    blocks = [
        (top, left)
        for top in range(0, pixels.shape[0] - BLOCK + 1, BLOCK)
        for left in range(0, pixels.shape[1] - BLOCK + 1, BLOCK)
    ]
    sets = ([b for i, b in enumerate(blocks) if i % 4], [b for i, b in enumerate(blocks) if not i % 4])
    found: list[list[Any]] = []
    for own, count in zip(sets, (300, 60), strict=True):
        corners = random.integers(0, BLOCK - SIDE + 1, (count, 2))
        chosen = [own[i % len(own)] for i in range(count)]
        found.append(
            [
                pixels[top + down : top + down + SIDE, left + across : left + across + SIDE]
                for (top, left), (down, across) in zip(chosen, corners, strict=True)
            ]
        )
    return found[0], found[1]


def load_squares() -> tuple[TensorDataset, TensorDataset]:
    """3,000 squares to learn from, 600 to be examined on: images (n, 3, 32, 32) from 0 to 1, and labels."""
    try:
        import skimage
        from PIL import Image
    except ImportError as error:
        raise SystemExit('The photographs come with scikit-image: pip install "lamina[images]"') from error
    folder = Path(skimage.__file__).parent / "data"
    parts: list[tuple[list[Any], list[int]]] = [([], []), ([], [])]
    for label, file in enumerate(PHOTOGRAPHS.values()):
        with Image.open(folder / file) as image:
            pixels = np.asarray(image.convert("RGB"))
        for (images, labels), own in zip(parts, squares(pixels, SEED + label), strict=True):
            images += own
            labels += [label] * len(own)
    sets = []
    for images, labels in parts:
        stacked = lamina.from_numpy(np.stack(images).transpose(0, 3, 1, 2).astype(np.float32) / 255)
        sets.append(TensorDataset(stacked, lamina.tensor(labels)))
    return sets[0], sets[1]


# Every square is moved and mirrored anew each time that it is seen; in the examination it is left as it is.
NORMALIZE = transforms.Normalize(MEAN, STD)
AUGMENT = transforms.Compose(
    [transforms.RandomCrop(SIDE, padding=4, padding_mode="reflect"), transforms.RandomHorizontalFlip()]
)


def augmented(images: lamina.Tensor) -> lamina.Tensor:
    return NORMALIZE(lamina.stack([AUGMENT(image) for image in images]))


def train_epoch(
    model: nn.Module,
    batches: DataLoader,
    optimizer: optim.Optimizer,
    schedule: optim.lr_scheduler.LRScheduler,
) -> float:
    """Go through all squares once and learn from each batch; return the mean loss."""
    from tqdm import tqdm

    model.train()
    loss_function = nn.CrossEntropyLoss(label_smoothing=0.05)
    total = 0.0
    for images, labels in (bar := tqdm(batches, leave=False, disable=None)):
        loss = loss_function(model(augmented(images)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.item() * len(labels)
        bar.set_postfix(loss=f"{loss.item():.3f}", rate=f"{schedule.get_last_lr()[0]:.4f}")
    return total / len(batches.dataset)


def examine(model: nn.Module, squares: TensorDataset) -> tuple[float, lamina.Tensor]:
    """The mean loss, and the probability of every class for every square, (n, 10)."""
    model.eval()
    images, labels = squares.tensors
    with lamina.no_grad():
        scores = lamina.cat([model(NORMALIZE(part)) for part in images.split(200)])
    return nn.functional.cross_entropy(scores, labels).item(), scores.softmax(1)


def draw(
    model: nn.Module, history: dict[str, list[float]], test: TensorDataset, chances: Any, out: Path
) -> None:
    """Four pages: the training, the first filters, what two layers make of a cat, and what spoke for it."""
    names = list(PHOTOGRAPHS)
    images, labels = test.tensors
    viz.classification_report(history, images, labels, chances, names).savefig(out / "squares.png", dpi=150)
    viz.filters(model.conv1).savefig(out / "filters.png", dpi=150)
    right = (labels == names.index("cat")) & (chances.argmax(1) == labels)
    cat = NORMALIZE(images[int(right.nonzero()[0, 0].item()) if bool(right.any()) else 0])
    viz.feature_maps(model, cat, "bn1").savefig(out / "feature_maps.png", dpi=150)
    viz.grad_cam(model, cat, "stages.3").savefig(out / "grad_cam.png", dpi=150)
    print(
        f"drawn to {out}: squares.png (curves, confusion, mistakes), filters.png, feature_maps.png, "
        "grad_cam.png"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12, help="times to go through the squares (12)")
    parser.add_argument("--threads", type=int, help="threads to compute with (all cores)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out", help="where results go")
    options = parser.parse_args()
    if options.threads is not None:
        lamina.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)

    lamina.manual_seed(SEED)
    train, test = load_squares()
    model = SmallResNet()
    batches = DataLoader(train, batch_size=BATCH, shuffle=True)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = options.epochs * len(batches)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
    print(summary(model, (1, 3, SIDE, SIDE)))
    print(
        f"{len(train)} squares to learn from, {len(test)} to be examined on; {len(PHOTOGRAPHS)} classes; ",
        end="",
    )
    print(f"{lamina.get_num_threads()} threads")

    history: dict[str, list[float]] = {"train loss": [], "test loss": [], "test accuracy": []}
    start = time.perf_counter()
    for epoch in range(1, options.epochs + 1):
        train_loss = train_epoch(model, batches, optimizer, schedule)
        test_loss, chances = examine(model, test)
        right = (chances.argmax(1) == test.tensors[1]).to(lamina.float32).mean().item()
        for name, value in zip(history, (train_loss, test_loss, right), strict=True):
            history[name].append(value)
        seconds = time.perf_counter() - start
        print(f"epoch {epoch:2}: train loss {train_loss:.4f}, test loss {test_loss:.4f}, ", end="")
        print(f"test accuracy {right:.1%}, {seconds:.1f} s", flush=True)

    path = options.out / "small_resnet.safetensors"
    lamina.save(model.state_dict(), path)
    print(f"saved to {path}")
    draw(model, history, test, chances, options.out)


if __name__ == "__main__":
    main()
