"""The marked phrases of a decoded text and their boxes: ``grounding.find_marked`` over bytes.

Positions are counted in characters, as Python counts them; numbers are the doubles that Python reads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from svit_datasets.kernels.columns.json_values import ODD
from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.text import place, write_part

NO_BOX = -2
_DIGITS_MOST = 15  # so many digits are exact in a double, and their quotient by a power of ten is rounded once
_POWERS = np.array([float(10**i) for i in range(_DIGITS_MOST + 1)])


@compiled
def mark_at(text: Any, at: int, stop: int) -> int:
    """Tell which mark stands at an index: 1 is ``<st>``, 2 is ``<ed>``, 0 is none.

    >>> mark_at(np.frombuffer(b"a<ed>", np.uint8), 1, 5)
    2
    """
    if stop - at < 4 or text[at] != 60 or text[at + 3] != 62:
        return 0
    if text[at + 1] == 115 and text[at + 2] == 116:
        return 1
    return 2 if text[at + 1] == 101 and text[at + 2] == 100 else 0


@compiled
def count_characters(text: Any, begin: int, stop: int) -> int:
    """Return the number of characters of UTF-8.

    >>> count_characters(np.frombuffer("née".encode(), np.uint8), 0, 4)
    3
    """
    count = 0
    for i in range(begin, stop):
        count += (text[place(i)] & 0xC0) != 0x80
    return count


@compiled
def skip_blank(text: Any, at: int, stop: int) -> int:
    """Pass over white space as regular expressions know it in Python, beyond ASCII too.

    >>> skip_blank(np.frombuffer("\\u2003\\x1f[".encode(), np.uint8), 0, 5)
    4
    """
    while at < stop:
        byte = text[at]
        if byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31:
            at += 1
        elif byte == 0xC2 and (text[at + 1] == 0x85 or text[at + 1] == 0xA0):
            at += 2
        elif 0xE1 <= byte <= 0xE3 and _is_wide_blank(text[at], text[at + 1], text[at + 2]):
            at += 3
        else:
            return at
    return at


@compiled
def _is_wide_blank(first: int, second: int, third: int) -> bool:
    if first == 0xE2 and second == 0x80:
        return third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF
    return (
        (first == 0xE1 and second == 0x9A and third == 0x80)
        or (first == 0xE2 and second == 0x81 and third == 0x9F)
        or (first == 0xE3 and second == 0x80 and third == 0x80)
    )


@compiled
def read_boxes(text: Any, at: int, stop: int, numbers: Any, count: int) -> tuple[int, int]:
    """Read boxes with a comma between them into ``numbers`` from ``count`` on, x1, y1, x2, y2 of each.

    Returns:
        The index behind the last box, and how many numbers there are now; ``NO_BOX`` where none stands at ``at``,
        ``ODD`` where a number has more digits than a double holds.

    >>> numbers = np.zeros(8)
    >>> read_boxes(np.frombuffer(b"[0.1, .2, 1., 1], [0]", np.uint8), 0, 21, numbers, 0), numbers[:4].tolist()
    ((16, 4), [0.1, 0.2, 1.0, 1.0])
    """
    end = _read_box(text, at, stop, numbers, count)
    if end < 0:
        return end, count
    while True:
        at, count = end, count + 4
        if at >= stop or text[at] != 44:
            return at, count
        end = _read_box(text, skip_blank(text, at + 1, stop), stop, numbers, count)
        if end == NO_BOX:
            return at, count
        if end < 0:
            return end, count


@compiled
def _read_box(text: Any, at: int, stop: int, numbers: Any, count: int) -> int:
    if at >= stop or text[at] != 91:
        return NO_BOX
    at += 1
    for i in range(4):
        at = skip_blank(text, at, stop)
        if i:
            if at >= stop or text[at] != 44:
                return NO_BOX
            at = skip_blank(text, at + 1, stop)
        at = _read_number(text, at, stop, numbers, count + i)
        if at < 0:
            return at
    at = skip_blank(text, at, stop)
    return at + 1 if at < stop and text[at] == 93 else NO_BOX


@compiled
def _read_number(text: Any, at: int, stop: int, numbers: Any, count: int) -> int:
    begin, point = at, -1
    whole: Any = 0
    while at < stop and (48 <= text[at] <= 57 or (text[at] == 46 and point < 0)):
        if text[at] == 46:
            point = at
        else:
            whole = whole * 10 + np.int64(text[at]) - 48
        at += 1
        if at - begin > _DIGITS_MOST:
            return ODD
    decimals = at - point - 1 if point >= 0 else 0
    if at - begin == (1 if point >= 0 else 0):
        return NO_BOX  # nothing, or a point alone
    numbers[count] = whole / _POWERS[decimals]
    return at


@compiled
def find_objects(
    text: Any, text_ends: Any, texts: int, text_objects: Any, objects: Any, phrases: Any, phrase_ends: Any,
    box_ends: Any, numbers: Any,
) -> int:  # fmt: skip
    """Find the marked phrases of many texts, as long as they are ordinary.

    Args:
        text: The texts, one behind the other.
        text_ends: Where each ends, behind a 0.
        texts: How many there are.
        text_objects: Takes how many objects there are up to the end of each text, behind a 0.
        objects: Takes, in three rows, the number of each object's text, where in the text it starts, and where it ends.
        phrases: Takes the phrases.
        phrase_ends: Takes where each ends, behind a 0.
        box_ends: Takes how many boxes there are up to the end of each object, behind a 0.
        numbers: Takes four numbers a box.

    Returns:
        How many texts were looked through.
    """
    found = 0
    for number in range(texts):
        at: Any = np.int64(text_ends[number])
        stop: Any = np.int64(text_ends[number + 1])
        counted, characters, phrase = at, 0, -1  # so many characters stand before ``counted``
        while at < stop:
            while at < stop and text[place(at)] != 60:
                at += 1
            mark = mark_at(text, at, stop)
            if not mark:
                at += 1
                continue
            ended, at = at, at + 4
            if mark == 2 and phrase >= 0:
                first = 4 * box_ends[found]
                behind, count = read_boxes(text, skip_blank(text, at, stop), stop, numbers, first)
                if behind == ODD:
                    return number
                characters += count_characters(text, counted, phrase)
                objects[0, found], objects[1, found] = number, characters
                characters += count_characters(text, phrase, ended)
                objects[2, found], counted = characters, ended
                phrase_ends[found + 1] = write_part(phrases, phrase_ends[found], text, phrase, ended)
                box_ends[found + 1] = count // 4
                found, at = found + 1, at if behind == NO_BOX else behind
            phrase = at if mark == 1 else -1
        text_objects[number + 1] = found
    return texts
