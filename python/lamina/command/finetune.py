"""``lamina finetune``: a folder of photographs in, a classifier out."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import lamina
from lamina import nn, optim

EXAMPLES = """\
  lamina finetune photos/ --weights efficientnet-lite0.pth --epochs 5 --out model.safetensors
  lamina finetune photos/ --weights resnet18.pth --frozen       (only the last layer learns: quick)
  lamina finetune photos/ --architecture resnet18 --epochs 50   (from random weights)
  lamina finetune photos/ --weights resnet18.pth --resume       (go on after an interruption)

photos/ has one folder for each class: photos/cat/1.jpg, photos/dog/7.png ..."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="a folder with one folder for each class")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a checkpoint to begin with")
    parser.add_argument("--architecture", metavar="NAME", help="of random weights, instead of --weights")
    parser.add_argument("--epochs", type=int, default=5, help="passes through the photographs (5)")
    parser.add_argument("--out", type=Path, default=Path("model.safetensors"), help="the classifier to write")
    parser.add_argument("--frozen", action="store_true", help="only the last layer learns")
    parser.add_argument("--size", type=int, default=160, help="pixels a side (160)")
    parser.add_argument("--batch", type=int, default=16, help="photographs in a step (16)")
    parser.add_argument(
        "--lr", type=float, default=1e-3, help="the largest learning rate, at the last layer (1e-3)"
    )
    parser.add_argument("--validation", type=float, default=0.2, help="share kept to judge by (0.2)")
    parser.add_argument("--workers", type=int, default=2, help="threads that read photographs ahead (2)")
    parser.add_argument("--seed", type=int, default=0, help="of the split, the order and the crops (0)")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint beside --out")


