"""Real weights for sequences: a GRU spells words, a Transformer tags letters, an LSTM listens for speech."""

from __future__ import annotations

import json

import numpy as np
import pytest

import lamina
import real
from lamina import nn
from lamina.nn import functional as F

pytestmark = pytest.mark.real

# ---- g2p-en: a GRU reads letters, another one writes phonemes

WORDS = {
    "hello": "HH EH1 L OW0",
    "python": "P AY1 TH AH0 N",
    "transformer": "T R AE0 N S F AO1 R M ER0",
    "lamina": "L AA0 M IY1 N AH0",
    "activationist": "AE2 K T IH0 V EY1 SH AH0 N IH0 S T",
    "convolution": "K AA2 N V AH0 L UW1 SH AH0 N",
    "shakespeare": "SH EY1 K S P IY2 R",
}
VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH UW V W Y Z ZH"  # UW stands without a stress too


def phonemes():
    stressed = [f"{vowel}{stress}" for vowel in VOWELS.split() for stress in (0, 1, 2)]
    return ["<pad>", "<unk>", "<s>", "</s>", *sorted(stressed + CONSONANTS.split())]


def gru(state, side):
    layer = nn.GRU(256, 256, batch_first=True)
    names = {
        f"{side}_{kind}": f"{long}_l0"
        for kind, long in (
            ("w_ih", "weight_ih"),
            ("w_hh", "weight_hh"),
            ("b_ih", "bias_ih"),
            ("b_hh", "bias_hh"),
        )
    }
    layer.load_state_dict({new: state[old] for old, new in names.items()})
    return layer


def test_g2p_spells_words():
    state = lamina.load(real.folder("g2p-en") / "g2p_en/checkpoint20.npz")
    assert len(state) == 12 and sum(value.numel() for value in state.values()) == 834_890
    encoder, decoder = gru(state, "enc"), gru(state, "dec")
    letters, sounds = "abcdefghijklmnopqrstuvwxyz", phonemes()
    assert len(sounds) == 74
    for word, expected in WORDS.items():
        ids = lamina.tensor([[letters.index(letter) + 3 for letter in word] + [2]])
        with lamina.no_grad():
            _, hidden = encoder(F.embedding(ids, state["enc_emb"]))
            said, last = [], 2
            while len(said) < 20:
                out, hidden = decoder(F.embedding(lamina.tensor([[last]]), state["dec_emb"]), hidden)
                last = int(F.linear(out[0, 0], state["fc_w"], state["fc_b"]).argmax())
                if last == 3:
                    break
                said.append(sounds[last])
        assert " ".join(said) == expected


# ---- uzmorph-transformer: three layers over letters


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("pe", lamina.zeros(1, 50, 128))

    def forward(self, x):
        return x + self.pe[:, : x.shape[1]]


class Tagger(nn.Module):
    def __init__(self, letters, tags):
        super().__init__()
        self.embedding = nn.Embedding(letters, 128)
        self.pos_encoder = Positions()
        layer = nn.TransformerEncoderLayer(128, 8, dim_feedforward=256, batch_first=True)
        self.transformer_encoder = nn.TransformerEncoder(layer, 3)
        self.decoder = nn.Linear(128, tags)

    def forward(self, x):
        return self.decoder(self.transformer_encoder(self.pos_encoder(self.embedding(x))))


ANALYSES = {
    "kitoblarimizdagilar": ("kitob", "NOUN", "possession=1|plural=1"),
    "yozayapmiz": ("yoz", "VERB", "tense=Present|person=1"),
    "maktabda": ("maktab", "NOUN", "cases=Locative"),
}


