"""Language models in one GGUF file: the configuration, the names and the vocabulary that it holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import lamina
from lamina._core import ShapeError
from lamina.io import QuantizedTensor
from lamina.models.text.bpe import BPETokenizer
from lamina.models.text.llama import (
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    GemmaForCausalLM,
    LlamaForCausalLM,
    Phi3ForCausalLM,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
)
from lamina.models.text.plan import lay_out
from lamina.models.text.spm import SPMTokenizer
from lamina.models.text.tokenizer import Tokenizer

ARCHITECTURES: dict[str, type[LlamaForCausalLM]] = {
    "llama": LlamaForCausalLM,
    "qwen2": Qwen2ForCausalLM,
    "qwen3": Qwen3ForCausalLM,
    "phi3": Phi3ForCausalLM,
    "gemma": GemmaForCausalLM,
    "gemma2": Gemma2ForCausalLM,
    "gemma3": Gemma3ForCausalLM,
}
# The end of a key in the file, after the architecture: the field of the configuration.
FIELDS = {
    "block_count": "num_hidden_layers",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "attention.sliding_window": "sliding_window",
    "attn_logit_softcapping": "attn_logit_softcapping",
    "final_logit_softcapping": "final_logit_softcapping",
    "context_length": "max_position_embeddings",
    "rope.freq_base": "rope_theta",
}
NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "ffn_norm": "post_attention_layernorm",
}
PACKED_NAMES = {**NAMES, "attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"}
SANDWICH_NAMES = {
    **NAMES,
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
# Files do not say Gemma's factor on scores. It is the size of heads, but for the largest, of so many layers.
LARGEST = {"gemma2": 46, "gemma3": 62}
CONTROL, USER = 3, 4  # types of tokens that are never cut


def load_gguf_model(
    path: str | os.PathLike[str], *, dequantize: bool = False
) -> tuple[LlamaForCausalLM, Tokenizer]:
    """The language model and the vocabulary of a GGUF file of the Llama family.

    Weights in blocks of few bits stay so where ``lamina.nn.quantized`` knows their type: that is for
    inference. With ``dequantize`` all become float32, and the model can be trained and saved.

    Raises:
        OSError: the file cannot be read.
        FileFormatError: it is broken, or holds another architecture or vocabulary.

    >>> model, tokenizer = load_gguf_model("SmolLM2-135M-Instruct.Q4_1.gguf")
    >>> ids = lamina.tensor([tokenizer.encode("The capital of France is")])
    >>> tokenizer.decode(model.generate(ids, max_new_tokens=2)[0])
    'The capital of France is Paris.'
    """
    metadata, tensors = lamina.io.load_gguf(path, dequantize=dequantize)
    where = os.fspath(path)
    try:
        model = model_of(metadata, tensors, where)
        return model, tokenizer_of(metadata)
    except (ShapeError, TypeError) as error:
        raise lamina.FileFormatError(f"{where}: {error}") from error


def model_of(metadata: Mapping[str, Any], tensors: Mapping[str, Any], where: str) -> LlamaForCausalLM:
    """The model that the content of a GGUF file describes."""
    name = metadata.get("general.architecture")
    if name not in ARCHITECTURES:
        raise ShapeError(f"GGUF: architecture {name!r} is none of {', '.join(ARCHITECTURES)}")
    kind = ARCHITECTURES[name]
    config = kind.config_class.from_dict(config_of(metadata, tensors, name))
    names = SANDWICH_NAMES if all(config.NORMS) else PACKED_NAMES if config.PACKED else NAMES
    state: dict[str, Any] = {}
    for key, value in tensors.items():
        own = own_name(key, names)
        if own is None:
            continue
        # Files hold the scales of a Gemma with the 1 added.
        if config.NORM_OFFSET and "norm" in own:
            value = value - config.NORM_OFFSET
        if name == "llama" and (".q_proj." in own or ".k_proj." in own):
            value = _halves(value, config.head_dim or 0)
        state[own] = value
    model = kind.from_tensors(config, state, where)
    if "rope_freqs.weight" in tensors:
        for rotary in model.model._rotary.values():
            rotary.divide(tensors["rope_freqs.weight"])
    lay_out(model)
    return model


def _halves(value: Any, size: int) -> Any:
    """Rows of queries or keys from pairs side by side, as files of Llama have them, to halves of a head."""
    rows = value.blocks if isinstance(value, QuantizedTensor) else value
    if rows.shape[0] % size:
        return value  # which load_checkpoint refuses
    halves = rows.view(-1, size // 2, 2, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)
    return value._replace(blocks=halves) if isinstance(value, QuantizedTensor) else halves


def own_name(key: str, names: Mapping[str, str]) -> str | None:
    """``blk.3.attn_q.bias`` -> ``model.layers.3.self_attn.q_proj.bias``; None for what is no parameter."""
    if key == "rope_freqs.weight":
        return None
    parts = key.split(".")
    inside = parts[0] == "blk" and len(parts) == 4
    stem = parts[2] if inside else parts[0]
    if stem not in names or (not inside and len(parts) != 2):
        raise ShapeError(f"GGUF: unknown tensor {key!r}")
    return f"model.layers.{parts[1]}.{names[stem]}.{parts[3]}" if inside else f"{names[stem]}.{parts[1]}"


def config_of(metadata: Mapping[str, Any], tensors: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What ``config.json`` of the same model would say."""
    config: dict[str, Any] = {
        field: metadata[f"{name}.{key}"] for key, field in FIELDS.items() if f"{name}.{key}" in metadata
    }
    for field in ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads"):
        if field not in config:
            raise ShapeError(f"GGUF: the metadata does not say {field}")
    if "token_embd.weight" not in tensors:
        raise ShapeError("GGUF: there is no tensor token_embd.weight")
    config["vocab_size"] = int(tensors["token_embd.weight"].shape[0])
    config["tie_word_embeddings"] = "output.weight" not in tensors
    config["mlp_bias"] = "blk.0.ffn_gate.bias" in tensors
    config["attention_bias"] = name == "llama" and "blk.0.attn_output.bias" in tensors
    width = metadata.get(f"{name}.rope.dimension_count")
    heads = config["num_attention_heads"]
    size = config.get("head_dim")
    if size is None and isinstance(heads, int) and heads > 0 and isinstance(config["hidden_size"], int):
        size = config["hidden_size"] // heads
    if width not in (None, size):
        raise ShapeError(f"GGUF: {width} of {size} numbers of a head are rotated, which lamina lacks")
    if size is not None and name in LARGEST:
        largest = config["num_hidden_layers"] == LARGEST[name]
        config["query_pre_attn_scalar"] = config["hidden_size"] / heads if largest else size
    scaling = metadata.get(f"{name}.rope.scaling.type", "none")
    if scaling != "none":
        config["rope_scaling"] = {
            "rope_type": scaling,
            "factor": metadata.get(f"{name}.rope.scaling.factor"),
            "original_max_position_embeddings": metadata.get(
                f"{name}.rope.scaling.original_context_length", config.get("max_position_embeddings")
            ),
        }
    for end in ("bos", "eos", "padding"):
        token = metadata.get(f"tokenizer.ggml.{end}_token_id")
        config[f"{'pad' if end == 'padding' else end}_token_id"] = token
    return config