def run(args: argparse.Namespace) -> int:
    """Train, judge, write; returns the exit code."""
    from lamina import train

    _check(args)
    lamina.manual_seed(args.seed)
    photographs = _photographs(args.photos)
    classes = [Path(name).name for name in photographs]
    model, what = _model(args, classes)
    learned, judged = _split(photographs, args.validation)
    print(f"{len(classes)} classes; {len(learned)} photographs to learn from, {len(judged)} to judge by")
    loader, validation = _loaders(args, what, learned, judged)
    if args.frozen:
        model.freeze()
        model.get_submodule(lamina.models.transfer.head_of(model)).requires_grad_(True)
        groups: Any = [one for one in model.parameters() if one.requires_grad]
        rates: Any = args.lr
    else:
        groups = model.layer_groups(args.lr, decay=0.7 if args.weights else 1.0)
        rates = [group["lr"] for group in groups]
    optimizer = optim.AdamW(groups, lr=args.lr, weight_decay=0.02)
    checkpoints = train.Checkpoint(args.out.with_suffix(".run"), "validation accuracy")
    trainer = train.Trainer(
        model,
        optimizer,
        nn.CrossEntropyLoss(label_smoothing=0.1),
        metrics={"accuracy": train.Accuracy()},
        scheduler=optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=rates, total_steps=args.epochs * len(loader)
        ),
        callbacks=[checkpoints, train.CSVLogger(checkpoints.folder / "log.csv")],
        clip_norm=5.0,
    )
    start = time.perf_counter()
    trainer.fit(loader, validation, args.epochs, resume=checkpoints.folder if args.resume else None)
    if checkpoints.best.exists():
        model.load_state_dict(lamina.load(checkpoints.best))
    what.save(model, args.out)
    figures = trainer.evaluate(validation)
    print(
        f"{args.epochs} epochs in {time.perf_counter() - start:.1f} s; "
        f"{figures['accuracy']:.1%} of those judged by are right"
    )
    print(f"the classifier is {args.out}; checkpoints and log.csv lie in {checkpoints.folder}")
    _draw(trainer.history, checkpoints.folder / "curves.png")
    print(f"try: lamina predict {args.out} {learned[0][0]}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """What can be known to fail is refused before anything is done."""
    if (args.weights is None) == (args.architecture is None):
        raise ValueError("name either --weights or --architecture")
    for name, least in (("epochs", 1), ("size", 32), ("batch", 1), ("workers", 0)):
        if getattr(args, name) < least:
            raise ValueError(f"--{name} must be at least {least}, got {getattr(args, name)}")
    if not 0 < args.validation < 1:
        raise ValueError(f"--validation must lie between 0 and 1, got {args.validation}")
    if args.out.suffix != ".safetensors":
        raise ValueError(f"--out must end with .safetensors, got {args.out}")
    folder = args.out.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ValueError(f"--out cannot be written: {folder} is no folder that may be written to")


def _photographs(folder: Path) -> dict[str, list[str]]:
    """The readable images of each class; those that are not are named and left out.

    Raises:
        FileNotFoundError: no folder, or no class folders in it.
        ValueError: fewer than two classes with at least two images.
    """
    from lamina.vision.datasets import ImageFolder

    found = ImageFolder(folder, allow_empty=True)
    names = {number: os.path.join(folder, name) for name, number in found.class_to_idx.items()}
    by_class: dict[str, list[str]] = {name: [] for name in names.values()}
    for path, number in found.samples:
        try:
            found.loader(path)
        except ValueError as error:
            print(f"left out: {error}", file=sys.stderr)
        else:
            by_class[names[number]].append(path)
    for name, paths in list(by_class.items()):
        if len(paths) < 2:
            print(f"left out: {name} has {len(paths)} images; two are the least", file=sys.stderr)
            del by_class[name]
    if len(by_class) < 2:
        raise ValueError(
            f"{folder} has {len(by_class)} classes with images; put the images of each class into a folder "
            "of its own, for two classes at least"
        )
    return by_class


def _model(args: argparse.Namespace, classes: list[str]) -> tuple[Any, Any]:
    """A network with a new head, and what it is."""
    from lamina.models.recognise import network_of
    from lamina.vision.classifier import Classifier

    if args.weights is None:
        what = Classifier(args.architecture, classes, args.size)
        what.build()  # says if there is no such thing
        return getattr(lamina.models.vision, args.architecture)(num_classes=len(classes)), what
    state = lamina.io.weights_in(lamina.load(args.weights), str(args.weights))
    name, count, model = network_of(state)
    print(f"{args.weights}: {name}, which told {count} classes apart")
    what = Classifier(name, classes, args.size)
    return model.replace_head(len(classes)), what


def _split(photographs: dict[str, list[str]], share: float) -> tuple[list[Any], list[Any]]:
    """Of each class, a share to judge by, one image at least."""
    learned: list[tuple[str, int]] = []
    judged: list[tuple[str, int]] = []
    for label, paths in enumerate(photographs.values()):
        order = lamina.randperm(len(paths)).tolist()
        kept = min(len(paths) - 1, max(1, round(share * len(paths))))
        judged += [(paths[i], label) for i in order[:kept]]
        learned += [(paths[i], label) for i in order[kept:]]
    return learned, judged


class _Listed(lamina.utils.data.Dataset):
    """Photographs of a list, prepared when they are asked for."""

    def __init__(self, samples: list[tuple[str, int]], preparation: Any) -> None:
        self.samples, self.preparation = samples, preparation

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        from lamina.vision.datasets import default_loader

        path, label = self.samples[index]
        return self.preparation(default_loader(path)), label


def _loaders(args: argparse.Namespace, what: Any, learned: list[Any], judged: list[Any]) -> tuple[Any, Any]:
    from lamina.utils.data import DataLoader

    # The last batch must not be of one image, which batch norm could not learn from.
    short = len(learned) % args.batch == 1 and len(learned) > args.batch
    loader: DataLoader[Any] = DataLoader(
        _Listed(learned, what.preparation(training=True)),
        args.batch,
        shuffle=True,
        num_workers=args.workers,
        drop_last=short,
    )
    return loader, DataLoader(_Listed(judged, what.preparation()), args.batch, num_workers=args.workers)


def _draw(history: dict[str, list[float]], path: Path) -> None:
    curves = {name: values for name, values in history.items() if name != "learning rate"}
    try:
        lamina.viz.learning_curves(curves).savefig(path, dpi=150)
    except ImportError as error:
        print(f"no learning curves: {error}")
    else:
        print(f"learning curves: {path}")
