"""From somebody's file to a model: which architecture the weights in it belong to.

Folders say so in config.json, GGUF files in their metadata, and ONNX files are graphs of their own; other
networks for images are told by the names and shapes of their tensors.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import lamina
from lamina import nn
from lamina._core import Tensor
from lamina.io.folder import WEIGHTS, read_json
from lamina.io.state import weights_in
from lamina.models import vision
from lamina.models.network import Network
from lamina.models.transfer import head_of
from lamina.nn import init

# A tensor that only networks of this family have, and the constructors to compare with, likeliest first.
FAMILIES = {
    "_conv_stem.weight": "efficientnet_lite0 efficientnet_lite1 efficientnet_lite2",
    "layer1.0.conv1.weight": "resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d "
    "resnext101_32x8d wide_resnet50_2 wide_resnet101_2",
    "features.denseblock1.denselayer1.norm1.weight": "densenet121 densenet161 densenet169 densenet201",
    "features.1.conv.0.0.weight": "mobilenet_v2",
    "features.1.block.0.0.weight": "mobilenet_v3_small mobilenet_v3_large",
    "features.1.0.block.0.0.weight": "efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 "
    "efficientnet_b4 efficientnet_b5 efficientnet_b6 efficientnet_b7",
    "features.1.0.layer_scale": "convnext_tiny convnext_small convnext_base",
    "conv_proj.weight": "vit_b_16 vit_b_32 vit_l_16 vit_l_32",
    "features.3.squeeze.weight": "squeezenet1_1 squeezenet1_0",
    "classifier.6.weight": "vgg11 vgg13 vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn vgg19_bn alexnet",
}
VISION = {"ViTForImageClassification", "ViTModel"}  # classes that config.json may name
FILES = ("*.gguf", "*.safetensors", "*.pth", "*.pt", "*.bin", "*.onnx")


def recognise(state: Mapping[str, Tensor]) -> tuple[str, int]:
    """The constructor in ``lamina.models.vision`` whose network has these tensors, and how many classes.

    Only the last layer may be of another size.

    Raises:
        FileFormatError: it is none of them; the nearest is named, with what differs.

    >>> recognise(lamina.models.vision.lenet5(num_classes=3).state_dict())
    ('lenet5', 3)
    """
    nearest: tuple[int, str, str] | None = None
    for name in _candidates(state):
        with init.values_to_come():
            model = getattr(vision, name)()
        own = model.state_dict()
        head = f"{head_of(model)}."
        odd = [f"{key} is missing" for key in own if key not in state and not _optional(key)]
        odd += [f"{key} is not in it" for key in state if key not in own]
        odd += [
            f"{key} is {tuple(state[key].shape)}, not {tuple(own[key].shape)}"
            for key in own
            if key in state and not _fits(state[key], own[key], key.startswith(head))
        ]
        if not odd:
            return name, state[f"{head}weight"].shape[0]
        if nearest is None or len(odd) < nearest[0]:
            nearest = len(odd), name, odd[0]
    near = f"; nearest is {nearest[1]}, but {nearest[2]}" if nearest else ""
    raise lamina.FileFormatError(f"the tensors are of no network that lamina.models.vision knows{near}")


def _fits(given: Tensor, own: Tensor, head: bool) -> bool:
    """Whether the sizes are the same, but for the first of the last layer, which counts classes."""
    if not head:
        return given.shape == own.shape
    return given.ndim == own.ndim and given.shape[1:] == own.shape[1:] and given.shape[0] > 0


def _optional(key: str) -> bool:
    return key.endswith("num_batches_tracked")  # files from before 2018 lack it


def _candidates(state: Mapping[str, Tensor]) -> Iterator[str]:
    for key, names in FAMILIES.items():
        if key in state:
            yield from names.split()
            return
    yield from ("lenet5", "unet")


def from_pretrained(name_or_path: str | os.PathLike[str], quiet: bool = False, **options: Any) -> nn.Module:
    """The model of a checkpoint, ready for inference, and a line on stderr that says what it was taken for.

    Args:
        name_or_path: a folder with config.json and weights, Hugging Face's or timm's; a GGUF or an ONNX file;
            a file of a network for images in any format that ``lamina.load`` reads; the name of an installed
            package that holds one of these, which is not imported; or that of a model in Hugging Face's cache
            on this machine.
        quiet: print nothing.
        options: for a language model, fields of the configuration to change.

    Raises:
        FileNotFoundError: there is nothing of that name; nothing is downloaded.
        FileFormatError: a broken file, or weights of no architecture that is known.

    >>> model = from_pretrained("model.safetensors")
    """
    path = _find(name_or_path)
    config = read_json(str(path / "config.json")) if path.is_dir() else {}
    kinds = config.get("architectures")
    kind = kinds[0] if isinstance(kinds, list) and kinds else None
    if path.suffix == ".gguf" or (path.is_dir() and "architecture" not in config):
        load = lamina.models.text.model_from_pretrained
        if isinstance(kind, str) and kind in VISION:
            load = getattr(vision, kind).from_pretrained
        model: nn.Module = load(path, **options)
        what = type(model).__name__
    elif path.suffix == ".onnx":
        model, what = lamina.onnx.load(path, **options), "an ONNX graph"
    else:
        if options:
            raise TypeError(f"from_pretrained: a network for images takes no options, got {list(options)}")
        loaded = lamina.io.load_folder(path)[1] if path.is_dir() else lamina.load(path)  # timm's folders
        try:
            name, classes, model = network_of(weights_in(loaded, os.fspath(path)))
        except lamina.FileFormatError as error:
            raise lamina.FileFormatError(f"{path}: {error}") from None
        what = f"{name} with {classes} classes"
    if not quiet:
        print(f"{path}: {what}, {_size(model)}", file=sys.stderr)
    return model.eval()


def _size(model: nn.Module) -> str:
    """How many parameters there are; weights in GGUF's blocks, which are none, count in bytes."""
    count = sum(one.numel() for one in model.parameters())
    blocks = sum(one.numel() for name, one in model.named_buffers() if name.endswith(".blocks"))
    packed = f" and {blocks:,} bytes of weights in blocks" if blocks else ""
    return f"{count:,} parameters{packed}"


