"""The networks of images under torchvision's path: each is the one module of lamina.models.vision."""

import sys
from importlib import import_module
from pkgutil import iter_modules

from lamina.models import vision

for _module in iter_modules(vision.__path__):
    sys.modules[f"{__name__}.{_module.name}"] = import_module(f"{vision.__name__}.{_module.name}")
sys.modules[__name__] = vision
