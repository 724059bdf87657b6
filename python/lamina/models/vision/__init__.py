"""Networks for images under torchvision's constructor names, hyper-parameters and ``state_dict`` keys.

Every constructor takes ``weights``, a state dict or the path of a checkpoint, and the options of its class.
The names ``ViT...`` are Hugging Face's, with ``from_pretrained``.
A network's file is loaded when its name is first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# The file of each name.
_FILES = {
    "classic": "LeNet5 lenet5 AlexNet alexnet",
    "vgg": "VGG vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn",
    "resnet": "ResNet resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d "
    "wide_resnet50_2 wide_resnet101_2",
    "densenet": "DenseNet densenet121 densenet161 densenet169 densenet201",
    "squeezenet": "SqueezeNet squeezenet1_0 squeezenet1_1",
    "mobilenet": "MobileNetV2 mobilenet_v2",
    "mobilenetv3": "MobileNetV3 mobilenet_v3_large mobilenet_v3_small",
    "efficientnet": "EfficientNet efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 "
    "efficientnet_b4 efficientnet_b5 efficientnet_b6 efficientnet_b7",
    "efficientnet_lite": "EfficientNetLite efficientnet_lite0 efficientnet_lite1 efficientnet_lite2",
    "convnext": "ConvNeXt convnext_tiny convnext_small convnext_base",
    "vit": "VisionTransformer vit_b_16 vit_b_32 vit_l_16 vit_l_32",
    "hub_vit": "ViTConfig ViTForImageClassification ViTModel",
    "segmentation": "UNet unet",
}
_FILE_OF = {name: file for file, names in _FILES.items() for name in names.split()}
__all__ = sorted(_FILE_OF)


def __getattr__(name: str) -> Any:
    file = _FILE_OF.get(name)
    if file is None:
        raise AttributeError(f"module 'lamina.models.vision' has no attribute {name!r}")
    module = import_module(f"lamina.models.vision.{file}")
    globals().update({each: getattr(module, each) for each in _FILES[file].split()})
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def list_models() -> list[str]:
    """The names of all constructors.

    >>> "resnet18" in list_models()
    True
    """
    return [name for name in __all__ if name.islower()]


def get_model(name: str, **options: Any) -> Any:
    """The network of this name, built with ``options``.

    Raises:
        ValueError: no such network; the message lists those that there are.
    """
    if name not in list_models():
        raise ValueError(f"Unknown model {name!r}; there are {', '.join(list_models())}")
    return __getattr__(name)(**options)