def network_of(state: Mapping[str, Tensor]) -> tuple[str, int, Network]:
    """What ``recognise`` finds, and the network itself with these weights.

    Raises:
        FileFormatError: as ``recognise`` does.
    """
    name, classes = recognise(state)
    try:
        with init.values_to_come():
            model = getattr(vision, name)(num_classes=classes)
        counters = {key: value for key, value in model.state_dict().items() if _optional(key)}
        model.load_state_dict({**counters, **state})
    except (RuntimeError, MemoryError) as error:  # a head whose bias is of another size, or a counter
        raise lamina.FileFormatError(f"the tensors do not fit {name}: {error}") from error
    return name, classes, model


def _find(name_or_path: str | os.PathLike[str]) -> Path:
    """The folder or file that is meant."""
    path = Path(name_or_path)
    if not path.exists():
        path = _cached(os.fspath(name_or_path)) or path
    if path.is_file() and path.name in WEIGHTS and (path.parent / "config.json").is_file():
        return path.parent
    if not path.exists():
        name = os.fspath(name_or_path).replace("-", "_")
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(
                f"from_pretrained: {os.fspath(name_or_path)!r} is neither a path nor an installed package "
                "with weights, nor in Hugging Face's cache; nothing is downloaded"
            )
        path = Path(spec.submodule_search_locations[0])
    if path.is_file():
        return path
    configured = sorted(path.rglob("config.json"), key=lambda one: len(one.parts))
    if configured:
        return configured[0].parent
    files = [file for pattern in FILES for file in sorted(path.rglob(pattern))]
    if not files:
        raise FileNotFoundError(f"from_pretrained: there are no weights in {path}")
    return files[0]


def _cached(name: str) -> Path | None:
    """Where Hugging Face's cache has the main branch of a model such as org/name."""
    home = os.environ.get("HF_HOME", os.path.join(os.path.expanduser("~"), ".cache", "huggingface"))
    folder = Path(
        os.environ.get("HF_HUB_CACHE", os.path.join(home, "hub")), f"models--{name.replace('/', '--')}"
    )
    main = folder / "refs" / "main"
    if name.startswith("/") or ".." in name or not main.is_file():
        return None
    snapshot = folder / "snapshots" / main.read_text(errors="replace").strip()[:64]
    return (
        snapshot
        if snapshot.is_dir() and ".." not in snapshot.name and snapshot.parent.name == "snapshots"
        else None
    )
