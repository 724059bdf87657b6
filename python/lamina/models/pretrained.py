"""Models whose parameters have the names of public checkpoints: a folder in, a folder out."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import lamina
from lamina._core import ShapeError, Tensor
from lamina.io import QuantizedTensor, load_folder, safetensors
from lamina.io.file import replace_file
from lamina.io.folder import read_json
from lamina.io.state import weights_in
from lamina.models.config import Config
from lamina.models.network import Network
from lamina.nn import Embedding, Linear, Module, init, quantized

M = TypeVar("M", bound="PretrainedModel")
EMBEDDINGS = ("shared", "embed_tokens", "wte")  # of tokens, where a head may share them
OLD_NAMES = ((".gamma", ".weight"), (".beta", ".bias"))  # of normalisations, in the oldest checkpoints


class PretrainedModel(Network):
    """A model that is made from a configuration and loads public checkpoints.

    Attributes (of classes):
        config_class: its kind of configuration.
        base_model_prefix: the name of the trunk inside of a model with a head.
        IGNORED: names in checkpoints, as a pattern, that carry no parameter.
        FIXED: parameters, as a pattern, that are computed and never read from a file.
        OPTIONAL: parameters of the trunk, as a pattern, that a checkpoint or a model may lack.
    """

    config_class: ClassVar[type[Config]] = Config
    base_model_prefix: ClassVar[str] = ""
    IGNORED: ClassVar[str] = r"$^"
    FIXED: ClassVar[str] = r"$^"
    OPTIONAL: ClassVar[str] = r"$^"

    def __init__(self, config: Any) -> None:
        if not isinstance(config, self.config_class):
            raise TypeError(
                f"{type(self).__name__}: expected a {self.config_class.__name__}, got {type(config).__name__}"
            )
        super().__init__()
        self.config: Any = config
        self.generation: dict[str, Any] = {}  # tokens of generation_config.json, before the configuration's

    @classmethod
    def from_pretrained(cls: type[M], path: str | os.PathLike[str], dtype: Any = None, **changes: Any) -> M:
        """The model of a folder with ``config.json`` and ``model.safetensors`` (or ``pytorch_model.bin``, or
        either in pieces with an index), ready for inference.

        Args:
            path: the folder.
            dtype: of the parameters; float32 unless given.
            changes: fields of the configuration that differ from the file.

        Raises:
            FileNotFoundError: the folder lacks a file.
            FileFormatError: a file is broken, or the weights do not fit the configuration.

        >>> model = lamina.models.text.BertModel.from_pretrained("all-MiniLM-L6-v2")
        """
        folder = Path(path)
        config = cls.config_class.from_json(folder / "config.json", **changes)
        _, tensors = load_folder(folder, mmap=True)
        model = cls.from_tensors(config, weights_in(tensors, str(folder)), str(folder), dtype)
        model.generation = {
            k: v for k, v in _tokens(folder / "generation_config.json").items() if k not in changes
        }
        return model

    @classmethod
    def from_tensors(
        cls: type[M], config: Any, tensors: Mapping[str, Any], where: str, dtype: Any = None
    ) -> M:
        """The model of a configuration, with the tensors of a file that messages call ``where``.

        Raises:
            FileFormatError: the tensors do not fit the configuration.
        """
        try:
            config.check_sizes(tensors)
            if getattr(config, "tie_word_embeddings", False) and _head_apart(tensors):
                config.tie_word_embeddings = False
            with init.values_to_come():
                model = cls(config)
            if dtype is not None:
                model.to(dtype)
            model.load_checkpoint(tensors, where)
        except lamina.FileFormatError:
            raise
        except (ShapeError, TypeError, IndexError, ArithmeticError, MemoryError) as error:
            raise lamina.FileFormatError(f"{where}: {error}") from error
        return model.eval()

    def save_pretrained(self, path: str | os.PathLike[str]) -> None:
        """Write ``config.json`` and ``model.safetensors`` to a folder, which is made if it is missing.

        Raises:
            ShapeError: layers are quantised, which no such file holds.
        """
        if any(isinstance(module, (quantized.Linear, quantized.Embedding)) for module in self.modules()):
            raise ShapeError("save_pretrained: layers are quantized; load the model with dequantize=True")
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        config = {**self.config.to_dict(), "architectures": [type(self).__name__]}
        replace_file(folder / "config.json", [json.dumps(config, indent=2).encode()])
        own = self.state_dict()
        names = dict.fromkeys(_first_name(own).values())
        state = {name: own[name] for name in names if not re.search(self.FIXED, name)}
        safetensors.save_file(state, folder / "model.safetensors", {"format": "pt"})
        if self.generation:
            text = json.dumps(self.generation, indent=2)
            replace_file(folder / "generation_config.json", [text.encode()])

    def load_checkpoint(self, state: Mapping[str, Any], where: str = "checkpoint") -> None:
        """Copy the tensors of a checkpoint into the parameters.

        A :class:`lamina.io.QuantizedTensor` puts a layer of its kind in the place of the one that is there.
        The trunk may be stored with or without its prefix. Weights of other heads are passed over. A head
        that the file lacks keeps its starting values, with a warning, as for fine-tuning.

        Raises:
            FileFormatError: parameters of the trunk are missing or too many, or shapes differ from what the
                configuration says.
        """
        own = {name: v for name, v in self.state_dict().items() if not re.search(self.FIXED, name)}
        state = self._own_names(state, own)
        # A tensor with several names (tied embeddings) is loaded once, by the first that the file has.
        first = _first_name(own)
        given = {first[name]: name for name in reversed(own) if name in state}
        wrong = [
            f"{name} is {tuple(state[name].shape)} in the file, {tuple(own[name].shape)} by the configuration"
            for name in own
            if name in state and tuple(state[name].shape) != tuple(own[name].shape)
        ]
        missing = [name for name in own if first[name] not in given]
        prefix = f"{self.base_model_prefix}."
        has_head = bool(self.base_model_prefix) and hasattr(self, self.base_model_prefix)
        fresh = [
            name
            for name in missing
            if (has_head and not name.startswith(prefix)) or re.search(self.OPTIONAL, name)
        ]
        lost = [name for name in missing if name not in fresh]
        trunk = tuple({name.split(".")[0] + "." for name in own})
        extra = [name for name in state if name not in own and name.startswith(prefix if has_head else trunk)]
        extra = [name for name in extra if not re.search(self.OPTIONAL, name)]
        for word, names in (("lacks", lost), ("has, against the configuration,", extra)):
            if names:
                wrong.append(f"the file {word} {_listed(names)}")
        if wrong:
            raise lamina.FileFormatError(
                f"{where} does not fit {type(self).__name__}: {'; '.join(wrong[:8])}"
            )
        self._start_fresh(fresh, own, where)
        with lamina.no_grad():
            for shared, name in given.items():
                value = state[name]
                if isinstance(value, QuantizedTensor):
                    for other in (other for other in own if first[other] == shared):
                        _place(self, other, value)
                else:
                    own[name].copy_(value)

    def _own_names(self, state: Mapping[str, Any], own: Mapping[str, Tensor]) -> dict[str, Any]:
        """The checkpoint's tensors under the names that this model has for them."""
        prefix = f"{self.base_model_prefix}."
        named = {}
        for name, value in state.items():
            if re.search(self.IGNORED, name) or re.search(self.FIXED, name):
                continue
            for old, new in OLD_NAMES:
                if name.endswith(old):
                    name = name[: -len(old)] + new
            named[name] = value
        if not self.base_model_prefix:
            return named
        inside = hasattr(self, self.base_model_prefix)
        stored = any(name.startswith(prefix) for name in named)
        if inside and not stored:
            return {(name if name in own else prefix + name): value for name, value in named.items()}
        if not inside and stored:
            return {name[len(prefix) :]: v for name, v in named.items() if name.startswith(prefix)}
        return named

    def _start_fresh(self, names: list[str], own: Mapping[str, Tensor], where: str) -> None:
        if not names:
            return
        warnings.warn(f"{where} has no {_listed(names)}: they start from random values", stacklevel=4)
        std = getattr(self.config, "initializer_range", 0.02)
        for name in names:
            value = own[name]
            if value.ndim > 1:
                init.normal_(value, 0.0, std)
            else:
                init.constant_(value, 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0)

    def initialise(self) -> None:
        """Starting values: products and embeddings from N(0, initializer_range^2), biases 0, scales 1."""
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                init.normal_(parameter, 0.0, getattr(self.config, "initializer_range", 0.02))
            else:
                norm = re.search(r"norm|ln_", name.lower()) and name.endswith("weight")
                init.constant_(parameter, 1.0 if norm else 0.0)


