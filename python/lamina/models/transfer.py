"""Transfer learning: which layers learn, at which rate, and a new head. For any module, whoever wrote it.

Layers are named by patterns of the shell, matched with the names of ``named_parameters`` and
``named_modules``: ``"features.*"``, ``"*.bias"``, ``"layer4"``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

import lamina
from lamina import nn
from lamina.train import Callback, Trainer
from lamina.utils.data import TensorDataset

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")


def _chosen(model: nn.Module, op: str, patterns: tuple[str, ...]) -> Iterator[tuple[str, nn.Parameter]]:
    parameters = dict(model.named_parameters())
    for pattern in patterns:
        if not any(_matches(name, pattern) for name in parameters):
            known = ", ".join(name for name, _ in model.named_children())
            raise ValueError(f"{op}: no parameter is called {pattern!r}; the model consists of {known}")
    for name, parameter in parameters.items():
        if not patterns or any(_matches(name, pattern) for pattern in patterns):
            yield name, parameter


def freeze(model: nn.Module, *patterns: str, batch_norm: str = "eval") -> nn.Module:
    """Let the parameters of these names (all, if none is given) learn no more; returns the model.

    Args:
        patterns: see above.
        batch_norm: "eval" keeps the running statistics of batch norms whose parameters are all frozen, and
            uses them even while the model trains; "train" lets them go on following the data.

    Raises:
        ValueError: a pattern that matches nothing, or another ``batch_norm``.

    >>> model = freeze(lamina.models.vision.resnet18(), "conv1", "bn1", "layer[12]")
    """
    if batch_norm not in ("eval", "train"):
        raise ValueError(f"freeze: batch_norm must be 'eval' or 'train', got {batch_norm!r}")
    for _, parameter in list(_chosen(model, "freeze", patterns)):
        parameter.requires_grad_(False)
        parameter.grad = None
    _settle_norms(model, patterns, batch_norm == "eval")
    return model


def unfreeze(model: nn.Module, *patterns: str) -> nn.Module:
    """Let the parameters of these names (all, if none is given) learn again; returns the model.

    Raises:
        ValueError: a pattern that matches nothing.
    """
    for _, parameter in list(_chosen(model, "unfreeze", patterns)):
        parameter.requires_grad_(True)
    _settle_norms(model, patterns, True)
    return model


def _stay(module: nn.Module, arguments: Any) -> None:
    module.training = False


def _settle_norms(model: nn.Module, patterns: tuple[str, ...], still: bool) -> None:
    """Hold the batch norms that are frozen, and let go of the others."""
    for name, module in model.named_modules():
        if not isinstance(module, NORMS):
            continue
        if patterns and not any(_matches(f"{name}.weight", pattern) for pattern in patterns):
            continue
        frozen = still and not any(one.requires_grad for one in module.parameters())
        held = [key for key, hook in module._forward_pre_hooks.items() if hook is _stay]
        if frozen and not held:
            module.register_forward_pre_hook(_stay)
        for key in held if not frozen else ():
            del module._forward_pre_hooks[key]


def head_of(model: nn.Module) -> str:
    """The name of the layer that gives the scores: the last one that is linear or a convolution.

    Raises:
        ValueError: there is none.
    """
    names = [name for name, one in model.named_modules() if isinstance(one, (nn.Linear, nn.Conv2d))]
    if not names or not names[-1]:
        raise ValueError(f"replace_head: {type(model).__name__} has no layer that could be its head")
    return names[-1]


def replace_head(model: nn.Module, classes: int, name: str | None = None) -> nn.Module:
    """Put a new, untrained layer with ``classes`` scores in place of the last one; returns the model.

    Args:
        classes: scores that the model is to give.
        name: of the layer to replace; see :func:`head_of`.

    Raises:
        ValueError: ``classes`` is not positive, or the layer is neither linear nor a convolution.

    >>> model = replace_head(lamina.models.vision.resnet18(), 10)
    """
    if classes < 1:
        raise ValueError(f"replace_head: classes must be positive, got {classes}")
    name = head_of(model) if name is None else name
    old = model.get_submodule(name)
    if isinstance(old, nn.Linear):
        new: nn.Module = nn.Linear(old.in_features, classes, bias=old.bias is not None)
    elif isinstance(old, nn.Conv2d):
        new = nn.Conv2d(
            old.in_channels, classes, old.kernel_size, old.stride, old.padding, bias=old.bias is not None
        )
    else:
        raise ValueError(f"replace_head: {name} is a {type(old).__name__}, neither linear nor a convolution")
    owner, _, last = name.rpartition(".")
    setattr(model.get_submodule(owner), last, new.to(old.weight.dtype))
    return model


class FeatureExtractor(nn.Module):
    """A model that ends at one of its layers: gives that layer's output, flattened from the second dim on."""

    def __init__(self, model: nn.Module, layer: str, flatten: bool = True) -> None:
        super().__init__()
        self.model = model
        self.layer = layer
        self.flatten = flatten
        model.get_submodule(layer)

    def forward(self, *arguments: Any, **named: Any) -> Any:
        found: list[Any] = []

        def stop(module: nn.Module, given: Any, output: Any) -> None:
            found.append(output)
            raise _Reached

        handle = self.model.get_submodule(self.layer).register_forward_hook(stop)
        try:
            self.model(*arguments, **named)
        except _Reached:
            output = found[0]
            return output.flatten(1) if self.flatten and lamina.is_tensor(output) else output
        finally:
            handle.remove()
        raise ValueError(f"feature_extractor: the model did not use its layer {self.layer!r}")


