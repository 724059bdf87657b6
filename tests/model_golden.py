"""Weights made of a parameter's name, and what torchvision 0.28 on PyTorch 2.13 computes with them.

``python tests/model_golden.py`` prints the table anew, where both are installed.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def weights(shapes: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    """Numbers for all names of a state dict: they follow from the name and keep the scale of a signal."""
    made = {}
    for name, shape in shapes.items():
        values: Any = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(
            shape, dtype=np.float32
        )
        if name.endswith("num_batches_tracked"):
            values = np.int64(0)
        elif name.endswith("running_var"):
            values = 0.5 + np.abs(values) * 0.5
        elif len(shape) > 1 and "token" not in name and "pos_" not in name:
            values = values / np.sqrt(np.prod(shape[1:]))
        else:
            values = 1 + 0.2 * values if name.endswith("weight") else 0.1 * values
        made[name] = np.asarray(values, dtype=np.int64 if np.ndim(values) == 0 else np.float32)
    return made


def options(name: str) -> dict[str, int]:
    return {"num_classes": 10, "image_size": 32} if name.startswith("vit") else {"num_classes": 10}


def images(name: str) -> np.ndarray:
    size = 32 if name.startswith("vit") else 64
    return np.random.default_rng(0).standard_normal((2, 3, size, size), dtype=np.float32)


# The first four scores of the second image.
SCORES = {
    "alexnet": (-0.493101, -0.0634803, 0.159213, 0.115324),
    "vgg11_bn": (-0.381545, -0.254826, 0.622412, 0.148637),
    "resnet18": (2.47878, 0.868575, 3.48349, -2.16713),
    "resnet34": (7.03567, 6.30028, 14.8327, -8.91105),
    "resnet50": (7.47978, -14.5321, -14.9471, 5.749),
    "resnet101": (105.185, -95.6461, -81.2756, 56.0435),
    "resnet152": (1186.04, -752.634, -833.455, 297.581),
    "resnext50_32x4d": (5.21327, -7.3569, -4.40618, 7.88684),
    "densenet121": (0.105649, -0.00987233, 0.0383261, 0.227066),
    "densenet169": (0.11225, 0.0440864, -0.0325547, 0.30803),
    "densenet201": (0.221203, -0.150484, 0.257417, 0.137214),
    "squeezenet1_0": (0.00272382, 0.119175, 0.170304, 0.0382843),
    "squeezenet1_1": (0.012424, 0.129395, 0.177726, 0.0519006),
    "mobilenet_v2": (0.251321, 0.261055, 0.209461, 0.256592),
    "mobilenet_v3_large": (0.0617301, -0.0328287, 0.235014, 0.0369557),
    "mobilenet_v3_small": (0.0587382, -0.118541, 0.123243, -0.0229697),
    "efficientnet_b0": (-0.13702, 0.201887, 0.000970855, 0.0655796),
    "efficientnet_b1": (-0.0601562, 0.187783, 0.0524293, 0.0313875),
    "efficientnet_b2": (-0.0922789, 0.0783172, 0.168395, -0.316416),
    "efficientnet_b3": (-0.335434, 0.0418193, 0.0353648, -0.183079),
    "efficientnet_b4": (-0.0865268, 0.255797, 0.216654, 0.0458274),
    "efficientnet_b5": (-0.127694, 0.250204, 0.131308, -0.339441),
    "efficientnet_b6": (-0.261688, -0.0522613, -0.039943, 0.187258),
    "efficientnet_b7": (-0.146777, 0.36002, 0.0577789, -0.107025),
    "convnext_tiny": (-0.580929, -1.15886, -0.543963, 0.150713),
    "convnext_small": (-0.190036, -1.17413, -1.23745, -1.24156),
    "vit_b_16": (0.342566, -0.124914, -0.360004, 0.127277),
}


def main() -> None:
    import torch
    import torchvision

    for name in SCORES:
        model = getattr(torchvision.models, name)(**options(name)).eval()
        made = weights({key: value.shape for key, value in model.state_dict().items()})
        model.load_state_dict({key: torch.from_numpy(value) for key, value in made.items()})
        with torch.no_grad():
            scores = model(torch.from_numpy(images(name)))[1, :4]
        print(f'    "{name}": ({", ".join(f"{score:.6g}" for score in scores.tolist())}),')


if __name__ == "__main__":
    main()
