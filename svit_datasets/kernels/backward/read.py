"""The parts of a row as ``to_llava`` writes it, read by the kernels of the way back: turns, place, provenance."""

from __future__ import annotations

from typing import Any

from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.json_characters import BACKSLASH
from svit_datasets.kernels.json_text import QUOTE, read_string
from svit_datasets.kernels.json_tokens import skip_key, skip_space, skip_token
from svit_datasets.kernels.text import as_bytes, read_digits, stands
from svit_datasets.records import TASKS

# What is known of a row that was taken, one line each of the table that ``take_rows`` fills; see ``TakenRows``.
START, BODY, TASK, RECORD, CONVERSATION, IMAGE = range(6)
COLUMNS = 6
# Where the parts of a row's provenance begin and end: numbers of a line, each with that of its end behind it. Without a
# topic it begins at -1, and ends there where it is null.
AT, TOPIC, MARKS, SUM = range(0, 8, 2)
PLACES = 8
MOST_TURNS = 64
_AT, _SUM, _TOPIC, _MARKS = map(as_bytes, ('"at"', '"sum"', '"topic"', '"marks"'))
_FROM, _VALUE, _HUMAN, _GPT = map(as_bytes, ('"from"', '"value"', '"human"', '"gpt"'))
_OPEN, _CLOSE, _OPEN_LIST, _CLOSE_LIST = map(as_bytes, "{}[]")
_COMMA, _QUOTE, _NULL = map(as_bytes, (",", '"', "null"))
_FIRST_FOLDER, _SECOND_FOLDER, _JPG = map(as_bytes, ("vg/VG_100K/", "vg/VG_100K_2/", ".jpg"))
_LETTERS = as_bytes("".join(task.letter for task in TASKS.values()))
_DOT = ord(".")


@compiled
def end_of_word(data: Any, at: int, end: int) -> int:
    """Return where the string that begins at ``at`` has its closing quote; -1 unless all is printable ASCII as it is.

    >>> import numpy as np
    >>> end_of_word(np.frombuffer(b'"ab",', np.uint8), 1, 5)
    3
    """
    if at < 0:
        return at
    while at < end and data[at] != QUOTE:
        if data[at] < 0x20 or data[at] >= 0x7F or data[at] == BACKSLASH:
            return -1
        at += 1
    return at if at < end else -1


@compiled
def _number(data: Any, at: int, end: int, behind: int) -> tuple[int, int]:
    """Return a whole number of up to 18 digits that ends before the byte ``behind``, and the place behind that byte."""
    number, stop = read_digits(data, at, end)
    return (number, stop + 1) if at < stop < end and data[stop] == behind else (0, -1)


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
    at = skip_token(data, at, end, _OPEN_LIST)
    count, to = 0, 0
    while count < MOST_TURNS:
        at = skip_token(
            data, skip_key(data, skip_token(data, at, end, _OPEN), end, _FROM), end, _GPT if count & 1 else _HUMAN
        )
        at = skip_token(data, skip_key(data, skip_token(data, at, end, _COMMA), end, _VALUE), end, _QUOTE)
        at, to = read_string(data, at, end, text, to)
        count += 1
        turns[count] = to
        at = skip_space(data, skip_token(data, at, end, _CLOSE), end)
        if at < 0 or at >= end:
            return -1, 0
        if data[at] != _COMMA[0]:
            break
        at += 1
    return (-1 if count & 1 else skip_token(data, at, end, _CLOSE_LIST)), count


@compiled
def word(data: Any, at: int, end: int, place: Any, i: int) -> int:
    """Note where a string of plain ASCII stands; return the place behind its quote."""
    at = skip_token(data, at, end, _QUOTE)
    stop = end_of_word(data, at, end)
    place[i], place[i + 1] = at, stop
    return stop + 1 if stop >= 0 else -1


@compiled
def read_svit(data: Any, at: int, end: int, place: Any) -> int:
    """Read the provenance; note where its parts stand: at, topic (-1: none; its end -1: null), marks, sum."""
    at = word(data, skip_key(data, skip_token(data, at, end, _OPEN), end, _AT), end, place, AT)
    at = word(data, skip_key(data, skip_token(data, at, end, _COMMA), end, _SUM), end, place, SUM)
    place[TOPIC], place[TOPIC + 1], place[MARKS], place[MARKS + 1] = -1, -1, 0, 0
    at = skip_space(data, at, end)
    after = skip_key(data, skip_token(data, at, end, _COMMA), end, _TOPIC)
    if after >= 0:
        at = skip_token(data, after, end, _NULL)
        if at >= 0:
            place[TOPIC] = after
        else:
            at = word(data, after, end, place, TOPIC)
    after = skip_key(data, skip_token(data, at, end, _COMMA), end, _MARKS)
    if after >= 0:
        at = word(data, after, end, place, MARKS)
    return skip_token(data, at, end, _CLOSE)


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
