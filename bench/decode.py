"""How fast a language model writes and reads: tokens a second, and the share of the memory's bandwidth.

    python bench/decode.py SmolLM2-135M-Instruct.Q4_1.gguf --threads 2

Each token has to read every weight once, so the bytes of the file times the tokens a second, over what the
machine can read, is the share of the limit. llama-cpp-python is timed beside it where it is installed.
"""

from __future__ import annotations

import argparse
import time
from importlib.util import find_spec
from typing import Any

import lamina
from lamina.models.text import load_gguf_model
from lamina.nn import quantized


def bandwidth(megabytes: int = 512) -> float:
    """Gigabytes a second that summing a large array reads, the best of five."""
    x = lamina.ones(megabytes << 18)
    best = 1e9
    for _ in range(5):
        start = time.perf_counter()
        x.sum().item()
        best = min(best, time.perf_counter() - start)
    return megabytes / 953.674 / best


def bytes_read(model: Any) -> int:
    """What one token reads of the weights: all but the table of embeddings, of which it takes a row."""
    size = 0
    for module in model.modules():
        if isinstance(module, quantized.Linear):
            size += module.blocks.numel()
        elif not isinstance(module, (quantized.Embedding, lamina.nn.Embedding)):
            size += sum(p.numel() * p.element_size() for p in module._parameters.values() if p is not None)
    return size


def best_of(run: Any, times: int) -> float:
    """The least seconds."""
    best = 1e9
    for _ in range(times):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description="Time a language model.")
    parser.add_argument("model", help="a GGUF file")
    parser.add_argument("--threads", type=int, default=lamina.get_num_threads())
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--dequantize", action="store_true", help="all weights in float32")
    args = parser.parse_args()
    lamina.set_num_threads(args.threads)
    model, tokenizer = load_gguf_model(args.model, dequantize=args.dequantize)
    text = "Once upon a time there was a little girl who lived in a village near the forest. "
    prompt = (tokenizer.encode(text) * (1 + args.prompt // 8))[: args.prompt]

    def write(tokens: int, ids: list[int]) -> None:
        model.generate(lamina.tensor([ids]), max_new_tokens=tokens, eos_token_id=[])

    short = prompt[:8]
    first = best_of(lambda: write(1, short), args.times)
    whole = best_of(lambda: write(1 + args.tokens, short), args.times)
    seconds = (whole - first) / args.tokens
    read, limit = bytes_read(model) / 1e9, bandwidth()
    print(
        f"lamina: {1 / seconds:.1f} tokens a second, {read * 1000:.1f} MB each: {read / seconds:.1f} GB/s, "
        f"{read / seconds / limit:.0%} of {limit:.1f} GB/s"
    )
    seconds = best_of(lambda: write(1, prompt), args.times)
    print(f"lamina: reads {len(prompt) / seconds:.0f} tokens a second")
    if find_spec("llama_cpp") is not None:
        time_llama(args, short, prompt)


def time_llama(args: argparse.Namespace, short: list[int], prompt: list[int]) -> None:
    """The same of llama.cpp."""
    from llama_cpp import Llama

    other = Llama(args.model, n_ctx=1024, n_threads=args.threads, n_threads_batch=args.threads, verbose=False)

    def write(tokens: int, ids: list[int]) -> None:
        other.reset()
        for count, _ in enumerate(other.generate(ids, top_k=1, temp=0.0), 1):
            if count == tokens:
                break

    first = best_of(lambda: write(1, short), args.times)
    whole = best_of(lambda: write(1 + args.tokens, short), args.times)
    print(f"llama.cpp: {args.tokens / (whole - first):.1f} tokens a second")
    print(
        f"llama.cpp: reads {len(prompt) / best_of(lambda: write(1, prompt), args.times):.0f} tokens a second"
    )


if __name__ == "__main__":
    main()
