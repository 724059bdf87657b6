"""Writing PyTorch's files by hand: opcodes of pickle, and the two ways in which storages lie beside them."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile

import numpy as np

STORAGES = {
    "Double": "float64",
    "Float": "float32",
    "Half": "float16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
}


def name(module, name):
    return f"c{module}\n{name}\n".encode()


def text(string):
    data = string.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def integer(number):
    data = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8b" + struct.pack("<I", len(data)) + data


def tuple_of(*parts):
    return b"(" + b"".join(parts) + b"t"


def numbers(*values):
    return tuple_of(*map(integer, values))


def dict_of(**parts):
    return b"}(" + b"".join(text(key) + part for key, part in parts.items()) + b"u"


def call(function, *arguments):
    return name(*function) + tuple_of(*arguments) + b"R"


def storage(key, count, kind="Float", place="cpu", package="torch"):
    kind = name(package, f"{kind}Storage")
    return tuple_of(text("storage"), kind, text(key), text(place), integer(count)) + b"Q"


NO_HOOKS = call(("collections", "OrderedDict"))


def tensor(part, size=(2, 3), stride=(3, 1), offset=0, grad=b"\x89", hooks=NO_HOOKS):
    return call(
        ("torch._utils", "_rebuild_tensor_v2"),
        *(part, integer(offset), numbers(*size), numbers(*stride), grad, hooks),
    )


def whole(part):
    """A pickle around an object."""
    return b"\x80\x02" + part + b"."


SIX = np.arange(6, dtype=np.float32)
SIX_BYTES = SIX.tobytes()
X = dict_of(x=tensor(storage("0", 6)))


def zip_of(part, storages=(("0", SIX_BYTES),), folder="archive", more=(), **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        archive.writestr(f"{folder}/data.pkl", whole(part))
        for key, data in storages:
            archive.writestr(f"{folder}/data/{key}", data)
        for path, data in more:
            archive.writestr(path, data)
    return file.getvalue()


def stream_of(part, storages=(("0", 6, SIX_BYTES),), protocol=1001, little=True, keys=None):
    """The format from before PyTorch 1.6."""
    system = {"protocol_version": protocol, "little_endian": little, "type_sizes": {}}
    start = [0x1950A86A20F9469CFC6C, protocol, system]
    keys = [key for key, _, _ in storages] if keys is None else keys
    data = b"".join(pickle.dumps(item, protocol=2) for item in start)
    data += whole(part) + pickle.dumps(keys, protocol=2)
    return data + b"".join(struct.pack("<q", count) + values for _, count, values in storages)
