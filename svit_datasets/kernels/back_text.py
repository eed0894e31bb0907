"""Strings of JSON text, read and written by the kernels of the way back."""

from __future__ import annotations

from typing import Any

import numpy as np

from svit_datasets.kernels.back_bytes import BACKSLASH, DEL, QUOTE, SPACE, copy, end_of_plain, int64
from svit_datasets.kernels.compiled import compiled

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_U00 = np.frombuffer(b"\\u", np.uint8)


def _short_escapes() -> tuple[Any, Any]:
    """Return the character that each letter behind a backslash stands for, and the letter of each; 0 for none."""
    read, write = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for letter, character in zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True):
        read[letter] = character
        write[character] = letter
    write[ord("/")] = 0
    return read, write


_READ_SHORT, _WRITE_SHORT = _short_escapes()


@compiled
def _hex4(data: Any, at: int, end: int) -> int:
    """Return the number that four hexadecimal digits write, -1 if they are none."""
    if at + 4 > end:
        return -1
    number = 0
    for i in range(4):
        digit = int64(data[at + i])
        if 48 <= digit <= 57:
            number = number * 16 + digit - 48
        elif 97 <= (digit | 32) <= 102:
            number = number * 16 + (digit | 32) - 87
        else:
            return -1
    return number


@compiled
def _put_utf8(out: Any, to: int, code: int) -> int:
    """Write a character as UTF-8; return the place behind it."""
    if code < 0x80:
        out[to] = code
        return to + 1
    if code < 0x800:
        out[to], out[to + 1] = 0xC0 | code >> 6, 0x80 | code & 63
        return to + 2
    if code < 0x10000:
        out[to], out[to + 1], out[to + 2] = 0xE0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63
        return to + 3
    out[to], out[to + 1] = 0xF0 | code >> 18, 0x80 | code >> 12 & 63
    out[to + 2], out[to + 3] = 0x80 | code >> 6 & 63, 0x80 | code & 63
    return to + 4


@compiled
def _get_utf8(data: Any, at: int, end: int) -> tuple[int, int]:
    """Return the character of two bytes or more at a place, and how many they are; -1 where it is no UTF-8."""
    first = int64(data[at])
    size = 2 if first >> 5 == 6 else 3 if first >> 4 == 14 else 4 if first >> 3 == 30 else 0
    if size == 0 or at + size > end:
        return -1, 0
    code = first & (0x7F >> size)
    for i in range(1, size):
        if data[at + i] >> 6 != 2:
            return -1, 0
        code = code << 6 | int64(data[at + i]) & 63
    least = 0x80 if size == 2 else 0x800 if size == 3 else 0x10000
    if code < least or code > 0x10FFFF or 0xD800 <= code < 0xE000:
        return -1, 0
    return code, size


@compiled
def _get_escape(data: Any, at: int, end: int) -> tuple[int, int]:
    """Return the character that an escape at a place stands for, and its length; -1 for half of a surrogate pair."""
    if at + 1 >= end:
        return -1, 0
    if _READ_SHORT[data[at + 1]]:
        return _READ_SHORT[data[at + 1]], 2
    code = _hex4(data, at + 2, end) if data[at + 1] == 117 else -1
    if code < 0xD800 or code >= 0xE000:
        return code, 6
    if code >= 0xDC00 or at + 12 > end or data[at + 6] != BACKSLASH or data[at + 7] != 117:
        return -1, 0
    low = _hex4(data, at + 8, end)
    if low < 0xDC00 or low >= 0xE000:
        return -1, 0
    return 0x10000 + ((code - 0xD800) << 10 | (low - 0xDC00)), 12


@compiled
def read_string(data: Any, at: int, end: int, out: Any, to: int) -> tuple[int, int]:
    r"""Write what a JSON string holds to ``out``, as UTF-8.

    Args:
        data: JSON text.
        at: Place behind the opening quote.
        end: End of the text.
        out: Where to write, large enough.
        to: Place to write at.

    Returns:
        The place behind the closing quote (-1 if there is none, or it is no JSON), and the place behind what was
        written.

    >>> data, out = np.frombuffer(b'"a\\u00e9\\n"', np.uint8), np.zeros(9, np.uint8)
    >>> read_string(data, 1, len(data), out, 0), bytes(out[:4])
    ((11, 4), b'a\xc3\xa9\n')
    """
    if at < 0:
        return -1, to
    while at < end:
        begin = at
        at = end_of_plain(data, at, end)
        to = copy(data, begin, at, out, to)
        if at >= end:
            break
        byte = data[at]
        if byte == QUOTE:
            return at + 1, to
        if byte < SPACE:
            return -1, to
        if byte == DEL:
            out[to] = byte
            at += 1
            to += 1
            continue
        code, size = _get_escape(data, at, end) if byte == BACKSLASH else _get_utf8(data, at, end)
        if code < 0:
            return -1, to
        to = _put_utf8(out, to, code)
        at += size
    return -1, to


@compiled
def _put_unit(out: Any, to: int, unit: int) -> int:
    out[to], out[to + 1] = _U00[0], _U00[1]
    for i in range(4):
        out[to + 2 + i] = _HEX[unit >> (12 - 4 * i) & 15]
    return to + 6


@compiled
def write_string(data: Any, begin: int, end: int, out: Any, to: int) -> int:
    r"""Write UTF-8 as the inside of a JSON string in ASCII, spelled as ``writers.encode_ascii`` spells it.

    >>> data, out = np.frombuffer('a"\u00e9'.encode(), np.uint8), np.zeros(20, np.uint8)
    >>> bytes(out[: write_string(data, 0, len(data), out, 0)])
    b'a\\"\\u00e9'
    """
    at = begin
    while at < end:
        plain = at
        at = end_of_plain(data, at, end)
        to = copy(data, plain, at, out, to)
        if at >= end:
            break
        byte = data[at]
        if byte == DEL:
            out[to] = byte
            at += 1
            to += 1
        elif byte < 0x80:
            at += 1
            if _WRITE_SHORT[byte]:
                out[to], out[to + 1] = BACKSLASH, _WRITE_SHORT[byte]
                to += 2
            else:
                to = _put_unit(out, to, int64(byte))
        else:
            code, size = _get_utf8(data, at, end)
            at += size
            if code >= 0x10000:
                to = _put_unit(out, to, 0xD800 + (code - 0x10000 >> 10))
                code = 0xDC00 + (code - 0x10000 & 0x3FF)
            to = _put_unit(out, to, code)
    return to