def _tokens(path: Path) -> dict[str, Any]:
    """What a ``generation_config.json``, if there is one, says of tokens; it forces only those it names."""
    if not path.exists():
        return {}
    forced = {"forced_bos_token_id": None, "forced_eos_token_id": None}
    given = {k: v for k, v in read_json(str(path)).items() if k.endswith("_token_id") and v is not None}
    for name, value in given.items():
        tokens = value if isinstance(value, list) else [value]
        if not all(type(token) is int and -(1 << 31) <= token < 1 << 31 for token in tokens):
            raise lamina.FileFormatError(f"{path}: {name} must be a token, or several, got {value!r:.80}")
    return {**forced, **given}


def _place(model: Module, name: str, value: QuantizedTensor) -> None:
    """A layer that multiplies the blocks as they are where there are some, else the numbers in float32."""
    path, _, own = name.rpartition(".")
    layer, (parent, _, last) = model.get_submodule(path), path.rpartition(".")
    known = value.type in quantized.FIELDS and own == "weight"
    if known and type(layer) is Linear:
        new: Module = quantized.Linear.from_blocks(value.type, value.blocks, value.shape[1], layer.bias)
    elif known and type(layer) is Embedding:
        new = quantized.Embedding(value.type, value.blocks.clone(), value.shape[1])
    else:
        layer.get_parameter(own).copy_(value.dequantize())
        return
    setattr(model.get_submodule(parent), last, new.train(model.training))


