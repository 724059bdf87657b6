"""Transformers that are timed, written once for every library that has PyTorch's names: `torch` is PyTorch or
lamina. Their shapes are those of the papers; nobody loads weights into them."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def block(torch: ModuleType, width: int, heads: int, first: bool, tanh: bool, dropout: float) -> Any:
    """Attention to itself and two products; normalised `first` as in GPT, or after each sum as in BERT."""
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.gelu = nn.GELU(approximate="tanh" if tanh else "none")
            self.drop = nn.Dropout(dropout)

        def attend(self, x: Any) -> Any:
            n, length, _ = x.shape
            q, k, v = self.qkv(x).reshape(n, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
            p = dropout if self.training else 0.0
            y = functional.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=first)
            return self.drop(self.out(y.transpose(1, 2).reshape(n, length, width)))

        def feed(self, x: Any) -> Any:
            return self.drop(self.down(self.gelu(self.up(x))))

        def forward(self, x: Any) -> Any:
            if first:
                x = x + self.attend(self.norm1(x))
                return x + self.feed(self.norm2(x))
            x = self.norm1(x + self.attend(x))
            return self.norm2(x + self.feed(x))

    return Block()


def gpt(torch: ModuleType, vocabulary: int, width: int, depth: int, heads: int, length: int) -> Any:
    """GPT-2 (Radford et al. 2019) is (50257, 768, 12, 12); the last product has the embedding's weights."""
    nn = torch.nn

    class Gpt(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.word, self.place = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
            blocks = (block(torch, width, heads, True, True, 0.0) for _ in range(depth))
            self.blocks = nn.Sequential(*blocks)
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)
            self.head.weight = self.word.weight

        def forward(self, ids: Any) -> Any:
            x = self.word(ids) + self.place(torch.arange(ids.shape[1]))
            return self.head(self.norm(self.blocks(x)))

    return Gpt()


def bert(torch: ModuleType, classes: int) -> Any:
    """BERT-base (Devlin et al. 2018) with a classifier on the first token."""
    nn, width = torch.nn, 768

    class Bert(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.word, self.place = nn.Embedding(30522, width), nn.Embedding(512, width)
            self.norm, self.drop = nn.LayerNorm(width), nn.Dropout(0.1)
            self.blocks = nn.Sequential(*(block(torch, width, 12, False, False, 0.1) for _ in range(12)))
            self.pooler, self.head = nn.Linear(width, width), nn.Linear(width, classes)

        def forward(self, ids: Any) -> Any:
            x = self.word(ids) + self.place(torch.arange(ids.shape[1]))
            x = self.blocks(self.drop(self.norm(x)))
            return self.head(torch.tanh(self.pooler(x[:, 0])))

    return Bert()


def translator(torch: ModuleType, vocabulary: int, width: int) -> Any:
    """The encoder and decoder of Vaswani et al. 2017, three layers of each, read by `vocabulary` scores."""
    nn = torch.nn

    class Translator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.word = nn.Embedding(vocabulary, width)
            self.body = nn.Transformer(width, 8, 3, 3, 4 * width, batch_first=True)
            self.head = nn.Linear(width, vocabulary)

        def forward(self, source: Any, target: Any) -> Any:
            mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
            return self.head(
                self.body(self.word(source), self.word(target), tgt_mask=mask, tgt_is_causal=True)
            )

    return Translator()
