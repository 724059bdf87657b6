"""Zip archives: where each member's bytes lie in memory, and new ones. What they mean is left to the formats.

Only what checkpoints need: stored and deflated members, large files, no encryption. Nothing is ever written
to disk, so a member's name is a name and no path. The layout is that of PKWARE's APPNOTE.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, NoReturn

import lamina

from .file import ALIGNMENT, MAX_GROWN, MAX_RATIO, aligned

STORED, DEFLATED = 0, 8
CHUNK = 1 << 15  # bytes that are inflated at a time, to at most a thousand times as many

CHECKED_AHEAD = 4 << 20  # bytes
LARGE = 2**32 - 1  # what no longer fits stands elsewhere
PADDING = 0x4246  # the kind of an extra field that PyTorch uses for it

END = struct.Struct("<4s4H2IH")
END64_LOCATOR = struct.Struct("<4sIQI")
END64 = struct.Struct("<4sQ2H2I4Q")
CENTRAL = struct.Struct("<4s6H3I5H2I")
LOCAL = struct.Struct("<4s5H3I2H")


class Member(NamedTuple):
    """One file of the archive; ``packed`` bytes from ``start`` on become ``size``."""

    name: str
    method: int
    start: int
    packed: int
    size: int
    crc: int


class Archive:
    """The members of a zip file by name.

    Raises:
        FileFormatError: the directory does not describe the bytes, or uses what is not read here.
    """

    def __init__(self, buffer: memoryview, name: str) -> None:
        self.buffer, self.name = buffer, name
        self.members: dict[str, Member] = {}
        count, start, size = self._end()
        position = start
        ranges = []
        for _ in range(count):
            member, header, position = self._member(position, start + size)
            if member.name in self.members:
                self.fail(f"the archive has {member.name!r} twice")
            self.members[member.name] = member
            ranges.append((header, member))
        reached, before = 0, ""
        for header, member in sorted(ranges):
            if header < reached:
                self.fail(f"{member.name!r} lies over {before!r}")
            reached, before = member.start + member.packed, member.name
        if reached > start:
            self.fail(f"{before!r} lies over the archive's directory")
        # A bomb grows a thousand times, or is made of members that lie over one another.
        inflated = sum(member.size for member in self.members.values() if member.method == DEFLATED)
        if inflated > max(MAX_GROWN, MAX_RATIO * len(buffer)):
            self.fail(f"its members claim to grow to {inflated} bytes from a file of {len(buffer)}")

    def fail(self, text: str) -> NoReturn:
        raise lamina.FileFormatError(f"{self.name}: {text}")

    def __contains__(self, name: str) -> bool:
        return name in self.members

    def member(self, name: str) -> Member:
        """Raise FileFormatError if there is none of that name."""
        if name not in self.members:
            self.fail(f"the archive has no {name!r}")
        return self.members[name]

    def read(self, name: str) -> memoryview:
        """The bytes of a member: a part of the file's where they are stored, else new ones."""
        member = self.member(name)
        packed = self.buffer[member.start : member.start + member.packed]
        if member.method == STORED:
            return packed
        machine, data, done = zlib.decompressobj(-15), aligned(member.size), 0
        try:
            for at in range(0, len(packed), CHUNK):
                part = machine.decompress(packed[at : at + CHUNK])
                done += len(part)
                if done > member.size:
                    break
                data[done - len(part) : done] = part
        except zlib.error as error:
            self.fail(f"{name!r} cannot be inflated: {error}")
        if done != member.size or not machine.eof:
            self.fail(f"{name!r} does not inflate to the {member.size} bytes that it claims")
        if zlib.crc32(data) != member.crc:
            self.fail(f"{name!r} is damaged: its checksum differs")
        return data

    def _end(self) -> tuple[int, int, int]:
        """How many members there are, where the directory starts, and how long it is."""
        tail = bytes(self.buffer[-(END.size + 0xFFFF) :])
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) - at < END.size:
            self.fail("this zip archive is cut short: its directory, which stands at the end, is missing")
        _, disk, first_disk, here, count, size, start, _ = END.unpack_from(tail, at)
        at += len(self.buffer) - len(tail)
        if count == 0xFFFF or size == 0xFFFFFFFF or start == 0xFFFFFFFF:
            if at >= END64_LOCATOR.size:
                sign, _, where, _ = END64_LOCATOR.unpack_from(self.buffer, at - END64_LOCATOR.size)
                if sign == b"PK\x06\x07":
                    if where + END64.size > at:
                        self.fail("the archive's large directory lies beyond its end")
                    sign, _, _, _, disk, first_disk, here, count, size, start = END64.unpack_from(
                        self.buffer, where
                    )
                    if sign != b"PK\x06\x06":
                        self.fail("the archive's large directory does not begin as one")
                    at = where
        if disk or first_disk or here != count:
            self.fail("the archive is one part of several")
        if start + size > at:
            self.fail(f"the directory claims bytes {start} to {start + size}, but ends before {at}")
        if count * CENTRAL.size > size:
            self.fail(f"the directory claims {count} members in {size} bytes")
        return count, start, size

    def _member(self, position: int, end: int) -> tuple[Member, int, int]:
        """A line of the directory, where the member's own header is, and where the next line begins."""
        if position + CENTRAL.size > end:
            self.fail("the directory is cut short")
        fields = CENTRAL.unpack_from(self.buffer, position)
        sign, flags, method, crc = fields[0], fields[3], fields[4], fields[7]
        packed, size, name_length, extra_length, comment_length = fields[8:13]
        header = fields[16]
        position += CENTRAL.size
        if sign != b"PK\x01\x02" or position + name_length + extra_length + comment_length > end:
            self.fail(f"line {len(self.members)} of the directory is broken")
        raw = bytes(self.buffer[position : position + name_length])
        extra = bytes(self.buffer[position + name_length : position + name_length + extra_length])
        position += name_length + extra_length + comment_length
        try:
            name = raw.decode("utf-8" if flags & 0x800 else "ascii")
        except UnicodeDecodeError:
            self.fail(f"line {len(self.members)} of the directory has the name {raw[:80]!r}")
        if flags & 1 or method not in (STORED, DEFLATED):
            self.fail(f"{name!r} is encrypted, or packed by a method other than stored and deflated")
        size, packed, header = self._large(name, extra, size, packed, header)
        if header + LOCAL.size > len(self.buffer):
            self.fail(f"{name!r} begins at byte {header}, beyond the end")
        local = LOCAL.unpack_from(self.buffer, header)
        start = header + LOCAL.size + local[9] + local[10]
        own = bytes(self.buffer[header + LOCAL.size : header + LOCAL.size + local[9]])
        if local[0] != b"PK\x03\x04" or own != raw:
            self.fail(f"{name!r} is not where the directory says")
        if start + packed > len(self.buffer) or (method == STORED and packed != size):
            self.fail(f"{name!r} claims {size} bytes, {packed} of the file, from byte {start}")
        return Member(name, method, start, packed, size, crc), header, position

    def _large(self, name: str, extra: bytes, *fields: int) -> list[int]:
        """The fields that are too large for 32 bits, from where they stand instead."""
        wide: list[int] = []
        at = 0
        while at + 4 <= len(extra):
            kind, length = struct.unpack_from("<2H", extra, at)
            part = extra[at + 4 : at + 4 + length]
            if kind == 1:
                wide = list(struct.unpack(f"<{len(part) // 8}Q", part[: len(part) // 8 * 8]))
            at += 4 + length
        result = []
        for field in fields:
            if field == 0xFFFFFFFF and wide:
                field = wide.pop(0)
            result.append(field)
        return result


def _checksums(parts: list[Any]) -> Iterator[int]:
    """Of each part, computed in another thread while the ones before are written, unless all are short."""
    if sum(map(len, parts)) < CHECKED_AHEAD:
        yield from map(zlib.crc32, parts)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, "lamina-save") as ahead:
        yield from ahead.map(zlib.crc32, parts)


def pack(members: Iterable[tuple[str, Any]]) -> Iterator[Any]:
    """The parts of an archive of stored members, each at a multiple of ``ALIGNMENT``, to be mapped.

    They are dated 1 January 1980: the same members give the same bytes.
    """
    offset, count, directory = 0, 0, bytearray()
    members = list(members)
    for (name, data), crc in zip(members, _checksums([data for _, data in members]), strict=True):
        raw, size = name.encode(), len(data)
        version, flags, time, date = 45, 0x800, 0, 33
        short, wide = size, b""
        if size >= LARGE:
            short, wide = LARGE, struct.pack("<2H2Q", 1, 16, size, size)
        pad = -(offset + LOCAL.size + len(raw) + len(wide) + 4) % ALIGNMENT
        extra = wide + struct.pack("<2H", PADDING, pad) + bytes(pad)
        common = (version, flags, STORED, time, date, crc, short, short, len(raw))
        yield LOCAL.pack(b"PK\x03\x04", *common, len(extra)) + raw + extra
        yield data
        at = offset
        if size >= LARGE or offset >= LARGE:
            numbers = [size, size, offset] if size >= LARGE else [offset]
            at, wide = LARGE, struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)
        directory += CENTRAL.pack(b"PK\x01\x02", version, *common, len(wide), 0, 0, 0, 0, at) + raw + wide
        offset += LOCAL.size + len(raw) + len(extra) + size
        count += 1
    yield bytes(directory)
    here = (0, 0, count, count, len(directory), offset)
    if count >= 0xFFFF or offset + len(directory) >= LARGE:
        yield END64.pack(b"PK\x06\x06", END64.size - 12, 45, 45, *here)
        yield END64_LOCATOR.pack(b"PK\x06\x07", 0, offset + len(directory), 1)
        here = (0, 0, min(count, 0xFFFF), min(count, 0xFFFF), min(len(directory), LARGE), LARGE)
    yield END.pack(b"PK\x05\x06", *here, 0)
