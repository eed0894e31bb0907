"""JSON strings in bytes: where they end, whether they are sound, and which characters they hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.text import place

QUOTE, BACKSLASH = 34, 92
_PLAIN, _END, _ESCAPE, _WIDE, _BAD = range(5)  # kinds of bytes inside a string
_KINDS = np.zeros(256, np.uint8)
_KINDS[:0x20], _KINDS[0x80:], _KINDS[QUOTE], _KINDS[BACKSLASH] = _BAD, _WIDE, _END, _ESCAPE
# What a byte behind a backslash stands for; 0 where it has another spelling, or none. "\/" is left to the plain way.
ESCAPED = np.zeros(256, np.uint8)
for _letter, _byte in zip(b'"\\bfnrt', b'"\\\b\f\n\r\t', strict=True):
    ESCAPED[_letter] = _byte
_HEX = np.full(256, -1, np.int64)
for _digits in (b"0123456789abcdef", b"\0" * 10 + b"ABCDEF"):
    for _value, _byte in enumerate(_digits):
        _HEX[_byte] = _value if _byte else -1


@compiled
def skip_text(data: Any, at: int, text: Any) -> int:
    """Return the index behind a text that stands at ``at``; -1 where it does not, or ``at`` is -1.

    >>> skip_text(np.frombuffer(b'{"a": 1}', np.uint8), 1, np.frombuffer(b'"a"', np.uint8))
    4
    """
    if at < 0 or at + len(text) > len(data):
        return -1
    for i in range(len(text)):
        if data[place(at + i)] != text[place(i)]:
            return -1
    return at + len(text)


@compiled
def skip_mark(data: Any, at: int, mark: int) -> int:
    """Return the index behind one byte and the space that may follow it; -1 where it does not stand at ``at``.

    >>> skip_mark(np.frombuffer(b'"a": 1', np.uint8), 3, ord(":"))
    5
    """
    if at < 0 or at + 1 >= len(data) or data[at] != mark:
        return -1
    return at + 2 if data[at + 1] == 32 else at + 1


@compiled
def skip_string(data: Any, at: int) -> int:
    """Return the index behind the quote that ends a string whose characters begin at ``at``; -1 where it is not plain.

    Plain is what every decoder takes, spelt as ``json.dumps`` spells it, in ASCII or in UTF-8.

    >>> skip_string(np.frombuffer(b'"a\\\\"b", 1', np.uint8), 1)
    6
    """
    size = len(data)
    while at >= 0:
        while at < size and _KINDS[data[place(at)]] == _PLAIN:
            at += 1
        if at >= size or _KINDS[data[at]] == _BAD:
            return -1
        if _KINDS[data[at]] == _END:
            return at + 1
        if _KINDS[data[at]] == _ESCAPE and at + 1 < size and ESCAPED[data[at + 1]]:
            at += 2
        else:
            at = read_wide(data, at)[1]
    return -1


@compiled
def read_wide(data: Any, at: int) -> tuple[int, int]:
    """Return the code point beyond ASCII that stands at ``at``, in UTF-8 or escaped, and the index behind it.

    Both are -1 where there is none, or half of a surrogate pair.

    >>> read_wide(np.frombuffer("é".encode(), np.uint8), 0), read_wide(np.frombuffer(rb"\\u00e9", np.uint8), 0)
    ((233, 2), (233, 6))
    """
    if data[at] != BACKSLASH:
        return _read_utf8(data, at)
    point = _read_unit(data, at)
    if point < 0x80 or 0xDC00 <= point < 0xE000:
        return -1, -1
    if not 0xD800 <= point < 0xDC00:
        return point, at + 6
    low = _read_unit(data, at + 6)
    if not 0xDC00 <= low < 0xE000:
        return -1, -1
    return 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00), at + 12


@compiled
def _read_unit(data: Any, at: int) -> int:
    """Return the value of an escape of four hexadecimal digits; -1 where there is none."""
    if at + 6 > len(data) or data[at] != BACKSLASH or data[at + 1] != 117:
        return -1
    unit = 0
    for i in range(at + 2, at + 6):
        digit = _HEX[data[i]]
        if digit < 0:
            return -1
        unit = unit << 4 | digit
    return unit


@compiled
def _read_utf8(data: Any, at: int) -> tuple[int, int]:
    first: Any = np.int64(data[at])
    more = 1 if 0xC2 <= first < 0xE0 else 2 if 0xE0 <= first < 0xF0 else 3 if 0xF0 <= first < 0xF5 else 0
    if not more or at + more >= len(data):
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
def write_wide(out: Any, at: int, point: int) -> int:
    """Write a code point beyond ASCII escaped, as ``writers.encode_ascii`` does; return where the next byte goes.

    >>> out = np.zeros(12, np.uint8)
    >>> end = write_wide(out, 0, 0x1F600)
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
