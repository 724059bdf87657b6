"""PyTorch's files: zip archives, the older single stream, TorchScript archives (their tensors), bare pickles.

Each is a pickle of structure, which unpickler.py reads, and storages, whose bytes lie beside it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import lamina

from . import instance
from .archive import Archive
from .file import aligned
from .torch_object import Place, Storage, StorageType, find, find_script
from .unpickler import Find, Record, Unpickler, shown

# A long of ten bytes in a pickle of protocol 2: how streams begin.
STREAM = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
STREAM_PROTOCOL = 1001
MAX_DEPTH = 1000  # modules in modules


def read_zip(archive: Archive, place: Place, whole: bool = False) -> Any:
    """The object of a zip archive, or the tensors of a TorchScript archive by their dotted names.

    ``whole``: modules and the like may be in it.
    """
    folders = [name[: -len("/data.pkl")] for name in archive.members if name.endswith("/data.pkl")]
    folders = [folder for folder in folders if "/" not in folder]
    if len(folders) != 1:
        archive.fail(f"expected one folder with a data.pkl in the archive, but there are {len(folders)}")
    [folder] = folders
    order = f"{folder}/byteorder"
    if order in archive and bytes(archive.read(order)[:8]).strip() != b"little":
        archive.fail("its numbers are not little-endian")
    scripted = f"{folder}/constants.pkl" in archive or any(
        name.startswith(f"{folder}/code/") for name in archive.members
    )
    storages: dict[str, Storage] = {}
    locations: dict[str, str] = {}

    def persistent(identity: Any) -> Storage:
        kind, key, location, count = _storage_id(machine, identity)
        if key not in storages:
            path = f"{folder}/data/{key}"
            if path not in archive:
                machine.fail(f"the archive has no storage {path!r}")
            memory = archive.read(path)
            if len(memory) != count * kind.size:
                machine.fail(
                    f"storage {key!r} of {count} elements of {kind.size} bytes has {len(memory)} bytes"
                )
            storages[key] = Storage(kind, memory)
            locations[key] = location
        return _same_kind(machine, storages[key], kind)

    text = bytes(archive.read(f"{folder}/data.pkl"))
    name = f"{archive.name}: {folder}/data.pkl"
    machine = Unpickler(text, name, find_script if scripted else _finder(whole), persistent)
    value = machine.load()
    for key, location in locations.items():
        place.put(machine, storages[key], location)
    if isinstance(value, Storage):
        machine.fail("a storage without a tensor that looks at it")
    return _script_tensors(machine, value) if scripted else value


def _finder(whole: bool) -> Find:
    """What stands for the names in a file; ``whole`` as ``read_zip`` has it."""
    return lambda name: find(name) or instance.find(name, whole)


def read_stream(buffer: memoryview, name: str, place: Place, whole: bool = False) -> Any:
    """The object of a file from before PyTorch 1.6: pickles, then the storages one after the other."""
    storages: dict[Any, Storage] = {}
    locations: dict[str, str] = {}
    left = len(buffer)

    def persistent(identity: Any) -> Storage:
        nonlocal left
        view = None
        if isinstance(identity, tuple) and len(identity) == 6:
            identity, view = identity[:5], identity[5]
        kind, key, location, count = _storage_id(machine, identity)
        if key not in storages:
            left -= count * kind.size
            if left < 0:
                machine.fail(f"storages of more bytes are claimed than the file's {len(buffer)}")
            storages[key] = Storage(kind, aligned(count * kind.size), ready=False)
            locations[key] = location
        whole = _same_kind(machine, storages[key], kind)
        return whole if view is None else _part(machine, whole, view, storages)

    machine = Unpickler(buffer, name, _finder(whole), persistent)
    if machine.load() is None or machine.load() != STREAM_PROTOCOL:
        machine.fail(f"the protocol of the stream is not {STREAM_PROTOCOL}")
    system = machine.load()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        machine.fail("the stream was not written by a little-endian machine")
    value = machine.load()
    machine.persistent = None
    keys = machine.load()
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(locations):
        machine.fail("the storages that follow are not those that were named")
    for key in keys:
        machine.opcode = machine.position
        storage = storages[key]
        count = machine.number(8)
        if count * storage.kind.size != len(storage.memory):
            machine.fail(
                f"storage {key!r} has {count} elements of the {len(storage.memory)} bytes it claimed"
            )
        end = machine.position + len(storage.memory)
        if end > len(buffer):
            machine.fail(f"storage {key!r} is cut short")
        storage.memory[:] = buffer[machine.position : end]
        machine.position = end
        storage.arrived(machine)
        place.put(machine, storage, locations[key])
    if isinstance(value, Storage):
        machine.fail("a storage without a tensor that looks at it")
    return value


def read_pickle(buffer: memoryview, name: str, whole: bool = False) -> Any:
    """The object of a pickle that stands alone, and so has no tensors."""
    machine = Unpickler(buffer, name, _finder(whole))
    value = machine.load()
    if machine.position != len(buffer):
        machine.fail(f"{len(buffer) - machine.position} bytes follow a pickle, and it is none of PyTorch's")
    return value


def _storage_id(machine: Unpickler, identity: Any) -> tuple[StorageType, str, Any, int]:
    if not isinstance(identity, tuple) or len(identity) != 5 or identity[0] != "storage":
        machine.fail(f"a reference to something other than a storage: {shown(identity)}")
    _, kind, key, location, count = identity
    if not isinstance(kind, StorageType):
        machine.fail(f"the storage {shown(key)} has the type {shown(kind)}, which lamina lacks")
    if not isinstance(key, str) or not isinstance(location, str):
        machine.fail(f"a storage's name must be text, got {shown(key)} on {shown(location)}")
    if type(count) is not int or not 0 <= count < 2**60:
        machine.fail(f"storage {key!r} claims {shown(count)} elements")
    return kind, key, location, count


def _same_kind(machine: Unpickler, storage: Storage, kind: StorageType) -> Storage:
    if storage.kind.dtype != kind.dtype:
        machine.fail(f"one storage is taken for {storage.kind.dtype} and for {kind.dtype}")
    return storage


def _part(machine: Unpickler, whole: Storage, view: Any, storages: dict[Any, Storage]) -> Storage:
    """Part of a storage, as PyTorch before 0.4 wrote it."""
    if not isinstance(view, tuple) or len(view) != 3 or not isinstance(view[0], str):
        machine.fail("a view of a storage must be a name, an offset and a size")
    _, offset, count = view
    if not all(type(n) is int and 0 <= n < 2**60 for n in (offset, count)):
        machine.fail("a view of a storage must have an offset and a size")
    start, end = offset * whole.kind.size, (offset + count) * whole.kind.size
    if end > len(whole.memory):
        machine.fail(f"a view ends at byte {end} of a storage of {len(whole.memory)}")
    name = (id(whole), start, end)
    if name not in storages:
        storages[name] = Storage(whole.kind, whole.memory[start:end], ready=False)
    return storages[name]


def _script_tensors(machine: Unpickler, root: Any) -> OrderedDict[str, Any]:
    """The tensors of a module and of the modules in it; one met twice keeps the name of the first place."""
    if not isinstance(root, Record):
        machine.fail("the archive's object is no module")
    found: OrderedDict[str, Any] = OrderedDict()
    seen = {id(root)}

    def visit(record: Record, prefix: str, depth: int) -> None:
        if depth > MAX_DEPTH // 2:
            machine.fail(f"modules are nested more than {MAX_DEPTH // 2} deep")
        for name, value in record.attributes.items():
            if not isinstance(name, str):
                machine.fail(f"an attribute of a module has the name {shown(name)}")
            machine.charge(prefix, name)  # names grow with the depth
            if isinstance(value, lamina.Tensor):
                found[f"{prefix}{name}"] = value
            elif isinstance(value, Record) and id(value) not in seen:
                seen.add(id(value))
                visit(value, f"{prefix}{name}.", depth + 1)

    visit(root, "", 0)
    return found