def _first_name(own: Mapping[str, Tensor]) -> dict[str, str]:
    """The first of the names that the same tensor has, for each name."""
    seen: dict[tuple[int, tuple[int, ...]], str] = {}
    return {
        name: seen.setdefault((value.data_ptr(), tuple(value.shape)), name) for name, value in own.items()
    }


def _head_apart(tensors: Mapping[str, Any]) -> bool:
    """Whether a file holds a head beside embeddings of other values: it is tied to them by mistake."""
    heads = [name for name in tensors if name.split(".")[-2:] == ["lm_head", "weight"]]
    tables = [name for name in tensors if name.split(".")[-2:-1] and name.split(".")[-2] in EMBEDDINGS]
    if len(heads) != 1 or len(tables) != 1:
        return False
    head, table = tensors[heads[0]], tensors[tables[0]]
    plain = isinstance(head, Tensor) and isinstance(table, Tensor) and head.shape == table.shape
    return plain and not lamina.equal(head, table)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def check_ids(op: str, input_ids: Tensor, vocabulary: int, positions: int | None = None) -> None:
    """Raise unless ``input_ids`` (n, l) are whole numbers of at most ``positions`` tokens in range."""
    if input_ids.ndim != 2 or input_ids.is_floating_point() or input_ids.dtype == lamina.bool:
        raise ShapeError(
            f"{op}: input_ids must be whole numbers (batch, length), got {input_ids.dtype} of shape "
            f"{tuple(input_ids.shape)}"
        )
    if input_ids.shape[1] == 0:
        raise ShapeError(f"{op}: input_ids has no tokens")
    if positions is not None and input_ids.shape[1] > positions:
        raise ShapeError(
            f"{op}: a sequence of {input_ids.shape[1]} tokens, but there are {positions} positions"
        )
    low, high = int(input_ids.min()), int(input_ids.max())
    if low < 0 or high >= vocabulary:
        raise IndexError(
            f"{op}: token {low if low < 0 else high}, but the vocabulary has {vocabulary} entries"
        )
