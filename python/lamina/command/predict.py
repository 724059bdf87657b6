"""``lamina predict``: what a classifier sees on photographs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import lamina

EXAMPLES = """\
  lamina predict model.safetensors photo.jpg
  lamina predict model.safetensors photos/*.jpg --top 1"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="what lamina finetune wrote")
    parser.add_argument("image", type=Path, nargs="+", metavar="IMAGE", help="photographs")
    parser.add_argument("--top", type=int, default=3, help="the likeliest classes to name (3)")


def run(args: argparse.Namespace) -> int:
    """A line for each photograph; those that cannot be read are named, and the others are looked at."""
    from lamina.vision.classifier import load_classifier
    from lamina.vision.datasets import default_loader

    if args.top < 1:
        raise ValueError(f"--top must be at least 1, got {args.top}")
    model, what = load_classifier(args.model)
    prepare = what.preparation()
    failed = 0
    for path in args.image:
        try:
            image = default_loader(path)
        except (OSError, ValueError) as error:
            print(f"lamina predict: {error}", file=sys.stderr)
            failed = 1
            continue
        with lamina.no_grad():
            chances = model(prepare(image)[None]).softmax(1)[0]
        best = chances.topk(min(args.top, len(what.classes)))
        named = ", ".join(
            f"{what.classes[int(i)]} {chance:.1%}"
            for chance, i in zip(best[0].tolist(), best[1].tolist(), strict=True)
        )
        print(f"{path}: {named}", flush=True)
    return failed
