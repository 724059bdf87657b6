"""In which language is this the name of a country? A bidirectional LSTM reads words of any length.

    pip install "lamina[names]"
    python examples/language_of_names.py --epochs 12 --out examples/out

The PyPI package Babel ships what countries, languages, months and days are called in hundreds of languages
(the data of Unicode's CLDR). The network reads the letters of a name from both ends; names of unequal length
are packed, so that no step is spent on padding. What a name means is in every language either in the training
or in the test, so the network cannot know it from a neighbour.
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path
from typing import Any

import lamina
from lamina import nn, optim
from lamina.nn.utils import rnn

SEED = 0
LANGUAGES = {
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "hu": "Hungarian",
    "it": "Italian",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "sv": "Swedish",
    "tr": "Turkish",
}
Sample = tuple[str, int]


def load_names() -> tuple[list[Sample], list[Sample]]:
    """(name, language) to learn from and to be examined on; a name of several languages is none's."""
    try:
        from babel import Locale
    except ImportError as error:
        raise SystemExit('the names come with Babel: pip install "lamina[names]"') from error
    found: dict[str, set[tuple[str, int]]] = {}
    for place, code in enumerate(LANGUAGES):
        locale = Locale(code)
        kinds: dict[str, Any] = {
            "territory": locale.territories,
            "language": locale.languages,
            "month": locale.months["format"]["wide"],
            "day": locale.days["format"]["wide"],
        }
        for kind, names in kinds.items():
            for key, name in names.items():
                if str(name).isascii() or str(name).replace(" ", "").isalpha():
                    found.setdefault(str(name).lower(), set()).add((f"{kind} {key}", place))
    train: list[Sample] = []
    test: list[Sample] = []
    for name, origins in sorted(found.items()):
        if len({place for _, place in origins}) == 1:
            meaning, place = min(origins)
            (test if zlib.crc32(meaning.encode()) % 5 == 0 else train).append((name, place))
    return train, test


class Reader(nn.Module):
    """Packed letters -> scores of the languages, from the last states of both directions."""

    def __init__(self, letters: int, size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters, size)
        self.lstm = nn.LSTM(size, size, bidirectional=True)
        self.dropout = nn.Dropout(0.3)
        self.scores = nn.Linear(2 * size, len(LANGUAGES))

    def forward(self, words: rnn.PackedSequence) -> lamina.Tensor:
        letters = rnn.PackedSequence(
            self.dropout(self.embedding(words.data)),
            words.batch_sizes,
            words.sorted_indices,
            words.unsorted_indices,
        )
        _, (last, _) = self.lstm(letters)
        return self.scores(self.dropout(lamina.cat([last[0], last[1]], dim=1)))


def packed(names: list[str], number: dict[str, int]) -> rnn.PackedSequence:
    """Letters as numbers, 0 for those that were never seen."""
    words = [lamina.tensor([number.get(letter, 0) for letter in name]) for name in names]
    return rnn.pack_sequence(words, enforce_sorted=False)


def guess(model: Reader, names: list[str], number: dict[str, int]) -> lamina.Tensor:
    model.eval()
    with lamina.no_grad():
        return model(packed(names, number)).softmax(1)


def train_epoch(
    model: Reader,
    optimizer: optim.Optimizer,
    samples: list[Sample],
    number: dict[str, int],
    batch: int,
    label: str,
) -> float:
    """The mean loss of one round through all samples."""
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise SystemExit('progress is shown by tqdm: pip install "lamina[names]"') from error
    model.train()
    order, total = lamina.randperm(len(samples)).tolist(), 0.0
    for begin in tqdm(range(0, len(order), batch), desc=label, leave=False):
        chosen = [samples[place] for place in order[begin : begin + batch]]
        logits = model(packed([name for name, _ in chosen], number))
        loss = nn.functional.cross_entropy(logits, lamina.tensor([place for _, place in chosen]))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item() * len(chosen)
    return total / len(samples)


def main() -> None:
    parser = argparse.ArgumentParser(description="Learn which language a name is of.")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--out", type=Path, default=Path("examples/out"))
    parser.add_argument("names", nargs="*", default=["Deutschland", "Yhdysvallat", "Allemagne", "Maďarsko"])
    args = parser.parse_args()
    lamina.manual_seed(SEED)
    train, test = load_names()
    letters = sorted({letter for name, _ in train for letter in name})
    number = {letter: place + 1 for place, letter in enumerate(letters)}
    print(f"{len(train)} names to learn from, {len(test)} to be examined on, {len(LANGUAGES)} languages")
    model = Reader(len(letters) + 1, args.size)
    optimizer = optim.AdamW(model.parameters(), lr=args.rate)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
    truth = lamina.tensor([place for _, place in test])
    for epoch in range(1, args.epochs + 1):
        loss = train_epoch(model, optimizer, train, number, args.batch, f"epoch {epoch}")
        schedule.step()
        guesses = guess(model, [name for name, _ in test], number).argmax(1)
        right = (guesses == truth).float().mean().item()
        print(f"epoch {epoch:2d}: loss {loss:.3f}, test accuracy {100 * right:.1f}%", flush=True)
    titles = list(LANGUAGES.values())
    for name, chances in zip(args.names, guess(model, [n.lower() for n in args.names], number), strict=True):
        best = chances.topk(2)
        ranks = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        print(f"{name}: " + ", ".join(f"{titles[place]} {100 * chance:.0f}%" for place, chance in ranks))
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        path = args.out / "language_of_names.png"
        lamina.viz.confusion_matrix(truth, guesses, list(LANGUAGES)).savefig(path)
        print(f"what was taken for what: {path}")
    except ImportError as error:
        print(error)


if __name__ == "__main__":
    main()
