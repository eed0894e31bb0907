"""What kernels have in common: checksums, and how numbers are written."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np

from svit_datasets.kernels.compiled import compiled

# One step of CRC-32 for each byte, taken from zlib's own answers.
CRC_STEPS = np.array([crc32(bytes([byte ^ 0xFF])) ^ 0xFF000000 for byte in range(256)], np.uint32)
CRC_BEGIN = np.uint32(0xFFFFFFFF)
place = np.uintp  # of an index that is never negative, so that no code is made to count from the end


def _steps_of_eight() -> Any:
    """Return the steps of a byte with 0 to 7 bytes of zeros behind it, so that eight bytes are one step."""
    made = [CRC_STEPS.astype(np.int64)]
    for _ in range(7):
        made.append(made[0][made[-1] & 0xFF] ^ (made[-1] >> 8))
    return np.stack(made)


_STEPS = _steps_of_eight()
_1, _2, _3, _4, _5, _6, _7 = map(place, range(1, 8))


@compiled
def crc_step(crc: Any, byte: Any) -> Any:
    """Return a running CRC-32 after one more byte; it begins as ``CRC_BEGIN`` and is ended by the same as an xor.

    >>> data, crc = b"text", CRC_BEGIN
    >>> for byte in data:
    ...     crc = crc_step(np.uint32(crc), np.uint8(byte))
    >>> int(crc) ^ 0xFFFFFFFF == crc32(data)
    True
    """
    return CRC_STEPS[(crc ^ np.uint32(byte)) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))


@compiled
def crc_add(crc: int, byte: Any) -> int:
    """Return a running CRC-32, as a plain integer, after one more byte.

    >>> crc_add(crc_add(0xFFFFFFFF, 97), 98) ^ 0xFFFFFFFF == crc32(b"ab")
    True
    """
    step: int = _STEPS[0, (crc ^ byte) & 0xFF]
    return step ^ (crc >> 8)


@compiled
def crc_run(crc: int, data: Any, begin: int, end: int) -> int:
    """Return a running CRC-32, as a plain integer, after the bytes of an array from ``begin`` to ``end``.

    It begins as 0xFFFFFFFF and is ended by the same as an xor. Eight bytes are one step.

    >>> data = b"a text of more than eight bytes"
    >>> crc_run(0xFFFFFFFF, np.frombuffer(data, np.uint8), 2, len(data)) ^ 0xFFFFFFFF == crc32(data[2:])
    True
    """
    at = begin
    while at + 8 <= end:
        i = place(at)
        a, b, c, d = np.int64(data[i]), np.int64(data[i + _1]), np.int64(data[i + _2]), np.int64(data[i + _3])
        low = crc ^ (a | b << 8 | c << 16 | d << 24)
        crc = _STEPS[7, place(low & 0xFF)] ^ _STEPS[6, place(low >> 8 & 0xFF)]
        crc ^= _STEPS[5, place(low >> 16 & 0xFF)] ^ _STEPS[4, place(low >> 24)]
        crc ^= _STEPS[3, data[i + _4]] ^ _STEPS[2, data[i + _5]] ^ _STEPS[1, data[i + _6]] ^ _STEPS[0, data[i + _7]]
        at += 8
    while at < end:
        crc = _STEPS[0, (crc ^ data[at]) & 0xFF] ^ (crc >> 8)
        at += 1
    return crc


@compiled
def crc_number(crc: int, number: int) -> int:
    """Return a running CRC-32 after the decimal digits of a whole number of 0 or more.

    >>> crc_number(0xFFFFFFFF, 5070) ^ 0xFFFFFFFF == crc32(b"5070")
    True
    """
    power = 1
    while power <= number // 10:
        power *= 10
    while power:
        crc = crc_add(crc, 48 + number // power % 10)
        power //= 10
    return crc


@compiled
def write_number(out: Any, at: int, number: int) -> int:
    """Write a whole number of 0 or more in decimal digits; return where the next byte goes.

    >>> out = np.zeros(8, np.uint8)
    >>> end = write_number(out, 0, 5070)
    >>> bytes(out[:end])
    b'5070'
    """
    end, rest = at + 1, number // 10
    while rest:
        end, rest = end + 1, rest // 10
    place = end - 1
    while place >= at:
        out[place] = 48 + number % 10
        number //= 10
        place -= 1
    return end


@compiled
def write_bytes(out: Any, at: int, text: Any) -> int:
    """Write the bytes of an array; return where the next byte goes."""
    for i in range(len(text)):
        out[place(at + i)] = text[place(i)]
    return at + len(text)


@compiled
def write_part(out: Any, at: int, data: Any, begin: int, end: int) -> int:
    """Write the bytes of an array from ``begin`` to ``end``; return where the next byte goes."""
    for i in range(end - begin):
        out[place(at + i)] = data[place(begin + i)]
    return at + end - begin


def as_bytes(text: str) -> Any:
    """Return an ASCII text as an array of bytes.

    >>> as_bytes("ab")
    array([97, 98], dtype=uint8)
    """
    return np.array(list(text.encode("ascii")), np.uint8)
