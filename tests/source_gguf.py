"""Writing GGUF files for the tests, and reading blocks number by number as llama.cpp describes them."""

from __future__ import annotations

import struct

import numpy as np


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def metadata(key, kind, value):
    return string(key) + struct.pack("<I", kind) + value


def info(name, shape, kind, begin):
    """A tensor's description; ``shape`` outermost first."""
    dims = struct.pack(f"<I{len(shape)}Q", len(shape), *shape[::-1])
    return string(name) + dims + struct.pack("<IQ", kind, begin)


def file_of(values=(), infos=(), data=b"", version=3, counts=None, alignment=32, magic=b"GGUF"):
    tensors, pairs = counts or (len(infos), len(values))
    head = magic + struct.pack("<IQQ", version, tensors, pairs) + b"".join(values) + b"".join(infos)
    return head + bytes(-len(head) % alignment) + data


def half(data):
    return float(np.frombuffer(bytes(data), "<f2")[0])


def pairs_of_six(s, j):
    """Scale and minimum j of the twelve bytes of Q4_K and Q5_K."""
    if j < 4:
        return s[j] & 63, s[j + 4] & 63
    return (s[j + 4] & 15) | (s[j - 4] >> 6) << 4, (s[j + 4] >> 4) | (s[j] >> 6) << 4


def small(b, bits, fifth, offset, minimum):
    """The types of 32 numbers: scale, perhaps a minimum, perhaps the fifth bits, then the nibbles."""
    d, at = half(b[:2]), 2
    m = half(b[2:4]) if minimum else 0.0
    at += 2 * minimum
    high = int.from_bytes(b[at : at + 4], "little") if fifth else 0
    at += 4 * fifth
    out = []
    for i in range(32):
        byte = b[at + i % 16]
        q = (byte >> 4 if i >= 16 else byte & 15) | ((high >> i) & 1) << 4
        out.append((q - offset) * d + m)
    return out


def q2_k(b):
    d, dmin, out = half(b[80:82]), half(b[82:84]), []
    for i in range(256):
        q = (b[16 + i // 128 * 32 + i % 32] >> (i % 128 // 32 * 2)) & 3
        s = b[i // 16]
        out.append(d * (s & 15) * q - dmin * (s >> 4))
    return out


def q3_k(b):
    hmask, qs, s, d, out = b[:32], b[32:96], b[96:108], half(b[108:110]), []
    for i in range(256):
        j = i // 16
        low = s[j] & 15 if j < 8 else s[j - 8] >> 4
        scale = (low | ((s[8 + j % 4] >> (j // 4 * 2)) & 3) << 4) - 32
        q = (qs[i // 128 * 32 + i % 32] >> (i % 128 // 32 * 2)) & 3
        q -= 0 if hmask[i % 32] >> (i // 32) & 1 else 4
        out.append(d * scale * q)
    return out


def q4_k(b, fifth=False):
    d, dmin, out = half(b[:2]), half(b[2:4]), []
    qs = b[48:] if fifth else b[16:]
    for i in range(256):
        scale, minimum = pairs_of_six(b[4:16], i // 32)
        byte = qs[i // 64 * 32 + i % 32]
        q = byte >> 4 if i % 64 >= 32 else byte & 15
        if fifth:
            q |= (b[16 + i % 32] >> (i // 32) & 1) << 4
        out.append(d * scale * q - dmin * minimum)
    return out


def q6_k(b):
    d, out = half(b[208:210]), []
    for i in range(256):
        h, r = divmod(i, 128)
        byte = b[h * 64 + r % 64]
        low = byte >> 4 if r >= 64 else byte & 15
        q = low | ((b[128 + h * 32 + r % 32] >> (r // 32 * 2)) & 3) << 4
        scale = int.from_bytes(b[192 + i // 16 : 193 + i // 16], "little", signed=True)
        out.append(d * scale * (q - 32))
    return out


NONLINEAR = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]


def iq4_nl(b):
    return [NONLINEAR[b[2 + i % 16] >> 4 if i >= 16 else b[2 + i % 16] & 15] * half(b[:2]) for i in range(32)]


def iq4_xs(b):
    d, high, out = half(b[:2]), int.from_bytes(b[2:4], "little"), []
    for i in range(256):
        j = i // 32
        low = b[4 + j // 2] >> 4 if j % 2 else b[4 + j // 2] & 15
        byte = b[8 + j * 16 + i % 16]
        q = NONLINEAR[byte >> 4 if i % 32 >= 16 else byte & 15]
        out.append(d * ((low | (high >> 2 * j & 3) << 4) - 32) * q)
    return out


def mxfp4(b):
    out = []
    for i in range(32):
        q = b[1 + i % 16] >> 4 if i >= 16 else b[1 + i % 16] & 15
        exponent, mantissa = q >> 1 & 3, q & 1
        size = mantissa / 2 if exponent == 0 else (1 + mantissa / 2) * 2.0 ** (exponent - 1)
        out.append((-size if q & 8 else size) * 2.0 ** (b[0] - 127))
    return out


def bytes_of(b, start, count):
    return np.frombuffer(bytes(b[start : start + count]), np.int8).astype(float)


# name: number of the type, bytes and numbers of a block, where its halves stand, how to read it
BLOCKS = {
    "Q4_0": (2, 18, 32, [0], lambda b: small(b, 4, False, 8, False)),
    "Q4_1": (3, 20, 32, [0, 2], lambda b: small(b, 4, False, 0, True)),
    "Q5_0": (6, 22, 32, [0], lambda b: small(b, 5, True, 16, False)),
    "Q5_1": (7, 24, 32, [0, 2], lambda b: small(b, 5, True, 0, True)),
    "Q8_0": (8, 34, 32, [0], lambda b: bytes_of(b, 2, 32) * half(b[:2])),
    "Q8_1": (9, 36, 32, [0, 2], lambda b: bytes_of(b, 4, 32) * half(b[:2])),
    "Q2_K": (10, 84, 256, [80, 82], q2_k),
    "Q3_K": (11, 110, 256, [108], q3_k),
    "Q4_K": (12, 144, 256, [0, 2], q4_k),
    "Q5_K": (13, 176, 256, [0, 2], lambda b: q4_k(b, True)),
    "Q6_K": (14, 210, 256, [208], q6_k),
    "Q8_K": (15, 292, 256, [], lambda b: bytes_of(b, 4, 256) * struct.unpack("<f", bytes(b[:4]))[0]),
    "IQ4_NL": (20, 18, 32, [0], iq4_nl),
    "IQ4_XS": (23, 136, 256, [0], iq4_xs),
    "MXFP4": (39, 17, 32, [], mxfp4),
}


def blocks(name, count, rng):
    """Random bytes of that type, with scales that are ordinary numbers."""
    _, size, _, halves, _ = BLOCKS[name]
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for at in halves:
        data[:, at : at + 2] = rng.normal(size=(count, 1)).astype("<f2").view(np.uint8)
    if name == "Q8_K":
        data[:, :4] = rng.normal(size=(count, 1)).astype("<f4").view(np.uint8)
    if name == "MXFP4":
        data[:, 0] = rng.integers(100, 150, count)
    return data
