"""Bytes as kernels read and write them: texts, runs of bytes, whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from svit_datasets.kernels.compiled import compiled

place = np.uintp  # of an index that is never negative, so that no code is made to count from the end
_MOST_DIGITS = 18  # what surely fits in 64 bits


def as_bytes(text: str) -> Any:
    """Return an ASCII text as an array of bytes.

    >>> as_bytes("ab")
    array([97, 98], dtype=uint8)
    """
    return np.array(list(text.encode("ascii")), np.uint8)


@compiled
def stands(data: Any, at: int, end: int, text: Any) -> bool:
    """Tell whether a text stands at an index of 0 or more.

    >>> stands(np.frombuffer(b"some text", np.uint8), 5, 9, as_bytes("text"))
    True
    """
    if at + len(text) > end:
        return False
    for i in range(len(text)):  # noqa: SIM110 -- a kernel has no generators
        if data[place(at + i)] != text[place(i)]:
            return False
    return True


@compiled
def skip_text(data: Any, at: int, text: Any) -> int:
    """Return the index behind a text that stands at ``at``; -1 where it does not, or ``at`` is -1.

    >>> skip_text(np.frombuffer(b'{"a": 1}', np.uint8), 1, as_bytes('"a"'))
    4
    """
    return at + len(text) if at >= 0 and stands(data, at, len(data), text) else -1


@compiled
def read_digits(data: Any, at: int, end: int) -> tuple[int, int]:
    """Return the whole number that the digits at an index write, and the index behind them.

    It takes no more than 18 digits, so that a further one stands behind.

    >>> read_digits(np.frombuffer(b"2315, 7", np.uint8), 0, 7), read_digits(np.frombuffer(b"x", np.uint8), 0, 1)
    ((2315, 4), (0, 0))
    """
    number: Any = 0
    most = min(end, at + _MOST_DIGITS)
    while 0 <= at < most and 48 <= data[at] <= 57:
        number, at = number * 10 + np.int64(data[at]) - 48, at + 1
    return number, at


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
    last = end - 1
    while last >= at:
        out[last] = 48 + number % 10
        number //= 10
        last -= 1
    return end


@compiled
def write_bytes(out: Any, at: int, text: Any) -> int:
    """Write the bytes of an array; return where the next byte goes."""
    for i in range(len(text)):
        out[place(at + i)] = text[place(i)]
    return at + len(text)


@compiled
def write_part(out: Any, at: int, data: Any, begin: int, end: int) -> int:
    """Write the bytes of an array from ``begin`` to ``end``; return where the next byte goes.

    >>> out = np.zeros(4, np.uint8)
    >>> write_part(out, 0, np.frombuffer(b"some text", np.uint8), 5, 9), bytes(out)
    (4, b'text')
    """
    for i in range(end - begin):
        out[place(at + i)] = data[place(begin + i)]
    return at + end - begin