def test_a_transformer_analyses_uzbek_words():
    data = real.folder("uzmorph-transformer") / "uzmorph_transformer/data"
    letters = json.loads((data / "char_vocab.json").read_text(encoding="utf-8"))
    numbers = json.loads((data / "tag_vocab.json").read_text(encoding="utf-8"))
    state = lamina.load(data / "morph_transformer.pth", map_location="cpu", weights_only=True)
    assert len(state) == 40 and sum(value.numel() for value in state.values()) == 506_346
    model = Tagger(49, 746).eval()
    assert str(model.load_state_dict(state)) == "<All keys matched successfully>"
    tags = {number: tag for tag, number in numbers.items()}
    for word, (stem, kind, features) in ANALYSES.items():
        ids = [letters[letter] for letter in word] + [letters["PAD"]] * (30 - len(word))
        with lamina.no_grad():
            best = model(lamina.tensor([ids])).argmax(-1)[0].tolist()
        found = [tags[number] for number in best[: len(word)]]
        assert "".join(letter for letter, tag in zip(word, found, strict=True) if "ROOT" in tag) == stem
        last = [tag for tag in found if "B-SUFF" in tag][-1].split("-")
        assert last[2] == kind and last[3].startswith(features)


# ---- Silero VAD: a spectrum by convolution, four convolutions, an LSTM cell


class Listener(nn.Module):
    """Probability of speech in frames of 512 samples at 16 kHz, each with the 64 samples before it."""

    def __init__(self):
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm_cell = nn.LSTMCell(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def forward(self, sound):
        frames = F.pad(sound, (64, 0)).unfold(0, 576, 512)
        x = self.stft_conv(F.pad(frames[:, None], (0, 64), mode="reflect"))
        x = (x[:, :129] ** 2 + x[:, 129:] ** 2).sqrt()
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = conv(x).relu()
        state, out = None, []
        for step in x[:, :, 0]:
            state = self.lstm_cell(step[None], state)
            out.append(self.final_conv(state[0].relu()[:, :, None]).sigmoid().reshape(()))
        return lamina.stack(out)


# Five seconds each, and the mean that PyTorch 2.13 finds with the same weights.
SOUNDS = {
    "silence": (lambda n: np.zeros(n), 0.00520519),
    "noise": (lambda n: np.random.default_rng(0).normal(0, 0.1, n), 0.01077581),
    "a tone of 440 Hz": (lambda n: 0.5 * np.sin(2 * np.pi * 440 * np.arange(n) / 16000), 0.00022547),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_silero_hears_no_speech_where_there_is_none(name):
    model = Listener().eval()
    state = lamina.load(real.folder("silero-vad") / "silero_vad/data/silero_vad_16k.safetensors")
    assert len(state) == 15 and sum(value.numel() for value in state.values()) == 309_633
    assert str(model.load_state_dict(state)) == "<All keys matched successfully>"
    make, mean = SOUNDS[name]
    with lamina.no_grad():
        heard = model(lamina.from_numpy(make(5 * 16000).astype(np.float32)))
    assert heard.max().item() < 0.05 and heard.mean().item() == pytest.approx(mean, rel=1e-4)


def test_silero_as_an_onnx_graph_is_the_torchscript_archive():
    """Two files of the release with the same weights: one runs in lamina.onnx, one in the module above."""
    pytest.importorskip("onnx")
    data = real.folder("silero-vad") / "silero_vad/data"
    graph = lamina.onnx.load(data / "silero_vad_16k_sequence.onnx")
    assert [port.name for port in graph.inputs] == ["input", "h", "c"]
    archive = lamina.load(data / "silero_vad.jit")
    model = Listener().eval()
    names = {"_model.stft.forward_basis_buffer": "stft_conv.weight"}
    for n in range(4):
        names[f"_model.encoder.{n}.reparam_conv."] = f"conv{n + 1}."
    names |= {"_model.decoder.rnn.": "lstm_cell.", "_model.decoder.decoder.2.": "final_conv."}
    own = {key: value.detach() for key, value in archive.items() if key.startswith(tuple(names))}
    model.load_state_dict(own, rename=names)
    sound = lamina.from_numpy(np.random.default_rng(1).normal(0, 0.05, 40 * 512).astype(np.float32))
    frames = F.pad(sound, (64, 0)).unfold(0, 576, 512)
    zero = lamina.zeros(1, 1, 128)
    with lamina.no_grad():
        heard = graph(frames, zero, zero)
        expected = model(sound)
    assert (heard[0].reshape(-1) - expected).abs().max().item() < 1e-5
    assert sum(parameter.numel() for parameter in graph.parameters()) == 309_633
    graph(frames, zero, zero)[0].mean().backward()
    assert all(parameter.grad is not None for parameter in graph.parameters())
