"""Attention and whole transformers: workloads of compare.py, written as those of workload.py are."""

from __future__ import annotations

import contextlib
from types import ModuleType
from typing import Any

import numpy as np
from image_workload import inference, inference_onnx
from workload import Make, Step, Workload, normal

import text_model


def attention(length: int, backward: bool, share_goal: float) -> Workload:
    """Causal, two times eight heads of 64; half of the scores are seen. Back: five products for two."""
    work = 2 * 8 * length * length * 64 * 2.0 * (3.5 if backward else 1)

    def make(torch: ModuleType) -> Step:
        shape = (2, 8, length, 64)
        q, k, v = (torch.from_numpy(normal(*shape)).requires_grad_(backward) for _ in range(3))
        gradient = torch.from_numpy(normal(*shape))

        def step() -> None:
            y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            if backward:
                q.grad = k.grad = v.grad = None
                y.backward(gradient)

        return step

    name = f"sdpa causal 2x8x{length}x64{', backward' if backward else ''}"
    return Workload(name, make, None, "fma", work, None, share_goal)


def decode(length: int) -> Workload:
    """One query of 32 heads against a cache of `length` keys of 8 heads."""

    def make(torch: ModuleType) -> Step:
        q = torch.from_numpy(normal(1, 32, 1, 64))
        k, v = (torch.from_numpy(normal(1, 8, length, 64)) for _ in range(2))
        return lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)

    return Workload(f"sdpa of one query, {length} keys", make, None, "read", 8.0 * 8 * length * 64)


def multi_head(torch: ModuleType) -> Step:
    layer = torch.nn.MultiheadAttention(512, 8, batch_first=True).eval()
    x = torch.from_numpy(normal(8, 128, 512))

    def step() -> Any:
        with torch.no_grad():
            return layer(x, x, x, need_weights=False)

    return step


def ids_of(n: int, length: int, vocabulary: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, vocabulary, (n, length))


def bert_inference(n: int, onnx_goal: float) -> Workload:
    x = ids_of(n, 128, 30522)
    work = n * 128 * 12 * (2.0 * 12 * 768**2 + 4.0 * 128 * 768)

    def model(torch: ModuleType) -> Any:
        return text_model.bert(torch, 2)

    return Workload(
        f"BERT-base inference {n}x128", inference(model, x), None, "fma", work,
        onnx=inference_onnx(model, x), onnx_goal=onnx_goal,
    )  # fmt: skip


def bert_step(torch: ModuleType) -> Step:
    torch.manual_seed(0)
    model = text_model.bert(torch, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5)
    ids, label = torch.from_numpy(ids_of(4, 64, 30522)), torch.tensor([0, 1, 1, 0])

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(ids), label).backward()
        optimizer.step()

    return step


def gpt_step(size: tuple[int, int, int, int], n: int, length: int, bfloat: bool) -> Make:
    def make(torch: ModuleType) -> Step:
        torch.manual_seed(0)
        model = text_model.gpt(torch, *size, length)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        ids = torch.from_numpy(ids_of(n, length + 1, size[0]))
        x, target = ids[:, :-1].contiguous(), ids[:, 1:].reshape(-1)

        def step() -> None:
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16) if bfloat else contextlib.nullcontext():
                scores = model(x).reshape(-1, size[0])
                loss = torch.nn.functional.cross_entropy(scores, target)
            loss.backward()
            optimizer.step()

        return step

    return make


def gpt(
    name: str, size: tuple[int, int, int, int], n: int, length: int, goal: float, bfloat: bool
) -> Workload:
    vocabulary, width, depth, _ = size
    tokens = n * length
    work = 6.0 * tokens * (12 * width**2 * depth + vocabulary * width) + 6.0 * tokens * length * width * depth
    return Workload(
        f"{name} step {n}x{length}{', bfloat16' if bfloat else ''}", gpt_step(size, n, length, bfloat),
        None, "" if bfloat else "fma", work, goal,
    )  # fmt: skip


def translator_step(torch: ModuleType) -> Step:
    torch.manual_seed(0)
    model = text_model.translator(torch, 1000, 256)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    ids = torch.from_numpy(ids_of(16, 33, 1000))
    source, target, label = ids[:, 1:].contiguous(), ids[:, :-1].contiguous(), ids[:, 1:].reshape(-1)

    def step() -> None:
        optimizer.zero_grad()
        scores = model(source, target).reshape(-1, 1000)
        torch.nn.functional.cross_entropy(scores, label).backward()
        optimizer.step()

    return step


def token_loss(rows: int = 1024, classes: int = 50257) -> Workload:
    """The least traffic: the scores read on the way there and on the way back, their gradient written."""

    def make(torch: ModuleType) -> Step:
        scores = torch.from_numpy(normal(rows, classes)).requires_grad_()
        label = torch.from_numpy(np.random.default_rng(0).integers(0, classes, rows))

        def step() -> None:
            scores.grad = None
            torch.nn.functional.cross_entropy(scores, label).backward()

        return step

    name = f"cross entropy {rows} x {classes}, backward"
    return Workload(name, make, None, "copy", 12.0 * rows * classes, 2.0)


GPT2, MINI = (50257, 768, 12, 12), (1000, 256, 6, 8)
WORKLOADS = [
    attention(512, False, 0.75),
    attention(2048, False, 0.85),
    attention(512, True, 0.65),
    attention(2048, True, 0.75),
    decode(4096),
    Workload(
        "MultiheadAttention 8x128x512", multi_head, None, "fma",
        8 * 128 * (8.0 * 512**2 + 4.0 * 128 * 512), None, 0.8,
    ),
    bert_inference(1, 1.2),
    bert_inference(8, 1.2),
    Workload("BERT-base step 4x64, AdamW", bert_step, None, "fma", 6.0 * 256 * 12 * 12 * 768**2, 2.0),
    gpt("GPT-2 124M", GPT2, 2, 256, 2.0, False),
    gpt("mini GPT", MINI, 8, 128, 1.6, False),
    gpt("mini GPT", MINI, 8, 128, 1.6, True),
    gpt("GPT-2 124M", GPT2, 2, 256, 2.0, True),
    token_loss(),
    Workload("encoder and decoder 3+3 of 256, step 16x32", translator_step, goal=2.0),
]  # fmt: skip
