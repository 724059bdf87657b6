"""lamina: deep learning with a C++ core under PyTorch's names; scripts may ``import lamina as torch``.

Tensors and their functions are here. ``nn``, ``optim`` and the other packages load when they are first used.
"""

# ruff: noqa: E402, F401, F403  (the core must know Size first; what is imported here is what is offered)
import math as _math
import typing as _typing
from importlib import import_module as _import_module

from lamina import _core
from lamina.size import Size
from lamina.version import __version__

_core.set_size_type(Size)

from lamina import argument as _argument
from lamina import autograd, random, surface
from lamina.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from lamina.convert import legacy_tensor as _legacy_tensor
from lamina.device_type import device, get_default_device, set_default_device
from lamina.dtype_info import can_cast, finfo, iinfo

globals().update(surface.public())

from lamina.calculus import *
from lamina.combination import *
from lamina.contraction import *
from lamina.convert import *
from lamina.creation import *
from lamina.elementwise import *
from lamina.indexing import *
from lamina.matrix import *
from lamina.order_statistic import *
from lamina.partition import *
from lamina.progression import *
from lamina.query import *
from lamina.random import *
from lamina.reduction import *
from lamina.search import *
from lamina.shape import *
from lamina.system import *

_argument.guard(globals(), __name__)

inf, nan, pi, e = _math.inf, _math.nan, _math.pi, _math.e
newaxis = None

if _typing.TYPE_CHECKING:
    from lamina import (
        accelerator,
        amp,
        backends,
        compiler,
        cpu,
        cuda,
        distributions,
        fft,
        func,
        hub,
        io,
        jit,
        linalg,
        models,
        nn,
        onnx,
        optim,
        special,
        testing,
        train,
        utils,
    )
    from lamina._core import *  # type: ignore[assignment]
    from lamina.io import load, save
    from lamina.printing import set_printoptions


_import_module("lamina.interop").wait_for_einops()


def __getattr__(name: str) -> _typing.Any:
    if name in surface.WHERE:
        found = getattr(_import_module(f"lamina.{surface.WHERE[name]}"), name)
        found = _argument.offered(found, __name__)
    elif name.startswith("_foreach_"):
        found = getattr(_import_module("lamina.foreach"), name)
    else:
        try:
            hidden = name.startswith("_") and name not in ("_dynamo", "_inductor")
            found = None if hidden else _import_module(f"lamina.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"lamina.{name}":  # a module of ours that misses what it needs
                raise
            found = None
        if name == "compile":
            found = _import_module("lamina.compiler").given_back(name, "TORCH_COMPILE_DISABLE", "1")
        if found is None:
            raise AttributeError(f"module 'lamina' has no attribute {name!r}")
    globals()[name] = found
    return found
