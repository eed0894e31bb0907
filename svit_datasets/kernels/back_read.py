"""The parts of a row as ``to_llava`` writes it, read by the kernels of the way back: turns, place, provenance."""

from __future__ import annotations

from typing import Any

import numpy as np

from svit_datasets.kernels.back_bytes import end_of_word, expect, int64, skip_space, stands
from svit_datasets.kernels.back_text import read_string
from svit_datasets.kernels.compiled import compiled
from svit_datasets.records import TASKS

# What is known of a row that was taken, one line each of the table that ``take_rows`` fills; see ``TakenRows``.
START, BODY, TASK, RECORD, CONVERSATION, IMAGE = range(6)
COLUMNS = 6
# Where the parts of a row's provenance begin and end: numbers of a line, each with that of its end behind it. Without a
# topic it begins at -1, and ends there where it is null.
AT, TOPIC, MARKS, SUM = range(0, 8, 2)
PLACES = 8
MOST_TURNS = 64
_MOST_DIGITS = 18


def as_array(text: bytes) -> Any:
    """Return bytes as an array.

    >>> as_array(b"ab")
    array([97, 98], dtype=uint8)
    """
    return np.frombuffer(text, np.uint8)


_AT, _SUM, _TOPIC, _MARKS = (as_array(b'"%s"' % key) for key in (b"at", b"sum", b"topic", b"marks"))
_FROM, _VALUE, _HUMAN, _GPT = (as_array(b'"%s"' % word) for word in (b"from", b"value", b"human", b"gpt"))
_OPEN, _CLOSE, _OPEN_LIST, _CLOSE_LIST = (as_array(mark) for mark in (b"{", b"}", b"[", b"]"))
_COLON, _COMMA, _QUOTE, _NULL = (as_array(mark) for mark in (b":", b",", b'"', b"null"))
_FIRST_FOLDER, _SECOND_FOLDER, _JPG = (as_array(part) for part in (b"vg/VG_100K/", b"vg/VG_100K_2/", b".jpg"))
_LETTERS = as_array("".join(task.letter for task in TASKS.values()).encode())
_DOT = ord(".")


@compiled
def key(data: Any, at: int, end: int, key: Any) -> int:
    """Return the place behind a key and its colon."""
    return expect(data, expect(data, at, end, key), end, _COLON)


@compiled
def _number(data: Any, at: int, end: int, behind: int) -> tuple[int, int]:
    """Return a whole number of up to 18 digits that ends before the byte ``behind``, and the place behind that byte."""
    begin, number = at, 0
    if at < 0:
        return 0, -1
    while at < end and 48 <= data[at] <= 57:
        number = number * 10 + int64(data[at]) - 48
        at += 1
        if at - begin > _MOST_DIGITS:
            return 0, -1
    return (number, at + 1) if at > begin and at < end and data[at] == behind else (0, -1)


@compiled
def image_of(data: Any, at: int, end: int) -> int:
    """Return the id in an image path of the usual form that stands between two places; -1 if it is another."""
    if stands(data, at, end, _FIRST_FOLDER):
        at += len(_FIRST_FOLDER)
    elif stands(data, at, end, _SECOND_FOLDER):
        at += len(_SECOND_FOLDER)
    else:
        return -1
    image, at = _number(data, at, end, _DOT)
    return image if at >= 0 and at - 1 + len(_JPG) == end and stands(data, at - 1, end, _JPG) else -1


@compiled
def read_turns(data: Any, at: int, end: int, text: Any, turns: Any) -> tuple[int, int]:
    """Read the turns of a row, texts to ``text``, where each ends to ``turns``; return the place behind, their number.

    The first text keeps its ``<image>``.
    """
    at = expect(data, at, end, _OPEN_LIST)
    count, to = 0, 0
    while count < MOST_TURNS:
        at = expect(data, key(data, expect(data, at, end, _OPEN), end, _FROM), end, _GPT if count & 1 else _HUMAN)
        at = expect(data, key(data, expect(data, at, end, _COMMA), end, _VALUE), end, _QUOTE)
        at, to = read_string(data, at, end, text, to)
        count += 1
        turns[count] = to
        at = skip_space(data, expect(data, at, end, _CLOSE), end)
        if at < 0 or at >= end:
            return -1, 0
        if data[at] != _COMMA[0]:
            break
        at += 1
    return (-1 if count & 1 else expect(data, at, end, _CLOSE_LIST)), count


@compiled
def word(data: Any, at: int, end: int, place: Any, i: int) -> int:
    """Note where a string of plain ASCII stands; return the place behind its quote."""
    at = expect(data, at, end, _QUOTE)
    stop = end_of_word(data, at, end)
    place[i], place[i + 1] = at, stop
    return stop + 1 if stop >= 0 else -1


@compiled
def read_svit(data: Any, at: int, end: int, place: Any) -> int:
    """Read the provenance; note where its parts stand: at, topic (-1: none; its end -1: null), marks, sum."""
    at = word(data, key(data, expect(data, at, end, _OPEN), end, _AT), end, place, AT)
    at = word(data, key(data, expect(data, at, end, _COMMA), end, _SUM), end, place, SUM)
    place[TOPIC], place[TOPIC + 1], place[MARKS], place[MARKS + 1] = -1, -1, 0, 0
    at = skip_space(data, at, end)
    after = key(data, expect(data, at, end, _COMMA), end, _TOPIC)
    if after >= 0:
        at = expect(data, after, end, _NULL)
        if at >= 0:
            place[TOPIC] = after
        else:
            at = word(data, after, end, place, TOPIC)
    after = key(data, expect(data, at, end, _COMMA), end, _MARKS)
    if after >= 0:
        at = word(data, after, end, place, MARKS)
    return expect(data, at, end, _CLOSE)


@compiled
def read_place(data: Any, begin: int, end: int, table: Any, row: int) -> int:
    """Read the place that ``at`` names into the table; return -1 if it is none."""
    table[TASK, row] = -1
    for i in range(len(_LETTERS)):
        if begin < end and data[begin] == _LETTERS[i]:
            table[TASK, row] = i
    table[RECORD, row], at = _number(data, begin + 1, end, _DOT)
    table[CONVERSATION, row], at = _number(data, at, end, _DOT)
    table[IMAGE, row], at = _number(data, at, end + 1, _QUOTE[0])
    return -1 if table[TASK, row] < 0 or at != end + 1 else at
