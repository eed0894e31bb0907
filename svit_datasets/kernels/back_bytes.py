"""Bytes read and written by the kernels of the way back: runs of plain text, tokens, copies.

A place of -1 means that something is not plain; every function passes it on, so that one look at the end is enough.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from svit_datasets.kernels.compiled import compiled

QUOTE, BACKSLASH, SPACE, DEL = b'"\\ \x7f'
int64: Any = np.int64
uint64: Any = np.uint64
_ODD = np.ones(256, np.uint8)  # what does not stand for itself in JSON text in ASCII, and the like
_ODD[SPACE:DEL] = 0
_ODD[[QUOTE, BACKSLASH]] = 1


@compiled
def end_of_plain(data: Any, at: int, end: int) -> int:
    """Return where the next byte stands that is no printable ASCII, or must be escaped in JSON text.

    >>> end_of_plain(np.frombuffer(b'some text"', np.uint8), 0, 10)
    9
    """
    while at + 8 <= end:
        odd = 0
        for i in range(8):  # no branch in it, so that eight bytes are one step
            odd |= _ODD[data[at + i]]
        if odd:
            break
        at += 8
    while at < end and not _ODD[data[at]]:
        at += 1
    return at


@compiled
def copy(data: Any, begin: int, end: int, out: Any, to: int) -> int:
    """Copy bytes; return the place behind them.

    >>> data, out = np.frombuffer(b"some text", np.uint8), np.zeros(4, np.uint8)
    >>> copy(data, 5, 9, out, 0), bytes(out)
    (4, b'text')
    """
    source, target = uint64(begin), uint64(to)
    for i in range(uint64(end - begin)):  # a place without a sign needs no look whether it is below zero
        out[target + i] = data[source + i]
    return to + end - begin


@compiled
def put(text: Any, out: Any, to: int) -> int:
    """Write all bytes of an array; return the place behind them."""
    target = uint64(to)
    for i in range(uint64(len(text))):
        out[target + i] = text[i]
    return to + len(text)


@compiled
def stands(data: Any, at: int, end: int, text: Any) -> bool:
    """Tell whether the bytes of an array stand at a place.

    >>> stands(np.frombuffer(b"some text", np.uint8), 5, 9, np.frombuffer(b"text", np.uint8))
    True
    """
    if at + len(text) > end:
        return False
    place = uint64(at)
    for i in range(uint64(len(text))):  # noqa: SIM110 -- a kernel has no generators
        if data[place + i] != text[i]:
            return False
    return True


@compiled
def skip_space(data: Any, at: int, end: int) -> int:
    """Return the next place that holds no white space.

    >>> skip_space(np.frombuffer(b"[  ]", np.uint8), 1, 4)
    3
    """
    if at < 0:
        return at
    while at < end and (data[at] == 32 or data[at] == 10 or data[at] == 13 or data[at] == 9):
        at += 1
    return at


@compiled
def expect(data: Any, at: int, end: int, token: Any) -> int:
    """Return the place behind ``token``, which white space may stand before; -1 where something else stands.

    >>> data = np.frombuffer(b"[ 12]", np.uint8)
    >>> expect(data, 1, 5, np.frombuffer(b"12", np.uint8)), expect(data, 1, 5, np.frombuffer(b"2", np.uint8))
    (4, -1)
    """
    at = skip_space(data, at, end)
    return at + len(token) if at >= 0 and stands(data, at, end, token) else -1


@compiled
def end_of_word(data: Any, at: int, end: int) -> int:
    """Return where the string that begins at ``at`` has its closing quote; -1 unless all is printable ASCII as it is.

    >>> end_of_word(np.frombuffer(b'"ab",', np.uint8), 1, 5)
    3
    """
    if at < 0:
        return at
    while at < end and data[at] != QUOTE:
        if data[at] < SPACE or data[at] >= DEL or data[at] == BACKSLASH:
            return -1
        at += 1
    return at if at < end else -1
