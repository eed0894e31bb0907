"""JSON inside native records, byte by byte: white space, keys, whole numbers, and strings decoded to UTF-8.

Each takes bytes and an index and returns the index behind what it took, or ``ODD`` where it is not ordinary JSON; given
``ODD``, it returns that, so that steps follow each other without a question between them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.text import place

ODD = -1
_DIGITS_MOST = 18  # what surely fits in 64 bits
# What a backslash and a letter stand for; 0 is no escape, "u" is dealt with apart.
_ESCAPES = np.zeros(256, np.uint8)
for _letter, _byte in zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True):
    _ESCAPES[_letter] = _byte
_IS_PLAIN = np.array([32 <= i < 128 and i not in b'"\\' for i in range(256)])  # stands for itself in a string


@compiled
def copy_bytes(source: Any, begin: int, end: int, out: Any, to: int) -> int:
    """Copy ``source[begin:end]`` to ``out`` from ``to`` on; return where it ends there.

    >>> copy_bytes(np.arange(5), 1, 3, np.zeros(4), 2)
    4
    """
    for i in range(end - begin):
        out[place(to + i)] = source[place(begin + i)]
    return to + end - begin


@compiled
def skip_space(data: Any, at: int, stop: int) -> int:
    """Return the index of the next byte that is no white space, ``stop`` if there is none.

    >>> skip_space(np.frombuffer(b" x", np.uint8), 0, 2)
    1
    """
    while 0 <= at < stop and (data[at] == 32 or data[at] == 10 or data[at] == 13 or data[at] == 9):
        at += 1
    return at


@compiled
def skip_byte(data: Any, at: int, stop: int, byte: int) -> int:
    """Pass over white space and one byte.

    >>> skip_byte(np.frombuffer(b" : 1", np.uint8), 0, 4, ord(":")), ODD
    (2, -1)
    """
    at = skip_space(data, at, stop)
    return at + 1 if 0 <= at < stop and data[at] == byte else ODD


@compiled
def skip_key(data: Any, at: int, stop: int, key: Any) -> int:
    """Pass over white space, a key with its quotes, and the colon.

    >>> skip_key(np.frombuffer(b'"from": "user"', np.uint8), 0, 14, np.frombuffer(b'"from"', np.uint8))
    7
    """
    at = skip_space(data, at, stop)
    if at < 0 or stop - at < len(key):
        return ODD
    for i in range(len(key)):
        if data[place(at + i)] != key[place(i)]:
            return ODD
    return skip_byte(data, at + len(key), stop, 58)


@compiled
def read_whole(data: Any, at: int, stop: int) -> tuple[int, int]:
    """Read a whole number of 0 or more behind white space; it must be followed by white space or a comma.

    >>> read_whole(np.frombuffer(b" 2315,", np.uint8), 0, 6)
    (5, 2315)
    """
    at = skip_space(data, at, stop)
    begin = at
    number: Any = 0
    while 0 <= at < stop and 48 <= data[at] <= 57 and at - begin < _DIGITS_MOST:
        number = number * 10 + np.int64(data[at]) - 48
        at += 1
    is_whole = begin < at < stop and (data[begin] != 48 or at == begin + 1)
    if is_whole and (data[at] == 44 or data[at] == 32 or data[at] == 10 or data[at] == 13 or data[at] == 9):
        return at, number
    return ODD, 0


@compiled
def read_string(data: Any, at: int, stop: int, out: Any, to: int) -> tuple[int, int]:
    """Decode a string behind white space into ``out`` from ``to`` on; also return where its text ends there.

    Not ordinary are control characters, lone surrogates, and what is no UTF-8.

    >>> out = np.zeros(9, np.uint8)
    >>> read_string(np.frombuffer(b' "caf\\\\u00e9"', np.uint8), 0, 12, out, 0), bytes(out[:5]).decode()
    ((12, 5), 'café')
    """
    at = skip_byte(data, at, stop, 34)
    while 0 <= at < stop:
        begin = at
        while at < stop and _IS_PLAIN[data[place(at)]]:
            at += 1
        to = copy_bytes(data, begin, at, out, to)
        if at >= stop or data[at] < 32:
            return ODD, to
        if data[at] == 34:
            return at + 1, to
        if data[at] == 92:
            at, to = _read_escape(data, at, stop, out, to)
        else:
            width = utf8_width(data, at, stop)
            to = copy_bytes(data, at, at + width, out, to)
            at = at + width if width else ODD
    return ODD, to


@compiled
def _read_escape(data: Any, at: int, stop: int, out: Any, to: int) -> tuple[int, int]:
    if stop - at < 2:
        return ODD, to
    if data[at + 1] != 117:
        out[to] = _ESCAPES[data[at + 1]]
        return (at + 2, to + 1) if out[to] else (ODD, to)
    code = _read_hex(data, at + 2, stop)
    at += 6
    if 0xD800 <= code < 0xDC00 and stop - at >= 6 and data[at] == 92 and data[at + 1] == 117:
        low = _read_hex(data, at + 2, stop)
        if not 0xDC00 <= low < 0xE000:
            return ODD, to
        return at + 6, _write_utf8(0x10000 + ((code - 0xD800) << 10) + low - 0xDC00, out, to)
    if code < 0 or 0xD800 <= code < 0xE000:
        return ODD, to
    return at, _write_utf8(code, out, to)


@compiled
def _read_hex(data: Any, at: int, stop: int) -> int:
    """Return what four hexadecimal digits say, -1 where they are none."""
    if stop - at < 4:
        return -1
    code: Any = 0
    for i in range(4):
        byte = np.int64(data[at + i])
        small = byte | 32
        if 48 <= byte <= 57:
            code = code * 16 + byte - 48
        elif 97 <= small <= 102:
            code = code * 16 + small - 87
        else:
            return -1
    return code  # type: ignore[no-any-return]


@compiled
def _write_utf8(code: int, out: Any, to: int) -> int:
    if code < 0x80:
        out[to] = code
        return to + 1
    width = 2 if code < 0x800 else 3 if code < 0x10000 else 4
    for i in range(width - 1, 0, -1):
        out[to + i] = 0x80 | (code & 0x3F)
        code >>= 6
    out[to] = code | (0xF0 if width == 4 else 0xE0 if width == 3 else 0xC0)
    return to + width


@compiled
def utf8_width(data: Any, at: int, stop: int) -> int:
    """Return how many bytes a character beyond ASCII has that begins at ``at``; 0 where it is no UTF-8.

    >>> [utf8_width(np.frombuffer(text, np.uint8), 0, 2) for text in ("é".encode(), b"\\xc0\\x80")]
    [2, 0]
    """
    lead = data[at]
    width = 2 if 0xC2 <= lead < 0xE0 else 3 if 0xE0 <= lead < 0xF0 else 4 if 0xF0 <= lead < 0xF5 else 0
    if not width or stop - at < width:
        return 0
    for i in range(1, width):
        if data[at + i] & 0xC0 != 0x80:
            return 0
    second = data[at + 1]
    is_bad = (
        (lead == 0xE0 and second < 0xA0)  # written longer than need be
        or (lead == 0xED and second >= 0xA0)  # a surrogate
        or (lead == 0xF0 and second < 0x90)
        or (lead == 0xF4 and second >= 0x90)  # beyond Unicode
    )
    return 0 if is_bad else width
