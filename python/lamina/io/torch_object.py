"""What PyTorch's pickles mean: storages, tensors and parameters, by the names that stand in the files.

Nothing here knows files: the bytes of a storage come from whoever reads one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import lamina
from lamina import _core
from lamina.device_type import KNOWN, check, device

from . import plain_object
from .file import MAX_DIMS, MAX_GROWN, MAX_RATIO
from .unpickler import Global, Record, Unpickler, shown
from .wider import WIDER, widened

if TYPE_CHECKING:
    from lamina import Tensor

# The first part of the name of a storage's class, the dtype, and the bytes of an element.
STORAGES = {
    "Double": ("float64", 8),
    "Float": ("float32", 4),
    "Half": ("float16", 2),
    "BFloat16": ("bfloat16", 2),
    "Long": ("int64", 8),
    "Int": ("int32", 4),
    "Short": ("int16", 2),
    "Char": ("int8", 1),
    "Byte": ("uint8", 1),
    "Bool": ("bool", 1),
    "ComplexFloat": ("complex64", 8),
    "ComplexDouble": ("complex128", 16),
}
SIZES = {**dict(STORAGES.values()), **{name: wider.bytes for name, wider in WIDER.items()}}
# What lamina has nothing like, and what makes it.
ABSENT = {
    "sparse tensors, nor other layouts": [
        "torch._utils._rebuild_sparse_tensor",
        "torch._utils._rebuild_sparse_csr_tensor",
        "torch.serialization._get_layout",
    ],
    "quantized tensors": ["torch._utils._rebuild_qtensor"],
    "nested tensors": ["torch._utils._rebuild_nested_tensor"],
    "tensors without numbers": ["torch._utils._rebuild_meta_tensor_no_storage"],
}


class StorageType(Global):
    """A class of storages; ``dtype`` is a name, or None where only the tensors say."""

    __slots__ = ("dtype",)

    def __init__(self, name: str, dtype: str | None) -> None:
        super().__init__(name)
        self.dtype = dtype

    @property
    def size(self) -> int:
        """Bytes of an element."""
        return 1 if self.dtype is None else SIZES[self.dtype]


class Storage:
    """The bytes that tensors look at, and share; ``ready`` unless they arrive later."""

    def __init__(self, kind: StorageType, memory: Any, ready: bool = True) -> None:
        self.kind, self.memory, self.ready = kind, memory, ready
        self._flat: dict[str, Tensor] = {}

    def flat(self, machine: Unpickler, dtype: str | None = None) -> Tensor:
        """All elements as a tensor of one dimension."""
        name = dtype or self.kind.dtype
        if name is None:
            machine.fail("a tensor that does not say its dtype looks at a storage that has none")
        if name not in self._flat:
            known = getattr(lamina, name, None)
            if name in WIDER and self.ready and len(self.memory) % SIZES[name] == 0:
                self._flat[name] = widened(name, self.memory)
            elif known is None:
                machine.fail(f"lamina has no dtype {name}")
            else:
                count = len(self.memory) // SIZES[name]
                self._flat[name] = _core.from_buffer(self.memory, known, (count,), 0)
            if self.ready:
                self.arrived(machine)
        return self._flat[name]

    def arrived(self, machine: Unpickler) -> None:
        """Check the bytes, once they are there."""
        if "bool" in self._flat and len(self.memory) and np.frombuffer(self.memory, np.uint8).max() > 1:
            machine.fail("a bool is neither 0 nor 1")


class Place:
    """``map_location`` as PyTorch takes it: a device, a dict of them, or a function of storage and name.

    Whatever device a file names, its tensors come to the CPU, the only one there is; another raises.
    """

    def __init__(self, where: Any) -> None:
        self.where = where
        if where is not None and not isinstance(where, Mapping) and not callable(where):
            check(where)

    def put(self, machine: Unpickler, storage: Storage, location: Any) -> None:
        if isinstance(self.where, Mapping):
            check(self.where.get(location))
        elif callable(self.where):
            flat = storage.flat(machine, storage.kind.dtype or "uint8")
            found = self.where(flat, location)
            if found is not None and found is not flat:
                if not isinstance(found, lamina.Tensor) or found.shape != flat.shape:
                    raise TypeError(
                        "load: map_location must return the storage that it got, another of its "
                        f"size, or None, but returned a {type(found).__name__}"
                    )
                flat.copy_(found)


def _integers(machine: Unpickler, value: Any, what: str) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)) or not all(type(n) is int and -1 < n < 2**63 for n in value):
        machine.fail(f"a tensor's {what} must be non-negative integers of 64 bits")
    if len(value) > MAX_DIMS:
        machine.fail(f"a tensor's {what} has {len(value)} numbers, more than {MAX_DIMS}")
    return tuple(value)


def _view(
    machine: Unpickler, storage: Any, offset: Any, size: Any, stride: Any, dtype: str | None = None
) -> Tensor:
    if not isinstance(storage, Storage):
        machine.fail(f"a tensor is made of a {type(storage).__name__}, not of a storage")
    shape, strides = _integers(machine, size, "size"), _integers(machine, stride, "stride")
    [start] = _integers(machine, (offset,), "offset")
    # Zeros would hide an overflow of what is computed from the others.
    reach = 1
    for count in shape:
        reach *= max(count, 1)
    if reach >= 2**60:
        machine.fail(f"a tensor's size {list(shape)} overflows")
    flat = storage.flat(machine, dtype)
    if reach * flat.element_size() > max(MAX_GROWN, MAX_RATIO * len(storage.memory)):
        machine.fail(f"a tensor of size {list(shape)} repeats a storage of {len(storage.memory)} bytes")
    return flat.as_strided(shape, strides, start)


def _tensor(
    machine: Unpickler,
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any = False,
    hooks: Any = None,
    metadata: Any = None,
) -> Tensor:
    if hooks or metadata:
        machine.fail("a tensor with backward hooks, or one that is conjugated or negated, cannot be read")
    return _with_grad(machine, _view(machine, storage, offset, size, stride), requires_grad)


def _tensor_v3(
    machine: Unpickler,
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Tensor:
    if hooks or metadata or not isinstance(dtype, (lamina.dtype, Global)):
        machine.fail("a tensor with backward hooks, or without a dtype, cannot be read")
    name = (dtype.name if isinstance(dtype, Global) else str(dtype)).rpartition(".")[2]
    if name not in SIZES:
        machine.fail(f"lamina has no dtype {name}")
    return _with_grad(machine, _view(machine, storage, offset, size, stride, name), requires_grad)


def _with_grad(machine: Unpickler, tensor: Tensor, requires_grad: Any) -> Tensor:
    if type(requires_grad) is not bool:
        machine.fail("requires_grad must be a bool")
    return tensor.requires_grad_() if requires_grad else tensor


def _parameter(
    machine: Unpickler, data: Any = None, requires_grad: Any = True, hooks: Any = None, state: Any = None
) -> Tensor:
    from lamina.nn.parameter import Parameter

    if not isinstance(data, lamina.Tensor) or type(requires_grad) is not bool or hooks:
        machine.fail("a parameter must be a tensor, without hooks")
    return _with_attributes(machine, Parameter(data, requires_grad), state)


def _from_type(machine: Unpickler, function: Any, kind: Any, arguments: Any, state: Any) -> Tensor:
    made = machine.call(function, arguments)
    if not isinstance(made, lamina.Tensor) or not isinstance(kind, Global):
        machine.fail("what is rebuilt is no tensor")
    if kind.name.endswith("Parameter") and not hasattr(made, "_is_param"):
        made = _parameter(machine, made.detach(), made.requires_grad)
    return _with_attributes(machine, made, state)


def _with_attributes(machine: Unpickler, tensor: Tensor, state: Any) -> Tensor:
    if state:
        if not isinstance(state, dict) or not all(
            isinstance(key, str) and not key.startswith("__") and not hasattr(type(tensor), key)
            for key in state
        ):
            machine.fail("a tensor's attributes must be a dict of names that tensors do not have themselves")
        machine.charge(state)
        tensor.__dict__.update(state)
    return tensor


def _device(machine: Unpickler, kind: Any = "cpu", index: Any = None) -> device:
    if not isinstance(kind, str) or kind.partition(":")[0] not in KNOWN:
        machine.fail(f"the device {shown(kind)} is none of {', '.join(KNOWN)}")
    if index is not None and type(index) is not int:
        machine.fail(f"the index of a device is {shown(index)}")
    return device(kind, index)


def _size(machine: Unpickler, numbers: Any = ()) -> Any:
    return lamina.Size(_integers(machine, numbers, "size"))


FUNCTIONS: dict[str, Callable[..., Any] | None] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch.nn.parameter.Parameter": _parameter,
    "torch.Tensor": None,
    "torch.Size": _size,
    "torch.device": _device,
    **plain_object.FUNCTIONS,
}
SCRIPT_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(
        [f"torch.jit._pickle.build_{kind}list" for kind in ("int", "double", "bool", "tensor", "complex")],
        lambda machine, items: list(items),
    ),
    "torch.jit._pickle.restore_type_tag": lambda machine, value, tag: value,
}


def find(name: str) -> Any:
    """What a name in a checkpoint stands for, or None."""
    if name in FUNCTIONS:
        return Global(name, FUNCTIONS[name])
    if name in ("torch.storage.UntypedStorage", "torch.storage._UntypedStorage"):
        return StorageType(name, None)
    package, _, last = name.rpartition(".")
    if package in ("torch", "torch.cuda") and last.endswith("Storage") and last[:-7] in STORAGES:
        return StorageType(name, STORAGES[last[:-7]][0])
    if package == "torch":
        found = getattr(lamina, last, None)
        if isinstance(found, lamina.dtype):
            return found
        if last in WIDER or last.startswith(
            ("uint", "complex", "float", "bits", "quint", "qint", "Q", "per_")
        ):
            return Global(name)  # a dtype that lamina lacks
    return next((_lacking(name, what) for what, names in ABSENT.items() if name in names), None)


def _lacking(name: str, what: str) -> Global:
    return Global(name, lambda machine, *arguments: machine.fail(f"lamina has no {what}"))


def find_script(name: str) -> Any:
    """The same in a TorchScript archive, where classes of the file's own are records of attributes."""
    if name.startswith("__torch__."):
        return Global(name, lambda machine, *arguments: Record(name))
    return Global(name, SCRIPT_FUNCTIONS[name]) if name in SCRIPT_FUNCTIONS else find(name)
