"""Small models of every architecture with the same weights everywhere, for the tests of lamina.models.

A weight is drawn from a seed that is its name, so that lamina and the library that a golden number came from
hold the same model without a file between them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

import lamina

SMALL = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
LLAMA = {**SMALL, "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": None, "pad_token_id": 0}
BERT = {**SMALL, "num_labels": 3, "pad_token_id": 0}
ROBERTA = {**SMALL, "num_labels": 3, "pad_token_id": 1, "type_vocab_size": 1}
DISTIL = {"vocab_size": 99, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "num_labels": 3}
GPT2 = {"vocab_size": 99, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
GPT2 |= {"bos_token_id": 1, "eos_token_id": None}
YARN = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4, "original_max_position_embeddings": 16}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LLAMA3 |= {"original_max_position_embeddings": 32, "rope_theta": 1e4}
FACTORS = {"embedding_multiplier": 3.0, "attention_multiplier": 0.2, "residual_multiplier": 0.5}
FACTORS |= {"logits_scaling": 2.0}


def longrope(limit: int) -> dict[str, Any]:
    """A scaling whose factors for long texts hold beyond ``limit`` tokens."""
    factors = {"short_factor": [1.0, 1.1, 1.3, 1.5], "long_factor": [1.0, 2.0, 3.5, 5.0]}
    settings = {"rope_type": "longrope", "rope_theta": 1e4, "original_max_position_embeddings": limit}
    return {"rope_parameters": {**settings, **factors}, "original_max_position_embeddings": limit}


# A case's name: Hugging Face's class of the model, its configuration's class, and what config.json would say.
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bert": ("BertModel", "BertConfig", BERT),
    "bert-mlm": ("BertForMaskedLM", "BertConfig", BERT),
    "bert-texts": ("BertForSequenceClassification", "BertConfig", BERT),
    "bert-tokens": ("BertForTokenClassification", "BertConfig", BERT),
    "bert-answers": ("BertForQuestionAnswering", "BertConfig", {**BERT, "num_labels": 2}),
    "roberta": ("RobertaModel", "RobertaConfig", ROBERTA),
    "roberta-mlm": ("RobertaForMaskedLM", "RobertaConfig", ROBERTA),
    "roberta-texts": ("RobertaForSequenceClassification", "RobertaConfig", ROBERTA),
    "roberta-tokens": ("RobertaForTokenClassification", "RobertaConfig", ROBERTA),
    "distilbert": ("DistilBertModel", "DistilBertConfig", DISTIL),
    "distilbert-mlm": ("DistilBertForMaskedLM", "DistilBertConfig", DISTIL),
    "distilbert-texts": ("DistilBertForSequenceClassification", "DistilBertConfig", DISTIL),
    "distilbert-tokens": ("DistilBertForTokenClassification", "DistilBertConfig", DISTIL),
    "distilbert-answers": ("DistilBertForQuestionAnswering", "DistilBertConfig", {**DISTIL, "num_labels": 2}),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", GPT2),
    "gpt2-scales": (
        "GPT2LMHeadModel",
        "GPT2Config",
        {**GPT2, "scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True},
    ),
    "llama": ("LlamaForCausalLM", "LlamaConfig", LLAMA),
    "llama-biased-tied": (
        "LlamaForCausalLM",
        "LlamaConfig",
        {**LLAMA, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    ),
    "llama-linear": (
        "LlamaForCausalLM",
        "LlamaConfig",
        {**LLAMA, "rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 500.0}},
    ),
    "llama-dynamic": (
        "LlamaForCausalLM",
        "LlamaConfig",
        {
            **LLAMA,
            "max_position_embeddings": 6,
            "rope_parameters": {"rope_type": "dynamic", "factor": 2.5, "rope_theta": 500.0},
        },
    ),
    "llama-yarn": ("LlamaForCausalLM", "LlamaConfig", {**LLAMA, "rope_parameters": YARN}),
    "llama-llama3": ("LlamaForCausalLM", "LlamaConfig", {**LLAMA, "rope_parameters": LLAMA3}),
    "mistral": ("MistralForCausalLM", "MistralConfig", {**LLAMA, "sliding_window": 4}),
    "phi3": ("Phi3ForCausalLM", "Phi3Config", LLAMA),
    "phi3-partial": (
        "Phi3ForCausalLM",
        "Phi3Config",
        {
            **LLAMA,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5},
        },
    ),
    "phi3-short": ("Phi3ForCausalLM", "Phi3Config", {**LLAMA, **longrope(12)}),
    "phi3-long": ("Phi3ForCausalLM", "Phi3Config", {**LLAMA, **longrope(6)}),
    "qwen2": (
        "Qwen2ForCausalLM",
        "Qwen2Config",
        {**LLAMA, "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1},
    ),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", {**LLAMA, "head_dim": 12}),
    "smollm3": ("SmolLM3ForCausalLM", "SmolLM3Config", {**LLAMA, "no_rope_layers": [1, 0, 1]}),
    "granite": ("GraniteForCausalLM", "GraniteConfig", {**LLAMA, **FACTORS}),
    "olmo2": ("Olmo2ForCausalLM", "Olmo2Config", LLAMA),
    "gemma": ("GemmaForCausalLM", "GemmaConfig", {**LLAMA, "head_dim": 12}),
    "gemma2": (
        "Gemma2ForCausalLM",
        "Gemma2Config",
        {**LLAMA, "head_dim": 12, "sliding_window": 4, "query_pre_attn_scalar": 20},
    ),
    "gemma3": (
        "Gemma3ForCausalLM",
        "Gemma3TextConfig",
        {**LLAMA, "head_dim": 12, "sliding_window": 4, "query_pre_attn_scalar": 20},
    ),
}
SIDES = {"encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 40}
BART = {"vocab_size": 99, "d_model": 32, "encoder_attention_heads": 4, "decoder_attention_heads": 2, **SIDES}
BART |= {"max_position_embeddings": 40}
T5 = {"vocab_size": 99, "d_model": 32, "d_kv": 6, "d_ff": 48, "num_layers": 2, "num_heads": 4}
T5 |= {"decoder_start_token_id": 0}
MARIAN = {"pad_token_id": 98, "decoder_start_token_id": 98, "eos_token_id": 0, "forced_eos_token_id": 0}
MARIAN |= {"scale_embedding": True, "activation_function": "swish"}
# Models with an encoder and a decoder, and one that reads images.
SEQUENCE_CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "t5": ("T5ForConditionalGeneration", "T5Config", T5),
    "t5-gated": ("T5ForConditionalGeneration", "T5Config", {**T5, "feed_forward_proj": "gated-gelu"}),
    "t5-apart": ("T5ForConditionalGeneration", "T5Config", {**T5, "scale_decoder_outputs": False}),
    "bart": ("BartForConditionalGeneration", "BartConfig", BART),
    "marian": ("MarianMTModel", "MarianConfig", {**BART, **MARIAN}),
}
IDS = np.array([[7, 12, 3, 90, 41, 5, 66, 23, 8], [2, 55, 31, 9, 77, 14, 1, 1, 1]])
MASK = np.array([[1] * 9, [1] * 6 + [0] * 3])


def fill(parameters: Iterable[tuple[str, Any]], write: Any) -> None:
    """``write(parameter, values)`` for each, in the name that comes first of those that a tensor has."""
    names: dict[int, tuple[str, Any]] = {}
    for name, parameter in sorted(parameters):
        if parameter.requires_grad:  # what is computed stays
            names.setdefault(id(parameter), (name, parameter))
    for name, parameter in names.values():
        values = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(tuple(parameter.shape))
        scale = 1.0 / np.sqrt(parameter.shape[-1]) if len(parameter.shape) > 1 else 0.1
        norm = len(parameter.shape) == 1 and name.endswith("weight")
        write(parameter, (values * scale + norm).astype(np.float32))


def make(case: str) -> Any:
    """lamina's model of a case, for inference."""
    import lamina.models.text as text

    name, _, config = {**CASES, **SEQUENCE_CASES}[case]
    kind = getattr(text, name)
    model = kind(kind.config_class.from_dict(config)).eval()
    with lamina.no_grad():
        fill(
            model.named_parameters(remove_duplicate=False),
            lambda parameter, values: parameter.copy_(lamina.from_numpy(values)),
        )
    return model


def reference(case: str) -> Any:
    """The same model of the library transformers, for inference."""
    import torch
    import transformers

    name, config_name, config = {**CASES, **SEQUENCE_CASES}[case]
    torch.manual_seed(0)
    model = getattr(transformers, name)(getattr(transformers, config_name)(**config)).eval()
    with torch.no_grad():
        fill(
            model.named_parameters(remove_duplicate=False),
            lambda parameter, values: parameter.copy_(torch.from_numpy(values)),
        )
    return model


def numbers(output: Any) -> dict[str, Any]:
    """The tensors that an output has, as arrays; vectors of hidden tokens are left out."""
    arrays = {}
    for name in ("last_hidden_state", "pooler_output", "logits", "start_logits", "end_logits"):
        value = getattr(output, name, None)
        if value is not None:
            array = value.detach().numpy()
            arrays[name] = array[MASK > 0] if array.shape[:2] == MASK.shape else array
    return arrays
