"""GPT-2 under Hugging Face's names. Source: Radford et al., Language Models are Unsupervised Multitask
Learners, 2019."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import lamina
from lamina._core import Tensor
from lamina.models.config import Config
from lamina.models.output import ModelOutput
from lamina.models.pretrained import PretrainedModel, check_ids
from lamina.models.text.activation import activation
from lamina.models.text.attention import attend, causal_mask, join_heads, padding_mask, split_heads
from lamina.models.text.cache import KVCache
from lamina.models.text.generation import Generator
from lamina.models.text.head import next_token_loss
from lamina.nn import Dropout, Embedding, LayerNorm, Linear, Module, ModuleList, Parameter, init


@dataclass
class GPT2Config(Config):
    """Sizes and options; the defaults are those of the small GPT-2."""

    model_type: ClassVar[str] = "gpt2"
    ALIASES: ClassVar[dict[str, str]] = {
        "hidden_size": "n_embd",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
        "max_position_embeddings": "n_positions",
    }
    ONLY: ClassVar[dict[str, tuple[Any, ...]]] = {
        "add_cross_attention": (False, None),
    }

    vocab_size: int = 50257
    n_positions: int = 1024
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    n_inner: int | None = None
    activation_function: str = "gelu_new"
    resid_pdrop: float = 0.1
    embd_pdrop: float = 0.1
    attn_pdrop: float = 0.1
    scale_attn_weights: bool = True
    scale_attn_by_inverse_layer_idx: bool = False
    layer_norm_epsilon: float = 1e-5
    initializer_range: float = 0.02
    bos_token_id: int = 50256
    eos_token_id: int = 50256
    pad_token_id: int | None = None
    tie_word_embeddings: bool = True

    def validate(self) -> None:
        activation(self.activation_function)
        self.demand(
            self.n_embd % self.n_head == 0, f"n_embd={self.n_embd} is no multiple of n_head={self.n_head}"
        )


class Conv1D(Module):
    """A linear layer whose weight is (in, out), as GPT-2's files have it.

    >>> tuple(Conv1D(5, 3)(lamina.ones(2, 3)).shape)
    (2, 5)
    """

    def __init__(self, nf: int, nx: int) -> None:
        super().__init__()
        self.weight = Parameter(lamina.empty(nx, nf))
        self.bias = Parameter(lamina.zeros(nf))
        init.normal_(self.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        out = lamina.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight)
        return out.view(*x.shape[:-1], self.weight.shape[1])


class GPT2Attention(Module):
    """Causal self-attention."""

    def __init__(self, config: GPT2Config, layer: int) -> None:
        super().__init__()
        self.heads, self.dropout, self.layer = config.n_head, config.attn_pdrop, layer
        self.scale = (config.n_embd // config.n_head) ** -0.5 if config.scale_attn_weights else 1.0
        if config.scale_attn_by_inverse_layer_idx:
            self.scale /= layer + 1
        self.c_attn = Conv1D(3 * config.n_embd, config.n_embd)
        self.c_proj = Conv1D(config.n_embd, config.n_embd)
        self.resid_dropout = Dropout(config.resid_pdrop)

    def forward(
        self, x: Tensor, seen: tuple[Tensor | None, bool], cache: KVCache | None, need_weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        query, key, value = (split_heads(part, self.heads) for part in self.c_attn(x).chunk(3, -1))
        if cache is not None:
            key, value = cache.update(self.layer, key, value)
        dropout = self.dropout if self.training else 0.0
        mixed, weights = attend(
            query, key, value, *seen, scale=self.scale, dropout=dropout, need_weights=need_weights
        )
        return self.resid_dropout(self.c_proj(join_heads(mixed))), weights


class GPT2MLP(Module):
    """Two products with an activation between them."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        inner = config.n_inner or 4 * config.n_embd
        self.c_fc = Conv1D(inner, config.n_embd)
        self.c_proj = Conv1D(config.n_embd, inner)
        self.act, self.dropout = activation(config.activation_function), Dropout(config.resid_pdrop)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.c_proj(self.act(self.c_fc(x))))


