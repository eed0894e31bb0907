"""Single characters of JSON strings: escapes and UTF-8, read and written. An index of -1 stands for what is no JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from svit_datasets.kernels.compiled import compiled

BACKSLASH = 92
# What a byte behind a backslash stands for; 0 where it stands for none, or, as "u", has a part of its own.
READ_SHORT = np.zeros(256, np.int64)
for _letter, _byte in zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True):
    READ_SHORT[_letter] = _byte
# The letter that ``json`` writes behind a backslash for a byte; 0 where it writes none.
WRITE_SHORT = np.zeros(256, np.uint8)
for _letter, _byte in enumerate(READ_SHORT.tolist()):
    WRITE_SHORT[_byte] = _letter
WRITE_SHORT[[0, ord("/")]] = 0
_HEX = np.full(256, -1, np.int64)
for _byte in b"0123456789abcdefABCDEF":
    _HEX[_byte] = int(chr(_byte), 16)


@compiled
def read_unicode(data: Any, at: int, end: int) -> tuple[int, int]:
    r"""Return the code point that ``\u`` and four digits at ``at`` stand for, or two of them, and the index behind.

    Both are -1 where there is none, or half of a surrogate pair.

    >>> read_unicode(np.frombuffer(rb"\u00e9", np.uint8), 0, 6)
    (233, 6)
    """
    point = _read_unit(data, at, end)
    if point < 0 or 0xDC00 <= point < 0xE000:
        return -1, -1
    if not 0xD800 <= point < 0xDC00:
        return point, at + 6
    low = _read_unit(data, at + 6, end)
    if not 0xDC00 <= low < 0xE000:
        return -1, -1
    return 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00), at + 12


@compiled
def _read_unit(data: Any, at: int, end: int) -> int:
    """Return the value of an escape of four hexadecimal digits; -1 where there is none."""
    if at + 6 > end or data[at] != BACKSLASH or data[at + 1] != 117:
        return -1
    unit = 0
    for i in range(at + 2, at + 6):
        digit = _HEX[data[i]]
        if digit < 0:
            return -1
        unit = unit << 4 | digit
    return unit


@compiled
def read_utf8(data: Any, at: int, end: int) -> tuple[int, int]:
    """Return the code point beyond ASCII that stands at ``at`` in UTF-8, and the index behind it.

    Both are -1 where there is none.

    >>> [read_utf8(np.frombuffer(text, np.uint8), 0, 2) for text in ("é".encode(), b"\\xc0\\x80")]
    [(233, 2), (-1, -1)]
    """
    first: Any = np.int64(data[at])
    more = 1 if 0xC2 <= first < 0xE0 else 2 if 0xE0 <= first < 0xF0 else 3 if 0xF0 <= first < 0xF5 else 0
    if not more or at + more >= end:
        return -1, -1
    point = first & (0x3F >> more)
    for i in range(at + 1, at + 1 + more):
        if data[i] & 0xC0 != 0x80:
            return -1, -1
        point = point << 6 | np.int64(data[i]) & 0x3F
    is_short = (more == 2 and point < 0x800) or (more == 3 and point < 0x10000)
    if is_short or 0xD800 <= point < 0xE000 or point > 0x10FFFF:
        return -1, -1
    return point, at + 1 + more


@compiled
def read_wide(data: Any, at: int) -> tuple[int, int]:
    """Return the code point beyond ASCII that stands at ``at``, in UTF-8 or escaped, and the index behind it.

    Both are -1 where there is none, or half of a surrogate pair.

    >>> read_wide(np.frombuffer("é".encode(), np.uint8), 0), read_wide(np.frombuffer(rb"\\u00e9", np.uint8), 0)
    ((233, 2), (233, 6))
    """
    if data[at] != BACKSLASH:
        return read_utf8(data, at, len(data))
    point, behind = read_unicode(data, at, len(data))
    return (point, behind) if point >= 0x80 else (-1, -1)


@compiled
def write_utf8(out: Any, at: int, point: int) -> int:
    """Write a character as UTF-8; return where the next byte goes.

    >>> out = np.zeros(4, np.uint8)
    >>> write_utf8(out, 0, 0x1F600), bytes(out).decode()
    (4, '😀')
    """
    if point < 0x80:
        out[at] = point
        return at + 1
    more = 1 if point < 0x800 else 2 if point < 0x10000 else 3
    for i in range(more, 0, -1):
        out[at + i] = 0x80 | point & 0x3F
        point >>= 6
    out[at] = (0xFF00 >> more + 1) & 0xFF | point
    return at + 1 + more


@compiled
def write_unicode(out: Any, at: int, point: int) -> int:
    """Write a character escaped, as ``writers.encode_ascii`` does one beyond ASCII; return where the next byte goes.

    >>> out = np.zeros(12, np.uint8)
    >>> end = write_unicode(out, 0, 0x1F600)
    >>> bytes(out[:end])
    b'\\\\ud83d\\\\ude00'
    """
    if point < 0x10000:
        return _write_unit(out, at, point)
    at = _write_unit(out, at, 0xD800 + ((point - 0x10000) >> 10))
    return _write_unit(out, at, 0xDC00 + ((point - 0x10000) & 0x3FF))


@compiled
def _write_unit(out: Any, at: int, unit: int) -> int:
    out[at], out[at + 1] = BACKSLASH, 117
    for i in range(4):
        digit = unit >> (12 - 4 * i) & 15
        out[at + 2 + i] = 48 + digit if digit < 10 else 87 + digit
    return at + 6
