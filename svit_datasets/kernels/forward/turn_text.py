"""One native text to the text of LLaVA's trainer: marks dropped, boxes moved, and the piece that restores it.

The same demands as in ``converters.llava_plain``, in ASCII at the places that count: every "[" opens a box in SVIT's
own spelling with up to 3 decimals, every "<" is a mark of a phrase with boxes, a phrase begins with a letter or digit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.forward.axes import ORIGINAL, UNKNOWN, pad_thousandth
from svit_datasets.kernels.json_characters import BACKSLASH, read_wide, write_unicode
from svit_datasets.kernels.json_text import ESCAPED
from svit_datasets.kernels.text import as_bytes, place, skip_text, write_number

_PLAIN, _MARK, _BOX, _CLOSE, _SPECIAL, _COLON = range(6)  # kinds of bytes
_KINDS = np.zeros(256, np.uint8)
_KINDS[0x80:] = _SPECIAL
for _byte, _kind in zip(b"<[]\\:", (_MARK, _BOX, _CLOSE, _SPECIAL, _COLON), strict=True):
    _KINDS[_byte] = _kind
_ST, _ED, _NEXT, _WORD = as_bytes("<st>"), as_bytes("<ed> "), as_bytes(", "), as_bytes("ASSISTANT")
# Each thousandth as Python prints it, and how long that is.
_SPELT = np.zeros((1001, 6), np.uint8)
for _number in range(1001):
    _spelt = repr(_number / 1000).encode()
    _SPELT[_number, : len(_spelt)], _SPELT[_number, 5] = list(_spelt), len(_spelt)


@compiled
def write_text(
    data: Any,
    begin: int,
    end: int,
    out: Any,
    at: int,
    marks: Any,
    mark_at: int,
    is_exact: bool,
    width: int,
    height: int,
) -> tuple[int, int, bool]:
    """Write a text, still as JSON, and its piece of the marks.

    Args:
        data: Bytes.
        begin: Index of the text's first byte.
        end: Index behind its last, where its quote stands.
        out: Where the text goes.
        at: Index there.
        marks: Where the piece goes.
        mark_at: Index there.
        is_exact: Whether boxes are moved without rounding to whole pixels.
        width: Of the image; ``ORIGINAL`` or ``UNKNOWN``.
        height: Of the image.

    Returns:
        The index behind the text (-1: it is not plain), the index behind the piece, whether the text has escapes.
    """
    i, gap, has_escapes = begin, -1, False
    while True:
        while _KINDS[data[place(i)]] == _PLAIN and i < end:
            out[place(at)] = data[place(i)]
            i, at = i + 1, at + 1
        if i >= end:
            break
        kind, phrase, length = _KINDS[data[i]], i, 0
        if kind == _MARK:
            i, at, length, is_wide = _write_phrase(data, i, end, out, at)
            has_escapes = has_escapes or is_wide
            if i < 0:
                return -1, 0, False
        if kind in (_MARK, _BOX):
            mark_at = _write_head(data, gap, phrase, length, marks, mark_at)
            if mark_at < 0:
                return -1, 0, False
            i, at, mark_at = _write_box(data, i, out, at, marks, mark_at, is_exact, width, height)
            gap = i
        elif kind == _SPECIAL:
            i, at = _write_special(data, i, out, at)
            has_escapes = True
        elif kind == _COLON and _ends_in_assistant(data, begin, i):
            i = -1
        else:
            out[at] = data[i]
            i, at = i + 1, at + 1
        if i < 0:
            return -1, 0, False
    return (at if gap >= 0 or _has_words(data, begin, end) else -1), mark_at, has_escapes


@compiled
def _ends_in_assistant(data: Any, begin: int, at: int) -> bool:
    return at - 9 >= begin and data[at - 1] == 84 and skip_text(data, at - 9, _WORD) == at


@compiled
def _has_words(data: Any, at: int, end: int) -> bool:
    """Tell whether a text is surely more than white space."""
    while at < end:
        if data[at] == BACKSLASH:
            at += 1
            if data[at] == BACKSLASH or data[at] == 34:
                return True
            at += 4 if data[at] == 117 else 0
        elif 0x20 < data[at] < 0x7F:
            return True
        at += 1
    return False


@compiled
def _write_special(data: Any, i: int, out: Any, at: int) -> tuple[int, int]:
    """Write an escape or a character beyond ASCII, spelt as the encoder spells it; return both indexes behind it."""
    if data[i] == BACKSLASH and ESCAPED[data[i + 1]]:
        out[at], out[at + 1] = BACKSLASH, data[i + 1]
        return i + 2, at + 2
    point, behind = read_wide(data, i)
    return behind, write_unicode(out, at, point)


@compiled
def _write_phrase(data: Any, i: int, end: int, out: Any, at: int) -> tuple[int, int, int, bool]:
    """Write a marked phrase and a space.

    Returns:
        The index of the "[" behind it (-1: it is not plain), the index behind the space, its length in characters,
        whether it has escapes.
    """
    i = skip_text(data, i, _ST)
    if i < 0 or not _is_alphanumeric(data[i]):
        return -1, at, 0, False
    length, has_escapes = 0, False
    while i < end and data[i] != 60:
        kind = _KINDS[data[i]]
        if kind in (_BOX, _CLOSE) or (kind == _COLON and data[i - 1] == 84):
            return -1, at, 0, False
        if kind == _SPECIAL:
            i, at = _write_special(data, i, out, at)
            has_escapes = True
        else:
            out[at] = data[i]
            i, at = i + 1, at + 1
        length += 1
    i = skip_text(data, i, _ED)
    out[at] = 32
    return (i if i >= 0 and data[i] == 91 else -1), at + 1, length, has_escapes


@compiled
def _is_alphanumeric(byte: int) -> bool:
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122


@compiled
def _write_head(data: Any, gap: int, at: int, length: int, marks: Any, mark_at: int) -> int:
    """Write what stands in front of a box's numbers; return where they go, -1 where the box is in no usual place.

    ``gap`` is where the box before it in this text ends, -1 where there is none; ``length`` is 0 for a bare box.
    """
    if gap >= 0 and not length and data[gap] == 44:
        if at == gap + 2 and data[gap + 1] == 32:
            marks[mark_at] = 32  # a further box of the same phrase
            return mark_at + 1
        if not _has_plain_word(data, gap + 1, at):
            return -1
    if gap >= 0:
        marks[mark_at] = 59
        mark_at += 1
    if length:
        mark_at = write_number(marks, mark_at, length)
        marks[mark_at] = 58
        mark_at += 1
    return mark_at


@compiled
def _has_plain_word(data: Any, at: int, end: int) -> bool:
    """Tell whether there is surely more than white space, before any escape."""
    while at < end and data[at] != BACKSLASH:
        if 0x20 < data[at] < 0x7F:
            return True
        at += 1
    return False


@compiled
def _write_box(
    data: Any, i: int, out: Any, at: int, marks: Any, mark_at: int, is_exact: bool, width: int, height: int
) -> tuple[int, int, int]:
    """Write a box and its numbers; return all indexes behind them, -1 for the first where the box is not plain."""
    x, y, begin, length, other = 0, 0, i + 1, width, height  # what x2 and y2 must not be less than, in turn
    side = max(width, height)
    out[at] = 91
    at += 1
    for corner in range(4):
        number, behind = _read_coordinate(data, begin)
        if number < x or width == UNKNOWN:
            return -1, 0, 0
        if width == ORIGINAL:
            at = _write_number(out, at, data, begin, behind)
        else:
            at = _write_thousandth(out, at, pad_thousandth(number, length, (side - length) >> 1, side, is_exact))
        short = begin + 1 if data[begin] == 48 and behind > begin + 1 else begin
        mark_at = _write_number(marks, mark_at, data, short, behind)
        begin, x, y, length, other = behind + 2, y, number, other, length
        if corner < 3:
            if data[behind] != 44 or data[behind + 1] != 32:
                return -1, 0, 0
            marks[mark_at], out[at], out[at + 1] = 32, 44, 32
            at, mark_at = at + 2, mark_at + 1
    out[at] = 93
    return (begin - 1 if data[begin - 2] == 93 else -1), at + 1, mark_at


@compiled
def _write_number(out: Any, at: int, data: Any, begin: int, end: int) -> int:
    """Write a number of up to 5 bytes; the room behind it is written too, which is as fast as it gets."""
    for i in range(5):
        out[place(at + i)] = data[place(begin + i)]
    return at + end - begin


@compiled
def _write_thousandth(out: Any, at: int, number: int) -> int:
    for i in range(5):
        out[place(at + i)] = _SPELT[place(number), place(i)]
    length: int = _SPELT[place(number), 5]
    return at + length


@compiled
def _read_coordinate(data: Any, at: int) -> tuple[int, int]:
    """Return the thousandths of an ordinary coordinate of up to 3 decimals, -1 for any other, and the index behind it.

    What ends the text is no digit, so nothing beyond it is looked at.
    """
    first = data[place(at)]
    if first != 48 and first != 49:
        return -1, at
    number: Any = np.int64(first - 48) * 1000
    if data[place(at + 1)] != 46:
        return number, at + 1
    begin, worth = at + 2, 100
    at = begin
    for worth in (100, 10, 1):
        digit = np.int64(data[place(at)]) - 48
        if not 0 <= digit <= 9:
            break
        number, at = number + digit * worth, at + 1
    is_good = at > begin and number <= 1000 and not 48 <= data[place(at)] <= 57
    return (number if is_good else -1), at