def tokenizer_of(metadata: Mapping[str, Any]) -> Tokenizer:
    """The vocabulary that the metadata of a GGUF file holds.

    Raises:
        ShapeError: it has none, or one of another kind.
    """

    def of(name: str, default: Any = None) -> Any:
        return metadata.get(f"tokenizer.ggml.{name}", default)

    kind, tokens, types = of("model"), of("tokens"), of("token_type")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ShapeError("GGUF: the metadata has no vocabulary")
    if types is not None and (not isinstance(types, list) or len(types) != len(tokens)):
        raise ShapeError("GGUF: the vocabulary has not one type for each token")
    types = [1] * len(tokens) if types is None else types
    special = {t: i for i, (t, k) in enumerate(zip(tokens, types, strict=True)) if k in (CONTROL, USER) and t}
    common: dict[str, Any] = {
        "special": special,
        "bos": of("bos_token_id"),
        "eos": of("eos_token_id"),
        "unknown": of("unknown_token_id"),
        "pad": of("padding_token_id"),
        "add_eos": bool(of("add_eos_token", False)),
        "chat_template": metadata.get("tokenizer.chat_template"),
    }
    for name in ("bos", "eos", "unknown", "pad"):
        token = common[name]
        if token is not None and not (isinstance(token, int) and 0 <= token < len(tokens)):
            raise ShapeError(f"GGUF: the {name} token is {token!r}, but there are {len(tokens)}")
    if kind == "gpt2":
        merges, pre = of("merges"), of("pre", "default")
        if not isinstance(merges, list) or not all(isinstance(pair, str) for pair in merges):
            raise ShapeError("GGUF: the vocabulary has no merges")
        whole = pre in ("llama3", "llama-v3", "llama-bpe")
        add_bos = bool(of("add_bos_token", whole))
        return BPETokenizer(tokens, merges, pre, whole_words=whole, add_bos=add_bos, **common)
    if kind == "llama":
        add_bos, prefix = bool(of("add_bos_token", True)), bool(of("add_space_prefix", True))
        return SPMTokenizer(tokens, of("scores", []), space_prefix=prefix, add_bos=add_bos, **common)
    raise ShapeError(f"GGUF: a vocabulary of the kind {kind!r} is neither gpt2 nor llama")