class GPT2Block(Module):
    """One layer, normalised before attention and before the two products."""

    def __init__(self, config: GPT2Config, layer: int) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn = GPT2Attention(config, layer)
        self.ln_2 = LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.mlp = GPT2MLP(config)

    def forward(
        self, x: Tensor, seen: tuple[Tensor | None, bool], cache: KVCache | None, need_weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        mixed, weights = self.attn(self.ln_1(x), seen, cache, need_weights)
        x = x + mixed
        return x + self.mlp(self.ln_2(x)), weights


class GPT2Model(PretrainedModel):
    """Token ids (n, l) -> ``last_hidden_state`` (n, l, n_embd).

    ``attention_mask`` (n, tokens so far) is 0 for padding. With ``past_key_values``, a :class:`KVCache`, only
    the tokens that are new are given.

    Raises:
        ShapeError: more tokens than positions, or a row without any token.
        IndexError: a token that the vocabulary does not have.
    """

    config_class = GPT2Config
    base_model_prefix = "transformer"
    IGNORED = r"\.attn\.(masked_)?bias$"

    def __init__(self, config: GPT2Config) -> None:
        super().__init__(config)
        self.wte = Embedding(config.vocab_size, config.n_embd)
        self.wpe = Embedding(config.n_positions, config.n_embd)
        self.drop = Dropout(config.embd_pdrop)
        self.h = ModuleList(GPT2Block(config, layer) for layer in range(config.n_layer))
        self.ln_f = LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.initialise()

    def initialise(self) -> None:
        """As all models; products that end on the residual stream are scaled down by the depth."""
        super().initialise()
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                std = self.config.initializer_range / math.sqrt(2 * self.config.n_layer)
                init.normal_(parameter, 0.0, std)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: KVCache | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> ModelOutput:
        name, config = type(self).__name__, self.config
        check_ids(name, input_ids, config.vocab_size)
        (n, length), start = input_ids.shape, past_key_values.used if past_key_values is not None else 0
        end = start + length
        self.config.demand(
            end <= config.n_positions,
            f"a sequence of {end} tokens, but there are {config.n_positions} positions",
        )
        seen = causal_mask(length, end, padding_mask(name, attention_mask, n, end))
        if position_ids is None:
            position_ids = lamina.arange(start, end).unsqueeze(0)
        x = self.drop(self.wte(input_ids) + self.wpe(position_ids))
        states, maps = [x], []
        for block in self.h:
            x, weights = block(x, seen, past_key_values, output_attentions)
            states.append(x)
            maps.append(weights)
        if past_key_values is not None:
            past_key_values.advance(length)
        states[-1] = x = self.ln_f(x)
        return ModelOutput(
            last_hidden_state=x,
            hidden_states=tuple(states) if output_hidden_states else None,
            attentions=tuple(maps) if output_attentions else None,
        )


class GPT2LMHeadModel(Generator, PretrainedModel):
    """Token ids (n, l) -> ``logits`` (n, l, vocabulary) of the next token; writes with ``generate``.

    ``labels`` (n, l), usually the ids themselves, give ``loss``. ``logits_to_keep`` computes only the last
    logits.

    >>> config = GPT2Config(vocab_size=50, n_positions=16, n_embd=32, n_layer=1, n_head=4)
    >>> GPT2LMHeadModel(config).eval().generate(lamina.tensor([[1, 2]]), max_new_tokens=3).shape[1]
    5
    """

    config_class = GPT2Config
    base_model_prefix = "transformer"
    IGNORED = GPT2Model.IGNORED

    def __init__(self, config: GPT2Config) -> None:
        super().__init__(config)
        self.transformer = GPT2Model(config)
        self.lm_head = Linear(config.n_embd, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.transformer.wte.weight
        else:
            init.normal_(self.lm_head.weight, 0.0, config.initializer_range)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: KVCache | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int = 0,
        **outputs: bool,
    ) -> ModelOutput:
        out = self.transformer(input_ids, attention_mask, position_ids, past_key_values, **outputs)
        logits = self.lm_head(out.last_hidden_state[:, -logits_to_keep:])
        return ModelOutput(
            loss=next_token_loss(logits, labels),
            logits=logits,
            past_key_values=past_key_values,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )

    def make_cache(self, batch: int, length: int) -> KVCache:
        """Room for ``length`` tokens of ``batch`` sequences."""
        config = self.config
        size = config.n_embd // config.n_head
        return KVCache(config.n_layer, batch, config.n_head, length, size, self.lm_head.weight.dtype)

    def most_tokens(self) -> int:
        """How long a sequence may be."""
        return self.config.n_positions
