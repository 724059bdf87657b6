"""Module, the base of every layer and model: calling, training mode, conversion of all tensors, and printing.

Members are kept in member.py, hooks in hook.py, state dicts in state.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import lamina
from lamina._core import Tensor
from lamina.nn.modules.hook import Hooks
from lamina.nn.modules.member import kind_of
from lamina.nn.modules.state import State

Self = TypeVar("Self", bound="Module")


class Module(Hooks, State):
    """Base class of all layers and models: assign parameters and modules, and define ``forward``.

    >>> class Half(lamina.nn.Module):
    ...     def forward(self, x):
    ...         return x / 2
    >>> Half()(lamina.tensor([4.0])).item()
    2.0
    """

    def __init__(self) -> None:
        super().__init__()
        self.__dict__.update(
            _forward_pre_hooks={},
            _forward_hooks={},
            _forward_pre_hooks_with_kwargs={},
            _forward_hooks_with_kwargs={},
            _forward_hooks_always_called={},
            _backward_pre_hooks={},
            _backward_hooks={},
            _state_dict_pre_hooks={},
            _state_dict_hooks={},
            _load_state_dict_pre_hooks={},
            _load_state_dict_post_hooks={},
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks:
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(f'Module [{kind_of(self)}] is missing the required "forward" function')

    # Mode

    def train(self: Self, mode: bool = True) -> Self:
        """Set training mode here and in all submodules; dropout and batch norm depend on it."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: Self) -> Self:
        """Set inference mode here and in all submodules."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Let all parameters record gradients, or none of them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or with ``set_to_none=False`` fill them with zeros."""
        for parameter in self.parameters():
            if parameter.grad is None:
                continue
            if set_to_none:
                parameter.grad = None
            else:
                parameter.grad = parameter.grad.detach()
                parameter.grad.zero_()

    # Conversion

    def apply(self: Self, fn: Callable[[Module], None]) -> Self:
        """Call ``fn`` on every submodule, children first, and on this module last.

        >>> net = lamina.nn.Sequential(lamina.nn.Linear(2, 2))
        >>> _ = net.apply(lambda m: lamina.nn.init.zeros_(m.bias) if hasattr(m, "bias") else None)
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self: Self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace the data of every parameter, gradient and buffer by what ``fn`` makes of it.

        Parameters stay the same objects, so that an optimizer which holds them goes on working.
        """
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            grad = parameter.grad
            with lamina.no_grad():
                data = fn(parameter.detach())
                grad = None if grad is None else fn(grad.detach()).requires_grad_(grad.requires_grad)
            parameter.grad = None  # it must not disagree with the data in dtype for a moment
            parameter.data = data
            parameter.grad = grad
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self.__dict__[name] = fn(buffer)
        return self

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Convert all floating parameters and buffers to a dtype, or move everything to a device.

        Takes what ``Tensor.to`` takes: a dtype, a device, both, or a tensor to be like.

        Raises:
            TypeError: the dtype is not a floating one.
        """
        dtype = _wanted_dtype(args, kwargs)
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(f"nn.Module.to only accepts floating point dtypes, but got desired dtype={dtype}")

        def convert(tensor: Tensor) -> Tensor:
            converted = tensor.to(*args, **kwargs)
            if tensor.is_floating_point() or converted.dtype == tensor.dtype:
                return converted
            return converted.to(tensor.dtype) if converted.device != tensor.device else tensor

        return self._apply(convert)

    def type(self: Self, dst_type: Any) -> Self:
        """Convert all parameters and buffers to ``dst_type``, integer ones included."""
        return self._apply(lambda tensor: tensor.to(dst_type))

    def float(self: Self) -> Self:
        """Convert all floating parameters and buffers to float32."""
        return self.to(lamina.float32)

    def double(self: Self) -> Self:
        """Convert all floating parameters and buffers to float64."""
        return self.to(lamina.float64)

    def half(self: Self) -> Self:
        """Convert all floating parameters and buffers to float16."""
        return self.to(lamina.float16)

    def bfloat16(self: Self) -> Self:
        """Convert all floating parameters and buffers to bfloat16."""
        return self.to(lamina.bfloat16)

    def cpu(self: Self) -> Self:
        """Move all parameters and buffers to the CPU."""
        return self.to("cpu")

    def cuda(self: Self, device: Any = None) -> Self:
        """Itself if it has neither parameters nor buffers: there is no GPU to move them to.

        Raises:
            RuntimeError: it has some.
        """
        return self._apply(lambda tensor: tensor.cuda(device))

    # Printing

    def _get_name(self) -> str:
        return kind_of(self)

    def extra_repr(self) -> str:
        """What stands between the brackets when the module is printed; layers override it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [f"({name}): " + indented(repr(module)) for name, module in self._modules.items()]
        return f"{self._get_name()}({bracketed(extra.split(chr(10)) if extra else [], children)})"


def indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def bracketed(extra: list[str], children: list[str]) -> str:
    """The inside of a printed module: a single line of facts stays on the first line, all else goes below."""
    if not children and len(extra) <= 1:
        return "".join(extra)
    return "\n  " + "\n  ".join(extra + children) + "\n"


def _wanted_dtype(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            return value.dtype
        if isinstance(value, lamina.dtype):
            return value
    return None
