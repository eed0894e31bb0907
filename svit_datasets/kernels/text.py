"""What kernels have in common: checksums, and how numbers are written."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np

from svit_datasets.kernels.compiled import compiled

# One step of CRC-32 for each byte, taken from zlib's own answers.
CRC_STEPS = np.array([crc32(bytes([byte ^ 0xFF])) ^ 0xFF000000 for byte in range(256)], np.uint32)
CRC_BEGIN = np.uint32(0xFFFFFFFF)


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
        out[at + i] = text[i]
    return at + len(text)
