"""Models of lamina.models.text against numbers of transformers, and against it where it is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
import lamina.models.text as text
from text_model import CASES, IDS, MASK, make, numbers, reference

# Six numbers of each output, equally far apart, of transformers 5.23 with torch 2.13 in float32; the weights
# are those of text_model.fill. Printed by: {k: v.ravel()[np.linspace(0, v.size - 1, 6).astype(int)]}.
GOLDEN = {
    "bert": {
        "last_hidden_state": [0.0507, 0.73858, 1.00646, -0.2552, 0.5113, 0.6956],
        "pooler_output": [0.48605, -0.51772, 0.16664, 0.6801, -0.17831, 0.90042],
    },
    "bert-mlm": {
        "logits": [1.30716, -0.62024, -1.04559, -1.08036, -0.79631, -0.89988],
    },
    "bert-texts": {
        "logits": [-0.69074, -0.39024, 0.51637, -0.64805, -0.64213, 0.84047],
    },
    "bert-tokens": {
        "logits": [0.14285, 0.31984, 0.1881, 0.24635, 0.03336, 0.25554],
    },
    "bert-answers": {
        "start_logits": [1.24449, 1.41406, 0.823, 0.76435, 1.92142, 1.51442],
        "end_logits": [0.13455, -0.51109, 0.33164, 0.62244, 0.0034, 0.32125],
    },
    "roberta": {
        "last_hidden_state": [0.61567, 0.67767, 0.96454, -0.01323, 0.61378, 0.49923],
        "pooler_output": [-0.05969, -0.75259, -0.04143, 0.65977, -0.12835, 0.8333],
    },
    "roberta-mlm": {
        "logits": [-0.97082, -0.66942, -0.44222, -1.16057, -0.65564, -1.46366],
    },
    "roberta-texts": {
        "logits": [-0.84551, 0.59078, 1.62109, -1.58499, 0.17041, 0.5987],
    },
    "roberta-tokens": {
        "logits": [0.67136, 0.9817, 0.58133, 0.51361, 0.21465, -0.64916],
    },
    "distilbert": {
        "last_hidden_state": [-0.41487, 0.03083, -0.89657, 0.98385, -0.37242, -1.23756],
    },
    "distilbert-mlm": {
        "logits": [-1.26405, 0.01201, -0.1105, 0.83403, -0.30437, 0.52635],
    },
    "distilbert-texts": {
        "logits": [0.22731, 0.36893, 1.05377, -0.01779, 0.09227, -0.89748],
    },
    "distilbert-tokens": {
        "logits": [1.76517, 0.18666, 0.15869, 0.7311, 1.0014, -0.2583],
    },
    "gpt2": {
        "logits": [1.42569, -0.7275, -0.42055, 0.77315, 0.33875, 0.53764],
    },
    "distilbert-answers": {
        "start_logits": [-0.61271, 1.22032, -0.65023, -0.80729, 0.25172, -0.90725],
        "end_logits": [-0.65045, 0.68654, 0.59129, -0.9321, -0.66665, 0.9989],
    },
    "gpt2-scales": {
        "logits": [1.42569, -0.41015, -0.70221, 0.92229, 0.13259, 0.51119],
    },
    "phi3-partial": {
        "logits": [1.47373, 1.10336, -0.83439, -0.21067, -0.72705, -0.13217],
    },
    "phi3-short": {
        "logits": [1.47373, 1.76529, 0.05385, -0.63607, -0.42688, 1.09532],
    },
    "phi3-long": {
        "logits": [1.47373, 1.73944, -0.34279, -0.67111, -0.08612, 1.19591],
    },
    "smollm3": {
        "logits": [1.18947, -0.12023, -0.34432, -1.94104, -1.80935, 0.31283],
    },
    "granite": {
        "logits": [0.06649, 0.39928, 0.16133, 0.80418, 1.11104, 0.17905],
    },
    "olmo2": {
        "logits": [0.05393, -0.26282, 2.0879, -0.48627, 2.44965, 3.1834],
    },
    "llama": {
        "logits": [-0.03348, 0.59969, 1.41395, 0.12982, 2.74065, 2.44424],
    },
    "llama-biased-tied": {
        "logits": [0.57861, -0.3591, -0.46998, -1.77577, -1.06719, -0.71466],
    },
    "llama-linear": {
        "logits": [-0.03348, 0.37291, 0.76738, 1.56971, 2.65182, 2.1934],
    },
    "llama-dynamic": {
        "logits": [-0.03348, 0.60481, 1.41181, 0.62777, 2.7517, 2.45609],
    },
    "llama-yarn": {
        "logits": [-0.03348, 0.63231, 1.4358, -0.34123, 2.69727, 2.35529],
    },
    "llama-llama3": {
        "logits": [-0.03348, 0.59083, 1.4175, -0.30778, 2.72677, 2.43183],
    },
    "mistral": {
        "logits": [-0.03348, 0.59969, 0.84343, -0.20878, 2.74065, 1.38135],
    },
    "phi3": {
        "logits": [1.4737, 1.4314, 0.2138, -0.5555, -0.8899, 0.3222],
    },
    "qwen2": {
        "logits": [-0.18225, 0.36045, 0.85334, -0.10259, 2.58547, 1.90621],
    },
    "qwen3": {
        "logits": [0.41662, -0.22847, -0.67358, -0.71391, -0.14395, -0.10091],
    },
    "gemma": {
        "logits": [-1.61913, -1.07508, 0.84897, -0.25204, 3.6758, 1.349],
    },
    "gemma2": {
        "logits": [0.08372, -1.92488, -0.76762, -1.94721, 2.0494, -0.09751],
    },
    "gemma3": {
        "logits": [0.08372, -1.34224, -0.99174, -1.79248, 1.82249, -0.42406],
    },
}


def run(model: Any, **options: Any) -> Any:
    with lamina.no_grad():
        return model(lamina.from_numpy(IDS), attention_mask=lamina.from_numpy(MASK), **options)


@pytest.mark.parametrize("case", CASES)
def test_published_code_gives_the_same_numbers(case: str) -> None:
    found = numbers(run(make(case)))
    assert list(found) == list(GOLDEN[case])
    for name, values in found.items():
        some = values.ravel()[np.linspace(0, values.size - 1, 6).astype(int)]
        np.testing.assert_allclose(some, GOLDEN[case][name], atol=2e-4, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_transformers_where_it_is_installed(case: str, tmp_path: Path) -> None:
    """A checkpoint that transformers wrote loads unchanged and gives what transformers computes."""
    pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    theirs = reference(case)
    theirs.save_pretrained(tmp_path)
    ours = getattr(text, CASES[case][0]).from_pretrained(tmp_path)
    with torch.no_grad():
        options = {"output_hidden_states": True, "output_attentions": True}
        theirs.set_attn_implementation("eager")
        expected = theirs(torch.from_numpy(IDS), attention_mask=torch.from_numpy(MASK), **options)
    found = run(ours, **options)
    for name, values in numbers(expected).items():
        np.testing.assert_allclose(numbers(found)[name], values, atol=2e-4)
    for name in ("hidden_states", "attentions"):
        assert len(found[name]) == len(expected[name])
        for mine, other in zip(found[name], expected[name], strict=True):
            real = np.moveaxis(mine.numpy(), -2, 1)[MASK > 0]
            np.testing.assert_allclose(real, np.moveaxis(other.numpy(), -2, 1)[MASK > 0], atol=2e-4)


@pytest.mark.parametrize("case", ["bert-mlm", "gpt2", "llama-biased-tied", "gemma2"])
def test_what_is_saved_loads(case: str, tmp_path: Path) -> None:
    model = make(case)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert again.config == model.config and not again.training
    assert (run(again).logits == run(model).logits).all()
    half = type(model).from_pretrained(tmp_path, dtype=lamina.bfloat16)
    assert next(half.parameters()).dtype == lamina.bfloat16


def test_a_trunk_loads_from_a_model_with_a_head_and_back(tmp_path: Path) -> None:
    model = make("bert-texts")
    model.save_pretrained(tmp_path)
    trunk = text.BertModel.from_pretrained(tmp_path)
    assert (run(trunk).last_hidden_state == run(model.bert).last_hidden_state).all()
    trunk.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"classifier\.weight, classifier\.bias: they start"):
        headed = text.BertForSequenceClassification.from_pretrained(tmp_path)
    assert (headed.bert.pooler.dense.weight == trunk.pooler.dense.weight).all()
    assert headed.classifier.weight.std() > 0 and (headed.classifier.bias == 0).all()


@pytest.mark.parametrize("change", [{"num_hidden_layers": 2}, {"num_hidden_layers": 4}, {"vocab_size": 98}])
def test_a_config_that_does_not_fit_the_weights(change: dict[str, int], tmp_path: Path) -> None:
    make("llama").save_pretrained(tmp_path)
    with pytest.raises(
        lamina.FileFormatError, match=r"does not fit LlamaForCausalLM: .*(layers|embed_tokens)"
    ):
        text.LlamaForCausalLM.from_pretrained(tmp_path, **change)


@pytest.mark.parametrize(
    "config, change, message",
    [
        ("BertConfig", {"num_attention_heads": 5}, "no multiple of num_attention_heads=5"),
        ("BertConfig", {"hidden_size": -4}, "hidden_size must be a positive whole number"),
        ("BertConfig", {"hidden_size": "768"}, "hidden_size must be a positive whole number"),
        ("BertConfig", {"vocab_size": 10**30}, "vocab_size must be"),
        ("BertConfig", {"hidden_act": "exec"}, "activation: expected one of"),
        ("BertConfig", {"position_embedding_type": "relative_key"}, "position_embedding_type must be"),
        ("GPT2Config", {"n_head": 7}, "no multiple of n_head=7"),
        ("LlamaConfig", {"num_key_value_heads": 3}, "no multiple of num_key_value_heads=3"),
        ("LlamaConfig", {"num_key_value_heads": 0}, "num_key_value_heads must be a positive"),
        ("LlamaConfig", {"head_dim": 7}, "even"),
        ("LlamaConfig", {"rope_scaling": {"rope_type": "spiral"}}, "rope_type must be one of"),
        ("LlamaConfig", {"rope_scaling": {"rope_type": "linear"}}, "factor must be a positive number"),
        ("LlamaConfig", {"rope_theta": -1.0}, "rope_theta"),
        ("LlamaConfig", {"layer_types": ["full_attention"]}, "layer_types"),
        ("LlamaConfig", {"sliding_window": 0}, "sliding_window"),
    ],
)
def test_configs_that_cannot_be(config: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(lamina.ShapeError, match=message):
        getattr(text, config).from_dict(change)


def test_a_config_file_that_is_none(tmp_path: Path) -> None:
    for content in (b"{", b"[1]", b"\xff\xfe", b"[" * 100000, b'{"hidden_size": 31}'):
        (tmp_path / "config.json").write_bytes(content)
        with pytest.raises(lamina.FileFormatError, match=r"config\.json"):
            text.BertModel.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError):
        text.BertModel.from_pretrained(tmp_path / "nowhere")


def test_weights_in_pieces(tmp_path: Path) -> None:
    model = make("bert")
    model.save_pretrained(tmp_path)
    whole = tmp_path / "model.safetensors"
    state = lamina.load(whole)
    names = list(state)
    pieces = {f"model-{i}-of-2.safetensors": names[i::2] for i in (0, 1)}
    for file, own in pieces.items():
        lamina.save({name: state[name] for name in own}, tmp_path / file)
    whole.unlink()
    places = {name: file for file, own in pieces.items() for name in own}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    again = text.BertModel.from_pretrained(tmp_path)
    assert (run(again).last_hidden_state == run(model).last_hidden_state).all()


@pytest.mark.parametrize("case", ["bert", "roberta", "distilbert", "gpt2", "llama"])
def test_bad_input(case: str) -> None:
    model = make(case)
    good = lamina.tensor([[5, 6, 7]])
    for bad in ([[5, 99]], [[-1, 5]]):
        with pytest.raises(IndexError, match="the vocabulary has 99"):
            model(lamina.tensor(bad))
    with pytest.raises(ValueError, match="input_ids must be whole numbers"):
        model(lamina.tensor([5, 6]))
    with pytest.raises(ValueError, match="input_ids must be whole numbers"):
        model(lamina.tensor([[5.0]]))
    with pytest.raises(ValueError, match="no tokens"):
        model(lamina.zeros(1, 0, dtype=lamina.int64))
    with pytest.raises(ValueError, match="hides every token of row 1"):
        model(good.repeat(2, 1), attention_mask=lamina.tensor([[1, 1, 1], [0, 0, 0]]))
    with pytest.raises(ValueError, match=r"attention_mask must be \(1, 3\)"):
        model(good, attention_mask=lamina.ones(1, 4))
    if case != "llama":
        with pytest.raises(ValueError, match="positions"):
            model(lamina.full((1, 600), 5))


def test_losses_are_those_of_the_logits() -> None:
    ids = lamina.from_numpy(IDS)
    out = make("llama")(ids, labels=ids)
    shifted = lamina.nn.functional.cross_entropy(out.logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    assert abs(out.loss.item() - shifted.item()) < 1e-6
    out.loss.backward()
    labels = ids.masked_fill(lamina.from_numpy(MASK) == 0, -100)
    out = make("bert-mlm")(ids, labels=labels)
    chance = out.logits.log_softmax(-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1)
    assert abs(out.loss.item() + chance.detach().numpy()[MASK > 0].mean()) < 1e-5
    for labels, kind in ((lamina.tensor([0, 2]), "single"), (lamina.rand(2, 3).round(), "multi")):
        out = make("bert-texts")(ids, labels=labels)
        logits = out.logits.detach().numpy().astype(np.float64)
        if kind == "single":
            expected = (np.log(np.exp(logits).sum(1)) - logits[np.arange(2), labels.numpy()]).mean()
        else:
            expected = (np.log1p(np.exp(logits)) - logits * labels.numpy()).mean()
        assert abs(out.loss.item() - expected) < 1e-5


def test_every_name_of_the_package_is_there() -> None:
    assert len(text.__all__) > 30
    for name in text.__all__:
        assert getattr(text, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'Bort'"):
        _ = text.Bort
