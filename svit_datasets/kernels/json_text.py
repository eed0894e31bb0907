"""Strings of JSON text in bytes: where they end, whether they are sound, what they hold, and how they are written."""

from __future__ import annotations

from typing import Any

import numpy as np

from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.crc import crc_add
from svit_datasets.kernels.json_characters import (
    BACKSLASH,
    READ_SHORT,
    WRITE_SHORT,
    read_unicode,
    read_utf8,
    read_wide,
    write_unicode,
    write_utf8,
)
from svit_datasets.kernels.text import place, write_part

QUOTE, _SPACE = 34, 32
_IS_ODD = np.ones(256, np.uint8)  # what does not stand for itself in JSON text in ASCII
_IS_ODD[_SPACE:0x80] = 0
_IS_ODD[[QUOTE, BACKSLASH]] = 1
# What a byte behind a backslash stands for where ``json`` writes it so, else 0: "\/" is left to the plain way.
ESCAPED = READ_SHORT.astype(np.uint8)
ESCAPED[ord("/")] = 0


@compiled
def end_of_plain(data: Any, at: int, end: int) -> int:
    """Return where the next byte stands that is no ASCII, or must be escaped in JSON text.

    >>> end_of_plain(np.frombuffer(b'some text"', np.uint8), 0, 10)
    9
    """
    while at + 8 <= end:
        odd = 0
        for i in range(8):  # no branch in it, so that eight bytes are one step
            odd |= _IS_ODD[data[place(at + i)]]
        if odd:
            break
        at += 8
    while at < end and not _IS_ODD[data[place(at)]]:
        at += 1
    return at


@compiled
def skip_string(data: Any, at: int) -> int:
    """Return the index behind the quote that ends a string whose characters begin at ``at``; -1 where it is not plain.

    Plain is what every decoder takes, spelt as ``json.dumps`` spells it, in ASCII or in UTF-8.

    >>> skip_string(np.frombuffer(b'"a\\\\"b", 1', np.uint8), 1)
    6
    """
    end = len(data)
    while 0 <= at < end:
        at = end_of_plain(data, at, end)
        if at >= end or data[at] < _SPACE:
            return -1
        if data[at] == QUOTE:
            return at + 1
        if data[at] == BACKSLASH and at + 1 < end and ESCAPED[data[at + 1]]:
            at += 2
        else:
            at = read_wide(data, at)[1]
    return -1


@compiled
def read_string(data: Any, at: int, end: int, out: Any, to: int) -> tuple[int, int]:
    r"""Write what a JSON string holds to ``out``, as UTF-8.

    Args:
        data: JSON text.
        at: Index behind the opening quote, or -1.
        end: End of the text.
        out: Where to write, large enough.
        to: Index there.

    Returns:
        The index behind the closing quote (-1 if there is none, or it is no JSON), and the index behind what was
        written.

    >>> data, out = np.frombuffer(b'"a\\u00e9\\n"', np.uint8), np.zeros(9, np.uint8)
    >>> read_string(data, 1, len(data), out, 0), bytes(out[:4])
    ((11, 4), b'a\xc3\xa9\n')
    """
    while 0 <= at < end:
        begin = at
        at = end_of_plain(data, at, end)
        to = write_part(out, to, data, begin, at)
        if at >= end or data[at] < _SPACE:
            return -1, to
        if data[at] == QUOTE:
            return at + 1, to
        point, at = _read_odd(data, at, end)
        if at >= 0:
            to = write_utf8(out, to, point)
    return -1, to


@compiled
def _read_odd(data: Any, at: int, end: int) -> tuple[int, int]:
    """Return the character that an escape, or UTF-8, stands for, and the index behind it."""
    if data[at] != BACKSLASH:
        return read_utf8(data, at, end)
    if at + 1 < end and READ_SHORT[data[at + 1]]:
        return READ_SHORT[data[at + 1]], at + 2
    return read_unicode(data, at, end)


@compiled
def write_string(data: Any, begin: int, end: int, out: Any, to: int) -> int:
    r"""Write UTF-8 as the inside of a JSON string in ASCII, spelt as ``writers.encode_ascii`` spells it.

    >>> data, out = np.frombuffer('a"\u00e9'.encode(), np.uint8), np.zeros(20, np.uint8)
    >>> bytes(out[: write_string(data, 0, len(data), out, 0)])
    b'a\\"\\u00e9'
    """
    at = begin
    while at < end:
        plain = at
        at = end_of_plain(data, at, end)
        to = write_part(out, to, data, plain, at)
        if at >= end:
            break
        if data[at] >= 0x80:
            point, at = read_utf8(data, at, end)
            to = write_unicode(out, to, point)
            continue
        if WRITE_SHORT[data[at]]:
            out[to], out[to + 1] = BACKSLASH, WRITE_SHORT[data[at]]
            to += 2
        else:
            control: Any = np.int64(data[at])
            to = write_unicode(out, to, control)
        at += 1
    return to


@compiled
def crc_spelt(crc: int, data: Any, at: int, end: int) -> int:
    """Return a running CRC-32 after a text that is written as JSON in ASCII, of its characters in UTF-8.

    >>> from zlib import crc32
    >>> data = np.frombuffer(rb'a\\n\\u00e9', np.uint8)
    >>> crc_spelt(0xFFFFFFFF, data, 0, len(data)) ^ 0xFFFFFFFF == crc32("a\\né".encode())
    True
    """
    while at < end:
        if data[at] != BACKSLASH:
            crc, at = crc_add(crc, np.int64(data[at])), at + 1
        elif ESCAPED[data[at + 1]]:
            crc, at = crc_add(crc, np.int64(ESCAPED[data[at + 1]])), at + 2
        else:
            point, at = read_wide(data, at)
            crc = _crc_point(crc, point)
    return crc


@compiled
def _crc_point(crc: int, point: int) -> int:
    """Return a running CRC-32 after a code point beyond ASCII in UTF-8."""
    if point < 0x800:
        crc = crc_add(crc, 0xC0 | point >> 6)
    elif point < 0x10000:
        crc = crc_add(crc_add(crc, 0xE0 | point >> 12), 0x80 | point >> 6 & 0x3F)
    else:
        crc = crc_add(crc_add(crc, 0xF0 | point >> 18), 0x80 | point >> 12 & 0x3F)
        crc = crc_add(crc, 0x80 | point >> 6 & 0x3F)
    return crc_add(crc, 0x80 | point & 0x3F)
