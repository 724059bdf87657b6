"""Bytes to and from the disk: whole or not at all. What the bytes mean is left to the formats."""

from __future__ import annotations

import mmap
import os
import secrets
from collections.abc import Iterable
from typing import Any

import numpy as np

ALIGNMENT = 64  # bytes; what the core's own storage has


def replace_file(path: str | os.PathLike[str], parts: Iterable[Any]) -> None:
    """Write ``parts`` (bytes-like) as the new content of ``path``; the old stays until the new is on disk.

    They go to a temporary file beside it, which is then renamed: whoever has the old file open or mapped
    keeps it, and after a crash there is one or the other. The temporary file is removed if anything fails.

    Raises:
        OSError: as ``open`` and ``write`` do, with the old content untouched.
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(8)}.tmp")
    # 0o666 less the umask, as open() would; mkstemp would make it private.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    folder_descriptor = os.open(folder, os.O_RDONLY)  # the new name has to reach the disk too
    try:
        os.fsync(folder_descriptor)
    finally:
        os.close(folder_descriptor)


class Source:
    """The bytes of a file: ``read`` gives the next ones, ``rest`` all that follow as one writable buffer.

    ``source`` is a path or an object with ``read``. With ``mapped`` the rest is not read but mapped, copied
    page by page where it is written to; the file itself never changes.

    Raises:
        TypeError: ``source`` is neither, or ``mapped`` and not a path.
        OSError: as ``open`` does.
    """

    def __init__(self, source: Any, mapped: bool = False) -> None:
        self._mapped = mapped
        self._file = None
        self.position = 0
        if hasattr(source, "read") and not mapped:
            self.name = getattr(source, "name", type(source).__name__)
            self._bytes = memoryview(source.read())
            self.size = len(self._bytes)
        elif isinstance(source, (str, os.PathLike)):
            self.name = os.fspath(source)
            self._file = open(source, "rb", buffering=0)
            self.size = os.fstat(self._file.fileno()).st_size
        else:
            raise TypeError(
                f"expected a path{'' if mapped else ' or a file open for reading in binary'}, but got "
                f"{type(source).__name__}"
            )

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self, count: int) -> bytes:
        """The next ``count`` bytes; fewer at the end of the file."""
        wanted = min(count, self.size - self.position)
        buffer = bytearray(wanted)
        self._fill(memoryview(buffer))
        return bytes(buffer)

    def rest(self) -> memoryview:
        """All bytes from here to the end, writable, and aligned in memory unless mapped."""
        length = self.size - self.position
        if self._mapped and self._file is not None and length > 0:
            whole = mmap.mmap(self._file.fileno(), self.size, access=mmap.ACCESS_COPY)
            return memoryview(whole)[self.position :]
        room: Any = np.empty(length + ALIGNMENT, np.uint8)
        start = -room.ctypes.data % ALIGNMENT
        buffer = memoryview(room)[start : start + length]
        self._fill(buffer)
        return buffer

    def _fill(self, buffer: memoryview) -> None:
        done = 0
        while done < len(buffer):
            if self._file is not None:
                count = self._file.readinto(buffer[done:]) or 0
            else:
                count = len(buffer)
                buffer[:] = self._bytes[self.position : self.position + count]
            if count == 0:
                raise OSError(f"{self.name} became shorter while it was read")
            done += count
            self.position += count
