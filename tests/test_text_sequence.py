"""T5, BART and Marian, and the ViT under Hugging Face's names, against numbers of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
import lamina.models.text as text
from lamina.models.vision import ViTConfig, ViTForImageClassification, ViTModel
from text_model import IDS, MASK, SEQUENCE_CASES, fill, make, reference

LABELS = np.array([[5, 17, 80, 33, 2], [91, 4, 1, 0, 45]])
VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
VIT |= {"image_size": 32, "patch_size": 8, "num_labels": 5}
# Six numbers of the logits, equally far apart, of transformers 5.23 with torch 2.13 in float32, and the loss.
GOLDEN = {
    "t5": [-0.02999, -0.25159, -0.15031, -0.25257, -0.09247, -0.07963, 4.63693],
    "t5-gated": [0.04123, -0.25707, -0.15012, 0.07758, 0.07781, 0.04453, 4.67239],
    "t5-apart": [-0.16967, -1.42319, -0.8503, -1.42876, -0.5231, -0.45044, 5.19396],
    "bart": [0.51361, -0.01346, -0.49893, -1.23031, -0.68553, -0.29587, 4.98083],
    "marian": [0.78032, -0.3253, -0.42456, 1.94956, 1.41555, 0.86225, 5.25387],
    "vit": [0.29893, 1.96773, -1.20477, 2.13093, 0.71987, 0.45652, 1.2394],
}


def run(model: Any) -> Any:
    ids, mask, labels = (lamina.from_numpy(x) for x in (IDS, MASK, LABELS))
    with lamina.no_grad():
        return model(ids, attention_mask=mask, labels=labels)


def some(values: Any) -> Any:
    return values.ravel()[np.linspace(0, values.size - 1, 6).astype(int)]


@pytest.mark.parametrize("case", SEQUENCE_CASES)
def test_published_code_gives_the_same_numbers(case: str) -> None:
    found = run(make(case))
    np.testing.assert_allclose(some(found.logits.numpy()), GOLDEN[case][:6], atol=3e-4)
    assert abs(found.loss.item() - GOLDEN[case][6]) < 1e-4


@pytest.mark.parametrize("case", SEQUENCE_CASES)
def test_transformers_where_it_is_installed(case: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    theirs = reference(case)
    theirs.save_pretrained(tmp_path)
    ours = getattr(text, SEQUENCE_CASES[case][0]).from_pretrained(tmp_path)
    ids, mask, labels = (torch.from_numpy(x) for x in (IDS, MASK, LABELS))
    with torch.no_grad():
        expected = theirs(input_ids=ids, attention_mask=mask, labels=labels)
    np.testing.assert_allclose(run(ours).logits.numpy(), expected.logits.numpy(), atol=3e-4)
    for options in (
        {},
        {"num_beams": 3},
        {"num_beams": 4, "num_return_sequences": 3, "length_penalty": 0.6},
    ):
        written = theirs.generate(ids, attention_mask=mask, max_new_tokens=9, do_sample=False, **options)
        found = ours.generate(lamina.from_numpy(IDS), lamina.from_numpy(MASK), max_new_tokens=9, **options)
        assert found.tolist() == written.tolist()


@pytest.mark.parametrize("case", SEQUENCE_CASES)
def test_the_cache_changes_nothing(case: str) -> None:
    model = make(case)
    model.config.forced_eos_token_id = None
    ids, mask = lamina.from_numpy(IDS), lamina.from_numpy(MASK)
    written = [[model.config.decoder_start_token_id] for _ in range(2)]
    with lamina.no_grad():
        for _ in range(7):
            logits = model(ids, mask, decoder_input_ids=lamina.tensor(written)).logits[:, -1]
            for row, token in zip(written, logits.argmax(-1).tolist(), strict=True):
                row.append(token)
    assert model.generate(ids, mask, max_new_tokens=7, eos_token_id=[]).tolist() == written


@pytest.mark.parametrize("case", SEQUENCE_CASES)
def test_it_learns_to_copy(case: str) -> None:
    """A step of Adam on a batch lowers its loss, and every parameter has a gradient."""
    model = make(case).train()
    ids = lamina.from_numpy(IDS)
    optimizer = lamina.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = model(ids, labels=ids).loss
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    assert losses[-1] < losses[0] - 0.3
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_bad_input() -> None:
    for case in SEQUENCE_CASES:
        model = make(case)
        good = lamina.tensor([[5, 6]])
        with pytest.raises(ValueError, match="give input_ids or encoder_outputs"):
            model(decoder_input_ids=good)
        with pytest.raises(ValueError, match="give decoder_input_ids or labels"):
            model(good)
        with pytest.raises(IndexError, match="the vocabulary has 99"):
            model(good, decoder_input_ids=lamina.tensor([[99]]))
        with pytest.raises(ValueError, match="hides every token of row 0"):
            model(good, attention_mask=lamina.zeros(1, 2), labels=good)
        if case in ("bart", "marian"):
            with pytest.raises(ValueError, match="there are 40 positions"):
                model(good, decoder_input_ids=lamina.full((1, 41), 3))
            with pytest.raises(ValueError, match="there are 40 positions"):
                model.generate(good, max_new_tokens=40)
    with pytest.raises(lamina.ShapeError, match="encoder_attention_heads=5"):
        text.BartConfig(encoder_attention_heads=5)
    with pytest.raises(lamina.ShapeError, match="normalize_before must be False"):
        text.MarianConfig.from_dict({"normalize_before": True})
    with pytest.raises(lamina.ShapeError, match="buckets"):
        text.T5Config(relative_attention_num_buckets=2)


def small_vit(kind: Any = ViTForImageClassification) -> Any:
    model = kind(ViTConfig.from_dict(VIT)).eval()
    with lamina.no_grad():
        fill(model.named_parameters(), lambda p, values: p.copy_(lamina.from_numpy(values)))
    return model


def pictures() -> Any:
    return np.random.RandomState(5).standard_normal((2, 3, 32, 32)).astype(np.float32)


def test_vit_gives_the_published_numbers() -> None:
    with lamina.no_grad():
        found = small_vit()(lamina.from_numpy(pictures()), labels=lamina.tensor([1, 3]))
    np.testing.assert_allclose(some(found.logits.numpy()), GOLDEN["vit"][:6], atol=2e-4)
    assert abs(found.loss.item() - GOLDEN["vit"][6]) < 1e-4


def test_vit_where_transformers_is_installed(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    for kind in (ViTModel, ViTForImageClassification):
        ours = small_vit(kind)
        ours.save_pretrained(tmp_path)
        theirs = getattr(transformers, kind.__name__).from_pretrained(tmp_path)
        theirs.set_attn_implementation("eager")
        with torch.no_grad():
            expected = theirs(torch.from_numpy(pictures()), output_attentions=True)
        theirs.save_pretrained(tmp_path)
        with lamina.no_grad():
            again = kind.from_pretrained(tmp_path)(lamina.from_numpy(pictures()), output_attentions=True)
        for name in ("last_hidden_state", "pooler_output", "logits"):
            if name in expected:
                np.testing.assert_allclose(again[name].numpy(), expected[name].numpy(), atol=2e-4)
        np.testing.assert_allclose(again.attentions[1].numpy(), expected.attentions[1].numpy(), atol=2e-4)


def test_vit_refuses_other_images() -> None:
    with pytest.raises(ValueError, match=r"expected images \(n, 3, 32, 32\), got \(1, 3, 32, 31\)"):
        small_vit()(lamina.zeros(1, 3, 32, 31))
    with pytest.raises(lamina.ShapeError, match="no multiple of patch_size"):
        ViTConfig(image_size=30)
