"""Transformers for text under Hugging Face's names: public checkpoints load unchanged.

Encoders (BERT, RoBERTa, DistilBERT), decoders that write (GPT-2, the Llama family), encoders with decoders
(T5, Marian, BART), their tokenizers, and what they are built of. A model's file loads when it is first used.
"""

from importlib import import_module as _import_module
from typing import Any as _Any

_PLACES = {
    "activation": "GatedMLP",
    "auto": "model_from_pretrained tokenizer_from_pretrained",
    "attention": "attend causal_mask padding_mask",
    "bart": "BartConfig BartForConditionalGeneration BartModel MarianConfig MarianMTModel",
    "bert": "BertConfig BertModel RobertaConfig RobertaModel mean_pool",
    "bert_head": "BertForMaskedLM BertForQuestionAnswering BertForSequenceClassification "
    "BertForTokenClassification RobertaForMaskedLM RobertaForQuestionAnswering "
    "RobertaForSequenceClassification RobertaForTokenClassification",
    "bpe": "BPETokenizer",
    "cache": "KVCache",
    "chat": "Conversation",
    "chat_template": "ChatTemplate",
    "distilbert": "DistilBertConfig DistilBertForMaskedLM DistilBertForQuestionAnswering "
    "DistilBertForSequenceClassification "
    "DistilBertForTokenClassification DistilBertModel",
    "gguf": "load_gguf_model",
    "gpt2": "Conv1D GPT2Config GPT2LMHeadModel GPT2Model",
    "hub_tokenizer": "HubTokenizer",
    "llama": "Gemma2ForCausalLM Gemma3ForCausalLM GemmaForCausalLM LlamaForCausalLM LlamaModel "
    "MistralForCausalLM Phi3ForCausalLM Qwen2ForCausalLM Qwen3ForCausalLM",
    "llama_config": "Gemma2Config Gemma3Config GemmaConfig LlamaConfig MistralConfig Phi3Config "
    "Qwen2Config Qwen3Config",
    "llama_kin": "GraniteConfig GraniteForCausalLM Olmo2Config Olmo2ForCausalLM SmolLM3Config "
    "SmolLM3ForCausalLM",
    "position": "RelativePositionBias alibi_bias alibi_slopes sinusoidal_positions",
    "rotary": "RotaryEmbedding apply_rotary inverse_frequencies",
    "spm": "SPMTokenizer",
    "t5": "T5Config T5ForConditionalGeneration",
    "tokenizer": "Tokenizer",
}
_PLACE = {name: place for place, names in _PLACES.items() for name in names.split()}
__all__ = sorted(_PLACE)


def __getattr__(name: str) -> _Any:
    if name not in _PLACE:
        raise AttributeError(f"module 'lamina.models.text' has no attribute {name!r}")
    found = getattr(_import_module(f"lamina.models.text.{_PLACE[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
