"""CRC-32 as kernels work it out: begun as ``CRC_BEGIN``, run over bytes, ended by the same as an xor."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np

from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.text import place

CRC_BEGIN = 0xFFFFFFFF


def _steps_of_eight() -> Any:
    """Return the steps of a byte with 0 to 7 bytes of zeros behind it, so that eight bytes are one step."""
    # One step for each byte, taken from zlib's own answers.
    made = [np.array([crc32(bytes([byte ^ 0xFF])) ^ 0xFF000000 for byte in range(256)], np.int64)]
    for _ in range(7):
        made.append(made[0][made[-1] & 0xFF] ^ (made[-1] >> 8))
    return np.stack(made)


_STEPS = _steps_of_eight()
_1, _2, _3, _4, _5, _6, _7 = map(place, range(1, 8))


@compiled
def crc_add(crc: int, byte: Any) -> int:
    """Return a running CRC-32 after one more byte.

    >>> crc_add(crc_add(CRC_BEGIN, 97), 98) ^ CRC_BEGIN == crc32(b"ab")
    True
    """
    step: int = _STEPS[0, (crc ^ byte) & 0xFF]
    return step ^ (crc >> 8)


@compiled
def crc_run(crc: int, data: Any, begin: int, end: int) -> int:
    """Return a running CRC-32 after the bytes of an array from ``begin`` to ``end``. Eight bytes are one step.

    >>> data = b"a text of more than eight bytes"
    >>> crc_run(CRC_BEGIN, np.frombuffer(data, np.uint8), 2, len(data)) ^ CRC_BEGIN == crc32(data[2:])
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

    >>> crc_number(CRC_BEGIN, 5070) ^ CRC_BEGIN == crc32(b"5070")
    True
    """
    power = 1
    while power <= number // 10:
        power *= 10
    while power:
        crc = crc_add(crc, 48 + number // power % 10)
        power //= 10
    return crc
