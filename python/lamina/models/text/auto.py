"""The right class for a folder or a file: what it is, is said by its configuration."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import lamina
from lamina.io.folder import read_json
from lamina.models.pretrained import PretrainedModel
from lamina.models.text.tokenizer import Tokenizer

# Each model_type's file, and its class: the trunk of encoders, the model that writes of others.
KINDS = {
    "bert": ("bert", "BertModel"),
    "roberta": ("bert", "RobertaModel"),
    "xlm-roberta": ("bert", "RobertaModel"),
    "camembert": ("bert", "RobertaModel"),
    "distilbert": ("distilbert", "DistilBertModel"),
    "gpt2": ("gpt2", "GPT2LMHeadModel"),
    "llama": ("llama", "LlamaForCausalLM"),
    "mistral": ("llama", "MistralForCausalLM"),
    "qwen2": ("llama", "Qwen2ForCausalLM"),
    "phi3": ("llama", "Phi3ForCausalLM"),
    "qwen3": ("llama", "Qwen3ForCausalLM"),
    "gemma": ("llama", "GemmaForCausalLM"),
    "gemma2": ("llama", "Gemma2ForCausalLM"),
    "t5": ("t5", "T5ForConditionalGeneration"),
    "bart": ("bart", "BartForConditionalGeneration"),
    "marian": ("bart", "MarianMTModel"),
    "gemma3_text": ("llama", "Gemma3ForCausalLM"),
    "smollm3": ("llama_kin", "SmolLM3ForCausalLM"),
    "granite": ("llama_kin", "GraniteForCausalLM"),
    "olmo2": ("llama_kin", "Olmo2ForCausalLM"),
}
# Classes that are others of ours by another name: how theirs begins, and ours.
ALIASES = {"XLMRoberta": "Roberta", "Camembert": "Roberta"}


def model_from_pretrained(path: str | os.PathLike[str], **changes: Any) -> PretrainedModel:
    """The text model of a checkpoint's folder, or of a GGUF file.

    ``architectures`` in ``config.json`` names the class; where lamina has none of that name, ``model_type``
    gives the trunk, or the model that writes.

    Raises:
        OSError: the folder or file cannot be read.
        FileFormatError: it is broken, or of an architecture that lamina lacks.

    >>> model = model_from_pretrained("all-MiniLM-L6-v2")
    """
    if Path(path).is_file():
        from lamina.models.text.gguf import load_gguf_model

        if changes:
            raise TypeError(f"a GGUF file takes no changes, got {', '.join(changes)}")
        return load_gguf_model(path)[0]
    config = read_json(str(Path(path) / "config.json"))
    return _class_of(config, os.fspath(path)).from_pretrained(path, **changes)


def _class_of(config: dict[str, Any], where: str) -> type[PretrainedModel]:
    import lamina.models.text as text

    names = config.get("architectures")
    for name in names if isinstance(names, list) else ():
        if not isinstance(name, str):
            continue
        for theirs, ours in ALIASES.items():
            name = ours + name.removeprefix(theirs) if name.startswith(theirs) else name
        if name in text.__all__:
            found = getattr(text, name)
            if isinstance(found, type) and issubclass(found, PretrainedModel):
                return found
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in KINDS:
        raise lamina.FileFormatError(f"{where}: model_type {kind!r:.80} is none of {', '.join(KINDS)}")
    place, name = KINDS[kind]
    return getattr(import_module(f"lamina.models.text.{place}"), name)


def tokenizer_from_pretrained(path: str | os.PathLike[str]) -> Tokenizer:
    """The vocabulary of a checkpoint's folder (``tokenizer.json``), or of a GGUF file.

    Raises:
        OSError: it cannot be read.
        FileFormatError: it is broken.
        ImportError: a folder's needs the package ``tokenizers``.

    >>> tokenizer = tokenizer_from_pretrained("all-MiniLM-L6-v2")
    """
    if Path(path).is_file():
        from lamina.models.text.gguf import tokenizer_of

        metadata, _ = lamina.io.load_gguf(path, dequantize=False)
        try:
            return tokenizer_of(metadata)
        except (ValueError, TypeError) as error:
            raise lamina.FileFormatError(f"{os.fspath(path)}: {error}") from error
    from lamina.models.text.hub_tokenizer import HubTokenizer

    return HubTokenizer(path)