class _Reached(Exception):
    """The rest of the model is not needed."""


def feature_extractor(model: nn.Module, layer: str, flatten: bool = True) -> FeatureExtractor:
    """A module that gives the output of ``layer`` and computes nothing beyond it; the weights are shared.

    Raises:
        AttributeError: the model has no such layer.
        ValueError: (when called) the model does not use it.

    >>> features = feature_extractor(lamina.models.vision.resnet18(), "avgpool").eval()
    >>> features(lamina.rand(2, 3, 224, 224)).shape
    lamina.Size([2, 512])
    """
    return FeatureExtractor(model, layer, flatten)


def layer_groups(model: nn.Module, lr: float, decay: float = 0.5) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer: the last child learns at ``lr``, each before it ``decay`` slower.

    Only parameters that are not frozen are there. Howard and Ruder, 2018, call it discriminative fine-tuning.

    Raises:
        ValueError: nothing is left to learn.

    >>> model = lamina.models.vision.lenet5()
    >>> optimizer = lamina.optim.AdamW(layer_groups(model, lr=1e-3, decay=0.3))
    """
    groups: list[dict[str, Any]] = []
    seen: set[int] = set()
    for name, child in [*model.named_children(), ("", model)]:
        own = [one for one in child.parameters() if one.requires_grad and id(one) not in seen]
        seen.update(map(id, own))
        if own:
            groups.append({"params": own, "name": name})
    if not groups:
        raise ValueError("layer_groups: every parameter is frozen")
    for i, group in enumerate(reversed(groups)):
        group["lr"] = lr * decay**i
    return groups


class GradualUnfreezing(Callback):
    """Begins with the last of ``stages`` alone, and unfreezes one more, from the end, after so many epochs.

    The optimizer must have been given all parameters; it passes over those without a gradient.

    Args:
        stages: patterns of layers, from the input to the head; what none of them names stays as it is.
        every: epochs between two stages.

    >>> thaw = GradualUnfreezing(["conv1", "layer1", "layer2", "layer3", "layer4", "fc"])
    """

    def __init__(self, stages: Iterable[str], every: int = 1) -> None:
        self.stages = list(stages)
        self.every = every

    def epoch_begin(self, trainer: Trainer) -> None:
        active = min(len(self.stages), 1 + max(0, trainer.epoch - 1) // self.every)
        for stage in self.stages[: len(self.stages) - active]:
            freeze(trainer.model, stage)
        for stage in self.stages[len(self.stages) - active :]:
            unfreeze(trainer.model, stage)

    fit_begin = epoch_begin


def cache_features(
    extractor: nn.Module, loader: Iterable[Any], path: str | os.PathLike[str] | None = None
) -> TensorDataset:
    """Run a frozen model over (input, target) batches once; the features and targets as a data set.

    With a ``path`` they are kept there and read again next time, as long as the weights are the same. The
    loader must go in a fixed order over fixed data: delete the file when the data changed.

    Raises:
        ValueError: the loader has no batches.

    >>> loader = [(lamina.rand(4, 8), lamina.zeros(4))] * 3
    >>> cache_features(nn.Linear(8, 2), loader).tensors[0].shape
    lamina.Size([12, 2])
    """
    digest = sha256()
    for name, value in extractor.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().contiguous().view(lamina.uint8).numpy() if value.ndim else bytes(1))
    mark = digest.hexdigest()
    if path is not None and os.path.exists(path):
        kept = lamina.load(path)
        if isinstance(kept, dict) and kept.get("weights") == mark:
            return TensorDataset(kept["features"], kept["targets"])
    mode = extractor.training
    extractor.eval()
    features, targets = [], []
    with lamina.no_grad():
        for x, y in loader:
            features.append(extractor(x))
            targets.append(y)
    extractor.train(mode)
    if not features:
        raise ValueError("cache_features: the loader has no batches")
    found = TensorDataset(lamina.cat(features), lamina.cat(targets))
    if path is not None:
        lamina.save({"weights": mark, "features": found.tensors[0], "targets": found.tensors[1]}, path)
    return found
