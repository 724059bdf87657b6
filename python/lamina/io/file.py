"""Bytes to and from the disk: whole or not at all. What the bytes mean is left to the formats."""

from __future__ import annotations

import mmap
import os
import secrets
import stat
import threading
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import lamina
from lamina import _core

ALIGNMENT = 64  # bytes; what the core's own storage has
# What a file of a few bytes may grow to: so many bytes, or so many times its own size if that is more.
MAX_GROWN, MAX_RATIO = 1 << 28, 100
MAX_DIMS = 64  # of an array in a file; the product of more sizes takes long, and the core holds fewer still


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
        with open(descriptor, "wb") as file, _Ahead(descriptor) as ahead:
            for part in parts:
                file.write(part)
                ahead.wrote(len(part))
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    folder_descriptor = os.open(folder, os.O_RDONLY)  # the new name has to reach the disk too
    try:
        os.fsync(folder_descriptor)
    finally:
        os.close(folder_descriptor)


class _Ahead:
    """Sends to the disk what is written, while more is being written: what is left at the end is short."""

    STEP = 4 << 20  # bytes

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._new = descriptor, 0
        self._more = threading.Event()
        self._thread: threading.Thread | None = None
        self._done = False
        self._error: OSError | None = None  # which the system reports to one call alone

    def __enter__(self) -> _Ahead:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        self._done = True
        self._more.set()
        if self._thread is not None:
            self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def wrote(self, count: int) -> None:
        self._new += count
        if self._new < self.STEP:
            return
        self._new = 0
        self._more.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lamina-save")
            self._thread.start()

    def _run(self) -> None:
        while self._more.wait() and not self._done:
            self._more.clear()
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                self._error = error
                return


class Source:
    """The bytes of a file: ``read`` gives the next ones, ``rest`` all that follow as one writable buffer.

    ``source`` is a path or an object with ``read``. With ``mapped`` the rest is not read but mapped, copied
    page by page where it is written to; the file itself never changes.

    Raises:
        TypeError: ``source`` is neither, or ``mapped`` and not a path.
        OSError: as ``open`` does.
        FileFormatError: the path is that of a pipe or a device.
    """

    def __init__(self, source: Any, mapped: bool = False) -> None:
        self._mapped = mapped
        self._ours = False
        self.position = 0
        if hasattr(source, "read") and not mapped:
            self.name = str(getattr(source, "name", type(source).__name__))
            self._file = source if _can_fill(source) else BytesIO(source.read())
            here = self._file.tell()
            self.size = self._file.seek(0, os.SEEK_END) - here
            self._file.seek(here)
        elif isinstance(source, (str, os.PathLike)):
            self.name = os.fspath(source)
            self._file = open_regular(source)
            self._ours = True
            self.size = os.fstat(self._file.fileno()).st_size
        else:
            raise TypeError(
                f"expected a path{'' if mapped else ' or a file open for reading in binary'}, but got "
                f"{type(source).__name__}"
            )

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *error: object) -> None:
        if self._ours:
            self._file.close()

    def read(self, count: int) -> bytes:
        """The next ``count`` bytes; fewer at the end of the file."""
        buffer = bytearray(min(count, self.size - self.position))
        self._fill(memoryview(buffer))
        return bytes(buffer)

    def peek(self, count: int) -> bytes:
        """The same, but they stay the next ones."""
        data = self.read(count)
        self._file.seek(-len(data), os.SEEK_CUR)
        self.position -= len(data)
        return data

    def rest(self) -> memoryview:
        """All bytes from here to the end, writable, and aligned in memory unless mapped."""
        length = self.size - self.position
        if self._mapped and length > 0:
            whole = mmap.mmap(self._file.fileno(), self.size, access=mmap.ACCESS_COPY)
            return memoryview(whole)[self.position :]
        buffer = aligned(length)
        self._fill(buffer)
        return buffer

    def _fill(self, buffer: memoryview) -> None:
        done = 0
        while done < len(buffer):
            count = self._file.readinto(buffer[done:])
            if not count:
                raise OSError(f"{self.name} became shorter while it was read")
            done += count
            self.position += count


def open_regular(path: str | os.PathLike[str]) -> Any:
    """A file open for reading, unbuffered. A pipe would keep its reader waiting, a device never end.

    Raises:
        FileFormatError: it is one of these.
    """
    wait = getattr(os, "O_NONBLOCK", 0)
    file = open(path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | wait))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise lamina.FileFormatError(f"{os.fspath(path)}: this is a pipe or a device, and no file")
    return file


def aligned(size: int) -> memoryview:
    """Writable memory of the core's allocator, which reuses it; it begins at a multiple of ``ALIGNMENT``."""
    return _core.to_bytes(_core.empty((size,), dtype=_core.uint8))


def _can_fill(file: Any) -> bool:
    """Whether bytes can be read from ``file`` straight into memory, and counted before."""
    return hasattr(file, "readinto") and hasattr(file, "seekable") and file.seekable()
