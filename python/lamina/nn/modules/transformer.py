"""Stacks of transformer layers, and the whole of encoder and decoder. The layers:
lamina.nn.modules.transformer_layer."""

from __future__ import annotations

import copy
import math
from typing import Any

import lamina
from lamina import _core
from lamina._core import Tensor
from lamina.nn import functional as F
from lamina.nn import init
from lamina.nn.functional.multi_head_attention import additive
from lamina.nn.modules.activation import GELU, ReLU
from lamina.nn.modules.container import ModuleList
from lamina.nn.modules.module import Module
from lamina.nn.modules.normalization import LayerNorm
from lamina.nn.modules.transformer_layer import (
    Activation,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
)


def _causal_mask(size: int, device: Any = None, dtype: Any = None) -> Tensor:
    return lamina.full((size, size), -math.inf, device=device, dtype=dtype).triu(1)


def _is_causal(mask: Tensor | None, given: bool | None) -> bool:
    """Whether ``mask`` is the causal one: as ``given``, else by looking."""
    if given is not None or mask is None:
        return bool(given)
    if mask.ndim != 2 or mask.shape[0] != mask.shape[1]:
        return False
    return bool((mask == _causal_mask(mask.shape[0], dtype=mask.dtype)).all())


class TransformerEncoder(Module):
    """``num_layers`` copies of ``encoder_layer``, one after the other, and ``norm`` at the end.

    Shapes and masks as in ``TransformerEncoderLayer``; whether ``mask`` is the causal one is found out unless
    ``is_causal`` says it. In inference (no gradients, not training, ``batch_first``, relu or gelu, norms
    behind the sums, an even number of heads) with ``src_key_padding_mask`` alone, padding at the end of
    sequences gives zeros before ``norm``, as PyTorch's nested tensors do, unless ``enable_nested_tensor`` is
    False. ``mask_check=False`` takes it for granted that padding is at the end.

    >>> layer = lamina.nn.TransformerEncoderLayer(8, 2, 16)
    >>> lamina.nn.TransformerEncoder(layer, 3)(lamina.ones(5, 3, 8)).shape[0]
    5
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = ModuleList(copy.deepcopy(encoder_layer) for _ in range(num_layers))
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.use_nested_tensor = enable_nested_tensor and _packs_padding(encoder_layer)
        self.mask_check = mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        padding = additive(src_key_padding_mask, "src_key_padding_mask", src, mask, "mask")
        mask = additive(mask, "mask", src)
        is_causal = _is_causal(mask, is_causal)
        output = src
        for layer in self.layers:
            output = layer(output, src_mask=mask, is_causal=is_causal, src_key_padding_mask=padding)
        if padding is not None and mask is None and self._drops(src, padding):
            output = output.masked_fill((padding != 0).unsqueeze(-1), 0.0)
        return output if self.norm is None else self.norm(output)

    def _drops(self, src: Tensor, padding: Tensor) -> bool:
        """Whether what stands at padded places is dropped."""
        layer = self.layers[0]
        if not self.use_nested_tensor or layer.training or src.ndim != 3:
            return False
        if lamina.is_grad_enabled() and any(x.requires_grad for x in (src, *layer.parameters())):
            return False
        hidden = padding != 0
        return not self.mask_check or not bool((hidden[:, :-1] & ~hidden[:, 1:]).any())


def _packs_padding(layer: Module) -> bool:
    return (
        isinstance(layer, TransformerEncoderLayer)
        and not layer.norm_first
        and layer.self_attn.batch_first
        and layer.self_attn.in_proj_bias is not None
        and (layer.activation in (F.relu, F.gelu) or isinstance(layer.activation, (ReLU, GELU)))
        and layer.norm1.eps == layer.norm2.eps
        and layer.self_attn.num_heads % 2 == 0
    )


class TransformerDecoder(Module):
    """``num_layers`` copies of ``decoder_layer``, one after the other, and ``norm`` at the end.

    Shapes and masks as in ``TransformerDecoderLayer``; whether ``tgt_mask`` is the causal one is found out
    unless ``tgt_is_causal`` says it.

    >>> layer = lamina.nn.TransformerDecoderLayer(8, 2, 16)
    >>> lamina.nn.TransformerDecoder(layer, 3)(lamina.ones(4, 3, 8), lamina.ones(5, 3, 8)).shape[0]
    4
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = ModuleList(copy.deepcopy(decoder_layer) for _ in range(num_layers))
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        tgt_is_causal = _is_causal(tgt_mask, tgt_is_causal)
        output = tgt
        for layer in self.layers:
            output = layer(
                output,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=tgt_is_causal,
                memory_is_causal=memory_is_causal,
            )
        return output if self.norm is None else self.norm(output)


class Transformer(Module):
    """Encoder and decoder: ``src`` (s, n, d_model) and ``tgt`` (l, n, d_model) -> (l, n, d_model).

    With ``batch_first`` n comes first; without n for single sequences. Masks as in the layers. Another
    encoder or decoder may be given. Products start from Glorot's uniform law. Source: Vaswani et al.,
    Attention Is All You Need, 2017.

    Raises:
        ShapeError: batches of different sizes, or vectors that are not of size d_model.

    >>> net = lamina.nn.Transformer(8, 2, 1, 1, 16)
    >>> net(lamina.ones(5, 3, 8), lamina.ones(4, 3, 8)).shape[0]
    4
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any | None = None,
        custom_decoder: Any | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        factory: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        options = (
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            activation,
            layer_norm_eps,
            batch_first,
            norm_first,
        )
        if custom_encoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, **factory)
            layer: Module = TransformerEncoderLayer(*options, **factory)
            custom_encoder = TransformerEncoder(layer, num_encoder_layers, norm)
        if custom_decoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, **factory)
            layer = TransformerDecoderLayer(*options, **factory)
            custom_decoder = TransformerDecoder(layer, num_decoder_layers, norm)
        self.encoder = custom_encoder
        self.decoder = custom_decoder
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        batch = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise _core.ShapeError("the batch number of src and tgt must be equal")
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise _core.ShapeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """(sz, sz) with 0 where query i may see key j, j <= i, and minus infinity elsewhere."""
        return _causal_mask(sz, device, dtype)
